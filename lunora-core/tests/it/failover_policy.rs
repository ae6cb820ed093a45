//! The failover policy, by itself (rule 28): over single cases, and over generated hours.

use std::time::Duration;

use lunora_core::{
    domain::{FaultClass, FaultCode},
    plan::failover::{
        Candidate, Condition, Decision, FLIPS_WITHIN, Limits, Outlook, View, Why, decide,
    },
};
use proptest::prelude::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn good(since: u64) -> Condition {
    Condition::Good {
        since: s(since),
        last_progress: None,
    }
}

fn bad(since: u64, faults: u32, class: FaultClass) -> Condition {
    Condition::Bad {
        since: s(since),
        faults,
        code: FaultCode::Refused,
        class,
    }
}

fn failing(since: u64) -> Condition {
    bad(since, 1, FaultClass::Transient)
}

/// Two legs, as a destination has them: `p` before `b`.
struct Legs {
    primary: Condition,
    backup: Condition,
    active: &'static str,
    pinned: Option<&'static str>,
    flips: Vec<Duration>,
}

impl Legs {
    fn new(primary: Condition, backup: Condition, active: &'static str) -> Self {
        Self {
            primary,
            backup,
            active,
            pinned: None,
            flips: Vec::new(),
        }
    }

    fn at(&self, now: u64) -> Decision<&'static str> {
        let leg = |id, rank, condition| Candidate {
            id,
            rank,
            condition,
        };
        let candidates = [leg("p", 0, self.primary), leg("b", 1, self.backup)];
        let view = View {
            candidates: &candidates,
            active: Some(&self.active),
            pinned: self.pinned.as_ref(),
            flips: &self.flips,
        };
        decide(&view, &Limits::default(), s(now))
    }
}

#[test]
fn rule_28_what_fails_too_often_or_for_too_long_is_left_and_says_why() {
    let code = FaultCode::Refused;
    let untried = Condition::Unknown;
    let switch = |why| Decision::Switch { to: "b", why };

    let thrice = Legs::new(bad(100, 3, FaultClass::Transient), untried, "p");
    assert_eq!(thrice.at(101), switch(Why::Faults { count: 3, code }));

    let long = Legs::new(failing(100), untried, "p");
    let leaves = Outlook::Leaves {
        to: "b",
        at: s(115),
    };
    assert_eq!(long.at(114), Decision::Stay(leaves));
    let lasted = s(15);
    assert_eq!(long.at(115), switch(Why::NoProgress { lasted, code }));

    let for_good = Legs::new(bad(100, 1, FaultClass::Terminal), untried, "p");
    assert_eq!(for_good.at(100), switch(Why::Terminal { code }));

    let gone = Legs::new(Condition::Unusable, untried, "p");
    assert_eq!(gone.at(100), switch(Why::Unusable));
}

#[test]
fn rule_28_who_says_that_it_works_and_moves_nothing_is_left() {
    let wedged = Condition::Good {
        since: s(100),
        last_progress: Some(s(130)),
    };
    let legs = Legs::new(wedged, good(0), "p");
    assert_eq!(legs.at(144), Decision::Stay(Outlook::Settled));
    let why = Why::NoProgress {
        lasted: s(15),
        code: FaultCode::Wedged,
    };
    assert_eq!(legs.at(145), Decision::Switch { to: "b", why });
}

#[test]
fn rule_28_nothing_is_left_for_what_does_not_work_either() {
    for other in [failing(0), Condition::Unusable] {
        let legs = Legs::new(bad(0, 9, FaultClass::Terminal), other, "p");
        assert_eq!(legs.at(1000), Decision::Stay(Outlook::NoOther));
    }
}

#[test]
fn rule_28_the_preferred_one_is_gone_back_to_when_it_was_good_for_a_while() {
    let legs = Legs::new(good(100), good(0), "b");
    let outlook = Outlook::GoesBack {
        to: "p",
        at: Some(s(160)),
    };
    assert_eq!(legs.at(159), Decision::Stay(outlook));
    let why = Why::GoodAgain { lasted: s(60) };
    assert_eq!(legs.at(160), Decision::FailBack { to: "p", why });

    let untried = Legs::new(Condition::Unknown, good(0), "b");
    assert_eq!(untried.at(5000), Decision::Stay(Outlook::Settled));
}

#[test]
fn rule_28_what_was_chosen_by_hand_stays_though_it_is_bad_and_comes_though_the_flips_are_spent() {
    let mut legs = Legs::new(bad(0, 9, FaultClass::Terminal), good(0), "p");
    legs.pinned = Some("p");
    assert_eq!(legs.at(1000), Decision::Stay(Outlook::Pinned));

    legs.active = "b";
    legs.flips = vec![s(999); 50];
    let why = Why::Chosen;
    assert_eq!(legs.at(1000), Decision::Switch { to: "p", why });

    // What was emptied since cannot be used, and nothing is given up for it.
    legs.primary = Condition::Unusable;
    assert_eq!(legs.at(1000), Decision::Stay(Outlook::Pinned));
}

