//! What will be done, and what that costs, before it is done.

use std::fmt::Write as _;

use super::{Check, FarEnd, Looked, TRIAL_MINUTES};

/// How long the test output is on at most, in seconds, with and without events to wait for.
pub(super) const ON_FOR_EVENTS: u64 = 60;
pub(super) const ON: u64 = 20;

/// What 1 GB to the internet costs in the first tier, in dollars. Not verified.
const DOLLARS_PER_GB: f64 = 0.09;

impl Check {
    /// What [`try_out`](Self::try_out) will do, for a person to agree to.
    #[must_use]
    pub fn intent(&self, looked: &Looked, far_end: Option<&FarEnd>, mbps: f64) -> String {
        let mut text = String::new();
        let mut line = |it: &str| {
            let _ = writeln!(text, "{it}");
        };
        line(&format!("On {}:", self.calls.flow));
        line(&format!(
            "- adds ONE output, {}, DISABLED, changes it about ten times, and removes it",
            self.run.name()
        ));
        line("- for a few seconds each, adds a second output beside it, DISABLED, three times");
        match far_end {
            None => line("- enables nothing, so nothing is sent to anybody"),
            Some(far_end) => line(&format!(
                "- enables the one output towards {} once, for at most {} s, and disables it",
                far_end.origin(),
                self.on_for()
            )),
        }
        line("- writes no other output, source or setting, and starts and stops nothing");
        if self.channel.is_some() {
            line(
                "- asks MediaLive for one update of an idle channel with dryRun, which changes nothing",
            );
        }
        line(&format!(
            "It takes at most {TRIAL_MINUTES} minutes, and 90 s more for the removal."
        ));
        line("");
        line("Cost, from AWS's price pages as far as known and NOT verified:");
        line(
            "- calls: none; DISABLED outputs: no data transfer; the flow's own hour is not changed",
        );
        match far_end {
            None => line("- so: nothing"),
            Some(_) => line(&self.transfer(mbps)),
        }
        if looked.status == "ACTIVE" && 0 < looked.on {
            line("");
            line(&format!(
                "{} other outputs of this flow are on. Nobody has seen yet whether a change of one output",
                looked.on
            ));
            line(
                "disturbs the others. Do not run this during a show. Pause the deployment meanwhile.",
            );
        }
        text
    }

    pub(super) fn on_for(&self) -> u64 {
        match self.evidence {
            Some(_) => ON_FOR_EVENTS,
            None => ON,
        }
    }

    fn transfer(&self, mbps: f64) -> String {
        let per_minute_gb = mbps * 60.0 / 8.0 / 1000.0;
        let minutes = f64::from(u32::try_from(self.on_for()).unwrap_or(u32::MAX)) / 60.0;
        let dollars = per_minute_gb * minutes * DOLLARS_PER_GB;
        format!(
            "- data transfer: {per_minute_gb:.3} GB a minute at {mbps} Mbit/s, at ${DOLLARS_PER_GB}/GB; \
             at most ${dollars:.4} in all"
        )
    }
}
