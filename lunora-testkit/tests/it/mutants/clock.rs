use std::time::Duration;

use jiff::Timestamp;
use lunora_core::port::Clock;
use lunora_testkit::clock::ManualClock;

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    RunsBackwards,
    TellsNanoseconds,
}

/// Each call takes a millisecond.
#[derive(Debug)]
struct Mutant {
    inner: ManualClock,
    mutation: Mutation,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let inner = ManualClock::default();
        Self { inner, mutation }
    }
}

impl Clock for Mutant {
    fn now(&self) -> Timestamp {
        let (now, call) = (self.inner.now(), Duration::from_millis(1));
        match self.mutation {
            Mutation::RunsBackwards => self.inner.set(now - call),
            _ => self.inner.advance(call),
        }
        match self.mutation {
            Mutation::TellsNanoseconds => now + Duration::from_nanos(1),
            _ => now,
        }
    }
}

noticed! { clock:
    RunsBackwards by a_later_call_tells_no_earlier_time;
    TellsNanoseconds by every_time_survives_milliseconds;
}
