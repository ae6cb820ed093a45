//! What is known of the legs of a destination, as the policy is to see it.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Failover, PROBE_EVERY};
use crate::{
    domain::{
        BackupMode, Destination, FailoverHistory, Fault, FaultClass, FaultCode, Finding,
        Fingerprint, Leg, ObservedOutput, OutputId, OutputState, SwitchCause,
    },
    plan::{
        Plan,
        failover::{Candidate, Condition},
        fingerprint,
    },
    service::{Reconciler, reconciler::View},
};

/// Within what time losses of an output count together: one that comes and goes fails as well
/// as one that is gone.
const LOSSES_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// How long nothing is said of an output before it is forgotten.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// How many losses of an output are kept.
const LOSSES_MAX: usize = 20;

/// What was seen lately, which no router and no store tells.
#[derive(Debug, Default)]
pub(super) struct Memory {
    outputs: BTreeMap<OutputId, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    at: Timestamp,
    /// When it was lost, each time anew.
    losses: Vec<Timestamp>,
    probe: Option<Probed>,
}

#[derive(Debug)]
struct Probed {
    at: Timestamp,
    /// What was tested. What is found says nothing of it once it is edited.
    of: Fingerprint,
    /// Since when that is found; nothing if nothing was found out.
    verdict: Option<(Timestamp, Result<(), Fault>)>,
}

impl Memory {
    pub(super) fn observe(&mut self, observed: &[ObservedOutput], now: Timestamp) {
        for output in observed {
            let seen = self.outputs.entry(output.id.clone()).or_default();
            seen.at = now;
            // It is pushed: what a test found says less than that.
            seen.probe = None;
            let health = &output.health;
            let is_lost = matches!(
                health.state,
                OutputState::Reconnecting | OutputState::Failed
            );
            if is_lost && seen.losses.last() != Some(&health.since) {
                seen.losses.push(health.since);
                let excess = seen.losses.len().saturating_sub(LOSSES_MAX);
                seen.losses.drain(..excess);
            }
        }
        self.outputs
            .retain(|_, seen| now.duration_since(seen.at) <= FORGOTTEN_AFTER);
    }

    fn probe(&self, output: &OutputId, of: Fingerprint) -> Option<&Probed> {
        let probed = self.outputs.get(output)?.probe.as_ref();
        probed.filter(|it| it.of == of)
    }

    pub(super) fn is_probe_due(&self, output: &OutputId, of: Fingerprint, now: Timestamp) -> bool {
        let probed = self.probe(output, of);
        probed.is_none_or(|it| PROBE_EVERY <= now.duration_since(it.at))
    }

    pub(super) fn probed(
        &mut self,
        output: &OutputId,
        of: Fingerprint,
        found: Option<&Finding>,
        now: Timestamp,
    ) {
        let seen = self.outputs.entry(output.clone()).or_default();
        seen.at = now;
        let earlier = seen.probe.take().filter(|it| it.of == of);
        let earlier = earlier.and_then(|it| it.verdict);
        let verdict = found.map(|found| match found.fault() {
            Some(fault) => (now, Err(fault.clone())),
            None => {
                let since = match earlier {
                    Some((since, Ok(()))) => since,
                    _ => now,
                };
                (since, Ok(()))
            }
        });
        // One that says nothing either way is as one that was not made.
        let verdict = verdict.filter(|(_, it)| it.is_err() || found.is_some_and(Finding::is_good));
        let at = now;
        seen.probe = Some(Probed { at, of, verdict });
    }

    fn losses(&self, output: &OutputId, now: Timestamp) -> u32 {
        let losses = self.outputs.get(output).map(|it| it.losses.as_slice());
        let recent = |at: &&Timestamp| now.duration_since(**at) <= LOSSES_WITHIN;
        let count = losses.unwrap_or_default().iter().filter(recent).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// What the last test found, if that is fresh.
    fn verdict(&self, output: &OutputId, of: Fingerprint, now: Timestamp) -> Option<Condition> {
        let probed = self.probe(output, of)?;
        // Two that did not come about leave nothing known.
        let is_fresh = now.duration_since(probed.at) <= PROBE_EVERY * 3;
        let (since, verdict) = probed.verdict.as_ref().filter(|_| is_fresh)?;
        Some(match verdict {
            Ok(()) => Condition::Good {
                since: since_epoch(*since),
                last_progress: None,
            },
            Err(fault) => Condition::Bad {
                since: since_epoch(*since),
                faults: fault.count,
                code: fault.code,
                class: fault.class,
            },
        })
    }
}

/// What is stored and observed, and what the planner says of it.
pub(super) struct Sight {
    pub(super) view: View,
    plan: Plan,
}

impl Sight {
    pub(super) fn new(reconciler: &Reconciler, view: View) -> Self {
        let plan = reconciler.plan(&view);
        Self { view, plan }
    }
}

impl Failover {
    /// Both legs, as they fare.
    pub(super) fn candidates(
        &self,
        row: &Destination,
        history: Option<&FailoverHistory>,
        sight: &Sight,
        now: Timestamp,
    ) -> [Candidate<Leg>; 2] {
        Leg::ALL.map(|leg| Candidate {
            id: leg,
            rank: match leg {
                Leg::Primary => 0,
                Leg::Backup => 1,
            },
            condition: self.condition(row, leg, history, sight, now),
        })
    }

