use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DestinationId, Label, Leg, SwitchCause, word::closed_word};

closed_word! {
    /// When the backup leg of a destination is pushed.
    BackupMode, "standby and hot" {
        /// While it is the one in use; the other one is not pushed then.
        Standby = "standby",
        /// Always, beside the primary.
        Hot = "hot",
    }
}

/// Standby: what is pushed twice takes twice the room and the upstream.
impl Default for BackupMode {
    fn default() -> Self {
        Self::Standby
    }
}

/// Which leg a destination uses and why: what the failover policy decides by (rule 28).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverHistory {
    /// Whose.
    pub destination: DestinationId,
    /// The leg that somebody chose by hand, until it is released.
    pub pinned: Option<Leg>,
    /// The last flips, the oldest first; at most [`Self::FLIPS_MAX`].
    pub flips: Vec<Flip>,
    /// What was decided and maybe not done yet: it is written before the row is, so that a
    /// decision and its reason survive a crash.
    #[serde(default)]
    pub pending: Option<Flip>,
}

impl FailoverHistory {
    /// How many flips are kept.
    pub const FLIPS_MAX: usize = 100;

    /// That of a destination whose leg nobody changed yet.
    #[must_use]
    pub const fn new(destination: DestinationId) -> Self {
        Self {
            destination,
            pinned: None,
            flips: Vec::new(),
            pending: None,
        }
    }

    /// Whether a leg was left for what a person has to mend, and nobody acted since.
    #[must_use]
    pub fn waits_for_person(&self, leg: Leg, generation: u64) -> bool {
        let last = self.flips.last().filter(|flip| flip.to != leg);
        last.is_some_and(|flip| flip.waits_at == Some(generation))
    }

    /// Adds a flip, and drops the oldest one if there are too many.
    pub fn add(&mut self, flip: Flip) {
        self.flips.push(flip);
        let excess = self.flips.len().saturating_sub(Self::FLIPS_MAX);
        self.flips.drain(..excess);
    }
}

/// A change from one leg to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// When.
    pub at: Timestamp,
    /// To which.
    pub to: Leg,
    /// Why, for people.
    pub reason: Label,
    /// Who decided. What people switch is not counted against the limit of flips.
    #[serde(default = "by_the_policy")]
    pub cause: SwitchCause,
    /// The generation of the row, if what was left waits for a person (rule 29): no test tells
    /// that it was mended, as long as the row is still at that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_at: Option<u64>,
}

/// The first histories told of no other.
const fn by_the_policy() -> SwitchCause {
    SwitchCause::Automatic
}
