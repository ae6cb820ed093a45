//! How long to wait before the next try.

use std::time::Duration;

/// How a kind of failure is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is likely to be over soon: from half a second to half a minute.
    Normal,
    /// Platforms ban those who knock too often: from 15 seconds to a minute.
    Slow,
    /// Not before somebody changes something.
    Never,
}

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// All is well again.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure, spread by `random` so that many do not come back at once.
    pub(crate) fn next(&mut self, pace: Pace, random: u32) -> Option<Duration> {
        let (first, longest) = match pace {
            Pace::Normal => (Duration::from_millis(500), Duration::from_secs(30)),
            Pace::Slow => (Duration::from_secs(15), Duration::from_secs(60)),
            Pace::Never => return None,
        };
        let doubled = first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let whole = doubled.min(longest);
        Some(whole.mul_f64(1.0 - 0.25 * f64::from(random) / f64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(pace: Pace, random: u32) -> Vec<u64> {
        let mut backoff = Backoff::default();
        let waits = std::iter::from_fn(|| backoff.next(pace, random));
        waits.map(|wait| wait.as_millis() as u64).take(8).collect()
    }

    #[test]
    fn rule_29_waits_grow_to_the_limit_of_their_pace() {
        assert_eq!(
            waits(Pace::Normal, 0),
            [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
        );
        assert_eq!(
            waits(Pace::Slow, 0),
            [15000, 30000, 60000, 60000, 60000, 60000, 60000, 60000]
        );
        assert!(waits(Pace::Never, 0).is_empty());
    }

    #[test]
    fn rule_29_waits_are_spread_and_never_longer_than_the_limit() {
        assert_eq!(waits(Pace::Normal, u32::MAX)[..3], [375, 750, 1500]);
        assert_eq!(waits(Pace::Slow, u32::MAX / 2)[7], 52500);
    }

    #[test]
    fn after_a_reset_the_first_wait_is_short_again() {
        let mut backoff = Backoff { failures: 200 };
        assert_eq!(backoff.next(Pace::Normal, 0), Some(Duration::from_secs(30)));
        backoff.reset();
        assert_eq!(
            backoff.next(Pace::Normal, 0),
            Some(Duration::from_millis(500))
        );
    }
}
