//! The contract of [`SecretStore`], clause by clause.

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Leg, SecretName, SecretVersion},
    port::SecretStore,
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
            secret_store, [$(#[$attribute])*], $fixture,
            [
                what_was_never_kept_is_absent
                what_was_kept_is_revealed
                what_was_kept_over_another_is_revealed
                versions_count_up
                forgetting_what_is_not_kept_succeeds
                what_is_forgotten_is_not_revealed
                what_was_forgotten_can_be_kept_again
                each_name_has_its_own_text
                a_forget_leaves_the_others
                every_text_is_read_back
                no_text_is_printed
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

async fn revealed(store: &dyn SecretStore, name: &SecretName) -> Option<(String, SecretVersion)> {
    let revealed = store.reveal(name).await.unwrap()?;
    Some((revealed.text.expose_secret().to_owned(), revealed.version))
}

async fn text(store: &dyn SecretStore, name: &SecretName) -> Option<String> {
    revealed(store, name).await.map(|(text, _)| text)
}

/// Clause 1.
pub async fn what_was_never_kept_is_absent(store: &dyn SecretStore) {
    assert_eq!(revealed(store, &name(1)).await, None);
    assert_eq!(revealed(store, &SecretName::PublishKey).await, None);
}

/// Clause 1.
pub async fn what_was_kept_is_revealed(store: &dyn SecretStore) {
    let version = keep(store, &name(1), "kept").await;
    let expected = Some(("kept".to_owned(), version));
    assert_eq!(revealed(store, &name(1)).await, expected);
    assert_eq!(revealed(store, &name(1)).await, expected);
}

/// Clause 1.
pub async fn what_was_kept_over_another_is_revealed(store: &dyn SecretStore) {
    keep(store, &name(1), "first").await;
    let version = keep(store, &name(1), "second").await;
    let expected = Some(("second".to_owned(), version));
    assert_eq!(revealed(store, &name(1)).await, expected);
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

/// Clause 3.
pub async fn forgetting_what_is_not_kept_succeeds(store: &dyn SecretStore) {
    store.forget(&name(1)).await.unwrap();
    keep(store, &name(1), "kept").await;
    store.forget(&name(1)).await.unwrap();
    store.forget(&name(1)).await.unwrap();
}

/// Clause 3.
pub async fn what_is_forgotten_is_not_revealed(store: &dyn SecretStore) {
    keep(store, &name(1), "first").await;
    keep(store, &name(1), "second").await;
    store.forget(&name(1)).await.unwrap();
    assert_eq!(revealed(store, &name(1)).await, None);
}

/// Clauses 1 and 3.
pub async fn what_was_forgotten_can_be_kept_again(store: &dyn SecretStore) {
    keep(store, &name(1), "first").await;
    store.forget(&name(1)).await.unwrap();
    let version = keep(store, &name(1), "second").await;
    let expected = Some(("second".to_owned(), version));
    assert_eq!(revealed(store, &name(1)).await, expected);
}

/// Every kind of name, of two destinations.
fn names() -> Vec<SecretName> {
    let mut names = vec![SecretName::PublishKey];
    names.extend(SecretName::all_of(&sample::destination_id(1)));
    names.extend(SecretName::all_of(&sample::destination_id(2)));
    names
}

/// Clause 4.
pub async fn each_name_has_its_own_text(store: &dyn SecretStore) {
    for name in names() {
        keep(store, &name, &format!("text of {name}")).await;
    }
    for name in names() {
        let expected = format!("text of {name}");
        assert_eq!(text(store, &name).await, Some(expected));
    }
}

/// Clause 4.
pub async fn a_forget_leaves_the_others(store: &dyn SecretStore) {
    for name in names() {
        keep(store, &name, "kept").await;
    }
    store.forget(&name(1)).await.unwrap();
    for other in names() {
        let expected = (other != name(1)).then(|| "kept".to_owned());
        assert_eq!(text(store, &other).await, expected, "{other}");
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
        let stored = revealed(store, &name(1)).await.unwrap().0;
        assert!(stored == text, "{} bytes", text.len());
    }
}

/// Clause 6.
pub async fn no_text_is_printed(store: &dyn SecretStore) {
    let version = keep(store, &name(1), CANARY).await;
    let revealed = store.reveal(&name(1)).await.unwrap();
    let printed = format!("{store:?} {version:?} {revealed:?}");
    assert!(!printed.contains(CANARY), "{printed}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("secret_store.rs"));
    }
}
