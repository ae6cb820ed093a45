use lunora_core::domain::{FailoverHistory, Flip};
use proptest::{collection::vec, option, prelude::*};

use super::{destination_id, label, leg, time};

/// Any history: of no flip, of some, or of as many as are kept.
pub fn failover_history() -> impl Strategy<Value = FailoverHistory> {
    let flips = prop_oneof![
        9 => vec(flip(), 0..4),
        1 => vec(flip(), FailoverHistory::FLIPS_MAX),
    ];
    (destination_id(), option::of(leg()), flips).prop_map(|(destination, pinned, flips)| {
        FailoverHistory {
            destination,
            pinned,
            flips,
        }
    })
}

fn flip() -> impl Strategy<Value = Flip> {
    (time(), leg(), label()).prop_map(|(at, to, reason)| Flip { at, to, reason })
}
