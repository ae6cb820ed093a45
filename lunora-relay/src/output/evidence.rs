//! Whether media moves: what a publish must show before it is called live (rule 3).

use std::time::Duration;

use lunora_core::domain::OutputState;
use tokio::time::Instant;

/// Without progress for this long, what was live is in doubt.
pub(super) const DOUBTED_AFTER: Duration = Duration::from_secs(5);

/// What is known of one publish.
#[derive(Debug)]
pub(super) struct Evidence {
    /// How much came in so far, and when that was last more.
    came: (u64, Instant),
    /// How many frames the far end's transport took so far, and when that was last more.
    taken: (u64, Instant),
    /// Whether some were taken since there is a source.
    moves: bool,
}

impl Evidence {
    /// Of a publish that begins with this much come in and this much taken, before.
    pub(super) const fn new(now: Instant, came: u64, taken: u64) -> Self {
        Self {
            came: (came, now),
            taken: (taken, now),
            moves: false,
        }
    }

    /// The first frames were taken, maybe before anybody counted.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.taken.1 = now;
        self.moves = true;
    }

    /// A source came back, and may take a while until something moves.
    pub(super) const fn restart(&mut self, now: Instant) {
        self.came.1 = now;
        self.taken.1 = now;
        self.moves = false;
    }

    /// What to show, given what came in and was taken by now; `None` if that is not clear yet.
    pub(super) fn weigh(&mut self, now: Instant, came: u64, taken: u64) -> Option<OutputState> {
        if self.came.0 != came {
            if DOUBTED_AFTER < now.duration_since(self.came.1) {
                self.restart(now);
            }
            self.came = (came, now);
        }
        if self.taken.0 != taken {
            self.taken = (taken, now);
            self.moves = true;
        }
        if DOUBTED_AFTER < now.duration_since(self.came.1) {
            Some(OutputState::WaitingForSource)
        } else if DOUBTED_AFTER < now.duration_since(self.taken.1) {
            Some(OutputState::Unconfirmed)
        } else {
            self.moves.then_some(OutputState::Live)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown each second, of what came in and was taken by then.
    fn shown(seconds: &[(u64, u64)]) -> String {
        let start = Instant::now();
        let mut evidence = Evidence::new(start, 0, 0);
        let shown = (0..).zip(seconds).map(|(second, (came, taken))| {
            let now = start + Duration::from_secs(second);
            match evidence.weigh(now, *came, *taken) {
                Some(OutputState::Live) => 'L',
                Some(OutputState::Unconfirmed) => 'u',
                Some(OutputState::WaitingForSource) => 'w',
                Some(_) => '?',
                None => '-',
            }
        });
        shown.collect()
    }

    #[test]
    fn rule_3_live_needs_media_that_moves() {
        let both = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4)];
        assert_eq!(shown(&both), "--LLLL");

        // It comes in and nothing is taken: first since the start, then since it was live.
        let untaken: Vec<_> = (0..8).map(|second| (second, 0)).collect();
        assert_eq!(shown(&untaken), "------uu");
        let stuck: Vec<_> = (0..10).map(|second| (second, second.min(2))).collect();
        assert_eq!(shown(&stuck), "-LLLLLLLuu");

        // Nothing comes in, then it does again, and is live once that is taken.
        let gap = [0, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4].map(|came| (came, came.min(3)));
        assert_eq!(shown(&gap), "-LLLLLLwLLL");
        let late = [
            (0, 0),
            (0, 0),
            (0, 0),
            (0, 0),
            (0, 0),
            (0, 0),
            (0, 0),
            (1, 0),
            (2, 1),
        ];
        assert_eq!(shown(&late), "------w-L");
    }
}
