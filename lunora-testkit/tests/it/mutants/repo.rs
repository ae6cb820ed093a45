use async_trait::async_trait;
use jiff::{RoundMode, TimestampRound, Unit};
use lunora_core::{
    domain::{Destination, FailoverHistory, HashKey, Preset, Session, Source, Token},
    port::{
        ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Repo, RepoExt as _, Revision,
        Versioned,
    },
};
use lunora_testkit::{memory::MemoryRepo, sample::Sample};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    InventsRows,
    IgnoresChanges,
    RemovesNothing,
    LastWriteWins,
    RevivesTheGone,
    LastRemovalWins,
    RemovesTheGone,
    RevisionsAreOfValues,
    PagesOverlap,
    OnePageOnly,
    PagesByPosition,
    IgnoresForeignTokens,
    LosesDetails,
    IdsFoldCase,
}

/// A record of which a careless adapter stores less than there is.
trait Lossy: Sample {
    fn lose(&mut self);
}

impl Lossy for Destination {
    fn lose(&mut self) {
        let rounding = TimestampRound::new()
            .smallest(Unit::Millisecond)
            .mode(RoundMode::Trunc);
        self.created_at = self.created_at.round(rounding).expect("in range");
    }
}

impl Lossy for Source {
    fn lose(&mut self) {
        self.port = self.port.filter(|port| *port != 0);
        self.last_check = None;
    }
}

impl Lossy for Preset {
    fn lose(&mut self) {
        let gop_size = self.video.gop_size;
        self.video.gop_size = gop_size.map(|seconds| (seconds * 1e3).round() / 1e3);
    }
}

impl Lossy for Session {
    fn lose(&mut self) {
        self.errors.retain(|error| !error.is_empty());
    }
}

impl Lossy for Token {
    fn lose(&mut self) {
        self.expires_at.get_or_insert(self.created_at);
    }
}

impl Lossy for FailoverHistory {
    fn lose(&mut self) {
        self.flips.truncate(50);
        self.pending = None;
    }
}

#[derive(Debug)]
struct Mutant<R> {
    inner: MemoryRepo<R>,
    mutation: Mutation,
}

impl<R: Lossy> Mutant<R> {
    fn new(mutation: Mutation) -> Self {
        let inner = MemoryRepo::default();
        Self { inner, mutation }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    /// As it is stored.
    fn made(&self, mut value: R) -> R {
        if self.is(Mutation::LosesDetails) {
            value.lose();
        }
        if self.is(Mutation::IdsFoldCase) {
            let id = value.id().to_string().to_lowercase();
            return value.with_id(&id);
        }
        value
    }

    fn key(&self, id: &R::Id) -> R::Id {
        let any = R::sample(1).with_id(&id.to_string());
        self.made(any).id().clone()
    }

    fn shown(&self, mut stored: Versioned<R>) -> Versioned<R> {
        if self.is(Mutation::RevisionsAreOfValues) {
            stored.revision = of_value(&stored.value);
        }
        stored
    }

    async fn by_position(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        let all = self.inner.list_all().await?;
        let start: usize = match &page.after {
            None => 0,
            Some(token) => token.as_cursor().parse().map_err(|error| {
                PortError::new(ErrorKind::Invalid, "list", R::NOUN).with_source(error)
            })?,
        };
        let end = all.len().min(start + page.limit as usize);
        Ok(Page {
            items: all[start.min(end)..end].to_vec(),
            unreadable: Vec::new(),
            next: (end < all.len()).then(|| PageToken::from_cursor(end)),
        })
    }
}

fn of_value<R: Sample>(value: &R) -> Revision {
    let printed = format!("{value:?}");
    Revision::from_token(HashKey::new([0; 32]).digest([printed.as_bytes()]))
}

#[async_trait]
impl<R: Lossy> Repo<R> for Mutant<R> {
    async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError> {
        let stored = self.inner.get(&self.key(id)).await?;
        if stored.is_none() && self.is(Mutation::InventsRows) {
            return Ok(Some(Versioned {
                value: R::sample(1),
                revision: Revision::from_token(0),
            }));
        }
        Ok(stored.map(|stored| self.shown(stored)))
    }

