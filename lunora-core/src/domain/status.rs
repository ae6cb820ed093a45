use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fault, Leg, Progress};

/// What a destination shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StatusKind {
    /// It does not take part.
    Disabled,
    /// It is not meant to be live.
    Idle,
    /// It is meant to be live, and nothing comes in.
    WaitingForSource,
    /// It is on its way.
    Connecting,
    /// The far end accepted the publish, and bytes move.
    Live,
    /// It was told to send, and nothing tells whether it does.
    Unconfirmed,
    /// It lost its connection, or never had one, and tries again.
    Reconnecting,
    /// It is live by its backup.
    FailedOver,
    /// It cannot be live until a person acts.
    Failed,
    /// It is ending its publish.
    Stopping,
}

impl StatusKind {
    /// The word in HTTP and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Idle => "idle",
            Self::WaitingForSource => "waiting_for_source",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Unconfirmed => "unconfirmed",
            Self::Reconnecting => "reconnecting",
            Self::FailedOver => "failed_over",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for StatusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who has to do something about a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody.
    Ok,
    /// Nobody yet: Lunora is at it.
    SelfHealing,
    /// A person; shown red.
    ActionNeeded,
}

/// What a destination shows, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// In a word.
    pub kind: StatusKind,
    /// Since when.
    pub since: Timestamp,
    /// Who has to act.
    pub severity: Severity,
    /// What is wrong now.
    pub fault: Option<Fault>,
    /// What was wrong last; it survives retries and success.
    pub last_fault: Option<Fault>,
    /// The leg that this is about.
    pub leg: Leg,
    /// What its output moved, if it has one.
    pub progress: Option<Progress>,
}

impl Status {
    /// Whether the difference to an earlier status is worth an event: not the
    /// time, the count of the same fault, or what moved meanwhile.
    #[must_use]
    pub fn differs_from(&self, earlier: &Self) -> bool {
        let same_fault = match (&self.fault, &earlier.fault) {
            (None, None) => true,
            (Some(new), Some(old)) => new.is_like(old),
            _ => false,
        };
        (self.kind, self.severity, self.leg) != (earlier.kind, earlier.severity, earlier.leg)
            || !same_fault
    }
}
