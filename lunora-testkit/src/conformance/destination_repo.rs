//! The contract of [`DestinationRepo`], clause by clause.

use std::collections::BTreeSet;

use lunora_core::{
    domain::{Destination, DestinationId},
    port::{
        DestinationRepo, DestinationRepoExt, ErrorKind, Expect, Page, PageRequest, PageToken,
        PortError, Revision, Versioned,
    },
};

use super::private::drawn;
use crate::{sample, strategy};

/// Makes one test per clause of the contract of
/// [`DestinationRepo`](lunora_core::port::DestinationRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! destination_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            destination_repo, [$(#[$attribute])*], $fixture,
            [
                what_was_never_put_is_absent
                what_was_put_is_read
                what_was_removed_is_absent
                a_second_create_conflicts_and_changes_nothing
                a_stale_write_conflicts_and_changes_nothing
                a_write_over_what_is_gone_conflicts
                a_stale_removal_conflicts_and_changes_nothing
                a_removal_of_what_is_gone_conflicts
                of_racing_creates_one_succeeds
                of_racing_writes_one_succeeds
                of_a_racing_write_and_removal_one_succeeds
                a_revision_is_not_used_again
                a_revision_is_not_used_again_after_a_removal
                a_listing_returns_each_destination_once
                a_listing_returns_what_stays_while_others_change
                a_foreign_token_is_refused
                every_value_is_read_back
                ids_that_differ_by_case_alone_are_different
            ]
        }
    };
}

fn assert_conflict<T>(outcome: Result<T, PortError>) {
    let kind = outcome.err().map(|error| error.kind());
    assert_eq!(kind, Some(ErrorKind::Conflict));
}

fn renamed(n: u64, name: &str) -> Destination {
    Destination {
        name: name.parse().unwrap(),
        ..sample::destination(n)
    }
}

async fn read(repo: &dyn DestinationRepo, n: u64) -> Option<Versioned<Destination>> {
    repo.get(&sample::destination_id(n)).await.unwrap()
}

async fn write_over(
    repo: &dyn DestinationRepo,
    revision: &Revision,
    destination: &Destination,
) -> Result<Revision, PortError> {
    let expect = Expect::Revision(revision.clone());
    repo.put(destination, expect).await
}

/// Clause 1.
pub async fn what_was_never_put_is_absent(repo: &dyn DestinationRepo) {
    assert_eq!(read(repo, 1).await, None);
    assert_eq!(repo.list_all().await.unwrap(), []);
}

/// Clause 1.
pub async fn what_was_put_is_read(repo: &dyn DestinationRepo) {
    let value = sample::destination(1);
    let revision = repo.create(&value).await.unwrap();
    let created = Versioned { value, revision };
    assert_eq!(read(repo, 1).await, Some(created.clone()));
    let listed = repo.list_all().await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&created));

    let value = renamed(1, "renamed");
    let revision = write_over(repo, &created.revision, &value).await.unwrap();
    let changed = Versioned { value, revision };
    assert_eq!(read(repo, 1).await, Some(changed.clone()));
    assert_eq!(repo.list_all().await.unwrap(), [changed]);
}

/// Clause 1.
pub async fn what_was_removed_is_absent(repo: &dyn DestinationRepo) {
    let one = repo.create(&sample::destination(1)).await.unwrap();
    repo.create(&sample::destination(2)).await.unwrap();
    repo.remove(&sample::destination_id(1), &one).await.unwrap();

    assert_eq!(read(repo, 1).await, None);
    let left: Vec<Destination> = list_by(repo, 100).await;
    assert_eq!(left, [sample::destination(2)]);
}

/// Clause 2.
pub async fn a_second_create_conflicts_and_changes_nothing(repo: &dyn DestinationRepo) {
    repo.create(&sample::destination(1)).await.unwrap();
    let before = read(repo, 1).await;

    assert_conflict(repo.create(&renamed(1, "second")).await);
    assert_eq!(read(repo, 1).await, before);
}

