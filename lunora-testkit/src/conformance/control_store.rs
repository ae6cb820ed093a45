//! The contract of [`ControlStore`], clause by clause.

use std::time::Duration;

use lunora_core::{
    domain::{LeaseName, Leftover, Removal, SecretName},
    port::{Answer, Claim, ControlStore, IdempotencyKey, Lease, Pause},
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
            [control_store], [$(#[$attribute])*], $fixture,
            [
                no_removal_is_listed_at_first
                a_removal_is_listed_until_it_is_cleared
                a_removal_that_is_recorded_again_replaces_the_first
                removals_of_different_causes_stand_side_by_side
                removals_of_different_changes_stand_side_by_side
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
                a_free_lease_is_given
                a_held_lease_is_refused_and_its_holder_is_told
                its_holder_extends_a_lease
                a_lease_whose_time_is_over_is_given_to_the_next
                of_racing_askers_one_gets_the_lease
                a_lease_that_its_holder_released_is_free
                a_release_by_another_changes_nothing
                an_earlier_request_of_its_holder_does_not_shorten_a_lease
                a_late_release_of_an_earlier_lease_of_the_same_holder_changes_nothing
                leases_of_different_names_do_not_matter
                every_lease_is_read_back
            ]
        }
    };
}

async fn removals(store: &dyn ControlStore) -> Vec<Removal> {
    let mut removals = store.removals().await.unwrap();
    removals.sort_by(|one, other| one.destination.cmp(&other.destination));
    removals
}

async fn acquire(store: &dyn ControlStore, name: &LeaseName, lease: &Lease) -> Lease {
    store.acquire(name, lease).await.unwrap()
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
    let unfinished = sample::unfinished(1, 1);
    store.record_removal(&sample::removal(1)).await.unwrap();
    store.record_removal(&unfinished).await.unwrap();
    assert_eq!(removals(store).await.len(), 2);

    store.clear_removal(&unfinished).await.unwrap();

    assert_eq!(removals(store).await, [sample::removal(1)]);
}

