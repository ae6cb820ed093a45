//! How much the far end takes of what is sent to it.
//!
//! One that takes nothing is given up after 15 s (`WEDGED_AFTER` of the fan-out). One that takes a
//! byte now and then would never be, and its viewers see a few pictures a minute. So what it took
//! is held against what was meant for it, and only if frames were dropped: who is behind and
//! catches up is well.

use std::collections::VecDeque;

/// Over how many seconds it is measured.
const WINDOW: usize = 20;
/// Below this share of what was meant for it, in per cent, a far end is given up: a new connection
/// may take another way, and nobody can watch what comes through this one.
const WEDGED_BELOW: u64 = 25;
/// Below this share it is told that frames are dropped. The connection stays: a slow line is no
/// faster for being opened again, and pictures come through it.
const SLOW_BELOW: u64 = 95;

/// What a far end takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// All, sooner or later; or nobody can tell yet.
    All,
    /// Less than comes, so that frames are dropped.
    Some,
    /// Next to nothing.
    Little,
}

/// Measures one publish, second by second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seconds: VecDeque<Totals>,
}

/// Since some time before the publish.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    /// Bytes that were meant for the far end.
    pub(super) offered: u64,
    /// Bytes that it took.
    pub(super) taken: u64,
    /// Frames that it will never get.
    pub(super) dropped: u64,
}

impl Meter {
    /// To be called every second.
    pub(super) fn weigh(&mut self, now: Totals) -> Intake {
        self.seconds.push_back(now);
        if WINDOW + 1 < self.seconds.len() {
            self.seconds.pop_front();
        }
        let is_whole = self.seconds.len() == WINDOW + 1;
        let then = self.seconds.front().copied().unwrap_or(now);
        let offered = now.offered - then.offered;
        let taken = (now.taken - then.taken).saturating_mul(100);
        if now.dropped == then.dropped {
            Intake::All
        } else if is_whole && taken < offered.saturating_mul(WEDGED_BELOW) {
            Intake::Little
        } else if taken < offered.saturating_mul(SLOW_BELOW) {
            Intake::Some
        } else {
            Intake::All
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found each second, of what the far end takes of 1000 bytes a second. It is dropped
    /// for once it is four seconds behind.
    fn found(takes: &[u64]) -> String {
        let (mut meter, mut totals) = (Meter::default(), Totals::default());
        let mut waiting = 0;
        let found = takes.iter().map(|takes| {
            totals.offered += 1000;
            waiting += 1000;
            totals.taken += waiting.min(*takes);
            waiting -= waiting.min(*takes);
            if 4000 < waiting {
                totals.dropped += waiting / 40;
                waiting = 0;
            }
            match meter.weigh(totals) {
                Intake::All => '.',
                Intake::Some => 's',
                Intake::Little => 'X',
            }
        });
        found.collect()
    }

    #[test]
    fn who_takes_next_to_nothing_is_given_up_and_who_takes_less_is_told() {
        let after = |takes: u64| found(&[takes; 60]);

        assert_eq!(after(1000), ".".repeat(60));
        // A trickle: told once frames are dropped, and given up after the whole time.
        assert_eq!(after(10).find('s'), Some(4));
        assert_eq!(after(10).find('X'), Some(20));
        assert_eq!(after(200).find('X'), Some(20));
        // A line that is too slow: pictures come through, so it stays.
        assert_eq!(after(600).find('X'), None);
        assert_eq!(after(600).rfind('s'), Some(59));
    }

    #[test]
    fn who_falls_behind_for_a_moment_is_well_again() {
        let mut takes = [1000; 60];
        takes[10..13].fill(0);
        takes[13..].fill(4000);
        assert_eq!(found(&takes), ".".repeat(60), "nothing was dropped");

        takes[10..18].fill(0);
        let found = found(&takes);
        assert_eq!(found.find('X'), None, "{found}");
        assert!(found.contains('s') && found.ends_with('.'), "{found}");
    }
}