    async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError> {
        let mut value = self.made(value.clone());
        let stored = self.inner.get(value.id()).await?;
        let expect = match (self.mutation, stored, expect) {
            (Mutation::IgnoresChanges, Some(stored), expect) => {
                value = stored.value;
                expect
            }
            (Mutation::LastWriteWins, Some(stored), _) => Expect::Revision(stored.revision),
            (Mutation::LastWriteWins | Mutation::RevivesTheGone, None, _) => Expect::Absent,
            (Mutation::RevisionsAreOfValues, Some(stored), Expect::Revision(revision))
                if revision == of_value(&stored.value) =>
            {
                Expect::Revision(stored.revision)
            }
            (_, _, expect) => expect,
        };
        let revision = self.inner.put(&value, expect).await?;
        Ok(self.shown(Versioned { value, revision }).revision)
    }

    async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError> {
        let stored = self.inner.get(id).await?;
        match (self.mutation, stored) {
            (Mutation::RemovesTheGone, None) => Ok(()),
            (Mutation::RemovesNothing, Some(stored)) if stored.revision == *revision => Ok(()),
            (Mutation::LastRemovalWins, Some(stored)) => {
                self.inner.remove(id, &stored.revision).await
            }
            (Mutation::RevisionsAreOfValues, Some(stored))
                if *revision == of_value(&stored.value) =>
            {
                self.inner.remove(id, &stored.revision).await
            }
            _ => self.inner.remove(id, revision).await,
        }
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        let limit = page.limit;
        let mut listed = match self.mutation {
            Mutation::PagesByPosition => return self.by_position(page).await,
            Mutation::IgnoresForeignTokens => match self.inner.list(page).await {
                Err(_) => self.inner.list(PageRequest { limit, after: None }).await?,
                Ok(listed) => listed,
            },
            Mutation::PagesOverlap => {
                let longer = PageRequest {
                    limit: limit + 1,
                    ..page.clone()
                };
                let mut listed = self.inner.list(longer).await?;
                listed.next = self.inner.list(page).await?.next;
                listed
            }
            _ => self.inner.list(page).await?,
        };
        if self.is(Mutation::OnePageOnly) {
            listed.next = None;
        }
        let items = listed.items.into_iter();
        listed.items = items.map(|stored| self.shown(stored)).collect();
        Ok(listed)
    }
}

/// Makes the tests of the suite on one kind of record.
macro_rules! on {
    ($module:ident, $record:ty) => {
        mod $module {
            use super::{super::noticed, *};

            type Mutant = super::Mutant<$record>;

            noticed! { repo:
                InventsRows by what_was_never_put_is_absent, what_was_removed_is_absent;
                IgnoresChanges by what_was_put_is_read;
                RemovesNothing by what_was_removed_is_absent;
                LastWriteWins by
                    a_second_create_conflicts_and_changes_nothing,
                    a_stale_write_conflicts_and_changes_nothing,
                    a_write_over_what_is_gone_conflicts,
                    of_racing_creates_one_succeeds,
                    of_racing_writes_one_succeeds;
                RevivesTheGone by a_write_over_what_is_gone_conflicts;
                LastRemovalWins by
                    a_stale_removal_conflicts_and_changes_nothing,
                    of_a_racing_write_and_removal_one_succeeds;
                RemovesTheGone by a_removal_of_what_is_gone_conflicts;
                RevisionsAreOfValues by
                    a_revision_is_not_used_again,
                    a_revision_is_not_used_again_after_a_removal;
                PagesOverlap by a_listing_returns_each_value_once;
                OnePageOnly by a_listing_returns_each_value_once;
                PagesByPosition by a_listing_returns_what_stays_while_others_change;
                IgnoresForeignTokens by a_foreign_token_is_refused;
                LosesDetails by every_value_is_read_back;
                IdsFoldCase by ids_that_differ_by_case_alone_are_different;
            }
        }
    };
}

on!(destinations, Destination);
on!(sources, Source);
on!(presets, Preset);
on!(sessions, Session);
on!(tokens, Token);
on!(failover_histories, FailoverHistory);
