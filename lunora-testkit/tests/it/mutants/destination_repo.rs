use async_trait::async_trait;
use jiff::{RoundMode, TimestampRound, Unit};
use lunora_core::{
    domain::{Destination, DestinationId, HashKey},
    port::{
        DestinationRepo, DestinationRepoExt, ErrorKind, Expect, Page, PageRequest, PageToken,
        PortError, Revision, Versioned,
    },
};
use lunora_testkit::{memory::MemoryDestinationRepo, sample};

use super::noticed;

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
    TimesInMilliseconds,
    IdsFoldCase,
}

#[derive(Debug)]
struct Mutant {
    inner: MemoryDestinationRepo,
    mutation: Mutation,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let inner = MemoryDestinationRepo::default();
        Self { inner, mutation }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    fn key(&self, id: &DestinationId) -> DestinationId {
        if self.is(Mutation::IdsFoldCase) {
            return id.as_str().to_lowercase().parse().expect("an id");
        }
        id.clone()
    }

    fn shown(&self, mut stored: Versioned<Destination>) -> Versioned<Destination> {
        if self.is(Mutation::RevisionsAreOfValues) {
            stored.revision = of_value(&stored.value);
        }
        stored
    }

    async fn by_position(
        &self,
        page: PageRequest,
    ) -> Result<Page<Versioned<Destination>>, PortError> {
        let all = self.inner.list_all().await?;
        let start: usize = match &page.after {
            None => 0,
            Some(token) => token.as_cursor().parse().map_err(|error| {
                PortError::new(ErrorKind::Invalid, "list", "destinations").with_source(error)
            })?,
        };
        let end = all.len().min(start + page.limit as usize);
        Ok(Page {
            items: all[start.min(end)..end].to_vec(),
            next: (end < all.len()).then(|| PageToken::from_cursor(end)),
        })
    }
}

fn of_value(value: &Destination) -> Revision {
    let printed = format!("{value:?}");
    Revision::from_token(HashKey::new([0; 32]).digest([printed.as_bytes()]))
}

fn in_milliseconds(destination: &Destination) -> Destination {
    let rounding = TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(RoundMode::Trunc);
    let created_at = destination.created_at.round(rounding).expect("in range");
    Destination {
        created_at,
        ..destination.clone()
    }
}

#[async_trait]
impl DestinationRepo for Mutant {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        let stored = self.inner.get(&self.key(id)).await?;
        if stored.is_none() && self.is(Mutation::InventsRows) {
            return Ok(Some(Versioned {
                value: sample::destination(1),
                revision: Revision::from_token(0),
            }));
        }
        Ok(stored.map(|stored| self.shown(stored)))
    }

    async fn put(&self, destination: &Destination, expect: Expect) -> Result<Revision, PortError> {
        let mut value = destination.clone();
        value.id = self.key(&destination.id);
        let stored = self.inner.get(&value.id).await?;
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
        if self.is(Mutation::TimesInMilliseconds) {
            value = in_milliseconds(&value);
        }
        let revision = self.inner.put(&value, expect).await?;
        Ok(self.shown(Versioned { value, revision }).revision)
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
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

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
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

noticed! { destination_repo:
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
    PagesOverlap by a_listing_returns_each_destination_once;
    OnePageOnly by a_listing_returns_each_destination_once;
    PagesByPosition by a_listing_returns_what_stays_while_others_change;
    IgnoresForeignTokens by a_foreign_token_is_refused;
    TimesInMilliseconds by every_value_is_read_back;
    IdsFoldCase by ids_that_differ_by_case_alone_are_different;
}
