use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    DestinationId, DestinationName, Fault, Label, Leg, Severity, SourceHealth, SourceId,
    SourceName, StatusKind,
};

/// The place of an event in its log: 1, 2, 3, …, maybe with gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EventSeq(pub u64);

impl fmt::Display for EventSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// To which destination, if it was one.
    pub destination: Option<DestinationId>,
    /// Who did it; nobody if it happened by itself, or nobody is known.
    pub by: Option<Label>,
    /// What.
    pub kind: EventKind,
}

/// Something that happened, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub seq: EventSeq,
    /// What was recorded.
    pub event: NewEvent,
}

/// What happened. No variant can hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A destination was created.
    DestinationCreated {
        /// What it is called.
        name: DestinationName,
    },
    /// A destination was edited.
    DestinationUpdated {
        /// The names of the fields that changed.
        changed: Vec<String>,
    },
    /// A destination was deleted; its output and keys follow.
    DestinationRemoved {
        /// What it was called.
        name: DestinationName,
    },
    /// The output and the keys of a deleted destination are gone.
    RemovalFinished,
    /// A destination was told to run.
    DestinationStarted,
    /// A destination was told to stop.
    DestinationStopped,
    /// A destination was told to try again now.
    DestinationRetried,
    /// What a destination shows changed.
    StatusChanged {
        /// What it showed.
        from: Option<StatusKind>,
        /// What it shows.
        to: StatusKind,
        /// Who has to act.
        severity: Severity,
        /// What is wrong now.
        fault: Option<Fault>,
        /// What was wrong last.
        last_fault: Option<Fault>,
    },
    /// Somebody else changed a stream key, and its output is told the new one (rule 23).
    KeyAdopted,
    /// A pass that nobody asked for found outputs that were not as wanted, and mended them (rule 15).
    DriftRepaired {
        /// How many outputs.
        outputs: usize,
    },
    /// A pass would have detached many outputs whose rows are gone, and did nothing (rule 9).
    MassDetachHeld {
        /// How many outputs.
        outputs: usize,
        /// Of how many.
        of: usize,
    },
    /// An admin paused reconciling (rule 15).
    ReconcilePaused {
        /// Until then.
        until: Timestamp,
    },
    /// Reconciling goes on.
    ReconcileResumed,
    /// What comes in changed, such as from the test stream to an encoder.
    ProgramChanged {
        /// What comes in now.
        program: ProgramKind,
    },
    /// A destination goes on by its other leg (rule 28).
    DestinationFailedOver {
        /// From which.
        from: Leg,
        /// To which.
        to: Leg,
        /// Who decided.
        cause: SwitchCause,
        /// Why, for people.
        reason: Label,
    },
    /// The leg of a destination was chosen by hand, and stays until it is released (rule 28).
    FailoverPinned {
        /// Which.
        leg: Leg,
    },
    /// The leg of a destination is no longer pinned (rule 28).
    FailoverReleased,
    /// A source was created.
    SourceCreated {
        /// Which.
        source: SourceId,
        /// What it is called.
        name: SourceName,
    },
    /// A source was edited.
    SourceUpdated {
        /// Which.
        source: SourceId,
        /// The names of the fields that changed.
        changed: Vec<String>,
    },
    /// A source was deleted.
    SourceRemoved {
        /// Which.
        source: SourceId,
        /// What it was called.
        name: SourceName,
    },
    /// A source was pinned by hand, or released if there is none (rule 28).
    SourcePinned {
        /// Which.
        source: Option<SourceId>,
    },
    /// Another source is on air.
    SourceSwitched {
        /// Which was.
        from: Option<SourceId>,
        /// Which is; none while nothing comes in.
        to: Option<SourceId>,
        /// Who decided.
        cause: SwitchCause,
        /// Why, for people.
        reason: Label,
        /// For how long nothing went out, in milliseconds, if that is known.
        #[serde(default)]
        gap_ms: Option<u64>,
    },
    /// A source was found otherwise than at the last look.
    SourceHealthChanged {
        /// Which.
        source: SourceId,
        /// As what it was found.
        health: SourceHealth,
    },
    /// Something that a newer version recorded.
    #[serde(other)]
    Unknown,
}

/// Who decided a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchCause {
    /// A person.
    Manual,
    /// The failover policy.
    Automatic,
}

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramKind {
    /// Nothing.
    Nothing,
    /// The built-in test stream.
    TestStream,
    /// An encoder.
    Encoder,
}
