use std::fmt;

use jiff::Timestamp;

/// Tells the time.
///
/// Production reads the system; a test holds the hands.
///
/// # Contract
///
/// 1. Unless somebody sets it, a later call tells no earlier time.
/// 2. What it tells survives being written in milliseconds, as rows and HTTP do.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}
