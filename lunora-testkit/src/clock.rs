//! Time and identity that a test controls.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use lunora_core::port::{Clock, IdSource};
use tokio::time::Instant;

use crate::sample;

/// A [`Clock`] that stands until a test moves it. A clone shows the same time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(time)))
    }

    /// Makes it show this time, earlier or later.
    pub fn set(&self, time: Timestamp) {
        self.with(|now| *now = time);
    }

    /// Moves it on.
    ///
    /// # Panics
    ///
    /// If that is beyond the year 9999.
    pub fn advance(&self, by: Duration) {
        self.with(|now| *now = now.checked_add(by).unwrap());
    }

    fn with<R>(&self, work: impl FnOnce(&mut Timestamp) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(sample::time())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.with(|now| *now)
    }
}

/// A [`Clock`] that goes with tokio's time, so that a test with paused time moves it
/// by sleeping, and everything that sleeps sees the same time.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    base: Timestamp,
    start: Instant,
}

impl VirtualClock {
    /// A clock that shows this time now, and goes on from there.
    #[must_use]
    pub fn at(base: Timestamp) -> Self {
        let start = Instant::now();
        Self { base, start }
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::at(sample::time())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.start.elapsed();
        // Whole milliseconds, by the contract of `Clock`.
        let whole = elapsed - Duration::from_nanos(u64::from(elapsed.subsec_nanos() % 1_000_000));
        self.base.checked_add(whole).unwrap()
    }
}

/// An [`IdSource`] that mints 1, 2, 3, … A clone counts on.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl IdSource for Sequence {
    fn mint(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1
    }
}
