//! How often the media services may be called.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, PoisonError},
    time::Duration,
};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use jiff::Timestamp;
use lunora_core::port::Clock;
use tokio::sync::Mutex;

/// Makes every call wait for its turn, so that AWS need not refuse it.
///
/// The limits are those of an account and region (facts: MediaConnect 30/s for
/// descriptions and 5/s with a burst of 30 for all else, MediaLive 20/s with a
/// burst of 40). What is left unused of each burst is for repetitions by the SDK
/// and for what else the account runs. All the adapters of a process share one;
/// of several processes, the lease lets one write at a time (rule 10).
pub struct Budget {
    sleep: SharedAsyncSleep,
    writes: Turn,
    reads: Turn,
    media_live: Turn,
}

/// Who waits, waits in the order of coming.
type Turn = Mutex<RateLimiter<NotKeyed, InMemoryState, OurClock, NoOpMiddleware<Nanos>>>;

impl Budget {
    /// Starts with full bursts. `sleep` has to sleep in the time that `clock` tells.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, sleep: SharedAsyncSleep) -> Self {
        let seen = Arc::new(std::sync::Mutex::new((clock.now(), Duration::ZERO)));
        let turn = |per_second: u32, burst: u32| {
            let quota = Quota::per_second(at_least_one(per_second));
            let quota = quota.allow_burst(at_least_one(burst));
            let (clock, seen) = (Arc::clone(&clock), Arc::clone(&seen));
            Mutex::new(RateLimiter::direct_with_clock(
                quota,
                OurClock { clock, seen },
            ))
        };
        Self {
            sleep,
            writes: turn(5, 20),
            reads: turn(28, 20),
            media_live: turn(18, 30),
        }
    }

    /// Waits until MediaConnect may be asked to change or list something.
    pub async fn write(&self) {
        self.wait(&self.writes).await;
    }

    /// Waits until MediaConnect may be asked to describe something.
    pub async fn read(&self) {
        self.wait(&self.reads).await;
    }

    /// Waits until MediaLive may be called.
    pub async fn media_live(&self) {
        self.wait(&self.media_live).await;
    }

    /// Sleeps as the budget does.
    pub(crate) async fn sleep(&self, wait: Duration) {
        self.sleep.sleep(wait).await;
    }

    async fn wait(&self, turn: &Turn) {
        let turn = turn.lock().await;
        while let Err(early) = turn.check() {
            let wait = early.wait_time_from(turn.clock().now());
            // Our clock tells whole milliseconds, so it may show a little less than has passed.
            self.sleep.sleep(wait + Duration::from_millis(1)).await;
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

/// Our clock, as the limiter reads it.
#[derive(Clone)]
struct OurClock {
    clock: Arc<dyn Clock>,
    // What it told last, and how much of its time has passed in all.
    seen: Arc<std::sync::Mutex<(Timestamp, Duration)>>,
}

impl governor::clock::Clock for OurClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, passed) = &mut *seen;
        // When a clock is set back, no time has passed, and it goes on from there.
        *passed += Duration::try_from(now.duration_since(*last)).unwrap_or_default();
        *last = now;
        Nanos::from(*passed)
    }
}