/// Clause 1.
pub async fn removals_of_different_changes_stand_side_by_side(store: &dyn ControlStore) {
    let changes = [0, 1, u128::MAX].map(|k| sample::unfinished(1, k));
    for change in &changes {
        store.record_removal(change).await.unwrap();
    }
    let mut recorded = removals(store).await;
    recorded.sort_by_key(|it| it.cause);
    assert_eq!(recorded, changes);

    store.clear_removal(&changes[0]).await.unwrap();
    store.clear_removal(&changes[2]).await.unwrap();

    assert_eq!(removals(store).await, [changes[1].clone()]);
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
    let leftovers = vec![Leftover {
        name: SecretName::PublishKey,
        digests: vec![sample::hash_key().digest([&b"new"[..]])],
    }];
    let fourth = Removal {
        leftovers,
        ..third.clone()
    };
    store.record_removal(&first).await.unwrap();
    for (replaced, successor) in [(&first, &second), (&second, &third), (&third, &fourth)] {
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

/// Clause 6.
pub async fn a_free_lease_is_given(store: &dyn ControlStore) {
    let (name, lease) = (sample::lease_name(1), sample::lease(1, 0));
    assert_eq!(acquire(store, &name, &lease).await, lease);
}

/// Clause 6.
pub async fn a_held_lease_is_refused_and_its_holder_is_told(store: &dyn ControlStore) {
    let (name, held) = (sample::lease_name(1), sample::lease(1, 0));
    acquire(store, &name, &held).await;

    for seconds in [0, 5, 9] {
        let asked = sample::lease(2, seconds);
        assert_eq!(acquire(store, &name, &asked).await, held, "{seconds} s");
    }
}

/// Clause 6.
pub async fn its_holder_extends_a_lease(store: &dyn ControlStore) {
    let name = sample::lease_name(1);
    acquire(store, &name, &sample::lease(1, 0)).await;
    // Within its time, and after it.
    for seconds in [5, 60] {
        let extended = sample::lease(1, seconds);
        assert_eq!(acquire(store, &name, &extended).await, extended);

        let asked = sample::lease(2, seconds + 9);
        assert_eq!(acquire(store, &name, &asked).await, extended);
    }
}

/// Clause 6.
pub async fn a_lease_whose_time_is_over_is_given_to_the_next(store: &dyn ControlStore) {
    let name = sample::lease_name(1);
    // To the nanosecond; and `15.51Z` is after `15.5Z`, though not as a text.
    for (n, fraction, later) in [(1, 0, 0), (3, 500, 0), (5, 500, 10)] {
        let mut held = sample::lease(n, 20 * n);
        held.until += Duration::from_millis(fraction);
        acquire(store, &name, &held).await;

        let mut asked = sample::lease(n + 1, 20 * n);
        asked.at = held.until - Duration::from_nanos(1);
        assert_eq!(acquire(store, &name, &asked).await, held);
        asked.at = held.until + Duration::from_millis(later);
        assert_eq!(acquire(store, &name, &asked).await, asked);
    }
}

/// Clause 6.
pub async fn of_racing_askers_one_gets_the_lease(store: &dyn ControlStore) {
    let name = sample::lease_name(1);
    // While it is free, and when its time is over.
    for seconds in [0, 60] {
        let asked = [1, 2, 3, 4].map(|n| sample::lease(n, seconds));
        let told = tokio::join!(
            acquire(store, &name, &asked[0]),
            acquire(store, &name, &asked[1]),
            acquire(store, &name, &asked[2]),
            acquire(store, &name, &asked[3]),
        );

        assert!(asked.contains(&told.0), "{told:?}");
        let others = [&told.1, &told.2, &told.3];
        assert_eq!(others, [&told.0; 3]);
    }
}

/// Clause 6.
pub async fn a_lease_that_its_holder_released_is_free(store: &dyn ControlStore) {
    let (name, held) = (sample::lease_name(1), sample::lease(1, 0));
    acquire(store, &name, &held).await;
    for _ in 0..2 {
        store.release(&name, &held).await.unwrap();
    }

    let asked = sample::lease(2, 1);
    assert_eq!(acquire(store, &name, &asked).await, asked);
}

/// Clause 6.
pub async fn a_release_by_another_changes_nothing(store: &dyn ControlStore) {
    // It differs in nothing else.
    let (name, other) = (sample::lease_name(1), sample::lease(2, 0));
    store.release(&name, &other).await.unwrap();
    let held = sample::lease(1, 0);
    acquire(store, &name, &held).await;
    store.release(&name, &other).await.unwrap();

    let asked = sample::lease(2, 1);
    assert_eq!(acquire(store, &name, &asked).await, held);
}

/// Clause 6.
pub async fn an_earlier_request_of_its_holder_does_not_shorten_a_lease(store: &dyn ControlStore) {
    let name = sample::lease_name(1);
    let [earlier, later] = [0, 5].map(|seconds| sample::lease(1, seconds));
    acquire(store, &name, &later).await;

    // It was slow on its way.
    assert_eq!(acquire(store, &name, &earlier).await, later);

    let asked = sample::lease(2, 14);
    assert_eq!(acquire(store, &name, &asked).await, later);
}

/// Clause 6.
pub async fn a_late_release_of_an_earlier_lease_of_the_same_holder_changes_nothing(
    store: &dyn ControlStore,
) {
    let name = sample::lease_name(1);
    let earlier = sample::lease(1, 0);
    let mut later = earlier.clone();
    // By the least that a time tells.
    later.until += Duration::from_nanos(1);
    acquire(store, &name, &earlier).await;
    acquire(store, &name, &later).await;

    store.release(&name, &earlier).await.unwrap();

    assert_eq!(acquire(store, &name, &sample::lease(2, 1)).await, later);
    store.release(&name, &later).await.unwrap();
    let asked = sample::lease(2, 1);
    assert_eq!(acquire(store, &name, &asked).await, asked);
}

/// Clause 6.
pub async fn leases_of_different_names_do_not_matter(store: &dyn ControlStore) {
    let names = ["pass", "Pass", "pass-1", "pass.1"].map(|name| name.parse().unwrap());
    // The first one ends last, so that the next one of the same name would not count.
    let leases = [3, 2, 1, 0].map(|seconds| sample::lease(1, seconds));
    for (name, lease) in names.iter().zip(&leases) {
        assert_eq!(acquire(store, name, lease).await, *lease);
    }
    store.release(&names[0], &leases[0]).await.unwrap();

    for (name, held) in names.iter().zip(&leases).skip(1) {
        assert_eq!(acquire(store, name, &sample::lease(2, 5)).await, *held);
    }
}

/// Clause 6.
pub async fn every_lease_is_read_back(store: &dyn ControlStore) {
    let names = drawn(&strategy::lease_name(), 50);
    for (name, lease) in names.iter().zip(drawn(&strategy::lease(), 50)) {
        acquire(store, name, &lease).await;
        let asked = Lease {
            holder: sample::worker_id(1),
            ..lease.clone()
        };
        assert_eq!(acquire(store, name, &asked).await, lease);
        store.release(name, &lease).await.unwrap();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("control_store.rs"));
    }
}
