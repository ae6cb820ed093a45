//! What is shown of an output.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use jiff::{SignedDuration, Timestamp};
use lunora_core::{
    domain::{Fault, OutputHealth, OutputState, Progress},
    port::Clock,
};
use tokio::time::Instant;

use super::classify::Verdict;
use crate::{fanout::Moved, lock::lock, news::News};

/// Over how many seconds the bitrate is measured.
const METERED: usize = 4;

/// The health of one output, written by its task and read by whoever observes.
#[derive(Debug)]
pub(crate) struct Health {
    clock: Arc<dyn Clock>,
    news: News,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    state: OutputState,
    since: Timestamp,
    fault: Option<Fault>,
    last_fault: Option<Fault>,
    reconnects: u32,
    publishing_since: Option<Timestamp>,
    moved: Arc<Moved>,
    meter: VecDeque<u64>,
}

impl Health {
    pub(crate) fn new(state: OutputState, clock: Arc<dyn Clock>, news: News) -> Self {
        let shown = Shown {
            state,
            since: clock.now(),
            fault: None,
            last_fault: None,
            reconnects: 0,
            publishing_since: None,
            moved: Arc::default(),
            meter: VecDeque::new(),
        };
        Self {
            clock,
            news,
            shown: Mutex::new(shown),
        }
    }

    /// How the output fares, as anybody may see it.
    pub(crate) fn observe(&self) -> OutputHealth {
        let shown = lock(&self.shown);
        let moved = &shown.moved;
        let last_progress = moved.last().and_then(|last| {
            let ago = SignedDuration::try_from(Instant::now().duration_since(last)).ok()?;
            self.clock.now().checked_sub(ago).ok()
        });
        OutputHealth {
            state: shown.state,
            since: shown.since,
            fault: shown.fault.clone(),
            last_fault: shown.last_fault.clone(),
            progress: Progress {
                bytes_sent: moved.bytes.load(Relaxed),
                frames_sent: moved.frames.load(Relaxed),
                frames_dropped: moved.dropped.load(Relaxed),
                reconnects: shown.reconnects,
                bitrate_bps: shown.bitrate(),
                last_progress,
                publishing_since: shown.publishing_since,
            },
        }
    }

    /// Shows a state; `Live` clears the current fault.
    pub(super) fn show(&self, state: OutputState) {
        let mut shown = lock(&self.shown);
        if shown.state == state {
            return;
        }
        shown.state = state;
        shown.since = self.clock.now();
        if state == OutputState::Live {
            shown.fault = None;
        }
        drop(shown);
        self.news.tell();
    }

    /// Shows a fault: the same one again counts on.
    pub(super) fn fail(&self, state: OutputState, verdict: &Verdict) {
        let mut shown = lock(&self.shown);
        let now = self.clock.now();
        let Verdict {
            code, class, text, ..
        } = verdict;
        let mut fault = Fault::new(*code, *class, text.as_str(), now);
        if let Some(before) = shown.fault.as_ref().filter(|before| before.is_like(&fault)) {
            fault.count = before.count.saturating_add(1);
        }
        shown.fault = Some(fault.clone());
        shown.last_fault = Some(fault);
        shown.publishing_since = None;
        if shown.state != state {
            shown.state = state;
            shown.since = now;
        }
        drop(shown);
        self.news.tell();
    }

    /// Shows what is wrong with a publish that goes on.
    pub(super) fn warn(&self, verdict: &Verdict) {
        let mut shown = lock(&self.shown);
        let Verdict {
            code, class, text, ..
        } = verdict;
        let fault = Fault::new(*code, *class, text.as_str(), self.clock.now());
        if shown.fault.as_ref().is_some_and(|it| it.is_like(&fault)) {
            return;
        }
        shown.fault = Some(fault.clone());
        shown.last_fault = Some(fault);
        drop(shown);
        self.news.tell();
    }

    /// Forgets what is wrong: it was so with another target, or before a person acted.
    pub(super) fn absolve(&self) {
        let had_fault = lock(&self.shown).fault.take().is_some();
        if had_fault {
            self.news.tell();
        }
    }

    /// Counts from zero, as for an output that is switched on.
    pub(super) fn restart(&self) {
        let mut shown = lock(&self.shown);
        shown.moved = Arc::default();
        shown.meter.clear();
        shown.reconnects = 0;
    }

    /// The far end accepted a publish.
    pub(super) fn begin_publish(&self) {
        lock(&self.shown).publishing_since = Some(self.clock.now());
    }

    /// A publish is over.
    pub(super) fn end_publish(&self) {
        lock(&self.shown).publishing_since = None;
    }

    pub(super) fn count_reconnect(&self) {
        lock(&self.shown).reconnects += 1;
    }

    /// Where the lanes of this output count.
    pub(super) fn moved(&self) -> Arc<Moved> {
        Arc::clone(&lock(&self.shown).moved)
    }

    /// To be called every second.
    pub(crate) fn meter(&self) {
        let mut shown = lock(&self.shown);
        let bytes = shown.moved.bytes.load(Relaxed);
        shown.meter.push_back(bytes);
        if METERED + 1 < shown.meter.len() {
            shown.meter.pop_front();
        }
    }
}

impl Shown {
    fn bitrate(&self) -> Option<u64> {
        let (oldest, newest) = self.meter.front().zip(self.meter.back())?;
        let seconds = self.meter.len() as u64 - 1;
        let sends = matches!(self.state, OutputState::Live | OutputState::Unconfirmed);
        (sends && 0 < seconds).then(|| newest.saturating_sub(*oldest) * 8 / seconds)
    }
}
