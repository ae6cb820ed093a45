//! The contract of [`SecretStore`], clause by clause.

use std::collections::BTreeMap;

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Leg, SecretName, SecretVersion},
    port::{Forget, History, SecretStore, Which},
};

use super::private::drawn;
use crate::{
    sample::{self, CANARY},
    strategy,
};

/// Makes one test per clause of the contract of
/// [`SecretStore`](lunora_core::port::SecretStore).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! secret_store_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [secret_store], [$(#[$attribute])*], $fixture,
            [
                what_was_never_kept_is_absent
                what_was_kept_is_revealed
                the_latest_is_what_was_kept_last
                a_version_that_was_never_kept_is_absent
                versions_count_up
                earlier_versions_stay_as_they_are
                a_version_is_not_given_again
                of_racing_keeps_each_has_its_version
                forgetting_what_is_not_kept_succeeds
                what_is_forgotten_is_not_revealed
                what_was_forgotten_can_be_kept_again
                forgetting_before_a_version_leaves_it_and_later_ones
                forgetting_one_version_leaves_the_others
                the_latest_is_then_the_last_that_is_left
                each_name_has_its_own_text
                a_forget_leaves_the_others
                every_text_is_read_back
                no_text_is_printed
                no_version_is_told_at_first
                the_versions_told_are_those_of_the_latest
                what_is_forgotten_has_no_version
            ]
        }
    };
}

fn name(n: u64) -> SecretName {
    SecretName::StreamKey(sample::destination_id(n), Leg::Primary)
}

async fn keep(store: &dyn SecretStore, name: &SecretName, text: &str) -> SecretVersion {
    store.keep(name, &SecretString::from(text)).await.unwrap()
}

async fn revealed(
    store: &dyn SecretStore,
    name: &SecretName,
    which: Which,
) -> Option<(String, SecretVersion)> {
    let revealed = store.reveal(name, which).await.unwrap()?;
    Some((revealed.text.expose_secret().to_owned(), revealed.version))
}

async fn latest(store: &dyn SecretStore, name: &SecretName) -> Option<(String, SecretVersion)> {
    revealed(store, name, Which::Latest).await
}

/// Keeps three texts under name 1.
async fn keep_three(store: &dyn SecretStore) -> [SecretVersion; 3] {
    [
        keep(store, &name(1), "text 0").await,
        keep(store, &name(1), "text 1").await,
        keep(store, &name(1), "text 2").await,
    ]
}

/// Which of three ought to be left after a forget that is to leave these: all of
/// them where the history stays.
fn ought(store: &dyn SecretStore, cut: &[usize]) -> Vec<usize> {
    match store.history() {
        History::Cuts => cut.to_vec(),
        History::Stays => vec![0, 1, 2],
    }
}

/// Which of the three are still there, each as it was kept.
async fn left(store: &dyn SecretStore, versions: &[SecretVersion; 3]) -> Vec<usize> {
    let mut left = Vec::new();
    for (n, version) in versions.iter().enumerate() {
        let found = revealed(store, &name(1), Which::Version(*version)).await;
        if let Some(found) = found {
            assert_eq!(found, (format!("text {n}"), *version));
            left.push(n);
        }
    }
    left
}

/// Clause 1.
pub async fn what_was_never_kept_is_absent(store: &dyn SecretStore) {
    assert_eq!(latest(store, &name(1)).await, None);
    assert_eq!(latest(store, &SecretName::PublishKey).await, None);
}

/// Clause 1.
pub async fn what_was_kept_is_revealed(store: &dyn SecretStore) {
    let version = keep(store, &name(1), "kept").await;
    assert!(SecretVersion::UNREAD < version, "{version:?}");
    let expected = Some(("kept".to_owned(), version));
    for which in [Which::Latest, Which::Version(version)] {
        assert_eq!(revealed(store, &name(1), which).await, expected);
        assert_eq!(revealed(store, &name(1), which).await, expected);
    }
}

/// Clause 1.
pub async fn the_latest_is_what_was_kept_last(store: &dyn SecretStore) {
    for text in ["first", "second", "third"] {
        let version = keep(store, &name(1), text).await;
        let expected = Some((text.to_owned(), version));
        assert_eq!(latest(store, &name(1)).await, expected);
    }
}

/// Clause 1.
pub async fn a_version_that_was_never_kept_is_absent(store: &dyn SecretStore) {
    let SecretVersion(version) = keep(store, &name(1), "kept").await;
    for other in [version + 1, version.wrapping_sub(1), u64::MAX] {
        let which = Which::Version(SecretVersion(other));
        assert_eq!(revealed(store, &name(1), which).await, None, "{which:?}");
    }
}

