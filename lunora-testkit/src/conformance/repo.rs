//! The contract of [`Repo`], clause by clause, the same for every kind of record.
//!
//! Clause 8 has no test here: a suite cannot store what cannot be read. An
//! adapter that can plant such a row tests it itself, as that of
//! [`MemoryRepo`](crate::memory::MemoryRepo) does.

use std::collections::BTreeSet;

use lunora_core::port::{
    ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Repo, RepoExt as _, Revision,
    Versioned,
};

use super::private::drawn;
use crate::sample::Sample;

#[doc(hidden)]
#[macro_export]
macro_rules! __repo_conformance {
    ($record:ident, $attributes:tt, $fixture:ty) => {
        $crate::__conformance_tests! {
            [repo::<$crate::conformance::private::domain::$record>], $attributes, $fixture,
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
                a_listing_returns_each_value_once
                a_listing_returns_what_stays_while_others_change
                a_foreign_token_is_refused
                every_value_is_read_back
                ids_that_differ_by_case_alone_are_different
            ]
        }
    };
}

/// Makes one test per clause of the contract of
/// [`Repo`](lunora_core::port::Repo) for a
/// [`DestinationRepo`](lunora_core::port::DestinationRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! destination_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__repo_conformance! { Destination, [$(#[$attribute])*], $fixture }
    };
}

/// Makes one test per clause of the contract of
/// [`Repo`](lunora_core::port::Repo) for a
/// [`SourceRepo`](lunora_core::port::SourceRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! source_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__repo_conformance! { Source, [$(#[$attribute])*], $fixture }
    };
}

/// Makes one test per clause of the contract of
/// [`Repo`](lunora_core::port::Repo) for a
/// [`PresetRepo`](lunora_core::port::PresetRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! preset_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__repo_conformance! { Preset, [$(#[$attribute])*], $fixture }
    };
}

/// Makes one test per clause of the contract of
/// [`Repo`](lunora_core::port::Repo) for a
/// [`SessionRepo`](lunora_core::port::SessionRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! session_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__repo_conformance! { Session, [$(#[$attribute])*], $fixture }
    };
}

/// Makes one test per clause of the contract of
/// [`Repo`](lunora_core::port::Repo) for a
/// [`TokenRepo`](lunora_core::port::TokenRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! token_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__repo_conformance! { Token, [$(#[$attribute])*], $fixture }
    };
}

/// Makes one test per clause of the contract of
/// [`Repo`](lunora_core::port::Repo) for a
/// [`FailoverRepo`](lunora_core::port::FailoverRepo).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! failover_repo_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__repo_conformance! { FailoverHistory, [$(#[$attribute])*], $fixture }
    };
}

fn assert_conflict<T>(outcome: Result<T, PortError>) {
    let kind = outcome.err().map(|error| error.kind());
    assert_eq!(kind, Some(ErrorKind::Conflict));
}

fn id<R: Sample>(n: u64) -> R::Id {
    R::sample(n).id().clone()
}

/// Sample 1, changed.
fn changed<R: Sample>(k: u64) -> R {
    R::sample(1).changed(k)
}

async fn read<R: Sample>(repo: &dyn Repo<R>, n: u64) -> Option<Versioned<R>> {
    repo.get(&id::<R>(n)).await.unwrap()
}

async fn write_over<R: Sample>(
    repo: &dyn Repo<R>,
    revision: &Revision,
    value: &R,
) -> Result<Revision, PortError> {
    let expect = Expect::Revision(revision.clone());
    repo.put(value, expect).await
}

/// Clause 1.
pub async fn what_was_never_put_is_absent<R: Sample>(repo: &dyn Repo<R>) {
    assert_eq!(read(repo, 1).await, None);
    assert_eq!(repo.list_all().await.unwrap(), []);
}

/// Clause 1.
pub async fn what_was_put_is_read<R: Sample>(repo: &dyn Repo<R>) {
    let value = R::sample(1);
    let revision = repo.create(&value).await.unwrap();
    let created = Versioned { value, revision };
    assert_eq!(read(repo, 1).await, Some(created.clone()));
    let listed = repo.list_all().await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&created));

    let value = changed::<R>(1);
    let revision = write_over(repo, &created.revision, &value).await.unwrap();
    let changed = Versioned { value, revision };
    assert_eq!(read(repo, 1).await, Some(changed.clone()));
    assert_eq!(repo.list_all().await.unwrap(), [changed]);
}

