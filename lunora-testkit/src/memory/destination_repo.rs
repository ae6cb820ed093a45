use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lunora_core::{
    domain::{Destination, DestinationId},
    port::{
        DestinationRepo, ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Revision,
        Versioned,
    },
};

/// A [`DestinationRepo`] in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDestinationRepo(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<DestinationId, Versioned<Destination>>,
    // Counts on across removals, so that a revision is never used twice.
    writes: u64,
}

impl MemoryDestinationRepo {
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl DestinationRepo for MemoryDestinationRepo {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        Ok(self.with(|state| state.rows.get(id).cloned()))
    }

    async fn put(&self, destination: &Destination, expect: Expect) -> Result<Revision, PortError> {
        let id = &destination.id;
        self.with(|state| {
            let stored = state.rows.get(id).map(|stored| &stored.revision);
            let holds = match &expect {
                Expect::Absent => stored.is_none(),
                Expect::Revision(revision) => stored == Some(revision),
            };
            if !holds {
                return Err(PortError::new(ErrorKind::Conflict, "store destination", id));
            }

            state.writes += 1;
            let revision = Revision::from_token(state.writes);
            let stored = Versioned {
                value: destination.clone(),
                revision: revision.clone(),
            };
            state.rows.insert(id.clone(), stored);
            Ok(revision)
        })
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        self.with(|state| match state.rows.get(id) {
            Some(stored) if stored.revision == *revision => {
                state.rows.remove(id);
                Ok(())
            }
            _ => Err(PortError::new(
                ErrorKind::Conflict,
                "remove destination",
                id,
            )),
        })
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        let start = match &page.after {
            None => Bound::Unbounded,
            Some(token) => Bound::Excluded(last_of(token)?),
        };
        let limit = page.limit.max(1) as usize;
        Ok(self.with(|state| {
            let mut rest = state.rows.range((start, Bound::Unbounded));
            let items: Vec<_> = rest
                .by_ref()
                .take(limit)
                .map(|(_, stored)| stored.clone())
                .collect();
            let next = match (items.last(), rest.next()) {
                (Some(last), Some(_)) => Some(token_after(&last.value.id)),
                _ => None,
            };
            Page { items, next }
        }))
    }
}

const CURSOR: &str = "after:";

fn token_after(id: &DestinationId) -> PageToken {
    PageToken::from_cursor(format_args!("{CURSOR}{id}"))
}

fn last_of(token: &PageToken) -> Result<DestinationId, PortError> {
    let id = token.as_cursor().strip_prefix(CURSOR);
    let id = id.and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        let subject = "after a foreign token";
        PortError::new(ErrorKind::Invalid, "list destinations", subject)
    })
}
