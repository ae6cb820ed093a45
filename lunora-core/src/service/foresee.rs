//! What a change would do, without doing it.
//!
//! The planner is pure, so it is asked about the rows as they would be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    DestinationError, DestinationPatch, Destinations, FailOverTo, NewDestination,
    edits::changed_fields,
    intent::{check_generation, intend_stop},
    reconciler::{View, retain_ends},
};
use crate::{
    domain::{Destination, DestinationId, Leg, ObservedOutput, OutputId, Switch},
    plan::{DetachReason, Plan, Refusal, Step},
    port::{ControlStore, OutputRouter, Repo, Revision, Versioned},
};

/// A change that somebody might make.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// [`create`](Destinations::create), under an id that is used for nothing else.
    Create(&'a DestinationId, &'a NewDestination),
    /// [`update`](Destinations::update), of this generation if it is for a certain one.
    Update(&'a DestinationId, &'a DestinationPatch, Option<u64>),
    /// [`remove`](Destinations::remove), of this generation if it is for a certain one.
    Remove(&'a DestinationId, Option<u64>),
    /// [`start`](Destinations::start).
    Start(&'a DestinationId),
    /// [`stop`](Destinations::stop).
    Stop(&'a DestinationId),
    /// [`fail_over`](Destinations::fail_over).
    FailOver(&'a DestinationId, FailOverTo),
}

/// Whether a change changes what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Changes,
    /// It is so already. Outputs that are not as they should be are mended all the same.
    AlreadySo,
}

/// What viewers of a destination miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Nothing.
    None,
    /// Nothing: it is not on air, and goes on air.
    Begins,
    /// It goes on in place, by a new connection: what it takes to connect (rule 7).
    Reconnects,
    /// One leg ends before the other begins: what it takes to end and to connect (rule 7).
    Moves,
    /// All that follows: it goes off air.
    Ends,
}

impl Gap {
    /// The word in HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Begins => "begins",
            Self::Reconnects => "reconnects",
            Self::Moves => "moves",
            Self::Ends => "ends",
        }
    }

    /// How long it is, in milliseconds, where that is known.
    #[must_use]
    pub const fn milliseconds(self) -> Option<u64> {
        match self {
            Self::None | Self::Begins => Some(0),
            // It is up to the far end.
            Self::Reconnects | Self::Moves | Self::Ends => None,
        }
    }

    /// As a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "Viewers notice nothing.",
            Self::Begins => "It goes on air; there is nothing that viewers could miss.",
            Self::Reconnects => {
                "Its push ends and begins again in place: viewers miss what the far end takes to \
                 accept it, mostly a few seconds."
            }
            Self::Moves => {
                "The leg in use ends before the other one begins: viewers miss what both far ends \
                 take for that, mostly a few seconds. A hot backup has no such gap."
            }
            Self::Ends => "It goes off air.",
        }
    }
}

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foresight {
    /// Whether anything stored changes.
    pub effect: Effect,
    /// The names of the fields that change, as they stand in HTTP; none of a create.
    pub changed: Vec<String>,
    /// The steps that would be taken now, in the planner's order.
    pub steps: Vec<Step>,
    /// What of it would be wanted on and cannot be.
    pub refused: BTreeMap<OutputId, Refusal>,
    /// How many outputs that are on stay as they are.
    pub untouched: usize,
    /// What its viewers miss.
    pub gap: Gap,
    /// Until when all other steps wait, if reconciling is paused (rule 15).
    pub paused_until: Option<Timestamp>,
}

/// The rows as they would be.
struct Hypothesis {
    id: DestinationId,
    before: Option<Destination>,
    /// `None` if it goes.
    after: Option<Destination>,
    changed: Vec<String>,
}

impl Destinations {
    /// Says what a change would do, and refuses what the change would be refused for. It
    /// changes nothing: no row, no secret, no output, and it is told by no event.
    pub async fn foresee(&self, change: Change<'_>) -> Result<Foresight, DestinationError> {
        let hypothesis = self.suppose(change).await?;
        let mut view = self.reconciler.view().await?;
        let paused_until = self.reconciler.paused_until().await?;
        let observed = std::mem::take(&mut view.observed);
        let is_taken_over = hypothesis
            .after
            .as_ref()
            .is_some_and(|row| self.check_ours(row).is_err());
        let plan = match (&hypothesis.after, change) {
            (None, _) => detach_all(&hypothesis.id, &observed),
            // Another client took its row over, and its output goes on until it is told to stop.
            (Some(_), Change::Stop(_)) if is_taken_over => detach_all(&hypothesis.id, &observed),
            (Some(row), _) => self.plan_with(row, view, &observed, paused_until),
        };
        Ok(hypothesis.foresight(plan, &observed, paused_until))
    }

