//! Why a destination is as it is, and what comes next.

use jiff::{SignedDuration, Timestamp};

use super::{super::destinations::DestinationError, Failover, legs::Sight};
use crate::{
    domain::{Advice, BackupMode, DestinationId, Fault, Flip, Leg, StatusKind},
    plan::failover::{Condition, Decision, Outlook},
    port::{Clock, Repo},
    service::Entry,
};

/// Why a destination is as it is, and what comes next.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The row, and what it shows.
    pub entry: Entry,
    /// What its current fault means; if nothing is wrong, what its last one meant.
    pub advice: Option<Advice>,
    /// Both legs, the primary first; none of a destination without outputs.
    pub legs: Vec<LegView>,
    /// The leg that somebody chose by hand.
    pub pinned: Option<Leg>,
    /// When it last changed to which leg, and why.
    pub last_flip: Option<Flip>,
    /// What goes on by itself, if nothing changes.
    pub next: NextStep,
}

/// A leg, as the policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegView {
    /// Which.
    pub leg: Leg,
    /// What it lacks, and what to do; nothing if it is complete.
    pub missing: Option<&'static str>,
    /// Whether the router has an output for it.
    pub is_pushed: bool,
    /// As what it is known: `good`, `bad`, `unknown` or `unusable`.
    pub condition: &'static str,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// What goes on by itself, if nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: the backup does not take over by itself, or the destination does not run.
    NotAutomatic,
    /// Nothing: it is as it should be, or nothing is known against it.
    Settled,
    /// Nothing: somebody chose the leg, and has to release it.
    Pinned,
    /// Nothing: the primary failed for what a person has to mend and no test of it sees, and its
    /// backup goes on.
    WaitsForPerson,
    /// Nothing yet: the leg in use fails, and the other one cannot take over.
    NoOther,
    /// The other leg takes over then, unless the one in use recovers.
    TakesOver {
        /// Which.
        to: Leg,
        /// When.
        at: Timestamp,
        /// Whether there were too many flips until then.
        is_limited: bool,
    },
    /// The primary is used again then, if it stays good.
    GoesBack {
        /// Which.
        to: Leg,
        /// When.
        at: Timestamp,
    },
}

impl NextStep {
    /// As a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::NotAutomatic => {
                "No leg is changed by itself: failover is not enabled, there is no backup, or the \
                 destination does not run."
                    .to_owned()
            }
            Self::Settled => "Nothing: it stays on this leg.".to_owned(),
            Self::Pinned => {
                "Nothing: this leg was chosen by hand, and stays until it is released (`to`: \
                 `auto`)."
                    .to_owned()
            }
            Self::WaitsForPerson => {
                "Nothing: the primary failed for what a person has to mend. Once it was changed, it \
                 is tested and used again; or choose it by hand (`to`: `primary`)."
                    .to_owned()
            }
            Self::NoOther => {
                "This leg fails, and the other one cannot take over: it is not complete, or does \
                 not work either."
                    .to_owned()
            }
            Self::TakesOver { to, is_limited, .. } => {
                let limit = match is_limited {
                    true => "; not before, because it changed too often within the hour",
                    false => ", unless this leg recovers",
                };
                format!("The {to} takes over then{limit}.")
            }
            Self::GoesBack { to, .. } => {
                format!("The {to} is used again then, if it stays good.")
            }
        }
    }
}

impl Failover {
    /// Says why a destination is as it is, from what is so now.
    pub async fn explain(&self, id: &DestinationId) -> Result<Explanation, DestinationError> {
        let not_found = || DestinationError::NotFound { id: id.clone() };
        let snapshot = self.reconciler.look().await?;
        let entry = snapshot.entries.get(id).cloned().ok_or_else(not_found)?;
        let sight = Sight::new(&self.reconciler, self.reconciler.view().await?);
        let history = self.reconciler.ports.failovers.get(id).await?;
        let history = history.map(|it| it.value);
        self.remember(&sight.view);
        let now = self.reconciler.ports.clock.now();
        let row = &entry.destination.value;
        let candidates = self.candidates(row, history.as_ref(), &sight, now);
        let legs = candidates.iter().map(|it| {
            let output = row.output(it.id);
            let observed = sight.view.observed.iter().find(|seen| seen.id == output);
            LegView {
                leg: it.id,
                missing: row.complete(it.id).err(),
                is_pushed: observed.is_some(),
                condition: word(it.condition),
                fault: observed.and_then(|seen| seen.health.fault.clone()),
            }
        });
        let has_legs = row.has_output() && self.reconciler.is_ours(row);
        let shown = &entry.status;
        let is_live = matches!(shown.kind, StatusKind::Live | StatusKind::FailedOver);
        let advice = match (&shown.fault, &shown.last_fault) {
            (Some(fault), _) if is_live => Some(Advice::while_live(fault.code, fault.class)),
            (Some(fault), _) | (None, Some(fault)) => Some(Advice::of(fault.code, fault.class)),
            (None, None) => None,
        };
        let pinned = history.as_ref().and_then(|it| it.pinned);
        let waits = history.as_ref().is_some_and(|it| {
            row.backup_mode == BackupMode::Standby
                && row.active_leg == Leg::Backup
                && it.waits_for_person(Leg::Primary, row.generation)
        });
        let next = if pinned.is_some() {
            NextStep::Pinned
        } else if self.is_automatic(row) {
            match next_step(self.decide(row, history.as_ref(), &sight, now), now) {
                NextStep::Settled if waits => NextStep::WaitsForPerson,
                next => next,
            }
        } else {
            NextStep::NotAutomatic
        };
        Ok(Explanation {
            advice,
            legs: legs.filter(|_| has_legs).collect(),
            pinned,
            last_flip: history.and_then(|it| it.flips.last().cloned()),
            next,
            entry,
        })
    }
}

const fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Good { .. } => "good",
        Condition::Bad { .. } => "bad",
        Condition::Unknown => "unknown",
        Condition::Unusable => "unusable",
    }
}

fn next_step(decision: Decision<Leg>, now: Timestamp) -> NextStep {
    let time = |at: std::time::Duration| {
        let since_epoch = SignedDuration::try_from(at).ok();
        let time = since_epoch.and_then(|it| Timestamp::from_duration(it).ok());
        time.unwrap_or(now)
    };
    let takes_over = |to, at, is_limited| NextStep::TakesOver { to, at, is_limited };
    match decision {
        Decision::Switch { to, .. } => takes_over(to, now, false),
        Decision::FailBack { to, .. } => NextStep::GoesBack { to, at: now },
        Decision::Stay(outlook) => match outlook {
            Outlook::Settled => NextStep::Settled,
            Outlook::Pinned => NextStep::Pinned,
            Outlook::Leaves { to, at } => takes_over(to, time(at), false),
            Outlook::Spent { to, at: Some(at) } => takes_over(to, time(at), true),
            Outlook::GoesBack { to, at: Some(at) } => NextStep::GoesBack { to, at: time(at) },
            Outlook::NoOther | Outlook::Spent { at: None, .. } => NextStep::NoOther,
            Outlook::GoesBack { at: None, .. } => NextStep::Settled,
        },
    }
}
