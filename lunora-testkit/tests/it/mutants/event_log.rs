use std::future;

use async_trait::async_trait;
use lunora_core::{
    domain::{Event, EventSeq, NewEvent},
    port::{EventLog, PortError},
};
use lunora_testkit::memory::MemoryEventLog;

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    ReadsLag,
    NewestFirst,
    PlaceIncluded,
    LimitIsAHint,
    DestinationsAreLost,
    NobodyDidIt,
    LastIsNext,
    WaitsForTheNext,
    NeverWakes,
}

#[derive(Debug)]
struct Mutant {
    inner: MemoryEventLog,
    mutation: Mutation,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let inner = MemoryEventLog::default();
        Self { inner, mutation }
    }
}

#[async_trait]
impl EventLog for Mutant {
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError> {
        let mut event = event.clone();
        match self.mutation {
            Mutation::DestinationsAreLost => event.destination = None,
            Mutation::NobodyDidIt => event.by = None,
            _ => (),
        }
        self.inner.append(&event).await
    }

    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError> {
        let (after, limit) = match self.mutation {
            Mutation::PlaceIncluded => (EventSeq(after.0.saturating_sub(1)), limit),
            Mutation::LimitIsAHint => (after, 100),
            _ => (after, limit),
        };
        let mut events = self.inner.read(after, limit).await?;
        match self.mutation {
            Mutation::NewestFirst => events.reverse(),
            Mutation::ReadsLag => drop(events.pop()),
            _ => (),
        }
        Ok(events)
    }

    async fn last(&self) -> Result<EventSeq, PortError> {
        let last = self.inner.last().await?;
        match self.mutation {
            Mutation::LastIsNext => Ok(EventSeq(last.0 + 1)),
            _ => Ok(last),
        }
    }

    async fn wait(&self, after: EventSeq) -> Result<(), PortError> {
        match self.mutation {
            Mutation::WaitsForTheNext => {
                let last = self.inner.last().await?;
                self.inner.wait(last).await
            }
            Mutation::NeverWakes => future::pending().await,
            _ => self.inner.wait(after).await,
        }
    }
}

noticed! { event_log:
    ReadsLag by what_was_appended_is_read;
    NewestFirst by
        events_are_read_in_order,
        of_racing_appends_each_has_its_place,
        a_read_goes_on_after_a_place;
    PlaceIncluded by a_read_goes_on_after_a_place;
    LimitIsAHint by a_read_ends_at_its_limit;
    DestinationsAreLost by every_event_is_read_back;
    NobodyDidIt by every_event_is_read_back;
    LastIsNext by nothing_is_read_at_first, the_last_place_is_that_of_the_last_event;
    WaitsForTheNext by a_wait_for_what_is_there_returns;
    NeverWakes by
        a_wait_for_what_is_there_returns,
        a_wait_returns_when_an_event_comes,
        every_waiting_reader_is_woken;
}
