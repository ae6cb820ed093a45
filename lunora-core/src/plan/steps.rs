use std::collections::{BTreeMap, BTreeSet};

use super::WishedOutput;
use crate::{
    domain::{
        DestinationId, Digest, FaultClass, FaultCode, FaultText, Leg, ObservedOutput, OutputId,
        Scheme, Switch,
    },
    port::{Parking, RouterCapabilities},
};

/// One change of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// End and remove it.
    Detach(OutputId, DetachReason),
    /// Keep it, and end its push.
    SwitchOff(OutputId),
    /// Tell it something new in place, on or off.
    Update(OutputId, Switch),
    /// Start its push.
    SwitchOn(OutputId),
    /// Make it, and start its push.
    Attach(OutputId),
}

/// Why an output is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachReason {
    /// Nobody wants it.
    Unwanted,
    /// It is off, and its room is needed.
    MakesRoom,
}

impl Step {
    /// The output that it changes.
    #[must_use]
    pub const fn output(&self) -> &OutputId {
        match self {
            Self::Detach(id, _)
            | Self::SwitchOff(id)
            | Self::Update(id, _)
            | Self::SwitchOn(id)
            | Self::Attach(id) => id,
        }
    }

    /// Whether all that it does is to end a push that nobody wants.
    #[must_use]
    pub const fn ends(&self) -> bool {
        matches!(
            self,
            Self::Detach(_, DetachReason::Unwanted) | Self::SwitchOff(_)
        )
    }

    /// Whether it takes something away from viewers, so that the row has to be
    /// read again first (rule 8).
    #[must_use]
    pub const fn takes_away(&self) -> bool {
        matches!(
            self,
            Self::Detach(..) | Self::SwitchOff(_) | Self::Update(..)
        )
    }
}

/// Why an output that is wanted on cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All room is taken by outputs that are on.
    Full {
        /// How many there can be.
        outputs_max: usize,
    },
    /// The router cannot push by this scheme.
    Unsupported {
        /// The scheme of its URL.
        scheme: Scheme,
    },
    /// Another one pushes to the same place with the same key.
    Duplicate {
        /// That one.
        of: OutputId,
    },
    /// It lacks something.
    Incomplete {
        /// What, and what to do.
        missing: &'static str,
    },
}

impl Refusal {
    /// As a fault: code, class and text.
    #[must_use]
    pub fn as_fault(&self) -> (FaultCode, FaultClass, FaultText) {
        let (code, text) = match self {
            Self::Full { outputs_max } => (
                FaultCode::Quota,
                format!("all {outputs_max} outputs are in use; stop another destination"),
            ),
            Self::Unsupported { scheme } => (
                FaultCode::Invalid,
                format!("this router cannot push by {scheme}"),
            ),
            Self::Duplicate { of } if of.leg == Leg::Backup => (
                FaultCode::Invalid,
                format!(
                    "the backup of destination {} pushes to the same place with the same key",
                    of.destination
                ),
            ),
            Self::Duplicate { of } => (
                FaultCode::Invalid,
                format!(
                    "destination {} pushes to the same place with the same key",
                    of.destination
                ),
            ),
            Self::Incomplete { missing } => (FaultCode::Invalid, (*missing).to_owned()),
        };
        (code, FaultClass::Actionable, text.into())
    }
}

/// The steps from what is observed to what is wanted, in order, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// First what ends, then what changes, then what begins.
    pub steps: Vec<Step>,
    /// What is wanted on and cannot be.
    pub refused: BTreeMap<OutputId, Refusal>,
}

impl Plan {
    /// The part that concerns one destination, with the detaches that make room for it.
    #[must_use]
    pub fn only(mut self, destination: &DestinationId) -> Self {
        let attaches = |step: &Step| {
            matches!(step, Step::Attach(_)) && step.output().destination == *destination
        };
        let mut room_needed = self.steps.iter().filter(|step| attaches(step)).count();
        self.steps.retain(|step| {
            let makes_room = matches!(step, Step::Detach(_, DetachReason::MakesRoom));
            if step.output().destination == *destination {
                return true;
            }
            let taken = makes_room && 0 < room_needed;
            room_needed -= usize::from(taken);
            taken
        });
        self.refused.retain(|id, _| id.destination == *destination);
        self
    }
}

