use jiff::{SignedDuration, Timestamp};

use crate::domain::{Fault, FeedProgram, StatusKind, ViewerFeed};

/// How old the newest segment is at most while viewers have something to see. Three of the longest
/// that the relay makes: players stay about as far behind.
pub const SEGMENT_AGE_MAX: SignedDuration = SignedDuration::from_secs(12);

/// What viewers get, seen at a time.
#[derive(Clone, Copy, Debug)]
pub struct Viewed<'a> {
    /// What they get.
    pub feed: &'a ViewerFeed,
    /// When.
    pub at: Timestamp,
}

impl Viewed<'_> {
    /// What a destination shows that is the viewers' own, and runs since `running` (rule 4).
    pub(super) fn situation(self, running: Timestamp) -> (StatusKind, Timestamp, Option<Fault>) {
        let Self { feed, at } = self;
        let is_fresh = |newest: &Timestamp| at.duration_since(*newest) <= SEGMENT_AGE_MAX;
        if let Some(newest) = feed.newest_segment.filter(is_fresh) {
            let since = feed.since.unwrap_or(newest).max(running);
            return (StatusKind::Live, since, feed.fault.clone());
        }
        let since = feed.newest_segment.unwrap_or(running).max(running);
        let kind = match (&feed.fault, feed.program, feed.newest_segment) {
            (None, FeedProgram::Nothing, _) => StatusKind::WaitingForSource,
            (None, FeedProgram::OnAir, None) => StatusKind::Connecting,
            (Some(_), _, _) | (None, FeedProgram::OnAir, Some(_)) => StatusKind::Reconnecting,
        };
        (kind, since, feed.fault.clone())
    }
}
