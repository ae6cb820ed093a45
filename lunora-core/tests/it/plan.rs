//! The planner's properties, over generated cases. A case is a handful of
//! destinations, each with what is wanted of it and what is there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lunora_core::{
    domain::{
        DestinationId, Digest, Fingerprint, Leg, ObservedOutput, OutputHealth, OutputId,
        OutputState, Scheme, Switch,
    },
    plan::{DetachReason, Plan, Refusal, Share, Step, WishedOutput, plan},
    port::RouterCapabilities,
};
use lunora_testkit::sample;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    wanted: Vec<WishedOutput>,
    observed: Vec<ObservedOutput>,
    capabilities: RouterCapabilities,
}

impl Case {
    fn plan(&self) -> Plan {
        plan(
            &self.wanted,
            &self.observed,
            &BTreeSet::new(),
            &self.capabilities,
        )
    }

    fn wish(&self, id: &OutputId) -> Option<&WishedOutput> {
        self.wanted.iter().find(|wish| wish.id == *id)
    }

    fn there(&self, id: &OutputId) -> Option<&ObservedOutput> {
        self.observed.iter().find(|output| output.id == *id)
    }

    /// Takes a step as a router does, which refuses what it has no room for.
    fn take(&mut self, step: &Step) {
        let id = step.output();
        let fingerprint = self.wish(id).map(|wish| wish.fingerprint);
        match step {
            Step::Detach(..) => self.observed.retain(|output| output.id != *id),
            Step::Attach(_) => {
                assert!(self.there(id).is_none(), "{id} is there already");
                assert!(
                    self.observed.len() < self.capabilities.outputs_max,
                    "{id} is attached before there is room"
                );
                let fingerprint = fingerprint.expect("an attached output is wanted");
                self.observed.push(observed(id, fingerprint, Switch::On));
            }
            Step::SwitchOff(_) | Step::SwitchOn(_) | Step::Update(..) => {
                let output = self.observed.iter_mut().find(|output| output.id == *id);
                let output = output.expect("an output that is changed is there");
                match step {
                    Step::SwitchOff(_) => output.switch = Switch::Off,
                    Step::SwitchOn(_) => output.switch = Switch::On,
                    Step::Update(_, switch) => {
                        output.switch = *switch;
                        output.fingerprint = fingerprint.expect("an updated output is wanted");
                    }
                    Step::Detach(..) | Step::Attach(_) => (),
                }
            }
        }
    }
}

fn observed(id: &OutputId, fingerprint: Fingerprint, switch: Switch) -> ObservedOutput {
    ObservedOutput {
        id: id.clone(),
        fingerprint,
        switch,
        health: OutputHealth::new(OutputState::Live, sample::time()),
    }
}

fn digest(of: &str, n: u8) -> Digest {
    sample::hash_key().digest([of.as_bytes(), &[n]])
}

fn at(seconds: u8) -> Timestamp {
    sample::time() + SignedDuration::from_secs(seconds.into())
}

fn switch() -> impl Strategy<Value = Switch> {
    prop_oneof![Just(Switch::On), Just(Switch::Off)]
}

type Part = (Option<WishedOutput>, Option<ObservedOutput>);

/// One leg: maybe wanted, maybe there, maybe as wanted.
fn leg(id: OutputId, own: u8, share: Share, wanted: f64) -> impl Strategy<Value = Part> {
    let target = prop_oneof![4 => Just(own), 1 => Just(100_u8)];
    let wanted_id = id.clone();
    let wish = proptest::option::weighted(wanted, (switch(), any::<bool>(), target, 0..4_u8))
        .prop_map(move |wish| {
            wish.map(|(switch, tls, target, since)| WishedOutput {
                id: wanted_id.clone(),
                switch,
                scheme: if tls { Scheme::Rtmps } else { Scheme::Rtmp },
                fingerprint: Fingerprint(digest("spec", target)),
                target: digest("target", target),
                share,
                since: at(since),
            })
        });
    let there = proptest::option::weighted(0.6, (switch(), 0..3_u8));
    (wish, there).prop_map(move |(wish, there)| {
        let there = there.map(|(switch, drift)| {
            let as_wanted = wish.as_ref().map(|wish| wish.fingerprint);
            let other = Fingerprint(digest("old", own));
            let fingerprint = as_wanted.filter(|_| 0 < drift).unwrap_or(other);
            observed(&id, fingerprint, switch)
        });
        (wish, there)
    })
}

