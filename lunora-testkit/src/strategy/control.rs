use lunora_core::{
    domain::{ChangeId, LeaseName, Leftover, Removal, RemovalCause, WorkerId},
    port::{Answer, Claim, IdempotencyKey, Lease},
};
use proptest::{collection::vec, prelude::*};

use super::{COUNT_MAX, destination_id, digest, id, secret_name, time};

/// Any removal.
pub fn removal() -> impl Strategy<Value = Removal> {
    let unfinished = |id| RemovalCause::ChangeUnfinished(ChangeId(id));
    let cause = prop_oneof![
        Just(RemovalCause::Deleted),
        Just(RemovalCause::Absent),
        // What was recorded before changes had ids.
        Just(unfinished(0)),
        any::<u128>().prop_map(unfinished),
    ];
    let parts = (destination_id(), cause, 0..=COUNT_MAX, time());
    (parts, vec(leftover(), 0..3)).prop_map(|(parts, leftovers)| {
        let (destination, cause, generation, recorded_at) = parts;
        Removal {
            destination,
            cause,
            generation,
            recorded_at,
            leftovers,
        }
    })
}

fn leftover() -> impl Strategy<Value = Leftover> {
    let parts = (secret_name(), vec(digest(), 0..3));
    parts.prop_map(|(name, digests)| Leftover { name, digests })
}

/// Any idempotency key.
pub fn idempotency_key() -> impl Strategy<Value = IdempotencyKey> {
    "[!-~]{1,128}".prop_map(|text| text.parse().unwrap())
}

/// Any claim, unanswered.
pub fn claim() -> impl Strategy<Value = Claim> {
    (digest(), destination_id(), time()).prop_map(|(request, destination, at)| Claim {
        request,
        destination,
        at,
        answer: None,
    })
}

/// Any answer.
pub fn answer() -> impl Strategy<Value = Answer> {
    (100..600_u16, r"\PC{0,200}").prop_map(|(status, body)| Answer { status, body })
}

/// Any name of a lease.
pub fn lease_name() -> impl Strategy<Value = LeaseName> {
    id().prop_map(|text| text.parse().unwrap())
}

/// Any worker.
pub fn worker_id() -> impl Strategy<Value = WorkerId> {
    id().prop_map(|text| text.parse().unwrap())
}

/// Any lease that has some time left when it is asked for.
pub fn lease() -> impl Strategy<Value = Lease> {
    let times = (time(), time()).prop_filter("no time", |(one, other)| one != other);
    (worker_id(), times).prop_map(|(holder, (one, other))| Lease {
        holder,
        at: one.min(other),
        until: one.max(other),
    })
}
