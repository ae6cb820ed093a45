use std::fmt;

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Event, EventSeq, NewEvent};

/// Keeps what happened, in order. Old events may be dropped, oldest first.
///
/// # Contract
///
/// 1. An event is read by every read that starts after its append returned.
/// 2. Events are read in the order of their places, each place once.
/// 3. A read returns only events after the given place, and at most `limit` of them.
/// 4. Every event is read back as it was appended.
/// 5. The last place is that of the last event, and 0 before the first.
/// 6. A wait returns when there is an event after the given place, whether it was
///    appended before or after the wait began. It may return early.
#[async_trait]
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// Records an event, and returns its place.
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError>;

    /// Returns up to `limit` events after the place.
    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError>;

    /// Returns the place of the last event.
    async fn last(&self) -> Result<EventSeq, PortError>;

    /// Waits for an event after the place.
    async fn wait(&self, after: EventSeq) -> Result<(), PortError>;
}
