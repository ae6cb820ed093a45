use std::fmt;

use crate::domain::ViewerFeed;

/// Tells what viewers get (rule 4).
///
/// # Contract
///
/// 1. It answers at once from what is known, and changes nothing.
/// 2. A segment is told of once viewers can have all of it, and at no time in the future.
pub trait ViewerMonitor: fmt::Debug + Send + Sync + 'static {
    /// What they get now.
    fn viewer_feed(&self) -> ViewerFeed;
}