    async fn suppose(&self, change: Change<'_>) -> Result<Hypothesis, DestinationError> {
        match change {
            Change::Create(id, new) => {
                if let Some(there) = self.ports.destinations.get(id).await? {
                    return Ok(Hypothesis::unchanged(there.value));
                }
                let planned = self.intend_create(id.clone(), new).await?.planned;
                Ok(Hypothesis {
                    id: id.clone(),
                    before: None,
                    after: Some(planned),
                    changed: Vec::new(),
                })
            }
            Change::Update(id, patch, generation) => {
                let stored = self.get(id).await?.value;
                check_generation(&stored, generation)?;
                let intended = self.intend_update(&stored, patch).await?;
                let mut hypothesis = Hypothesis::new(stored, intended.planned);
                hypothesis.changed = intended.changed;
                Ok(hypothesis)
            }
            Change::Remove(id, generation) => {
                let before = self.ports.destinations.get(id).await?.map(|it| it.value);
                match &before {
                    Some(row) => check_generation(row, generation)?,
                    None => {
                        let removals = self.ports.control.removals().await?;
                        if !removals.iter().any(|it| it.destination == *id) {
                            return Err(DestinationError::NotFound { id: id.clone() });
                        }
                    }
                }
                Ok(Hypothesis {
                    id: id.clone(),
                    before,
                    after: None,
                    changed: Vec::new(),
                })
            }
            Change::Start(id) => {
                let stored = self.get(id).await?.value;
                let after = self.intend_start(&stored).await?;
                Ok(Hypothesis::maybe(stored, after))
            }
            Change::Stop(id) => {
                let stored = self.get(id).await?.value;
                if let Err(foreign) = self.check_ours(&stored) {
                    let observed = self.ports.router.observe().await?;
                    return match observed.iter().any(|it| it.id.destination == *id) {
                        true => Ok(Hypothesis::unchanged(stored)),
                        false => Err(foreign),
                    };
                }
                let after = intend_stop(&stored);
                Ok(Hypothesis::maybe(stored, after))
            }
            Change::FailOver(id, to) => self.suppose_leg(id, to).await,
        }
    }

    async fn suppose_leg(
        &self,
        id: &DestinationId,
        to: FailOverTo,
    ) -> Result<Hypothesis, DestinationError> {
        let stored = self.get(id).await?.value;
        let history = self.ports.failovers.get(id).await?.map(|it| it.value);
        let pinned = history.and_then(|it| it.pinned);
        let (after, pin) = match to {
            FailOverTo::Release => {
                self.check_ours(&stored)?;
                (stored.clone(), None)
            }
            FailOverTo::Primary => {
                let after = self.intend_leg(&stored, Leg::Primary).await?;
                (after, Some(Leg::Primary))
            }
            FailOverTo::Backup => {
                let after = self.intend_leg(&stored, Leg::Backup).await?;
                (after, Some(Leg::Backup))
            }
        };
        let mut hypothesis = Hypothesis::new(stored, after);
        if pin != pinned {
            hypothesis.changed.push("pinned".to_owned());
        }
        Ok(hypothesis)
    }

    fn plan_with(
        &self,
        row: &Destination,
        mut view: View,
        observed: &[ObservedOutput],
        paused_until: Option<Timestamp>,
    ) -> Plan {
        let there = view.rows.iter_mut().find(|it| it.value.id == row.id);
        match there {
            Some(there) => there.value = row.clone(),
            None => view.rows.push(Versioned {
                value: row.clone(),
                // It is stored nowhere, and put nowhere.
                revision: Revision::from_token("none"),
            }),
        }
        let mut plan = self.reconciler.plan_of(&view.rows, observed).only(&row.id);
        if paused_until.is_some() {
            retain_ends(&mut plan, &view.rows);
        }
        plan
    }
}

impl Hypothesis {
    fn new(before: Destination, after: Destination) -> Self {
        Self {
            id: before.id.clone(),
            changed: changed_fields(&before, &after),
            before: Some(before),
            after: Some(after),
        }
    }

    fn unchanged(row: Destination) -> Self {
        Self::new(row.clone(), row)
    }

    fn maybe(before: Destination, after: Option<Destination>) -> Self {
        let after = after.unwrap_or_else(|| before.clone());
        Self::new(before, after)
    }

    fn foresight(
        self,
        plan: Plan,
        observed: &[ObservedOutput],
        paused_until: Option<Timestamp>,
    ) -> Foresight {
        let touched: BTreeSet<&OutputId> = plan.steps.iter().map(Step::output).collect();
        let on = observed.iter().filter(|it| it.switch == Switch::On);
        let untouched = on.filter(|it| !touched.contains(&it.id)).count();
        let is_new = self.before.is_none() || self.after.is_none();
        Foresight {
            effect: if is_new || !self.changed.is_empty() {
                Effect::Changes
            } else {
                Effect::AlreadySo
            },
            gap: self.gap(&plan, observed),
            changed: self.changed,
            steps: plan.steps,
            refused: plan.refused,
            untouched,
            paused_until,
        }
    }

    fn gap(&self, plan: &Plan, observed: &[ObservedOutput]) -> Gap {
        let output = |row: &Option<Destination>| {
            let row = row.as_ref()?;
            Some(row.output(row.active_leg))
        };
        let is_on = |id: &OutputId| {
            let there = observed.iter().find(|it| it.id == *id);
            there.is_some_and(|it| it.switch == Switch::On)
        };
        let step = |id: &OutputId| plan.steps.iter().find(|it| it.output() == id);
        let (before, after) = (output(&self.before), output(&self.after));
        let was_on = before.as_ref().is_some_and(is_on);
        let is_kept = |id: &OutputId| is_on(id) && step(id).is_none();
        let begins = |id: &OutputId| {
            let step = step(id);
            matches!(
                step,
                Some(Step::Attach(_) | Step::SwitchOn(_) | Step::Update(_, Switch::On))
            )
        };
        let will_be_on = after.as_ref().is_some_and(|id| is_kept(id) || begins(id));
        match (was_on, will_be_on) {
            (false, false) => Gap::None,
            (false, true) => Gap::Begins,
            (true, false) => Gap::Ends,
            (true, true) if after.as_ref().is_some_and(is_kept) => Gap::None,
            (true, true) if before == after => Gap::Reconnects,
            (true, true) => Gap::Moves,
        }
    }
}

/// What a removal does.
fn detach_all(id: &DestinationId, observed: &[ObservedOutput]) -> Plan {
    let own = observed.iter().filter(|it| it.id.destination == *id);
    let detach = |it: &ObservedOutput| Step::Detach(it.id.clone(), DetachReason::Unwanted);
    Plan {
        steps: own.map(detach).collect(),
        refused: BTreeMap::new(),
    }
}
