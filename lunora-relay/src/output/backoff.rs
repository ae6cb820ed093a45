//! How long to wait before the next try.

use std::time::Duration;

/// How a kind of failure is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is likely to be over soon: within two and a half seconds at first, half a minute at last.
    Normal,
    /// Platforms ban those who knock too often: from ten seconds to a minute.
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

    /// The wait after one more failure: by `random` anything from the shortest to a limit that
    /// doubles, so that many who failed together do not come back together (rule 29).
    pub(crate) fn next(&mut self, pace: Pace, random: u32) -> Option<Duration> {
        let (shortest, first, longest) = match pace {
            Pace::Normal => (250, 2_500, 30_000),
            Pace::Slow => (10_000, 20_000, 60_000),
            Pace::Never => return None,
        };
        let shortest = Duration::from_millis(shortest);
        let doubled = Duration::from_millis(first).saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let room = doubled.min(Duration::from_millis(longest)) - shortest;
        Some(shortest + share(room, random))
    }
}

/// Anything from nothing to all of it.
pub(super) fn share(whole: Duration, random: u32) -> Duration {
    whole.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// For spreading only; without randomness nothing is spread.
pub(crate) fn random() -> u32 {
    getrandom::u32().unwrap_or(0)
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
            waits(Pace::Normal, u32::MAX),
            [2500, 5000, 10000, 20000, 30000, 30000, 30000, 30000]
        );
        assert_eq!(
            waits(Pace::Slow, u32::MAX),
            [20000, 40000, 60000, 60000, 60000, 60000, 60000, 60000]
        );
        assert_eq!(waits(Pace::Normal, 0), [250; 8]);
        assert_eq!(waits(Pace::Slow, 0), [10000; 8]);
        assert!(waits(Pace::Never, 0).is_empty());
    }

    #[test]
    fn rule_29_after_a_common_outage_retries_are_spread() {
        const MANY: usize = 400;
        for (pace, from, to) in [(Pace::Normal, 250, 2_500), (Pace::Slow, 10_000, 20_000)] {
            let first = || Backoff::default().next(pace, random()).unwrap();
            let waits: Vec<_> = std::iter::repeat_with(first).take(MANY).collect();
            // By eighths of the range: 50 are expected in each, and 100 in none.
            let mut eighths = [0; 8];
            for wait in waits {
                let place = (wait.as_millis() - from) * 8 / (to - from);
                eighths[place.min(7) as usize] += 1;
            }
            assert!(
                eighths.iter().all(|n| (10..=100).contains(n)),
                "{eighths:?}"
            );
        }
    }

    #[test]
    fn after_a_reset_the_first_wait_is_short_again() {
        let mut backoff = Backoff { failures: 200 };
        assert_eq!(
            backoff.next(Pace::Normal, u32::MAX),
            Some(Duration::from_secs(30))
        );
        backoff.reset();
        assert_eq!(
            backoff.next(Pace::Normal, u32::MAX),
            Some(Duration::from_millis(2_500))
        );
    }
}
