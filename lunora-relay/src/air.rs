//! Who is on air, and how that changed.

use std::{collections::VecDeque, fmt, time::Duration};

use jiff::Timestamp;
use lunora_core::domain::{SourceId, SwitchCause};

/// Where media comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The encoder that knows the publish key of the relay.
    Encoder,
    /// A source that was added.
    Source(SourceId),
    /// The test stream that this crate brings along.
    Demo,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoder => f.write_str("the encoder"),
            Self::Source(id) => write!(f, "source {id}"),
            Self::Demo => f.write_str("the test stream"),
        }
    }
}

/// What is on air, and how it came to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Air {
    /// What goes out; nothing while nothing comes in.
    pub on_air: Option<Origin>,
    /// What was put on air by hand, until it is released (rule 28).
    pub pinned: Option<Origin>,
    /// How many switches there were since the relay started.
    pub switches: u64,
    /// The last of them, the newest last; at most [`Air::KEPT`].
    pub last: VecDeque<Switched>,
}

impl Air {
    /// How many switches are kept.
    pub const KEPT: usize = 64;

    pub(crate) fn add(&mut self, switched: Switched) {
        self.on_air.clone_from(&switched.to);
        self.switches += 1;
        self.last.push_back(switched);
        if Self::KEPT < self.last.len() {
            self.last.pop_front();
        }
    }
}

/// One feed went off air, or another one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// When.
    pub at: Timestamp,
    /// What was on air.
    pub from: Option<Origin>,
    /// What is.
    pub to: Option<Origin>,
    /// Who decided.
    pub cause: SwitchCause,
    /// Why.
    pub reason: SwitchReason,
    /// For how long nothing went out: from the last message of the one to the first of the other.
    /// Unknown if nothing ever went out before, or nothing does now.
    pub gap: Option<Duration>,
    /// How much of that passed from the decision to the keyframe that it waited for. What was on
    /// air went on meanwhile if it still sent.
    pub waited: Duration,
}

/// Why another feed goes on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwitchReason {
    /// Nothing was on air, or the test stream was.
    Vacant,
    /// What was on air has ended.
    Ended,
    /// What was on air sent nothing for so long, while another did.
    Silent(Duration),
    /// One of a better priority has been good for so long.
    Better(Duration),
    /// A person stopped the channel.
    Stopped,
    /// A person put it on air.
    Pinned,
    /// What a person had put on air is back.
    PinnedIsBack,
}

impl fmt::Display for SwitchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vacant => f.write_str("nothing was on air"),
            Self::Ended => f.write_str("what was on air has ended"),
            Self::Silent(silence) => {
                write!(
                    f,
                    "what was on air sent nothing for {} ms",
                    silence.as_millis()
                )
            }
            Self::Better(good) => {
                write!(
                    f,
                    "one of a better priority has been good for {} s",
                    good.as_secs()
                )
            }
            Self::Stopped => f.write_str("the channel was stopped by hand"),
            Self::Pinned => f.write_str("it was put on air by hand"),
            Self::PinnedIsBack => f.write_str("what was put on air by hand is back"),
        }
    }
}
