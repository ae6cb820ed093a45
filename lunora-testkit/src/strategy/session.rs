use lunora_core::domain::{Session, SessionId, SessionStatus};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{destination_id, id, text, time};

/// Any session, over or not, of some destinations or of none.
pub fn session() -> impl Strategy<Value = Session> {
    let times = (time(), option::of(time()));
    let parts = (vec(destination_id(), 0..4), vec(text(), 0..4));
    (session_id(), times, select(SessionStatus::ALL), parts).prop_map(
        |(id, (started_at, ended_at), status, (destinations, errors))| Session {
            id,
            started_at,
            ended_at,
            status,
            destinations,
            errors,
        },
    )
}

fn session_id() -> impl Strategy<Value = SessionId> {
    id().prop_map(|text| text.parse().unwrap())
}