#[test]
fn rule_28_spent_flips_keep_it_where_it_is_until_one_is_an_hour_old() {
    let mut legs = Legs::new(bad(0, 9, FaultClass::Transient), good(0), "p");
    legs.flips = [4000, 1000, 2000, 3000, 5000, 5001].map(s).to_vec();
    let at = Some(s(4600));
    let spent = Outlook::Spent { to: "b", at };
    assert_eq!(legs.at(4599), Decision::Stay(spent));
    assert!(matches!(legs.at(4600), Decision::Switch { to: "b", .. }));
}

#[test]
fn rule_28_going_back_leaves_a_flip_to_leave_it_again() {
    let mut legs = Legs::new(good(0), good(0), "b");
    legs.flips = [100, 200, 300, 400].map(s).to_vec();
    assert!(matches!(legs.at(500), Decision::FailBack { .. }));
    legs.flips.push(s(450));
    let at = Some(s(3700));
    let outlook = Outlook::GoesBack { to: "p", at };
    assert_eq!(legs.at(500), Decision::Stay(outlook));
}

#[test]
fn the_reasons_are_sentences_that_fit_an_event() {
    let code = FaultCode::AuthRejected;
    let lasted = Duration::from_millis(1234);
    for (why, text) in [
        (
            Why::Terminal { code },
            "the one in use failed for good: auth_rejected",
        ),
        (
            Why::Faults { count: 3, code },
            "the one in use failed 3 times in a row: auth_rejected",
        ),
        (
            Why::NoProgress { lasted, code },
            "the one in use made no progress for 1.2 s: auth_rejected",
        ),
        (
            Why::GoodAgain { lasted: s(61) },
            "the preferred one has been good for 61 s",
        ),
    ] {
        assert_eq!(why.label().as_str(), text);
    }
}

/// What is decided while candidates come and go.
#[derive(Clone, Debug)]
struct Hours {
    ranks: Vec<u32>,
    limits: Limits,
    /// After so many seconds, one of them is so from then on.
    turns: Vec<(u64, usize, Turn)>,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Good,
    Bad(FaultClass, u32),
    Unknown,
    Unusable,
    Pinned,
    Released,
}

/// A flip that was made, and what was known then.
#[derive(Clone, Debug)]
struct Made {
    at: Duration,
    to: usize,
    decision: Decision<usize>,
    candidates: Vec<Candidate<usize>>,
    pinned: Option<usize>,
}

struct Told {
    made: Vec<Made>,
    active: usize,
}

impl Hours {
    fn run(&self) -> Told {
        let candidate = |(id, rank): (usize, &u32)| Candidate {
            id,
            rank: *rank,
            condition: good(0),
        };
        let mut candidates: Vec<_> = self.ranks.iter().enumerate().map(candidate).collect();
        let (mut now, mut active, mut pinned) = (s(0), 0, None);
        let mut flips: Vec<Duration> = Vec::new();
        let mut made = Vec::new();
        for (wait, which, turn) in &self.turns {
            // Every 5 s somebody asks, as a worker does.
            for _ in 0..=wait / 5 {
                let view = View {
                    candidates: &candidates,
                    active: Some(&active),
                    pinned: pinned.as_ref(),
                    flips: &flips,
                };
                let decision = decide(&view, &self.limits, now);
                assert_eq!(decision, decide(&view, &self.limits, now), "it is pure");
                let (Decision::Switch { to, .. } | Decision::FailBack { to, .. }) = &decision
                else {
                    now += s(5);
                    continue;
                };
                made.push(Made {
                    at: now,
                    to: *to,
                    decision: decision.clone(),
                    candidates: candidates.clone(),
                    pinned,
                });
                active = *to;
                if pinned.is_none() {
                    flips.push(now);
                }
                now += s(5);
            }
            let which = which % candidates.len();
            let since = now.as_secs();
            candidates[which].condition = match turn {
                Turn::Good => good(since),
                Turn::Bad(class, faults) => bad(since, *faults, *class),
                Turn::Unknown => Condition::Unknown,
                Turn::Unusable => Condition::Unusable,
                Turn::Pinned => {
                    pinned = Some(which);
                    continue;
                }
                Turn::Released => {
                    pinned = None;
                    continue;
                }
            };
        }
        Told { made, active }
    }
}