/// Clause 1.
pub async fn what_was_removed_is_absent<R: Sample>(repo: &dyn Repo<R>) {
    let one = repo.create(&R::sample(1)).await.unwrap();
    repo.create(&R::sample(2)).await.unwrap();
    repo.remove(&id::<R>(1), &one).await.unwrap();

    assert_eq!(read(repo, 1).await, None);
    let left: Vec<R> = list_by(repo, 100).await;
    assert_eq!(left, [R::sample(2)]);
}

/// Clause 2.
pub async fn a_second_create_conflicts_and_changes_nothing<R: Sample>(repo: &dyn Repo<R>) {
    repo.create(&R::sample(1)).await.unwrap();
    let before = read(repo, 1).await;

    assert_conflict(repo.create(&changed(2)).await);
    assert_eq!(read(repo, 1).await, before);
}

/// Clause 2.
pub async fn a_stale_write_conflicts_and_changes_nothing<R: Sample>(repo: &dyn Repo<R>) {
    let stale = repo.create(&R::sample(1)).await.unwrap();
    write_over(repo, &stale, &changed(1)).await.unwrap();
    let before = read(repo, 1).await;

    assert_conflict(write_over(repo, &stale, &changed(2)).await);
    assert_eq!(read(repo, 1).await, before);
}

/// Clause 2.
pub async fn a_write_over_what_is_gone_conflicts<R: Sample>(repo: &dyn Repo<R>) {
    let revision = repo.create(&R::sample(1)).await.unwrap();
    let id = id::<R>(1);
    repo.remove(&id, &revision).await.unwrap();

    assert_conflict(write_over(repo, &revision, &R::sample(1)).await);
    assert_eq!(read(repo, 1).await, None);
}

/// Clause 2.
pub async fn a_stale_removal_conflicts_and_changes_nothing<R: Sample>(repo: &dyn Repo<R>) {
    let stale = repo.create(&R::sample(1)).await.unwrap();
    write_over(repo, &stale, &changed(1)).await.unwrap();
    let before = read(repo, 1).await;

    assert_conflict(repo.remove(&id::<R>(1), &stale).await);
    assert_eq!(read(repo, 1).await, before);
}

/// Clause 2.
pub async fn a_removal_of_what_is_gone_conflicts<R: Sample>(repo: &dyn Repo<R>) {
    let revision = repo.create(&R::sample(1)).await.unwrap();
    let id = id::<R>(1);
    repo.remove(&id, &revision).await.unwrap();

    assert_conflict(repo.remove(&id, &revision).await);
}

/// Clause 3.
pub async fn of_racing_creates_one_succeeds<R: Sample>(repo: &dyn Repo<R>) {
    let values = [1, 2, 3, 4].map(changed::<R>);
    let create = |n: usize| repo.create(&values[n]);
    let outcomes = tokio::join!(create(0), create(1), create(2), create(3));

    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3];
    let winners: Vec<usize> = (0..4).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(read(repo, 1).await.unwrap().value, values[winners[0]]);
}

/// Clause 3.
pub async fn of_racing_writes_one_succeeds<R: Sample>(repo: &dyn Repo<R>) {
    let revision = repo.create(&R::sample(1)).await.unwrap();
    let values = [1, 2, 3, 4].map(changed::<R>);
    let write = |n: usize| write_over(repo, &revision, &values[n]);
    let outcomes = tokio::join!(write(0), write(1), write(2), write(3));

    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3];
    let winners: Vec<usize> = (0..4).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(read(repo, 1).await.unwrap().value, values[winners[0]]);
}

/// Clause 3.
pub async fn of_a_racing_write_and_removal_one_succeeds<R: Sample>(repo: &dyn Repo<R>) {
    let revision = repo.create(&R::sample(1)).await.unwrap();
    let (id, changed) = (id::<R>(1), changed::<R>(1));
    let write = write_over(repo, &revision, &changed);
    let (written, removed) = tokio::join!(write, repo.remove(&id, &revision));

    assert_ne!(written.is_ok(), removed.is_ok());
    assert_eq!(read(repo, 1).await.is_some(), written.is_ok());
}

