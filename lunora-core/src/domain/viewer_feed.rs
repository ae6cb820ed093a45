use jiff::Timestamp;

use super::Fault;

/// What viewers get, as segments of HLS or the like.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewerFeed {
    /// When the newest segment was complete; `None` if there was none yet.
    pub newest_segment: Option<Timestamp>,
    /// Since when one segment has followed the other.
    pub since: Option<Timestamp>,
    /// Whether there is anything to make segments of.
    pub program: FeedProgram,
    /// What is wrong with it now.
    pub fault: Option<Fault>,
}

/// Whether there is anything to show to viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedProgram {
    /// A source is on air.
    OnAir,
    /// Nothing comes in.
    Nothing,
}
