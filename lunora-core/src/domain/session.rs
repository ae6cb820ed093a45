use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DestinationId, SessionId, word::closed_word};

closed_word! {
    /// How far a session is.
    SessionStatus, "active, stopped and error" {
        /// It goes on.
        Active = "active",
        /// It ended.
        Stopped = "stopped",
        /// It ended with an error.
        Error = "error",
    }
}

/// One show, from the first destination that went live to the last that stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identity, which never changes.
    pub id: SessionId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How far it is.
    pub status: SessionStatus,
    /// The destinations that took part.
    pub destinations: Vec<DestinationId>,
    /// What went wrong, for people; without secrets.
    pub errors: Vec<String>,
}
