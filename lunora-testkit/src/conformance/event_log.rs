//! The contract of [`EventLog`], clause by clause.
//!
//! The adapter has to keep 100 events or more.

use std::time::Duration;

use lunora_core::{
    domain::{Event, EventSeq, NewEvent},
    port::EventLog,
};

use super::private::drawn;
use crate::{sample, strategy};

/// Makes one test per clause of the contract of
/// [`EventLog`](lunora_core::port::EventLog).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! event_log_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [event_log], [$(#[$attribute])*], $fixture,
            [
                nothing_is_read_at_first
                what_was_appended_is_read
                events_are_read_in_order
                of_racing_appends_each_has_its_place
                a_read_goes_on_after_a_place
                a_read_ends_at_its_limit
                every_event_is_read_back
                the_last_place_is_that_of_the_last_event
                a_wait_for_what_is_there_returns
                a_wait_returns_when_an_event_comes
                every_waiting_reader_is_woken
            ]
        }
    };
}

const START: EventSeq = EventSeq(0);

async fn append(log: &dyn EventLog, n: u64) -> EventSeq {
    log.append(&sample::new_event(n)).await.unwrap()
}

async fn read(log: &dyn EventLog, after: EventSeq, limit: u32) -> Vec<Event> {
    log.read(after, limit).await.unwrap()
}

/// Waits until there is an event after the place. It gives up after a while, so
/// that a log that never wakes anybody fails the test and does not hang it.
async fn wait(log: &dyn EventLog, after: EventSeq) {
    let until_there = async {
        while read(log, after, 1).await.is_empty() {
            log.wait(after).await.unwrap();
        }
    };
    let woken = tokio::time::timeout(Duration::from_secs(10), until_there).await;
    assert!(woken.is_ok(), "nobody was woken");
}

/// Clauses 1 and 5.
pub async fn nothing_is_read_at_first(log: &dyn EventLog) {
    assert_eq!(read(log, START, 100).await, []);
    assert_eq!(log.last().await.unwrap(), START);
}

/// Clause 1.
pub async fn what_was_appended_is_read(log: &dyn EventLog) {
    let seq = append(log, 1).await;
    let event = sample::new_event(1);
    assert_eq!(read(log, START, 100).await, [Event { seq, event }]);
}

/// Clause 2.
pub async fn events_are_read_in_order(log: &dyn EventLog) {
    let mut appended = Vec::new();
    for n in 1..=20 {
        // The same event twice has two places.
        let event = sample::new_event(n / 2);
        let seq = log.append(&event).await.unwrap();
        appended.push(Event { seq, event });
    }
    let seqs: Vec<EventSeq> = appended.iter().map(|event| event.seq).collect();
    assert!(
        START < seqs[0] && seqs.is_sorted_by(|a, b| a < b),
        "{seqs:?}"
    );
    assert_eq!(read(log, START, 100).await, appended);
}

/// Clause 2.
pub async fn of_racing_appends_each_has_its_place(log: &dyn EventLog) {
    let seqs = tokio::join!(append(log, 1), append(log, 2), append(log, 3));
    let mut appended = [(seqs.0, 1), (seqs.1, 2), (seqs.2, 3)].map(|(seq, n)| Event {
        seq,
        event: sample::new_event(n),
    });
    appended.sort_by_key(|event| event.seq);
    assert_eq!(read(log, START, 100).await, appended);
}

/// Clause 3.
pub async fn a_read_goes_on_after_a_place(log: &dyn EventLog) {
    for n in 1..=5 {
        append(log, n).await;
    }
    let all = read(log, START, 100).await;
    for (n, event) in all.iter().enumerate() {
        assert_eq!(read(log, event.seq, 100).await, all[n + 1..]);
    }
    let beyond = EventSeq(all[4].seq.0 + 1);
    assert_eq!(read(log, beyond, 100).await, []);
}

/// Clause 3.
pub async fn a_read_ends_at_its_limit(log: &dyn EventLog) {
    for n in 1..=5 {
        append(log, n).await;
    }
    let all = read(log, START, 100).await;
    assert_eq!(read(log, START, 2).await, all[..2]);
    assert_eq!(read(log, all[1].seq, 2).await, all[2..4]);
    assert_eq!(read(log, START, 0).await, []);
}

/// Clause 4.
pub async fn every_event_is_read_back(log: &dyn EventLog) {
    let events = drawn(&strategy::new_event(), 100);
    for event in &events {
        log.append(event).await.unwrap();
    }
    let stored = read(log, START, 100).await;
    let stored: Vec<NewEvent> = stored.into_iter().map(|it| it.event).collect();
    assert_eq!(stored, events);
}

/// Clause 5.
pub async fn the_last_place_is_that_of_the_last_event(log: &dyn EventLog) {
    for n in 1..=3 {
        let seq = append(log, n).await;
        assert_eq!(log.last().await.unwrap(), seq);
    }
}

/// Clause 6.
pub async fn a_wait_for_what_is_there_returns(log: &dyn EventLog) {
    append(log, 1).await;
    let waited = tokio::time::timeout(Duration::from_secs(10), log.wait(START)).await;
    waited.expect("the event was there").unwrap();
}

/// Clause 6.
pub async fn a_wait_returns_when_an_event_comes(log: &dyn EventLog) {
    let seen = append(log, 1).await;
    let append = async {
        // So that the wait has begun.
        tokio::task::yield_now().await;
        append(log, 2).await;
    };
    tokio::join!(wait(log, seen), append);
}

/// Clause 6.
pub async fn every_waiting_reader_is_woken(log: &dyn EventLog) {
    let append = async {
        tokio::task::yield_now().await;
        append(log, 1).await;
    };
    tokio::join!(wait(log, START), wait(log, START), append, wait(log, START));
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("event_log.rs"));
    }
}
