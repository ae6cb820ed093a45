//! Repeats a scenario with a fault, or a crash, at every call that it makes.

use std::fmt;

use crate::fault::{Fault, FaultPlan};

/// One run of a scenario in a [`sweep`].
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Whether the scenario returned `Ok`.
    pub succeeded: bool,
    mishap: Option<Mishap>,
}

#[derive(Clone, Copy, Debug)]
struct Mishap {
    index: usize,
    call: &'static str,
    fault: Fault,
    crash: bool,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(mishap) = self.mishap else {
            return f.write_str("without a fault");
        };
        let what = match (mishap.crash, mishap.fault) {
            (false, Fault::Before) => "with the request lost of",
            (false, Fault::After) => "with the reply lost to",
            (true, Fault::Before) => "with a crash before",
            (true, Fault::After) => "with a crash after",
        };
        write!(f, "{what} {} (call {})", mishap.call, mishap.index)
    }
}

/// Runs `scenario` without a fault, and then, for every port call that it made,
/// once with the request lost and once with the reply lost.
///
/// Each run starts from a new `world`. After a run with a fault, the scenario
/// runs again without one, as a caller would retry, and has to succeed. `check`
/// asserts what must hold after every run.
///
/// # Panics
///
/// If the scenario fails where it has to succeed, or if `check` panics.
pub async fn sweep<W, E: fmt::Debug>(
    world: impl AsyncFn(FaultPlan) -> W,
    scenario: impl AsyncFn(&W) -> Result<(), E>,
    check: impl AsyncFn(&W, Run),
) {
    repeat(false, world, scenario, check).await;
}

/// Like [`sweep`], but no call after the lost one takes effect either, as when
/// the process dies; so the scenario cannot clean up after itself.
///
/// # Panics
///
/// If the scenario fails where it has to succeed, or if `check` panics.
pub async fn sweep_crashes<W, E: fmt::Debug>(
    world: impl AsyncFn(FaultPlan) -> W,
    scenario: impl AsyncFn(&W) -> Result<(), E>,
    check: impl AsyncFn(&W, Run),
) {
    repeat(true, world, scenario, check).await;
}

async fn repeat<W, E: fmt::Debug>(
    crash: bool,
    world: impl AsyncFn(FaultPlan) -> W,
    scenario: impl AsyncFn(&W) -> Result<(), E>,
    check: impl AsyncFn(&W, Run),
) {
    let plan = FaultPlan::none();
    let subject = world(plan.clone()).await;
    plan.forget_calls();
    let outcome = scenario(&subject).await;
    assert!(outcome.is_ok(), "without a fault: {outcome:?}");
    let calls = plan.calls();
    let run = Run {
        succeeded: true,
        mishap: None,
    };
    check(&subject, run).await;

    for (index, call) in calls.into_iter().enumerate() {
        for fault in [Fault::Before, Fault::After] {
            let plan = FaultPlan::none();
            let subject = world(plan.clone()).await;
            plan.forget_calls();
            if crash {
                plan.crash_at(index, fault);
            } else {
                plan.fail_at(index, fault);
            }

            let succeeded = scenario(&subject).await.is_ok();
            plan.clear();
            let mishap = Some(Mishap {
                index,
                call,
                fault,
                crash,
            });
            let run = Run { succeeded, mishap };
            check(&subject, run).await;

            let retried = scenario(&subject).await;
            assert!(retried.is_ok(), "{run}, a retry fails: {retried:?}");
            let succeeded = true;
            check(&subject, Run { succeeded, mishap }).await;
        }
    }
}
