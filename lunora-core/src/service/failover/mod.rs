//! Which leg of a destination is used (rule 28).
//!
//! The policy is [`plan::failover`](crate::plan::failover); here it is given what is observed,
//! and what it decides is made so: [`Failover`] for what goes on by itself, and
//! [`Destinations::fail_over`](super::Destinations::fail_over) for what people choose.

mod explain;
mod flip;
mod legs;
mod manual;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

pub use explain::{Explanation, LegView, NextStep};
pub use manual::{FailOverOutcome, FailOverTo};

use self::legs::{Memory, Sight};
use super::{Cause, Reconciler, Scope, reconciler::View};
use crate::{
    domain::{
        Destination, DestinationId, FailoverHistory, Finding, Flip, Leg, OutputId, Switch,
        SwitchCause,
    },
    plan::failover::{self as policy, Decision, Limits, Why},
    port::{Clock, Depth, DestinationProbe, ErrorKind, Listing, PortError, RepoExt, Versioned},
};

/// How often a preferred leg that is not pushed is tested.
const PROBE_EVERY: SignedDuration = SignedDuration::from_secs(20);

/// Fails destinations over, and back, by themselves.
///
/// It remembers what it saw lately, so that a restart makes it slower to go back and nothing
/// else; what it decided is stored. Of several, the one that has the write lease flips.
pub struct Failover {
    reconciler: Arc<Reconciler>,
    limits: Limits,
    probe: Option<Arc<dyn DestinationProbe>>,
    memory: Mutex<Memory>,
}

impl fmt::Debug for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, probe, .. } = self;
        f.debug_struct("Failover")
            .field("limits", limits)
            .field("probe", probe)
            .finish_non_exhaustive()
    }
}

/// A destination that goes on by its other leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedOver {
    /// Which.
    pub destination: DestinationId,
    /// When, to which leg, and why.
    pub flip: Flip,
}

impl Failover {
    /// Looks after the destinations that this reconciler looks after.
    #[must_use]
    pub fn new(reconciler: Arc<Reconciler>, limits: Limits) -> Self {
        Self {
            reconciler,
            limits,
            probe: None,
            memory: Mutex::default(),
        }
    }

    /// Tests a primary that is not pushed, so that there is evidence to go back by. Without, a
    /// standby is left again only if it fails, or by hand.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn DestinationProbe>) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Decides for every destination whose backup takes over by itself, makes it so, and
    /// finishes what an earlier decision left half done. To be called whenever an output
    /// changed, and once a second. A destination that fails here stops no other; the first
    /// failure is returned when all were looked at.
    pub async fn tick(&self) -> Result<Vec<FailedOver>, PortError> {
        if self.reconciler.paused_until().await?.is_some() {
            return Ok(Vec::new());
        }
        let sight = Sight::new(&self.reconciler, self.reconciler.view().await?);
        let histories = self.histories().await?;
        self.remember(&sight.view);
        let mut flips = Vec::new();
        let mut failed = None;
        for row in &sight.view.rows {
            let history = histories.get(&row.value.id);
            match self.tend(row, history, &sight).await {
                Ok(None) => (),
                Ok(Some(flip)) => {
                    let destination = row.value.id.clone();
                    flips.push(FailedOver { destination, flip });
                }
                // Somebody changed it meanwhile: the next tick decides by what is so then.
                Err(error) if error.kind() == ErrorKind::Conflict => (),
                Err(error) => {
                    tracing::warn!(destination = %row.value.id, %error, "its failover is decided later");
                    failed = failed.or(Some(error));
                }
            }
        }
        failed.map_or(Ok(flips), Err)
    }

    /// Tests the primaries that would be gone back to and are not pushed, if that is due. To be
    /// called about once a second, apart from [`tick`](Self::tick): a test takes seconds.
    pub async fn probe(&self) -> Result<(), PortError> {
        let Some(probe) = &self.probe else {
            return Ok(());
        };
        let view = self.reconciler.view().await?;
        let histories = self.histories().await?;
        for row in &view.rows {
            let history = histories.get(&row.value.id);
            let pinned = history.and_then(|it| it.value.pinned);
            if !self.is_automatic(&row.value)
                || row.value.active_leg == Leg::Primary
                || pinned.is_some()
            {
                continue;
            }
            let Some(of) = self.reconciler.tested(&row.value, Leg::Primary) else {
                continue;
            };
            let output = row.value.output(Leg::Primary);
            let now = self.reconciler.ports.clock.now();
            if !self.memory().is_probe_due(&output, of, now) {
                continue;
            }
            let found = self.found(&**probe, &row.value, &output).await;
            let now = self.reconciler.ports.clock.now();
            self.memory().probed(&output, of, found.as_ref(), now);
        }
        Ok(())
    }