/// One destination: its leg in use, and its other one, which is wanted if it is hot and is
/// there as well after a failover.
fn destination(n: u64) -> impl Strategy<Value = (Vec<WishedOutput>, Vec<ObservedOutput>)> {
    let own = u8::try_from(n).unwrap();
    let legs = move |active: Leg| {
        let id = |leg| OutputId {
            destination: sample::destination_id(n),
            leg,
        };
        let active_leg = leg(id(active), own, Share::Active, 0.8);
        let spare = leg(id(active.other()), own + 50, Share::Spare, 0.3);
        let nothing = Just((None, None));
        (active_leg, prop_oneof![1 => spare, 1 => nothing])
    };
    let active = prop_oneof![3 => Just(Leg::Primary), 1 => Just(Leg::Backup)];
    active.prop_flat_map(legs).prop_map(|(one, other)| {
        let (wanted, observed): (Vec<_>, Vec<_>) = [one, other].into_iter().unzip();
        let wanted = wanted.into_iter().flatten().collect();
        (wanted, observed.into_iter().flatten().collect())
    })
}

fn case(capabilities: impl Strategy<Value = RouterCapabilities>) -> impl Strategy<Value = Case> {
    let destinations: Vec<_> = (1..8).map(destination).collect();
    (destinations, capabilities).prop_map(|(destinations, capabilities)| {
        let (wanted, observed): (Vec<_>, Vec<_>) = destinations.into_iter().unzip();
        Case {
            wanted: wanted.into_iter().flatten().collect(),
            observed: observed.into_iter().flatten().collect(),
            capabilities,
        }
    })
}

fn any_capabilities() -> impl Strategy<Value = RouterCapabilities> {
    (0..16_usize, 0..4_u8).prop_map(|(outputs_max, tls)| {
        let mut capabilities = RouterCapabilities::rtmp(outputs_max);
        if tls == 0 {
            capabilities.schemes = vec![Scheme::Rtmp];
        }
        capabilities
    })
}

/// Room for all, and no two to the same place.
fn without_contention() -> impl Strategy<Value = Case> {
    case(Just(RouterCapabilities::rtmp(50))).prop_map(|mut case| {
        for wish in &mut case.wanted {
            wish.target = sample::hash_key().digest([wish.id.to_string().as_bytes()]);
        }
        case
    })
}

fn of<'a>(plan: &'a Plan, id: &DestinationId) -> Vec<&'a Step> {
    let steps = plan.steps.iter();
    steps
        .filter(|step| step.output().destination == *id)
        .collect()
}

/// Runs the steps to their end.
fn carry_out(mut case: Case) -> Case {
    for step in case.plan().steps {
        case.take(&step);
    }
    case
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn property_1_what_is_wanted_fits_and_is_supported_is_there_and_the_rest_says_why(
        case in case(any_capabilities())
    ) {
        let refused = case.plan().refused;
        let after = carry_out(case);

        for wish in &after.wanted {
            let there = after.there(&wish.id);
            let as_wanted = there.is_some_and(|it| {
                it.switch == wish.switch && it.fingerprint == wish.fingerprint
            });
            match wish.switch {
                Switch::On => prop_assert!(
                    as_wanted != refused.contains_key(&wish.id),
                    "{} is there or says why, and not both", wish.id
                ),
                Switch::Off => prop_assert!(there.is_none() || as_wanted),
            }
        }
        for output in &after.observed {
            prop_assert!(after.wish(&output.id).is_some(), "{} is wanted", output.id);
        }
        if let Some((id, _)) = refused.iter().find(|(_, it)| matches!(it, Refusal::Full { .. })) {
            let parked = |it: &&ObservedOutput| {
                after.wish(&it.id).is_some_and(|wish| wish.switch == Switch::Off)
            };
            let parked = after.observed.iter().filter(parked).count();
            let max = after.capabilities.outputs_max;
            prop_assert!(max <= after.observed.len(), "{id} is refused, and there is room");
            prop_assert!(
                parked == 0 || max <= after.observed.len() - parked,
                "{id} is refused, and what is off holds its room"
            );
        }
        let again = after.plan();
        prop_assert_eq!(again.steps, vec![]);
        prop_assert_eq!(again.refused, refused);
    }

    #[test]
    fn property_2_a_change_of_one_destination_changes_its_steps_alone(
        case in without_contention(),
        changed in destination(3),
    ) {
        let id = sample::destination_id(3);
        let before = case.plan();
        let mut other = case.clone();
        other.wanted.retain(|wish| wish.id.destination != id);
        other.observed.retain(|it| it.id.destination != id);
        let (mut wishes, there) = changed;
        for wish in &mut wishes {
            wish.target = sample::hash_key().digest([wish.id.to_string().as_bytes()]);
        }
        other.wanted.extend(wishes);
        other.observed.extend(there);
        let after = other.plan();

        for n in (1..8).filter(|n| *n != 3) {
            let id = sample::destination_id(n);
            prop_assert_eq!(of(&before, &id), of(&after, &id));
        }
    }

    #[test]
    fn property_2_the_plan_of_all_seen_from_one_is_the_plan_of_that_one(
        case in without_contention()
    ) {
        for n in 1..8 {
            let id = sample::destination_id(n);
            let mut alone = case.clone();
            alone.wanted.retain(|wish| wish.id.destination == id);
            alone.observed.retain(|it| it.id.destination == id);

            let (all, alone) = (case.plan(), alone.plan());
            prop_assert_eq!(of(&all, &id), of(&alone, &id));
            prop_assert_eq!(all.only(&id), alone);
        }
    }

    #[test]
    fn property_3_room_is_made_before_it_is_taken_and_nothing_live_makes_it(
        case in case(any_capabilities())
    ) {
        let mut now = case.clone();
        for step in case.plan().steps {
            // The router of the case refuses an attach without room by panicking.
            now.take(&step);
            if let Step::Detach(id, DetachReason::MakesRoom) = &step {
                let switch = case.there(id).map(|it| it.switch);
                let off = case.wish(id).is_some_and(|wish| wish.switch == Switch::Off);
                prop_assert!(off, "{id} is wanted on and makes room ({switch:?})");
            }
        }
    }

    #[test]
    fn property_3_what_is_on_as_wanted_is_not_touched(case in case(any_capabilities())) {
        let supported = |wish: &WishedOutput| case.capabilities.schemes.contains(&wish.scheme);
        let settled: BTreeMap<&OutputId, &WishedOutput> = case.wanted.iter()
            .filter(|wish| wish.switch == Switch::On && supported(wish))
            .filter(|wish| case.there(&wish.id).is_some_and(|it| {
                it.switch == Switch::On && it.fingerprint == wish.fingerprint
            }))
            .map(|wish| (&wish.id, wish))
            .collect();
        let plan = case.plan();
        for step in &plan.steps {
            prop_assert!(!settled.contains_key(step.output()), "{step:?}");
        }
        for id in plan.refused.keys() {
            prop_assert!(!settled.contains_key(id), "{id} is on, and refused");
        }
    }

    #[test]
    fn what_is_short_goes_to_those_in_use_before_any_spare_one(case in case(any_capabilities())) {
        let refused = case.plan().refused;
        let full = |id: &OutputId| matches!(refused.get(id), Some(Refusal::Full { .. }));
        let is_new = |wish: &&WishedOutput| {
            wish.switch == Switch::On && case.there(&wish.id).is_none()
        };
        let new = || case.wanted.iter().filter(is_new);
        if new().any(|it| it.share == Share::Active && full(&it.id)) {
            let mut spares = new().filter(|it| it.share == Share::Spare);
            prop_assert!(spares.all(|it| refused.contains_key(&it.id)), "{refused:?}");
        }
    }

    #[test]
    fn rule_6_what_gets_room_does_not_depend_on_the_order_of_a_listing(
        case in case(any_capabilities()),
        turn in 0..8_usize,
    ) {
        let mut turned = case.clone();
        turned.wanted.reverse();
        let turn = turn.min(turned.observed.len());
        turned.observed.rotate_left(turn);

        let as_set = |plan: Plan| {
            let mut steps: Vec<String> = plan.steps.iter().map(|it| format!("{it:?}")).collect();
            steps.sort();
            (steps, plan.refused)
        };
        prop_assert_eq!(as_set(case.plan()), as_set(turned.plan()));
    }
}