/// Clause 2.
pub async fn versions_count_up(store: &dyn SecretStore) {
    let mut last = keep(store, &name(1), "kept").await;
    for _ in 0..10 {
        // The same text: a version is of the write, not of what was written.
        let version = keep(store, &name(1), "kept").await;
        assert!(last < version, "{version:?} after {last:?}");
        last = version;
    }
}

/// Clause 2.
pub async fn earlier_versions_stay_as_they_are(store: &dyn SecretStore) {
    let versions = keep_three(store).await;
    assert_eq!(left(store, &versions).await, [0, 1, 2]);
}

/// Clause 2.
pub async fn a_version_is_not_given_again(store: &dyn SecretStore) {
    keep(store, &name(1), "first").await;
    let second = keep(store, &name(1), "second").await;
    store.forget(&name(1), Forget::Only(second)).await.unwrap();
    let third = keep(store, &name(1), "third").await;
    assert!(second < third, "{third:?} after {second:?}");

    // With none left, too: only what forgets all of it forgets the name.
    store.forget(&name(1), Forget::Before(third)).await.unwrap();
    store.forget(&name(1), Forget::Only(third)).await.unwrap();
    let fourth = keep(store, &name(1), "fourth").await;
    assert!(third < fourth, "{fourth:?} after {third:?}");
}

/// Clause 2.
pub async fn of_racing_keeps_each_has_its_version(store: &dyn SecretStore) {
    let name = &name(1);
    let (one, two, three) = tokio::join!(
        keep(store, name, "text 0"),
        keep(store, name, "text 1"),
        keep(store, name, "text 2"),
    );
    assert_eq!(left(store, &[one, two, three]).await, [0, 1, 2]);
}

/// Clause 3.
pub async fn forgetting_what_is_not_kept_succeeds(store: &dyn SecretStore) {
    let version = SecretVersion(1);
    let all = [Forget::All, Forget::Before(version), Forget::Only(version)];
    for which in all {
        store.forget(&name(1), which).await.unwrap();
    }

    let version = keep(store, &name(1), "kept").await;
    let later = SecretVersion(version.0 + 1);
    for which in [Forget::Before(version), Forget::Only(later)] {
        store.forget(&name(1), which).await.unwrap();
        let expected = Some(("kept".to_owned(), version));
        assert_eq!(latest(store, &name(1)).await, expected, "{which:?}");
    }

    for which in [Forget::Only(version), Forget::All] {
        store.forget(&name(1), which).await.unwrap();
        store.forget(&name(1), which).await.unwrap();
    }
}

/// Clause 3.
pub async fn what_is_forgotten_is_not_revealed(store: &dyn SecretStore) {
    let versions = keep_three(store).await;
    store.forget(&name(1), Forget::All).await.unwrap();
    assert_eq!(latest(store, &name(1)).await, None);
    assert!(left(store, &versions).await.is_empty());
}

/// Clauses 1 and 3.
pub async fn what_was_forgotten_can_be_kept_again(store: &dyn SecretStore) {
    keep(store, &name(1), "first").await;
    store.forget(&name(1), Forget::All).await.unwrap();
    let version = keep(store, &name(1), "second").await;
    let expected = Some(("second".to_owned(), version));
    assert_eq!(latest(store, &name(1)).await, expected);
}

/// Clause 3.
pub async fn forgetting_before_a_version_leaves_it_and_later_ones(store: &dyn SecretStore) {
    let versions = keep_three(store).await;
    let expected: [&[usize]; 3] = [&[0, 1, 2], &[1, 2], &[2]];
    for (version, expected) in versions.iter().zip(expected) {
        let before = Forget::Before(*version);
        store.forget(&name(1), before).await.unwrap();
        assert_eq!(left(store, &versions).await, ought(store, expected));
        let last = Some(("text 2".to_owned(), versions[2]));
        assert_eq!(latest(store, &name(1)).await, last);
    }

    let beyond = Forget::Before(SecretVersion(u64::MAX));
    store.forget(&name(1), beyond).await.unwrap();
    assert_eq!(left(store, &versions).await, ought(store, &[]));
    let is_left = store.history() == History::Stays;
    assert_eq!(latest(store, &name(1)).await.is_some(), is_left);
}

/// Clause 3.
pub async fn forgetting_one_version_leaves_the_others(store: &dyn SecretStore) {
    let versions = keep_three(store).await;
    let middle = Forget::Only(versions[1]);
    store.forget(&name(1), middle).await.unwrap();
    assert_eq!(left(store, &versions).await, ought(store, &[0, 2]));
}