    async fn found(
        &self,
        probe: &dyn DestinationProbe,
        row: &Destination,
        output: &OutputId,
    ) -> Option<Finding> {
        let spec = self.reconciler.spec(row, output, Switch::On).await.ok()?;
        // No deeper: a platform may create a broadcast for a publish (rule 27).
        match probe.probe(&spec.target, Depth::Connect).await {
            Ok(finding) => Some(finding),
            Err(error) => {
                tracing::debug!(%output, %error, "nothing was found out about it");
                None
            }
        }
    }

    async fn histories(
        &self,
    ) -> Result<BTreeMap<DestinationId, Versioned<FailoverHistory>>, PortError> {
        // A history that cannot be read stops no other; its destination is looked after as one
        // without, and a write over it conflicts.
        let Listing { items, .. } = self.reconciler.ports.failovers.survey().await?;
        let by_id = |it: Versioned<FailoverHistory>| (it.value.destination.clone(), it);
        Ok(items.into_iter().map(by_id).collect())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, view: &View) {
        let now = self.reconciler.ports.clock.now();
        self.memory().observe(&view.observed, now);
        self.reconciler.board.saw(&view.observed);
    }

    /// Whether the policy decides for it: also where another client took the backup away that is
    /// in use.
    fn is_automatic(&self, row: &Destination) -> bool {
        row.failover_enabled
            && row.is_running()
            && row.has_output()
            && self.reconciler.is_ours(row)
            && (row.backup.is_some() || row.active_leg == Leg::Backup)
    }

    /// Looks after one destination.
    async fn tend(
        &self,
        row: &Versioned<Destination>,
        history: Option<&Versioned<FailoverHistory>>,
        sight: &Sight,
    ) -> Result<Option<Flip>, PortError> {
        let pending = history.and_then(|it| it.value.pending.as_ref());
        if let (Some(history), Some(flip)) = (history, pending)
            && flip.to == row.value.active_leg
        {
            // It was done, and its record is left.
            let history = Some(history);
            self.reconciler.flip_alone(row, history, flip).await?;
            self.reconcile(&row.value.id).await;
            return Ok(None);
        }
        let pinned = history.and_then(|it| it.value.pinned);
        if let Some(history) = history
            && pinned.is_some_and(|leg| row.value.endpoint(leg).is_none())
        {
            self.reconciler.end_pin(history).await?;
            return Ok(None);
        }
        let is_ours = self.reconciler.is_ours(&row.value);
        let pin_waits = is_ours && pinned.is_some_and(|leg| leg != row.value.active_leg);
        if !self.is_automatic(&row.value) && !pin_waits {
            // After a stop nothing goes on by itself (rule 29).
            if let Some(history) = history.filter(|_| is_ours && pending.is_some()) {
                self.reconciler.drop_flip(history).await?;
            }
            return Ok(None);
        }
        let now = self.reconciler.ports.clock.now();
        let decision = self.decide(&row.value, history.map(|it| &it.value), sight, now);
        let (to, why) = match decision {
            Decision::Switch { to, why } | Decision::FailBack { to, why } => (to, why),
            Decision::Stay(_) => {
                if let Some(history) = history.filter(|_| pending.is_some()) {
                    // What was decided is not right any more, and was not done.
                    self.reconciler.drop_flip(history).await?;
                }
                return Ok(None);
            }
        };
        let flip = match pending.filter(|it| it.to == to) {
            Some(pending) => pending.clone(),
            None => {
                let history = history.map(|it| &it.value);
                let left = self.condition(&row.value, row.value.active_leg, history, sight, now);
                let generation = row.value.generation;
                Flip {
                    at: now,
                    to,
                    reason: why.label(),
                    cause: match why {
                        Why::Chosen => SwitchCause::Manual,
                        _ => SwitchCause::Automatic,
                    },
                    waits_at: legs::waits_for_person(left).then_some(generation),
                }
            }
        };
        let readable = self.reconciler.check_secrets(&row.value, to).await;
        if let Err(unreadable) = readable
            && row.value.is_running()
        {
            let text = unreadable.as_fault(now).text;
            tracing::warn!(destination = %row.value.id, "the {to} does not take over: {text}");
            return Ok(None);
        }
        let made = self.reconciler.flip_alone(row, history, &flip).await?;
        self.reconcile(&row.value.id).await;
        Ok(made.then_some(flip))
    }

    async fn reconcile(&self, id: &DestinationId) {
        let scope = Scope::One(id.clone());
        if let Err(error) = self.reconciler.reconcile(scope, Cause::Asked).await {
            tracing::warn!(destination = %id, %error, "its leg is changed by the next pass");
        }
    }

    fn decide(
        &self,
        row: &Destination,
        history: Option<&FailoverHistory>,
        sight: &Sight,
        now: Timestamp,
    ) -> Decision<Leg> {
        let candidates = self.candidates(row, history, sight, now);
        let flips = history.map(legs::automatic_flips).unwrap_or_default();
        let view = policy::View {
            candidates: &candidates,
            active: Some(&row.active_leg),
            pinned: history.and_then(|it| it.pinned.as_ref()),
            flips: &flips,
        };
        policy::decide(&view, &self.limits, legs::since_epoch(now))
    }
}