    pub(super) fn condition(
        &self,
        row: &Destination,
        leg: Leg,
        history: Option<&FailoverHistory>,
        sight: &Sight,
        now: Timestamp,
    ) -> Condition {
        let output = row.output(leg);
        let is_pushed = leg == row.active_leg || row.backup_mode == BackupMode::Hot;
        let is_refused = match is_pushed {
            true => sight.plan.refused.contains_key(&output),
            false => self.reconciler.would_refuse(row, leg, &sight.view),
        };
        let Some(endpoint) = row.complete(leg).ok().filter(|_| !is_refused) else {
            return Condition::Unusable;
        };
        if !is_pushed {
            let of = fingerprint(endpoint, self.reconciler.hash_key());
            // That it can be called is no news of what it was left for.
            let waits = history.is_some_and(|it| it.waits_for_person(leg, row.generation));
            let found = self.memory().verdict(&output, of, now);
            let found = found.filter(|it| !(waits && matches!(it, Condition::Good { .. })));
            return found.unwrap_or_else(|| self.rested(leg, history, now));
        }
        let step_fault = self.reconciler.board.step_fault(&output);
        if let Some(fault) = step_fault.filter(|it| is_of_the_leg(it.code)) {
            return bad(fault.at, &fault, fault.count);
        }
        let Some(observed) = sight.view.observed.iter().find(|it| it.id == output) else {
            return Condition::Unknown;
        };
        self.condition_of(observed, now)
    }

    fn condition_of(&self, observed: &ObservedOutput, now: Timestamp) -> Condition {
        let health = &observed.health;
        let unknown = Fault::new(FaultCode::Unknown, FaultClass::Transient, "", health.since);
        let fault = health.fault.as_ref().unwrap_or(&unknown);
        match health.state {
            OutputState::Live => Condition::Good {
                since: since_epoch(health.since),
                last_progress: health.progress.last_progress.map(since_epoch),
            },
            OutputState::Connecting => bad(health.since, fault, 0),
            OutputState::Reconnecting => {
                let losses = self.memory().losses(&observed.id, now);
                bad(health.since, fault, fault.count.max(losses))
            }
            // It does not try again, whatever its fault is called.
            OutputState::Failed => Condition::Bad {
                since: since_epoch(health.since),
                faults: fault.count,
                code: fault.code,
                class: FaultClass::Terminal,
            },
            // It published, and moves nothing any more.
            OutputState::Unconfirmed if health.progress.last_progress.is_some() => Condition::Bad {
                since: since_epoch(health.since),
                faults: 0,
                code: FaultCode::Wedged,
                class: FaultClass::Transient,
            },
            OutputState::Unconfirmed
            | OutputState::WaitingForSource
            | OutputState::Off
            | OutputState::Stopping => Condition::Unknown,
        }
    }

    /// A primary that was left, and that nobody tested since, is not tried again at once.
    fn rested(&self, leg: Leg, history: Option<&FailoverHistory>, now: Timestamp) -> Condition {
        let left = history.and_then(|it| it.flips.last()).filter(|flip| {
            let rests =
                since_epoch(now).saturating_sub(since_epoch(flip.at)) < self.limits.good_for;
            let by_itself = flip.cause == SwitchCause::Automatic;
            leg == Leg::Primary && flip.to == Leg::Backup && by_itself && rests
        });
        left.map_or(Condition::Unknown, |flip| Condition::Bad {
            since: since_epoch(flip.at),
            faults: 0,
            code: FaultCode::Unknown,
            class: FaultClass::Transient,
        })
    }
}

/// Whether a step that failed so tells against the leg. What our stores, the router or its room
/// fail for would meet the other leg as well, and what is pushed meanwhile goes on.
const fn is_of_the_leg(code: FaultCode) -> bool {
    !matches!(
        code,
        FaultCode::Provider
            | FaultCode::Throttled
            | FaultCode::Quota
            | FaultCode::Internal
            | FaultCode::SourceLost
            | FaultCode::FlowStopped
    )
}

/// Whether a person has to mend what is wrong, and no test that publishes nothing would see that
/// it is mended.
pub(super) const fn waits_for_person(condition: Condition) -> bool {
    match condition {
        Condition::Bad { code, class, .. } => {
            !matches!(class, FaultClass::Transient)
                && !matches!(
                    code,
                    FaultCode::Dns
                        | FaultCode::Refused
                        | FaultCode::Timeout
                        | FaultCode::Tls
                        | FaultCode::Invalid
                )
        }
        Condition::Good { .. } | Condition::Unknown | Condition::Unusable => false,
    }
}

fn bad(since: Timestamp, fault: &Fault, faults: u32) -> Condition {
    Condition::Bad {
        since: since_epoch(since),
        faults,
        code: fault.code,
        class: fault.class,
    }
}

/// When the policy flipped, as it counts time.
pub(super) fn automatic_flips(history: &FailoverHistory) -> Vec<Duration> {
    let automatic = |it: &&crate::domain::Flip| it.cause == SwitchCause::Automatic;
    let flips = history.flips.iter().filter(automatic);
    flips.map(|it| since_epoch(it.at)).collect()
}

/// A time as the policy counts it. Nothing here is from before 1970.
pub(super) fn since_epoch(time: Timestamp) -> Duration {
    Duration::try_from(time.as_duration()).unwrap_or_default()
}
