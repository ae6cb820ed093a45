//! A panic of an output ends its connection and no more: it is shown, and the output begins anew.

use std::sync::Arc;

use lunora_core::domain::OutputState;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::error;

use super::{
    backoff::{Backoff, random},
    classify::Trouble,
    health::Health,
    task::{HEALTHY_AFTER, Output, Surroundings, Wish},
};
use crate::alone::alone;

/// Runs an output until it is detached and its publish has ended.
pub(crate) async fn keep(
    mut wish: watch::Receiver<Wish>,
    around: Surroundings,
    health: Arc<Health>,
) {
    let mut backoff = Backoff::default();
    loop {
        wish.mark_unchanged();
        let begun = Instant::now();
        let output = Output::new(wish.clone(), around.clone(), Arc::clone(&health));
        if alone(output.run()).await.is_ok() {
            return;
        }
        let Some(spec) = wish.borrow().spec.clone() else {
            return;
        };
        if HEALTHY_AFTER < begun.elapsed() {
            backoff.reset();
        }
        let verdict = Trouble::Panicked.judge(&spec.target, false);
        error!(output = %spec.id, code = %verdict.code, "{}", verdict.text);
        health.fail(OutputState::Reconnecting, &verdict);
        let Some(wait) = backoff.next(verdict.pace, random()) else {
            return;
        };
        // Whoever wishes for something, be it a retry, does not wait.
        tokio::select! {
            changed = wish.changed() => if changed.is_err() { return },
            () = sleep(wait) => {}
        }
    }
}