/// Compares what is wanted with what is observed (rules 1 and 5 to 7).
///
/// - Observed and not wanted at all: detached.
/// - Wanted on: attached, switched on, or updated in place.
/// - Wanted off: switched off and kept; made neither anew nor again, and
///   detached, oldest wish first, when a newcomer needs its room.
/// - What does not fit is refused, newest wish first. Nothing that is on makes
///   room for a newcomer.
///
/// `foreign` are observed outputs of destinations that are delivered by another
/// way: they keep their room and are left alone.
#[must_use]
pub fn plan(
    wanted: &[WishedOutput],
    observed: &[ObservedOutput],
    foreign: &BTreeSet<DestinationId>,
    capabilities: &RouterCapabilities,
) -> Plan {
    let observed: BTreeMap<&OutputId, &ObservedOutput> =
        observed.iter().map(|it| (&it.id, it)).collect();
    let mut refused = BTreeMap::new();
    let granted = grant(wanted, &observed, foreign, capabilities, &mut refused);

    let mut steps = Steps::default();
    let mut kept: BTreeSet<&OutputId> = BTreeSet::new();
    let mut parked: Vec<&WishedOutput> = Vec::new();
    let mut newcomers: Vec<&WishedOutput> = Vec::new();
    for wish in wanted {
        let there = observed.get(&wish.id);
        let supported = capabilities.schemes.contains(&wish.scheme);
        let on = wish.switch == Switch::On && granted.contains(&wish.id);
        match there {
            None if on => newcomers.push(wish),
            None => (),
            Some(_) if !supported => (),
            Some(there) if on => {
                kept.insert(&wish.id);
                steps.toward_on(wish, there);
            }
            // Off is an output of its own only where the router can keep one.
            Some(_) if capabilities.parking == Parking::Detaches => (),
            Some(there) => {
                kept.insert(&wish.id);
                if wish.switch == Switch::Off {
                    parked.push(wish);
                }
                steps.toward_off(wish, there);
            }
        }
    }

    for id in observed.keys() {
        if foreign.contains(&id.destination) {
            kept.insert(id);
        } else if !kept.contains(id) {
            let id = (*id).clone();
            steps.detach.push(Step::Detach(id, DetachReason::Unwanted));
        }
    }

    // Who is not in use goes first.
    parked.sort_by(|one, other| {
        let share = other.share.cmp(&one.share);
        share.then_with(|| by_age(one, other))
    });
    newcomers.sort_by(by_age);
    let room = |evicted: usize| {
        capabilities
            .outputs_max
            .saturating_sub(kept.len() - evicted)
    };
    let short = (kept.len() + newcomers.len()).saturating_sub(capabilities.outputs_max);
    let mut evicted = short.min(parked.len());
    if room(evicted) == 0 {
        evicted = 0; // It would be for nothing.
    }
    for wish in parked.drain(..evicted) {
        steps.forget(&wish.id);
        let id = wish.id.clone();
        steps.detach.push(Step::Detach(id, DetachReason::MakesRoom));
    }
    for (place, wish) in newcomers.into_iter().enumerate() {
        if place < room(evicted) {
            steps.attach.push(Step::Attach(wish.id.clone()));
        } else {
            let outputs_max = capabilities.outputs_max;
            refused.insert(wish.id.clone(), Refusal::Full { outputs_max });
        }
    }
    Plan {
        steps: steps.in_order(),
        refused,
    }
}

/// Those in use come first, then the older wish.
fn by_age(one: &&WishedOutput, other: &&WishedOutput) -> std::cmp::Ordering {
    (one.share, one.since, &one.id).cmp(&(other.share, other.since, &other.id))
}

/// Says which of the outputs that are wanted on may be, room aside.
fn grant<'a>(
    wanted: &'a [WishedOutput],
    observed: &BTreeMap<&OutputId, &ObservedOutput>,
    foreign: &BTreeSet<DestinationId>,
    capabilities: &RouterCapabilities,
    refused: &mut BTreeMap<OutputId, Refusal>,
) -> BTreeSet<&'a OutputId> {
    let mut on: Vec<&WishedOutput> = Vec::new();
    for wish in wanted.iter().filter(|wish| wish.switch == Switch::On) {
        if capabilities.schemes.contains(&wish.scheme) {
            on.push(wish);
        } else {
            let scheme = wish.scheme;
            refused.insert(wish.id.clone(), Refusal::Unsupported { scheme });
        }
    }
    // What is on as wanted came first, whatever the rows say now: it is not moved.
    let settled = |wish: &WishedOutput| {
        let there = observed.get(&wish.id);
        there.is_some_and(|it| it.switch == Switch::On && it.fingerprint == wish.fingerprint)
    };
    on.sort_by(by_age);
    let mut holders: BTreeMap<Digest, &OutputId> = BTreeMap::new();
    let mut granted = BTreeSet::new();
    for wish in on.iter().copied().filter(|wish| settled(wish)) {
        holders.entry(wish.target).or_insert(&wish.id);
        granted.insert(&wish.id);
    }
    // So did what goes on under a row that another client took over.
    let left_on = |wish: &WishedOutput| {
        let mut left = observed.values().filter(|it| {
            it.switch == Switch::On && foreign.contains(&it.id.destination) && it.id != wish.id
        });
        left.find(|it| it.fingerprint == wish.fingerprint)
            .map(|it| it.id.clone())
    };
    for wish in on.iter().copied().filter(|wish| !settled(wish)) {
        let holder = holders.get(&wish.target).map(|it| (*it).clone());
        match holder.or_else(|| left_on(wish)) {
            Some(of) => {
                refused.insert(wish.id.clone(), Refusal::Duplicate { of });
            }
            None => {
                holders.insert(wish.target, &wish.id);
                granted.insert(&wish.id);
            }
        }
    }
    granted
}

#[derive(Default)]
struct Steps {
    detach: Vec<Step>,
    off: Vec<Step>,
    update: Vec<Step>,
    on: Vec<Step>,
    attach: Vec<Step>,
}

impl Steps {
    fn toward_on(&mut self, wish: &WishedOutput, there: &ObservedOutput) {
        let id = wish.id.clone();
        if there.fingerprint != wish.fingerprint {
            self.update.push(Step::Update(id, Switch::On));
        } else if there.switch == Switch::Off {
            self.on.push(Step::SwitchOn(id));
        }
    }

    fn toward_off(&mut self, wish: &WishedOutput, there: &ObservedOutput) {
        let id = wish.id.clone();
        if there.fingerprint != wish.fingerprint {
            self.update.push(Step::Update(id, Switch::Off));
        } else if there.switch == Switch::On {
            self.off.push(Step::SwitchOff(id));
        }
    }

    /// Drops what was meant for an output that has to go instead.
    fn forget(&mut self, id: &OutputId) {
        self.off.retain(|step| step.output() != id);
        self.update.retain(|step| step.output() != id);
    }

    fn in_order(self) -> Vec<Step> {
        // What ends comes first: its room and its stream name are then free.
        [self.detach, self.off, self.update, self.on, self.attach].concat()
    }
}
