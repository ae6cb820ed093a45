use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DestinationId, Label, Leg};

/// Which leg a destination uses and why: what the failover policy decides by (rule 28).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverHistory {
    /// Whose.
    pub destination: DestinationId,
    /// The leg that somebody chose by hand, until it is released.
    pub pinned: Option<Leg>,
    /// The last flips, the oldest first; at most [`Self::FLIPS_MAX`].
    pub flips: Vec<Flip>,
}

impl FailoverHistory {
    /// How many flips are kept.
    pub const FLIPS_MAX: usize = 100;

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
}
