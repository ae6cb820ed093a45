use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::reconciler::View;
use crate::{
    domain::{
        Destination, DestinationId, EventKind, Fault, NewEvent, ObservedOutput, OutputId,
        OutputType, Status, StatusKind,
    },
    plan::{Delivery, Evidence, Plan, status},
    port::{Unreadable, Versioned},
};

/// A destination and what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The row, as it was read.
    pub destination: Versioned<Destination>,
    /// What it shows.
    pub status: Status,
}

/// All destinations at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// By id.
    pub entries: BTreeMap<DestinationId, Entry>,
    /// The rows that cannot be read, whose outputs are left alone; an operator has to act.
    pub unreadable: Vec<Unreadable>,
    /// How many outputs have no row and wait for an admin's word (rule 9).
    pub held: usize,
}

/// What was shown last, and what routers refused.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    shown: Option<Arc<Snapshot>>,
    step_faults: BTreeMap<OutputId, Fault>,
    // What was wrong last, router or not, for as long as the row is there.
    last_faults: BTreeMap<OutputId, Fault>,
    key_fault: Option<Fault>,
    held: usize,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shown(&self) -> Option<Arc<Snapshot>> {
        self.state().shown.clone()
    }

    /// Notes that a step failed; the same fault again only counts up.
    pub(super) fn step_failed(&self, output: &OutputId, mut fault: Fault) {
        let faults = &mut self.state().step_faults;
        if let Some(earlier) = faults.get(output).filter(|it| it.is_like(&fault)) {
            fault.count = earlier.count.saturating_add(1);
        }
        faults.insert(output.clone(), fault);
    }

    /// Notes what was wrong with outputs, so that it is known when they are gone.
    pub(super) fn saw(&self, observed: &[ObservedOutput]) {
        let mut state = self.state();
        for output in observed {
            if let Some(fault) = &output.health.last_fault {
                state.last_faults.insert(output.id.clone(), fault.clone());
            }
        }
    }

    /// Why the router did not take the last step for an output.
    pub(super) fn step_fault(&self, output: &OutputId) -> Option<Fault> {
        self.state().step_faults.get(output).cloned()
    }

    pub(super) fn step_succeeded(&self, output: &OutputId) {
        self.state().step_faults.remove(output);
    }

    /// Notes that no stored key can be read.
    pub(super) fn keys_are_unreadable(&self, fault: Fault) {
        self.state().key_fault = Some(fault);
    }

    /// Notes how many outputs are held, and says whether that is news.
    pub(super) fn hold(&self, outputs: usize) -> bool {
        std::mem::replace(&mut self.state().held, outputs) != outputs
    }

    /// Shows what is so now, and returns what changed.
    pub(super) fn show(
        &self,
        at: Timestamp,
        view: &View,
        plan: &Plan,
        ours: &OutputType,
    ) -> (Arc<Snapshot>, Vec<NewEvent>) {
        let observed: BTreeMap<&OutputId, &ObservedOutput> =
            view.observed.iter().map(|it| (&it.id, it)).collect();
        let mut state = self.state();
        // A fault of a step is over when there is nothing left to do.
        state
            .step_faults
            .retain(|output, _| plan.steps.iter().any(|step| step.output() == output));
        let mut entries = BTreeMap::new();
        let mut events = Vec::new();
        for row in &view.rows {
            let output = OutputId {
                destination: row.value.id.clone(),
                leg: row.value.active_leg,
            };
            let evidence = Evidence {
                observed: observed.get(&output).copied(),
                refusal: plan.refused.get(&output),
                step_fault: state.step_faults.get(&output),
                key_fault: state.key_fault.as_ref(),
                last_fault: state.last_faults.get(&output),
                other_leg: state.last_faults.get(&row.value.output(output.leg.other())),
                delivery: if row.value.output_type == *ours {
                    Delivery::Ours
                } else {
                    Delivery::Foreign
                },
            };
            let now = status(&row.value, evidence);
            if let Some(last_fault) = &now.last_fault {
                state.last_faults.insert(output.clone(), last_fault.clone());
            }
            let before = state.shown.as_ref();
            let before = before.and_then(|shown| shown.entries.get(&output.destination));
            events.extend(
                changed(before.map(|it| &it.status), &now).map(|kind| NewEvent {
                    at,
                    destination: Some(output.destination.clone()),
                    by: None,
                    kind,
                }),
            );
            let entry = Entry {
                destination: row.clone(),
                status: now,
            };
            entries.insert(output.destination, entry);
        }
        state
            .last_faults
            .retain(|output, _| entries.contains_key(&output.destination));
        let held = state.held;
        let unreadable = view.unreadable.clone();
        let snapshot = Arc::new(Snapshot {
            at,
            entries,
            unreadable,
            held,
        });
        state.shown = Some(Arc::clone(&snapshot));
        (snapshot, events)
    }
}

fn changed(before: Option<&Status>, now: &Status) -> Option<EventKind> {
    let quiet = matches!(now.kind, StatusKind::Idle | StatusKind::Disabled);
    let differs = match before {
        None => !quiet,
        Some(before) => now.differs_from(before),
    };
    differs.then(|| EventKind::StatusChanged {
        from: before.map(|before| before.kind),
        to: now.kind,
        severity: now.severity,
        fault: now.fault.clone(),
        last_fault: now.last_fault.clone(),
    })
}