/// Clauses 1 and 3.
pub async fn the_latest_is_then_the_last_that_is_left(store: &dyn SecretStore) {
    let versions = keep_three(store).await;
    for (n, cut) in [(2, &[0, 1][..]), (1, &[0]), (0, &[])] {
        let last = Forget::Only(versions[n]);
        store.forget(&name(1), last).await.unwrap();
        let last = ought(store, cut).pop();
        let expected = last.map(|n| (format!("text {n}"), versions[n]));
        assert_eq!(latest(store, &name(1)).await, expected);
    }
}

/// Every kind of name, of two destinations and two sources: more than a page of
/// parameters has.
fn names() -> Vec<SecretName> {
    let mut names = vec![SecretName::PublishKey];
    for n in 1..=2 {
        names.extend(SecretName::all_of(&sample::destination_id(n)));
        names.extend(SecretName::all_of_source(&sample::source_id(n)));
    }
    names
}

/// Clause 4.
pub async fn each_name_has_its_own_text(store: &dyn SecretStore) {
    let mut versions = Vec::new();
    for name in names() {
        versions.push(keep(store, &name, &format!("text of {name}")).await);
    }
    for (name, version) in names().into_iter().zip(versions) {
        let expected = Some((format!("text of {name}"), version));
        assert_eq!(latest(store, &name).await, expected);
    }
}

/// Clause 4.
pub async fn a_forget_leaves_the_others(store: &dyn SecretStore) {
    let mut versions = Vec::new();
    for name in names() {
        versions.push(keep(store, &name, "kept").await);
    }
    let kinds: [fn(SecretVersion) -> Forget; 3] = [
        |_| Forget::All,
        |version| Forget::Before(SecretVersion(version.0 + 1)),
        Forget::Only,
    ];
    // Every name loses its text, in one of the three ways, and the next ones keep theirs.
    for (n, gone) in names().iter().enumerate() {
        let which = kinds[n % 3](versions[n]);
        store.forget(gone, which).await.unwrap();
        if store.history() == History::Stays {
            store.forget(gone, Forget::All).await.unwrap();
        }
        for (m, name) in names().iter().enumerate() {
            let expected = (n < m).then(|| ("kept".to_owned(), versions[m]));
            assert_eq!(latest(store, name).await, expected, "{which:?} of {gone}");
        }
    }
}

/// Clause 5.
pub async fn every_text_is_read_back(store: &dyn SecretStore) {
    let drawn = drawn(&strategy::secret(), 50);
    let mut texts: Vec<String> = drawn
        .iter()
        .map(|text| text.expose_secret().to_owned())
        .collect();
    texts.push("x".repeat(2048));
    texts.push(" spaced, 'quoted' \"twice\" and \u{1f511}\r\n".to_owned());
    for text in texts {
        keep(store, &name(1), &text).await;
        let stored = latest(store, &name(1)).await.unwrap().0;
        assert!(stored == text, "{} bytes", text.len());
    }
}

/// Clause 6.
pub async fn no_text_is_printed(store: &dyn SecretStore) {
    let version = keep(store, &name(1), CANARY).await;
    let revealed = store.reveal(&name(1), Which::Latest).await.unwrap();
    let printed = format!("{store:?} {version:?} {revealed:?}");
    assert!(!printed.contains(CANARY), "{printed}");
}

/// The versions that reveals of the latest yield, of every name that has one.
async fn revealed_versions(store: &dyn SecretStore) -> BTreeMap<SecretName, SecretVersion> {
    let mut versions = BTreeMap::new();
    for name in names() {
        let latest = latest(store, &name).await;
        versions.extend(latest.map(|(_, version)| (name, version)));
    }
    versions
}

/// Clause 7.
pub async fn no_version_is_told_at_first(store: &dyn SecretStore) {
    assert_eq!(store.versions().await.unwrap(), BTreeMap::new());
}

/// Clause 7.
pub async fn the_versions_told_are_those_of_the_latest(store: &dyn SecretStore) {
    for (n, name) in names().iter().enumerate() {
        for _ in 0..=n % 3 {
            keep(store, name, "kept").await;
        }
    }
    let told = store.versions().await.unwrap();
    assert_eq!(told.len(), names().len());
    assert_eq!(told, revealed_versions(store).await);

    // Of some, the latest is an earlier one then.
    for (name, version) in &told {
        store.forget(name, Forget::Only(*version)).await.unwrap();
    }
    let told = store.versions().await.unwrap();
    assert_eq!(told, revealed_versions(store).await);
}

/// Clauses 3 and 7.
pub async fn what_is_forgotten_has_no_version(store: &dyn SecretStore) {
    for name in names() {
        keep(store, &name, "kept").await;
        store.forget(&name, Forget::All).await.unwrap();
        assert_eq!(store.versions().await.unwrap(), BTreeMap::new());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("secret_store.rs"));
    }
}
