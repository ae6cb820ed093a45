//! The contract of [`ControlStore`], clause by clause.

use std::time::Duration;

use lunora_core::{
    domain::{Removal, RemovalCause},
    port::{Answer, Claim, ControlStore, IdempotencyKey, Pause},
};

use super::private::drawn;
use crate::{sample, strategy};

/// Makes one test per clause of the contract of
/// [`ControlStore`](lunora_core::port::ControlStore).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! control_store_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            control_store, [$(#[$attribute])*], $fixture,
            [
                no_removal_is_listed_at_first
                a_removal_is_listed_until_it_is_cleared
                a_removal_that_is_recorded_again_replaces_the_first
                removals_of_different_causes_stand_side_by_side
                clearing_what_is_not_recorded_succeeds
                clearing_a_removal_that_was_replaced_leaves_its_successor
                every_removal_is_read_back
                there_is_no_pause_at_first
                the_pause_is_the_last_one
                the_first_claim_stands
                of_racing_claims_one_stands
                claims_on_other_keys_do_not_matter
                the_first_answer_stands
                an_answer_to_no_claim_changes_nothing
                every_claim_and_answer_is_read_back
                old_claims_are_forgotten_and_young_ones_stay
            ]
        }
    };
}

async fn removals(store: &dyn ControlStore) -> Vec<Removal> {
    let mut removals = store.removals().await.unwrap();
    removals.sort_by(|one, other| one.destination.cmp(&other.destination));
    removals
}

async fn claim(store: &dyn ControlStore, key: &IdempotencyKey, claim: &Claim) -> Claim {
    store.claim(key, claim).await.unwrap()
}

async fn settle(store: &dyn ControlStore, key: &IdempotencyKey, answer: &Answer) {
    store.settle(key, answer).await.unwrap();
}

/// Clause 1.
pub async fn no_removal_is_listed_at_first(store: &dyn ControlStore) {
    assert_eq!(removals(store).await, []);
}

/// Clause 1.
pub async fn a_removal_is_listed_until_it_is_cleared(store: &dyn ControlStore) {
    let [one, two] = [sample::removal(1), sample::removal(2)];
    store.record_removal(&one).await.unwrap();
    store.record_removal(&two).await.unwrap();
    assert_eq!(removals(store).await, [one.clone(), two.clone()]);

    store.clear_removal(&one).await.unwrap();
    assert_eq!(removals(store).await, [two]);
}

/// Clause 1.
pub async fn a_removal_that_is_recorded_again_replaces_the_first(store: &dyn ControlStore) {
    store.record_removal(&sample::removal(1)).await.unwrap();
    let second = Removal {
        generation: 2,
        recorded_at: sample::time() + Duration::from_secs(1),
        ..sample::removal(1)
    };
    store.record_removal(&second).await.unwrap();

    assert_eq!(removals(store).await, [second]);
}

/// Clause 1.
pub async fn removals_of_different_causes_stand_side_by_side(store: &dyn ControlStore) {
    let unfinished = Removal {
        cause: RemovalCause::ChangeUnfinished,
        ..sample::removal(1)
    };
    store.record_removal(&sample::removal(1)).await.unwrap();
    store.record_removal(&unfinished).await.unwrap();
    assert_eq!(removals(store).await.len(), 2);

    store.clear_removal(&unfinished).await.unwrap();

    assert_eq!(removals(store).await, [sample::removal(1)]);
}

/// Clause 1.
pub async fn clearing_what_is_not_recorded_succeeds(store: &dyn ControlStore) {
    store.record_removal(&sample::removal(1)).await.unwrap();
    store.clear_removal(&sample::removal(2)).await.unwrap();
    assert_eq!(removals(store).await, [sample::removal(1)]);

    store.clear_removal(&sample::removal(1)).await.unwrap();
    store.clear_removal(&sample::removal(1)).await.unwrap();
    assert_eq!(removals(store).await, []);
}

/// Clause 1.
pub async fn clearing_a_removal_that_was_replaced_leaves_its_successor(store: &dyn ControlStore) {
    let first = sample::removal(1);
    let second = Removal {
        generation: 2,
        ..first.clone()
    };
    let third = Removal {
        recorded_at: sample::time() + Duration::from_millis(1),
        ..second.clone()
    };
    store.record_removal(&first).await.unwrap();
    for (replaced, successor) in [(&first, &second), (&second, &third)] {
        store.record_removal(successor).await.unwrap();
        store.clear_removal(replaced).await.unwrap();
        assert_eq!(removals(store).await, std::slice::from_ref(successor));
    }
}

