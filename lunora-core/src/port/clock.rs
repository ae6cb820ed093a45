use std::fmt;

use jiff::Timestamp;

/// Tells the time.
///
/// Production reads the system; a test holds the hands.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}
