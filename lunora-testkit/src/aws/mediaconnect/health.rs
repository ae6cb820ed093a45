//! Whether an output sends, as its health events tell.

use std::time::Duration;

use jiff::Timestamp;

/// The state in a `MediaConnect Output Health` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// It is not asked to send.
    Idle,
    /// The far end is not there.
    Disconnected,
    /// The far end is there.
    Connected,
    /// Media goes to it.
    Sending,
}

impl HealthState {
    /// AWS's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Disconnected => "DISCONNECTED",
            Self::Connected => "CONNECTED",
            Self::Sending => "SENDING",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Idle,
            Self::Disconnected,
            Self::Connected,
            Self::Sending,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

/// Where the health of outputs comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws) enum HealthBy {
    /// Whatever is sent to is assumed to take it.
    Assumption,
    /// What pushes says so.
    Report,
}

#[derive(Clone, Debug)]
pub(in crate::aws) struct Health {
    pub(in crate::aws) state: HealthState,
    /// When it can begin to send, if that is still to come.
    pub(super) ready: Option<Timestamp>,
    /// Somebody said how it is, until it changes.
    is_held: bool,
}

/// What an output has to work with.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// It is off, or its flow is.
    None,
    /// It is on, and nothing comes in.
    Waits,
    /// It is on, and something comes in.
    Sends,
}

impl Health {
    pub(super) const IDLE: Self = Self {
        state: HealthState::Idle,
        ready: None,
        is_held: false,
    };

    /// It was changed, or switched on: what it had is gone.
    pub(super) fn begin(&mut self, ready: Timestamp) {
        *self = Self {
            state: HealthState::Disconnected,
            ready: Some(ready),
            is_held: false,
        };
    }

    pub(in crate::aws) fn hold(&mut self, state: HealthState) {
        *self = Self {
            state,
            ready: None,
            is_held: true,
        };
    }

    pub(super) fn settle(&mut self, work: Work, by: HealthBy, now: Timestamp, connect: Duration) {
        let state = match work {
            Work::None => {
                *self = Self::IDLE;
                return;
            }
            Work::Waits => HealthState::Connected,
            Work::Sends => HealthState::Sending,
        };
        if self.state == HealthState::Idle && !self.is_held {
            self.begin(now.checked_add(connect).unwrap_or(now));
        }
        if self.ready.is_some_and(|ready| now < ready) {
            return;
        }
        self.ready = None;
        if !self.is_held && by == HealthBy::Assumption {
            self.state = state;
        }
    }
}