/// Clause 4.
pub async fn a_revision_is_not_used_again<R: Sample>(repo: &dyn Repo<R>) {
    let value = R::sample(1);
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
pub async fn a_revision_is_not_used_again_after_a_removal<R: Sample>(repo: &dyn Repo<R>) {
    let (id, value) = (id::<R>(1), R::sample(1));
    let before = repo.create(&value).await.unwrap();
    repo.remove(&id, &before).await.unwrap();
    let after = repo.create(&value).await.unwrap();

    assert_ne!(before, after);
    assert_conflict(repo.remove(&id, &before).await);
    assert_conflict(write_over(repo, &before, &value).await);
}

/// Lists to the end by pages of `limit`.
async fn list_by<R: Sample>(repo: &dyn Repo<R>, limit: u32) -> Vec<R> {
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

async fn page<R: Sample>(
    repo: &dyn Repo<R>,
    limit: u32,
    after: Option<PageToken>,
) -> Page<Versioned<R>> {
    let page = repo.list(PageRequest { limit, after }).await.unwrap();
    assert_eq!(page.unreadable, []);
    let items = page.items.len();
    assert!(
        items <= limit as usize,
        "{items} items on a page of {limit}"
    );
    page
}

/// Clause 5.
pub async fn a_listing_returns_each_value_once<R: Sample>(repo: &dyn Repo<R>) {
    let stored: Vec<R> = (1..=7).map(R::sample).collect();
    for value in &stored {
        repo.create(value).await.unwrap();
    }

    for limit in [1, 3, 7, 100] {
        let mut listed = list_by(repo, limit).await;
        listed.sort_by(|one, other| one.id().cmp(other.id()));
        assert_eq!(listed, stored, "by pages of {limit}");
    }
}

/// Clause 5.
pub async fn a_listing_returns_what_stays_while_others_change<R: Sample>(repo: &dyn Repo<R>) {
    for n in 10..20 {
        repo.create(&R::sample(n)).await.unwrap();
    }
    let first = page(repo, 4, None).await;
    // What was listed first goes, another is changed, and a new one comes.
    let gone = &first.items[0];
    repo.remove(gone.value.id(), &gone.revision).await.unwrap();
    let changed = &first.items[1];
    write_over(repo, &changed.revision, &changed.value)
        .await
        .unwrap();
    repo.create(&R::sample(30)).await.unwrap();

    let mut listed: Vec<R::Id> = Vec::new();
    let mut next = Some(first);
    while let Some(now) = next {
        listed.extend(now.items.into_iter().map(|it| it.value.id().clone()));
        next = match now.next {
            Some(token) => Some(page(repo, 4, Some(token)).await),
            None => None,
        };
    }
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(distinct.len(), listed.len(), "{listed:?}");
    for n in 10..20 {
        assert!(distinct.contains(&id::<R>(n)), "{listed:?}");
    }
}

/// Clause 6.
pub async fn a_foreign_token_is_refused<R: Sample>(repo: &dyn Repo<R>) {
    for n in 1..=3 {
        repo.create(&R::sample(n)).await.unwrap();
    }
    for cursor in ["", "not a token", "\u{1f511}"] {
        let after = Some(PageToken::from_cursor(cursor));
        let outcome = repo.list(PageRequest { limit: 2, after }).await;
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::Invalid), "{cursor:?}");
    }
}

/// Clause 7.
pub async fn every_value_is_read_back<R: Sample>(repo: &dyn Repo<R>) {
    let values = drawn(&R::any(), 100);
    for value in values {
        repo.create(&value).await.unwrap();
        let stored = repo.get(value.id()).await.unwrap();
        assert_eq!(stored.unwrap().value, value);
    }
}

/// Clause 7.
pub async fn ids_that_differ_by_case_alone_are_different<R: Sample>(repo: &dyn Repo<R>) {
    for id in ["dest_a", "dest_A", "DEST_A", ".", ".."] {
        repo.create(&R::sample(1).with_id(id)).await.unwrap();
    }
    assert_eq!(list_by(repo, 100).await.len(), 5);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("repo.rs"));
    }
}