/// Clause 2.
pub async fn a_stale_write_conflicts_and_changes_nothing(repo: &dyn DestinationRepo) {
    let stale = repo.create(&sample::destination(1)).await.unwrap();
    write_over(repo, &stale, &renamed(1, "fresh"))
        .await
        .unwrap();
    let before = read(repo, 1).await;

    assert_conflict(write_over(repo, &stale, &renamed(1, "stale")).await);
    assert_eq!(read(repo, 1).await, before);
}

/// Clause 2.
pub async fn a_write_over_what_is_gone_conflicts(repo: &dyn DestinationRepo) {
    let revision = repo.create(&sample::destination(1)).await.unwrap();
    let id = sample::destination_id(1);
    repo.remove(&id, &revision).await.unwrap();

    assert_conflict(write_over(repo, &revision, &sample::destination(1)).await);
    assert_eq!(read(repo, 1).await, None);
}

/// Clause 2.
pub async fn a_stale_removal_conflicts_and_changes_nothing(repo: &dyn DestinationRepo) {
    let stale = repo.create(&sample::destination(1)).await.unwrap();
    write_over(repo, &stale, &renamed(1, "fresh"))
        .await
        .unwrap();
    let before = read(repo, 1).await;

    assert_conflict(repo.remove(&sample::destination_id(1), &stale).await);
    assert_eq!(read(repo, 1).await, before);
}

/// Clause 2.
pub async fn a_removal_of_what_is_gone_conflicts(repo: &dyn DestinationRepo) {
    let revision = repo.create(&sample::destination(1)).await.unwrap();
    let id = sample::destination_id(1);
    repo.remove(&id, &revision).await.unwrap();

    assert_conflict(repo.remove(&id, &revision).await);
}

/// Clause 3.
pub async fn of_racing_creates_one_succeeds(repo: &dyn DestinationRepo) {
    let names = ["one", "two", "three", "four"].map(|name| renamed(1, name));
    let create = |n: usize| repo.create(&names[n]);
    let outcomes = tokio::join!(create(0), create(1), create(2), create(3));

    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3];
    let winners: Vec<usize> = (0..4).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(read(repo, 1).await.unwrap().value, names[winners[0]]);
}

/// Clause 3.
pub async fn of_racing_writes_one_succeeds(repo: &dyn DestinationRepo) {
    let revision = repo.create(&sample::destination(1)).await.unwrap();
    let names = ["one", "two", "three", "four"].map(|name| renamed(1, name));
    let write = |n: usize| write_over(repo, &revision, &names[n]);
    let outcomes = tokio::join!(write(0), write(1), write(2), write(3));

    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3];
    let winners: Vec<usize> = (0..4).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(read(repo, 1).await.unwrap().value, names[winners[0]]);
}

/// Clause 3.
pub async fn of_a_racing_write_and_removal_one_succeeds(repo: &dyn DestinationRepo) {
    let revision = repo.create(&sample::destination(1)).await.unwrap();
    let (id, changed) = (sample::destination_id(1), renamed(1, "changed"));
    let write = write_over(repo, &revision, &changed);
    let (written, removed) = tokio::join!(write, repo.remove(&id, &revision));

    assert_ne!(written.is_ok(), removed.is_ok());
    assert_eq!(read(repo, 1).await.is_some(), written.is_ok());
}

/// Clause 4.
pub async fn a_revision_is_not_used_again(repo: &dyn DestinationRepo) {
    let value = sample::destination(1);
    let mut revision = repo.create(&value).await.unwrap();
    let mut used = vec![revision.clone()];
    for _ in 0..10 {
        // The same value: a revision is of the write, not of what was written.
        revision = write_over(repo, &revision, &value).await.unwrap();
        assert!(!used.contains(&revision), "{revision:?} after {used:?}");
        used.push(revision.clone());
    }
}

