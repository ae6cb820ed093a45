use lunora_core::domain::{FailoverHistory, Flip, SwitchCause};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{destination_id, label, leg, time};

/// Any history: of no flip, of some, or of as many as are kept.
pub fn failover_history() -> impl Strategy<Value = FailoverHistory> {
    let flips = prop_oneof![
        9 => vec(flip(), 0..4),
        1 => vec(flip(), FailoverHistory::FLIPS_MAX),
    ];
    let pending = option::of(flip());
    (destination_id(), option::of(leg()), flips, pending).prop_map(
        |(destination, pinned, flips, pending)| FailoverHistory {
            destination,
            pinned,
            flips,
            pending,
        },
    )
}

fn flip() -> impl Strategy<Value = Flip> {
    let cause = select(vec![SwitchCause::Manual, SwitchCause::Automatic]);
    (time(), leg(), label(), cause, option::of(any::<u64>())).prop_map(
        |(at, to, reason, cause, waits_at)| Flip {
            at,
            to,
            reason,
            cause,
            waits_at,
        },
    )
}