fn class() -> impl Strategy<Value = FaultClass> {
    prop_oneof![
        4 => Just(FaultClass::Transient),
        2 => Just(FaultClass::Actionable),
        1 => Just(FaultClass::Terminal),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => Just(Turn::Good),
        4 => (class(), 0..5_u32).prop_map(|(class, faults)| Turn::Bad(class, faults)),
        1 => Just(Turn::Unknown),
        1 => Just(Turn::Unusable),
        1 => Just(Turn::Pinned),
        1 => Just(Turn::Released),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..5_u32, 0..40_u64, 0..120_u64, 0..7_usize).prop_map(
        |(faults, without_progress, good_for, flips_max)| Limits {
            faults,
            without_progress: s(without_progress),
            good_for: s(good_for),
            flips_max,
        },
    )
}

fn hours() -> impl Strategy<Value = Hours> {
    let ranks = prop::collection::vec(0..3_u32, 2..4);
    let turns = prop::collection::vec((0..400_u64, 0..3_usize, turn()), 1..60);
    (ranks, limits(), turns).prop_map(|(ranks, limits, turns)| Hours {
        ranks,
        limits,
        turns,
    })
}

proptest! {
    #[test]
    fn rule_28_it_never_flips_more_than_the_limit_within_any_hour(hours in hours()) {
        let made = hours.run().made;
        let by_itself: Vec<&Made> = made.iter().filter(|it| it.pinned.is_none()).collect();
        for first in &by_itself {
            let within = |it: &&&Made| first.at <= it.at && it.at - first.at < FLIPS_WITHIN;
            prop_assert!(by_itself.iter().filter(within).count() <= hours.limits.flips_max);
        }
    }

    #[test]
    fn rule_28_what_is_pinned_is_never_left(hours in hours()) {
        for made in hours.run().made {
            if let Some(pinned) = made.pinned {
                prop_assert_eq!(made.to, pinned);
            }
        }
    }

    #[test]
    fn rule_28_it_never_switches_to_what_is_known_not_to_work(hours in hours()) {
        for made in hours.run().made {
            let condition = made.candidates[made.to].condition;
            prop_assert_ne!(condition, Condition::Unusable);
            if made.pinned.is_none() {
                let may_work = matches!(condition, Condition::Good { .. } | Condition::Unknown);
                prop_assert!(may_work, "{:?}", made);
            }
        }
    }

    #[test]
    fn rule_28_it_goes_back_only_to_what_is_preferred_and_was_good_for_a_while(hours in hours()) {
        let mut active = 0;
        for made in hours.run().made {
            if let Decision::FailBack { to, .. } = made.decision {
                prop_assert!(hours.ranks[to] < hours.ranks[active]);
                let Condition::Good { since, .. } = made.candidates[to].condition else {
                    return Err(TestCaseError::fail("it went back to what is not good"));
                };
                prop_assert!(since + hours.limits.good_for <= made.at);
            }
            active = made.to;
        }
    }

    #[test]
    fn rule_28_of_equal_rank_the_one_in_use_stays_while_it_works(hours in hours()) {
        let mut active = 0;
        for made in hours.run().made {
            let works = matches!(made.candidates[active].condition, Condition::Good { .. });
            if made.pinned.is_none() && works {
                prop_assert!(hours.ranks[made.to] < hours.ranks[active]);
            }
            active = made.to;
        }
    }

    #[test]
    fn rule_28_after_the_preferred_one_was_good_for_long_it_is_in_use(
        mut hours in hours(),
        flips_max in 1..7_usize,
    ) {
        hours.limits.flips_max = flips_max;
        hours.limits.without_progress = s(10);
        let best = (0..hours.ranks.len()).min_by_key(|it| hours.ranks[*it]).unwrap();
        hours.turns.push((0, 0, Turn::Released));
        for which in 0..hours.ranks.len() {
            hours.turns.push((0, which, Turn::Good));
        }
        // All flips are then forgotten, and the good time is over.
        hours.turns.push((3600 + 200, best, Turn::Good));
        let active = hours.run().active;
        prop_assert_eq!(hours.ranks[active], hours.ranks[best]);
    }

    #[test]
    fn rule_28_a_primary_that_comes_and_goes_makes_no_flapping(
        up in 1..300_u64,
        down in 1..300_u64,
        rounds in 1..60_usize,
    ) {
        let turns = [(up, 0, Turn::Bad(FaultClass::Transient, 1)), (down, 0, Turn::Good)];
        let hours = Hours {
            ranks: vec![0, 1],
            limits: Limits::default(),
            turns: turns.repeat(rounds),
        };
        let told = hours.run();
        if up < 60 {
            // It is never good for long enough, so it is left once.
            prop_assert!(told.made.len() <= 1, "{:?}", told.made);
        }
        if told.made.len() == hours.limits.flips_max {
            // The flip that is kept back is for leaving it: the last hour ends where it works.
            prop_assert_eq!(told.active, 1);
        }
        for two in told.made.windows(2) {
            if matches!(two[1].decision, Decision::FailBack { .. }) {
                prop_assert!(hours.limits.good_for <= two[1].at - two[0].at);
            }
        }
    }
}