/// Clause 4.
pub async fn a_revision_is_not_used_again_after_a_removal(repo: &dyn DestinationRepo) {
    let (id, value) = (sample::destination_id(1), sample::destination(1));
    let before = repo.create(&value).await.unwrap();
    repo.remove(&id, &before).await.unwrap();
    let after = repo.create(&value).await.unwrap();

    assert_ne!(before, after);
    assert_conflict(repo.remove(&id, &before).await);
    assert_conflict(write_over(repo, &before, &value).await);
}

/// Lists to the end by pages of `limit`.
async fn list_by(repo: &dyn DestinationRepo, limit: u32) -> Vec<Destination> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = page(repo, limit, after).await;
        listed.extend(page.items.into_iter().map(|it| it.value));
        match page.next {
            Some(token) => after = Some(token),
            None => return listed,
        }
    }
}

async fn page(
    repo: &dyn DestinationRepo,
    limit: u32,
    after: Option<PageToken>,
) -> Page<Versioned<Destination>> {
    let page = repo.list(PageRequest { limit, after }).await.unwrap();
    let items = page.items.len();
    assert!(
        items <= limit as usize,
        "{items} items on a page of {limit}"
    );
    page
}

/// Clause 5.
pub async fn a_listing_returns_each_destination_once(repo: &dyn DestinationRepo) {
    let stored: Vec<Destination> = (1..=7).map(sample::destination).collect();
    for destination in &stored {
        repo.create(destination).await.unwrap();
    }

    for limit in [1, 3, 7, 100] {
        let mut listed = list_by(repo, limit).await;
        listed.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(listed, stored, "by pages of {limit}");
    }
}

/// Clause 5.
pub async fn a_listing_returns_what_stays_while_others_change(repo: &dyn DestinationRepo) {
    for n in 10..20 {
        repo.create(&sample::destination(n)).await.unwrap();
    }
    let first = page(repo, 4, None).await;
    // What was listed first goes, another is changed, and a new one comes.
    let gone = &first.items[0];
    repo.remove(&gone.value.id, &gone.revision).await.unwrap();
    let changed = &first.items[1];
    write_over(repo, &changed.revision, &changed.value)
        .await
        .unwrap();
    repo.create(&sample::destination(30)).await.unwrap();

    let mut listed: Vec<DestinationId> = Vec::new();
    let mut next = Some(first);
    while let Some(now) = next {
        listed.extend(now.items.into_iter().map(|it| it.value.id));
        next = match now.next {
            Some(token) => Some(page(repo, 4, Some(token)).await),
            None => None,
        };
    }
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(distinct.len(), listed.len(), "{listed:?}");
    for n in 10..20 {
        assert!(distinct.contains(&sample::destination_id(n)), "{listed:?}");
    }
}

/// Clause 6.
pub async fn a_foreign_token_is_refused(repo: &dyn DestinationRepo) {
    for n in 1..=3 {
        repo.create(&sample::destination(n)).await.unwrap();
    }
    for cursor in ["", "not a token", "\u{1f511}"] {
        let after = Some(PageToken::from_cursor(cursor));
        let outcome = repo.list(PageRequest { limit: 2, after }).await;
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::Invalid), "{cursor:?}");
    }
}

/// Clause 7.
pub async fn every_value_is_read_back(repo: &dyn DestinationRepo) {
    for destination in drawn(&strategy::destination(), 100) {
        repo.create(&destination).await.unwrap();
        let stored = repo.get(&destination.id).await.unwrap();
        assert_eq!(stored.unwrap().value, destination);
    }
}

/// Clause 7.
pub async fn ids_that_differ_by_case_alone_are_different(repo: &dyn DestinationRepo) {
    for id in ["dest_a", "dest_A", "DEST_A", ".", ".."] {
        let mut destination = sample::destination(1);
        destination.id = id.parse().unwrap();
        repo.create(&destination).await.unwrap();
    }
    assert_eq!(list_by(repo, 100).await.len(), 5);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("destination_repo.rs"));
    }
}
