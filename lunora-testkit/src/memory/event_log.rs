use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lunora_core::{
    domain::{Event, EventSeq, NewEvent},
    port::{EventLog, PortError},
};
use tokio::sync::watch;

/// An [`EventLog`] in memory that keeps the newest events, as many as it was told.
#[derive(Clone, Debug)]
pub struct MemoryEventLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept_max: usize,
    kept: Mutex<VecDeque<Event>>,
    last: watch::Sender<EventSeq>,
}

impl MemoryEventLog {
    /// A log that keeps so many events.
    #[must_use]
    pub fn keeping(kept_max: usize) -> Self {
        Self(Arc::new(Shared {
            kept_max,
            kept: Mutex::default(),
            last: watch::Sender::default(),
        }))
    }

    /// Everything that is kept, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.with(|kept| kept.iter().cloned().collect())
    }

    fn with<R>(&self, work: impl FnOnce(&mut VecDeque<Event>) -> R) -> R {
        work(&mut self.0.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for MemoryEventLog {
    fn default() -> Self {
        Self::keeping(10_000)
    }
}

#[async_trait]
impl EventLog for MemoryEventLog {
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError> {
        Ok(self.with(|kept| {
            let seq = EventSeq(self.0.last.borrow().0 + 1);
            let event = event.clone();
            kept.push_back(Event { seq, event });
            while self.0.kept_max < kept.len() {
                kept.pop_front();
            }
            // Last: whoever is woken by it finds the event.
            self.0.last.send_replace(seq);
            seq
        }))
    }

    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError> {
        Ok(self.with(|kept| {
            let newer = kept.iter().filter(|event| after < event.seq);
            newer.take(limit as usize).cloned().collect()
        }))
    }

    async fn last(&self) -> Result<EventSeq, PortError> {
        Ok(*self.0.last.borrow())
    }

    async fn wait(&self, after: EventSeq) -> Result<(), PortError> {
        let mut last = self.0.last.subscribe();
        // It fails when the sender is dropped, and the sender is in `self`.
        let _ = last.wait_for(|last| after < *last).await;
        Ok(())
    }
}