#[test]
fn rule_5_of_two_to_the_same_place_the_one_that_is_on_stays_and_the_other_names_it() {
    let wish = |n, since| WishedOutput {
        id: sample::output_id(n),
        switch: Switch::On,
        scheme: Scheme::Rtmp,
        fingerprint: Fingerprint(digest("spec", 1)),
        target: digest("target", 1),
        share: Share::Active,
        since: at(since),
    };
    let case = Case {
        wanted: vec![wish(1, 0), wish(2, 9)],
        observed: vec![observed(
            &sample::output_id(2),
            Fingerprint(digest("spec", 1)),
            Switch::On,
        )],
        capabilities: RouterCapabilities::rtmp(9),
    };

    let plan = case.plan();
    assert_eq!(plan.steps, vec![]);
    let of = sample::output_id(2);
    let refused = BTreeMap::from([(sample::output_id(1), Refusal::Duplicate { of })]);
    assert_eq!(plan.refused, refused);
}

#[test]
fn rule_1_a_stopped_output_keeps_its_slot_until_a_newcomer_needs_it() {
    let wish = |n, switch| WishedOutput {
        id: sample::output_id(n),
        switch,
        scheme: Scheme::Rtmp,
        fingerprint: Fingerprint(digest("spec", n as u8)),
        target: digest("target", n as u8),
        share: Share::Active,
        since: at(0),
    };
    let mut case = Case {
        wanted: vec![wish(1, Switch::Off)],
        observed: vec![observed(
            &sample::output_id(1),
            Fingerprint(digest("spec", 1)),
            Switch::On,
        )],
        capabilities: RouterCapabilities::rtmp(1),
    };
    assert_eq!(
        case.plan().steps,
        [Step::SwitchOff(sample::output_id(1))],
        "it is kept"
    );

    case.wanted.push(wish(2, Switch::On));
    assert_eq!(
        case.plan().steps,
        [
            Step::Detach(sample::output_id(1), DetachReason::MakesRoom),
            Step::Attach(sample::output_id(2))
        ]
    );
}
