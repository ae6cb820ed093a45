use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lunora_core::{
    domain::{Destination, FailoverHistory, Preset, Session, Source, Token},
    port::{
        ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Record, Repo, Revision,
        Unreadable, Versioned,
    },
};

/// A [`Repo`] in memory, which lists in the order of ids.
#[derive(Debug)]
pub struct MemoryRepo<R>(Arc<Mutex<State<R>>>);

/// Keeps destinations in memory.
pub type MemoryDestinationRepo = MemoryRepo<Destination>;
/// Keeps sources in memory.
pub type MemorySourceRepo = MemoryRepo<Source>;
/// Keeps presets in memory.
pub type MemoryPresetRepo = MemoryRepo<Preset>;
/// Keeps sessions in memory.
pub type MemorySessionRepo = MemoryRepo<Session>;
/// Keeps tokens in memory.
pub type MemoryTokenRepo = MemoryRepo<Token>;
/// Keeps histories of failover in memory.
pub type MemoryFailoverRepo = MemoryRepo<FailoverHistory>;

#[derive(Debug)]
struct State<R> {
    // By the text of the id: what cannot be read may stand under any.
    rows: BTreeMap<String, Row<R>>,
    // Counts on across removals, so that a revision is never used twice.
    writes: u64,
}

#[derive(Debug)]
enum Row<R> {
    Stored(Versioned<R>),
    Unreadable { reason: String },
}

impl<R> Default for MemoryRepo<R> {
    fn default() -> Self {
        let (rows, writes) = (BTreeMap::new(), 0);
        Self(Arc::new(Mutex::new(State { rows, writes })))
    }
}

impl<R> Clone for MemoryRepo<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> MemoryRepo<R> {
    /// Puts something that cannot be read under the id, instead of what is there.
    pub fn plant_unreadable(&self, id: impl fmt::Display, reason: impl Into<String>) {
        let reason = reason.into();
        let row = Row::Unreadable { reason };
        self.with(|state| state.rows.insert(id.to_string(), row));
    }

    fn with<T>(&self, work: impl FnOnce(&mut State<R>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<R> State<R> {
    /// Whether a write that requires this would be granted.
    fn holds(&self, id: &str, expect: &Expect) -> bool {
        match (self.rows.get(id), expect) {
            (None, Expect::Absent) => true,
            (Some(Row::Stored(stored)), Expect::Revision(revision)) => stored.revision == *revision,
            _ => false,
        }
    }
}

fn error<R: Record>(
    kind: ErrorKind,
    operation: &'static str,
    subject: impl fmt::Display,
) -> PortError {
    let noun = R::NOUN;
    PortError::new(kind, operation, format_args!("{noun} {subject}"))
}

#[async_trait]
impl<R: Record> Repo<R> for MemoryRepo<R> {
    async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError> {
        self.with(|state| match state.rows.get(&id.to_string()) {
            None => Ok(None),
            Some(Row::Stored(stored)) => Ok(Some(stored.clone())),
            Some(Row::Unreadable { reason }) => {
                Err(error::<R>(ErrorKind::Corrupt, "read", id).with_source(reason.as_str()))
            }
        })
    }

    async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError> {
        let id = value.id().to_string();
        self.with(|state| {
            if !state.holds(&id, &expect) {
                return Err(error::<R>(ErrorKind::Conflict, "store", id));
            }
            state.writes += 1;
            let revision = Revision::from_token(state.writes);
            let stored = Versioned {
                value: value.clone(),
                revision: revision.clone(),
            };
            state.rows.insert(id, Row::Stored(stored));
            Ok(revision)
        })
    }

    async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError> {
        let id = id.to_string();
        self.with(|state| {
            if !state.holds(&id, &Expect::Revision(revision.clone())) {
                return Err(error::<R>(ErrorKind::Conflict, "remove", id));
            }
            state.rows.remove(&id);
            Ok(())
        })
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        let start = match &page.after {
            None => Bound::Unbounded,
            Some(token) => Bound::Excluded(last_of::<R>(token)?),
        };
        let limit = page.limit.max(1) as usize;
        Ok(self.with(|state| {
            let (mut items, mut unreadable, mut last) = (Vec::new(), Vec::new(), None);
            let mut rest = state.rows.range((start, Bound::Unbounded));
            for (id, row) in rest.by_ref().take(limit) {
                match row {
                    Row::Stored(stored) => items.push(stored.clone()),
                    Row::Unreadable { reason } => unreadable.push(Unreadable {
                        noun: R::NOUN,
                        id: id.clone(),
                        reason: reason.clone(),
                    }),
                }
                last = Some(id);
            }
            let next = last.filter(|_| rest.next().is_some()).map(token_after);
            Page {
                items,
                unreadable,
                next,
            }
        }))
    }
}

const CURSOR: &str = "after:";

fn token_after(id: &String) -> PageToken {
    PageToken::from_cursor(format_args!("{CURSOR}{id}"))
}

fn last_of<R: Record>(token: &PageToken) -> Result<String, PortError> {
    let id = token.as_cursor().strip_prefix(CURSOR).map(str::to_owned);
    id.ok_or_else(|| error::<R>(ErrorKind::Invalid, "list", "after a foreign token"))
}
