//! How many begin at once: few do so at once, many are spread (rule 29).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::backoff::share;
use crate::lock::lock;

/// So many may begin at once.
const AT_ONCE: u32 = 10;
/// Over how long the others are spread; who begins within this of each other begins at once.
const SPREAD: Duration = Duration::from_secs(2);

/// All outputs of a relay, as they begin.
#[derive(Clone, Debug)]
pub(crate) struct Crowd(Arc<Mutex<(Instant, u32)>>);

impl Crowd {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), 0))))
    }

    /// How long one more that would begin now is to wait; `random` spreads those who do.
    pub(super) fn wait(&self, random: u32) -> Duration {
        let mut crowd = lock(&self.0);
        let (since, begun) = &mut *crowd;
        if SPREAD < since.elapsed() {
            (*since, *begun) = (Instant::now(), 0);
        }
        *begun += 1;
        if *begun <= AT_ONCE {
            Duration::ZERO
        } else {
            share(SPREAD, random)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::{super::backoff::random, *};

    #[tokio::test(start_paused = true)]
    async fn rule_29_a_few_begin_at_once_and_many_are_spread() {
        let crowd = Crowd::new();
        let waits: Vec<_> = std::iter::repeat_with(|| crowd.wait(random()))
            .take(410)
            .collect();
        let (few, many) = waits.split_at(10);
        assert!(few.iter().all(Duration::is_zero));
        // By quarters of the time: 100 are expected in each.
        let mut quarters = [0; 4];
        for wait in many {
            quarters[(wait.as_millis() * 4 / SPREAD.as_millis()).min(3) as usize] += 1;
        }
        assert!(
            quarters.iter().all(|n| (50..=150).contains(n)),
            "{quarters:?}"
        );

        sleep(SPREAD * 2).await;
        assert!(crowd.wait(u32::MAX).is_zero(), "alone again");
    }
}
