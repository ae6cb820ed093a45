use std::{num::NonZeroU32, time::Duration};

use lunora_core::port::{ErrorKind, PortError};
use tokio::time::{Instant, sleep, sleep_until};

/// How fast a migration goes, so that it takes no capacity from those who are live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// The most rows that are changed in a second. Each takes two writes of 1 KB.
    pub rows_per_second: NonZeroU32,
    /// How long it waits when DynamoDB asks for fewer calls or cannot be reached,
    /// after the attempts of the SDK; each further time twice as long.
    pub first_wait: Duration,
}

/// How often a call is made, the attempts of the SDK within each not counted.
const TRIES_MAX: u32 = 6;
/// The longest wait between two of them. All of them may outlast a turn, each
/// attempt of the SDK being 5 s; what is written asks for the turn before each.
const WAIT_MAX: Duration = Duration::from_secs(8);

impl Default for Pace {
    fn default() -> Self {
        Self {
            rows_per_second: NonZeroU32::new(25).expect("it is more than none"),
            first_wait: Duration::from_millis(500),
        }
    }
}

impl Pace {
    /// Makes a call until it is answered, or the backend is gone for too long.
    pub(super) async fn patiently<T, F>(
        &self,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T, PortError>
    where
        T: Send,
        F: Future<Output = Result<T, PortError>> + Send,
    {
        let mut waits = self.waits();
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => match waits.after(&error) {
                    Some(wait) => sleep(wait).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// The waits between the tries of one call.
    pub(super) const fn waits(&self) -> Waits {
        Waits {
            next: self.first_wait,
            left: TRIES_MAX - 1,
        }
    }

    pub(super) fn row_by_row(&self) -> Steps {
        Steps {
            each: Duration::from_secs(1) / self.rows_per_second.get(),
            next: Instant::now(),
        }
    }
}

/// How long it is from one try of a call to the next.
pub(super) struct Waits {
    next: Duration,
    left: u32,
}

impl Waits {
    /// How long to wait after this error; none if the call is not made again.
    pub(super) fn after(&mut self, error: &PortError) -> Option<Duration> {
        if error.kind() != ErrorKind::Unavailable {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let wait = error.retry_after().unwrap_or(self.next).min(WAIT_MAX);
        self.next = WAIT_MAX.min(self.next * 2);
        Some(wait)
    }
}

/// The times at which rows may be changed.
pub(super) struct Steps {
    each: Duration,
    next: Instant,
}

impl Steps {
    /// Waits until the next row may be changed. Time that was lost is not made up for.
    pub(super) async fn next(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.each;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn error(kind: ErrorKind) -> PortError {
        PortError::new(kind, "write", "a row")
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_call_is_made_again_and_in_the_end_given_up() {
        let pace = Pace::default();
        let calls = AtomicU32::new(0);
        let throttled_twice = || async {
            match calls.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(error(ErrorKind::Unavailable)),
                n => Ok(n),
            }
        };
        assert_eq!(pace.patiently(throttled_twice).await.unwrap(), 2);

        calls.store(0, Ordering::Relaxed);
        let down = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(error(ErrorKind::Unavailable))
        };
        pace.patiently(down).await.unwrap_err();
        assert_eq!(calls.load(Ordering::Relaxed), TRIES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_be_refused_again_is_not_asked_again() {
        let calls = AtomicU32::new(0);
        let denied = || async {
            calls.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(error(ErrorKind::Denied))
        };
        Pace::default().patiently(denied).await.unwrap_err();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_rows_are_changed_in_a_second_than_asked_for() {
        let begun = Instant::now();
        let mut steps = Pace::default().row_by_row();
        for _ in 0..26 {
            steps.next().await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }
}
