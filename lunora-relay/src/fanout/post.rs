//! A source that was added, whether or not anybody feeds it: what is observed of it.

use std::time::Duration;

use jiff::Timestamp;
use lunora_core::domain::{Fault, Fingerprint, IngestState, MediaFacts, ObservedIngest, SourceId};

use super::{director::SILENT_AFTER, entrant::Entrant};

/// What is known of a source over all of its connections.
#[derive(Debug)]
pub(super) struct Post {
    fingerprint: Fingerprint,
    state: IngestState,
    since: Timestamp,
    attempts: u32,
    fault: Option<Fault>,
    /// What came in over the connections that have ended.
    bytes: u64,
}

impl Post {
    pub(super) const fn new(fingerprint: Fingerprint, now: Timestamp) -> Self {
        Self {
            fingerprint,
            state: IngestState::Waiting,
            since: now,
            attempts: 0,
            fault: None,
            bytes: 0,
        }
    }

    /// It was told anew, and what feeds it stays.
    pub(super) const fn retell(&mut self, fingerprint: Fingerprint) {
        self.fingerprint = fingerprint;
    }

    /// A connection was tried or made.
    pub(super) const fn attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// What is wrong with it, as whoever brings it in knows.
    pub(super) fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    /// A connection has ended.
    pub(super) const fn ended(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Sees how it does; true if that is news.
    pub(super) fn see(
        &mut self,
        feed: Option<&Entrant>,
        is_on_air: bool,
        now: Duration,
        clock: impl FnOnce() -> Timestamp,
    ) -> bool {
        let state = match feed {
            Some(feed) if feed.is_heard(now, SILENT_AFTER) => {
                self.attempts = 0;
                self.fault = None;
                if is_on_air {
                    IngestState::OnAir
                } else {
                    IngestState::Standby
                }
            }
            Some(_) => IngestState::Silent,
            None => {
                let is_for_people =
                    |fault: &Fault| fault.class != lunora_core::domain::FaultClass::Transient;
                if self.fault.as_ref().is_some_and(is_for_people) {
                    IngestState::Failed
                } else {
                    IngestState::Waiting
                }
            }
        };
        if self.state == state {
            return false;
        }
        self.state = state;
        self.since = clock();
        true
    }

    pub(super) fn observe(
        &self,
        id: &SourceId,
        feed: Option<&Entrant>,
        now: Duration,
    ) -> ObservedIngest {
        let comes_in = matches!(self.state, IngestState::Standby | IngestState::OnAir);
        let media = feed.filter(|_| comes_in);
        ObservedIngest {
            id: id.clone(),
            fingerprint: self.fingerprint,
            state: self.state,
            since: self.since,
            attempts: self.attempts,
            fault: self.fault.clone(),
            media: media.map_or_else(MediaFacts::default, |feed| feed.facts(now)),
            bytes: self.bytes.saturating_add(feed.map_or(0, Entrant::bytes)),
        }
    }
}