/// Clause 1.
pub async fn every_removal_is_read_back(store: &dyn ControlStore) {
    for removal in drawn(&strategy::removal(), 50) {
        store.record_removal(&removal).await.unwrap();
        assert_eq!(removals(store).await, std::slice::from_ref(&removal));
        store.clear_removal(&removal).await.unwrap();
    }
}

/// Clause 2.
pub async fn there_is_no_pause_at_first(store: &dyn ControlStore) {
    assert_eq!(store.pause().await.unwrap(), None);
}

/// Clause 2.
pub async fn the_pause_is_the_last_one(store: &dyn ControlStore) {
    let mut pauses: Vec<Option<Pause>> = drawn(&strategy::time(), 5)
        .into_iter()
        .map(|until| Some(Pause { until }))
        .collect();
    pauses.extend([
        None,
        Some(Pause {
            until: sample::time(),
        }),
        None,
    ]);
    for pause in pauses {
        store.set_pause(pause).await.unwrap();
        assert_eq!(store.pause().await.unwrap(), pause);
    }
}

/// Clause 3.
pub async fn the_first_claim_stands(store: &dyn ControlStore) {
    let key = sample::idempotency_key(1);
    let first = sample::claim(1);
    assert_eq!(claim(store, &key, &first).await, first);

    assert_eq!(claim(store, &key, &first).await, first);
    assert_eq!(claim(store, &key, &sample::claim(2)).await, first);
}

/// Clause 3.
pub async fn of_racing_claims_one_stands(store: &dyn ControlStore) {
    let key = sample::idempotency_key(1);
    let claims = [sample::claim(1), sample::claim(2), sample::claim(3)];
    let told = tokio::join!(
        claim(store, &key, &claims[0]),
        claim(store, &key, &claims[1]),
        claim(store, &key, &claims[2]),
    );

    assert!(claims.contains(&told.0));
    assert_eq!((&told.1, &told.2), (&told.0, &told.0));
}

/// Clause 3.
pub async fn claims_on_other_keys_do_not_matter(store: &dyn ControlStore) {
    let keys = ["request", "Request", "request-1", "request/1"];
    for (n, key) in (1..).zip(keys) {
        let key = key.parse().unwrap();
        let expected = sample::claim(n);
        assert_eq!(claim(store, &key, &expected).await, expected);
    }
}

/// Clause 4.
pub async fn the_first_answer_stands(store: &dyn ControlStore) {
    let key = sample::idempotency_key(1);
    let mut expected = claim(store, &key, &sample::claim(1)).await;
    settle(store, &key, &sample::answer(1)).await;
    settle(store, &key, &sample::answer(2)).await;

    expected.answer = Some(sample::answer(1));
    assert_eq!(claim(store, &key, &sample::claim(2)).await, expected);
}

/// Clause 4.
pub async fn an_answer_to_no_claim_changes_nothing(store: &dyn ControlStore) {
    let (key, other) = (sample::idempotency_key(1), sample::idempotency_key(2));
    let first = claim(store, &key, &sample::claim(1)).await;
    settle(store, &other, &sample::answer(2)).await;

    assert_eq!(claim(store, &key, &first).await, first);
    let second = sample::claim(2);
    assert_eq!(claim(store, &other, &second).await, second);
}

/// Clauses 3 and 4.
pub async fn every_claim_and_answer_is_read_back(store: &dyn ControlStore) {
    let keys = drawn(&strategy::idempotency_key(), 50);
    let claims = drawn(&strategy::claim(), 50);
    let answers = drawn(&strategy::answer(), 50);
    for ((key, mut expected), answer) in keys.iter().zip(claims).zip(answers) {
        assert_eq!(claim(store, key, &expected).await, expected);
        settle(store, key, &answer).await;
        let repeated = claim(store, key, &expected).await;
        expected.answer = Some(answer);
        assert_eq!(repeated, expected);
    }
}

/// Clause 5.
pub async fn old_claims_are_forgotten_and_young_ones_stay(store: &dyn ControlStore) {
    let keys = [1, 2, 3].map(sample::idempotency_key);
    let at = [0, 10, 20].map(|s| sample::time() + Duration::from_secs(s));
    for (key, at) in keys.iter().zip(at) {
        let first = Claim {
            at,
            ..sample::claim(1)
        };
        claim(store, key, &first).await;
        settle(store, key, &sample::answer(1)).await;
    }
    store.forget_claims_before(at[1]).await.unwrap();

    let answer = Some(sample::answer(1));
    let stays = |at| Claim {
        at,
        answer: answer.clone(),
        ..sample::claim(1)
    };
    let expected = [sample::claim(2), stays(at[1]), stays(at[2])];
    for (key, expected) in keys.iter().zip(expected) {
        assert_eq!(
            claim(store, key, &sample::claim(2)).await,
            expected,
            "{key:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("control_store.rs"));
    }
}
