//! Which feed is to be on air: the failover policy of the domain, on the time of the hub.
//!
//! - What has ended is left at once, and what is silent for [`SILENT_AFTER`] as soon as another one
//!   is good that kept on sending meanwhile. So a stall of this machine, which silences all alike,
//!   switches nothing; and one that has shown longer gaps of late and came back from them is given
//!   half as much more than the longest of them, [`SILENT_MAX`] at most.
//! - One of a better priority goes on air once it was good for as long as [`Failover`] says, and
//!   not more often than it says. Only going back is counted: what is lost is left in any case.
//! - What a person pinned goes on air at once, and again when it is back and was good for
//!   [`STEADY_AFTER`]; while it is lost the rules above choose.

use std::{collections::VecDeque, time::Duration};

use lunora_core::{
    domain::{Priority, SwitchCause},
    plan::failover::{self, Condition, Decision, FLIPS_WITHIN, Limits, View, Why},
};

use crate::{
    air::{Origin, SwitchReason},
    config::Failover,
};

/// What sends nothing for this long is silent: some ten pictures, or twenty frames of sound.
pub(super) const SILENT_AFTER: Duration = Duration::from_millis(400);
/// What is given to one that is known to have gaps.
const SILENT_MAX: Duration = Duration::from_secs(2);
/// How much longer than the one on air another one must have been heard to take its place.
const OUTLIVES: Duration = Duration::from_millis(200);
/// What takes the place of a silent one, or comes back to its pin, was good for this long.
const STEADY_AFTER: Duration = Duration::from_secs(1);

/// A feed that can be chosen. All times are since the hub began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) number: u64,
    pub(super) origin: &'a Origin,
    pub(super) priority: Priority,
    /// When it last sent sound or a picture.
    pub(super) heard: Duration,
    /// Since when it does so without a silence.
    pub(super) good_since: Duration,
    /// The longest gap of late that it came back from.
    pub(super) gap: Duration,
}

impl Candidate<'_> {
    /// The lower, the better: the encoder of the relay itself comes before sources beside it.
    fn rank(&self) -> u32 {
        u32::from(self.priority.0.get()) * 2 + u32::from(*self.origin != Origin::Encoder)
    }

    fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.heard)
    }

    fn sends(&self, now: Duration) -> bool {
        self.silence(now) < SILENT_AFTER
    }

    fn is_steady(&self, now: Duration) -> bool {
        self.sends(now) && STEADY_AFTER <= now.saturating_sub(self.good_since)
    }

    /// How long a silence may be before this one is left while it is on air.
    fn patience(&self) -> Duration {
        let usual = self.gap.saturating_add(self.gap / 2);
        usual.clamp(SILENT_AFTER, SILENT_MAX)
    }

    /// Whether this one can take the place of a silent one.
    fn outlives(&self, silent: &Self, now: Duration) -> bool {
        self.is_steady(now) && silent.heard + OUTLIVES <= self.heard
    }

    /// As the policy sees it, which leaves what made no progress for [`SILENT_AFTER`].
    fn to_policy(self, current: Option<&Self>, now: Duration) -> failover::Candidate<u64> {
        let is_current = current.is_some_and(|current| current.number == self.number);
        let given = if is_current {
            self.patience() - SILENT_AFTER
        } else {
            Duration::ZERO
        };
        let is_silent = |it: &&Self| it.patience() <= it.silence(now);
        let silent = current.filter(is_silent).filter(|_| !is_current);
        let condition = if silent.is_some_and(|silent| !self.outlives(silent, now)) {
            Condition::Unusable
        } else {
            Condition::Good {
                since: self.good_since,
                last_progress: Some(self.heard.saturating_add(given)),
            }
        };
        failover::Candidate {
            id: self.number,
            rank: self.rank(),
            condition,
        }
    }
}

/// What is to go on air as soon as it has something to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) number: u64,
    pub(super) cause: SwitchCause,
    pub(super) reason: SwitchReason,
}

/// Chooses.
#[derive(Debug)]
pub(super) struct Director {
    rules: Failover,
    pinned: Option<Pin>,
    /// When one went on air because it was better, the oldest first.
    fail_backs: VecDeque<Duration>,
    /// Whether what was on air last has ended.
    ended: bool,
}

#[derive(Debug)]
struct Pin {
    origin: Origin,
    /// Whether it was on air since it was pinned.
    kept: bool,
}

impl Director {
    pub(super) const fn new(rules: Failover) -> Self {
        Self {
            rules,
            pinned: None,
            fail_backs: VecDeque::new(),
            ended: false,
        }
    }

    /// Pins, or releases; true if that is a change.
    pub(super) fn pin(&mut self, origin: Option<Origin>) -> bool {
        if self.pinned() == origin.as_ref() {
            return false;
        }
        self.pinned = origin.map(|origin| Pin {
            origin,
            kept: false,
        });
        true
    }

    pub(super) fn pinned(&self) -> Option<&Origin> {
        self.pinned.as_ref().map(|pin| &pin.origin)
    }

    /// Takes note of what went on air.
    pub(super) fn switched(&mut self, to: &Origin, reason: SwitchReason, now: Duration) {
        if let Some(pin) = &mut self.pinned {
            pin.kept |= pin.origin == *to;
        }
        if matches!(reason, SwitchReason::Better(_)) {
            let is_old = |at: &Duration| FLIPS_WITHIN <= now.saturating_sub(*at);
            while self.fail_backs.front().is_some_and(is_old) {
                self.fail_backs.pop_front();
            }
            self.fail_backs.push_back(now);
        }
        self.ended = false;
    }

    /// Takes note that what was on air has ended.
    pub(super) const fn ended(&mut self) {
        self.ended = true;
    }

    /// Takes note that nothing came in place of what has ended.
    pub(super) const fn vacated(&mut self) {
        self.ended = false;
    }

    /// Why what is on air is left, if it has been silent for so long, or is not there.
    pub(super) const fn left(&self, silence: Option<Duration>) -> SwitchReason {
        match silence {
            Some(silence) => SwitchReason::Silent(silence),
            None if self.ended => SwitchReason::Ended,
            None => SwitchReason::Vacant,
        }
    }

    /// What is to go on air in place of what is, if anything.
    pub(super) fn choose(
        &self,
        on_air: Option<u64>,
        candidates: &[Candidate<'_>],
        now: Duration,
    ) -> Option<Choice> {
        let current = candidates.iter().find(|it| Some(it.number) == on_air);
        let pinned = self.pinned_among(candidates, current, now);
        let policy = candidates.iter().map(|it| it.to_policy(current, now));
        let policy: Vec<_> = policy.collect();
        let fail_backs: Vec<_> = self.fail_backs.iter().copied().collect();
        let view = View {
            candidates: &policy,
            active: on_air.as_ref(),
            pinned: pinned.as_ref().map(|(number, _)| number),
            flips: &fail_backs,
        };
        let limits = Limits {
            without_progress: SILENT_AFTER,
            good_for: self.rules.fail_back_after,
            // The policy keeps one for leaving, and leaving is not counted here.
            flips_max: self.rules.fail_backs_per_hour.saturating_add(1),
            ..Limits::default()
        };
        let (to, why) = match failover::decide(&view, &limits, now) {
            Decision::Stay(_) => return None,
            Decision::FailBack { .. } if self.rules.fail_backs_per_hour == 0 => return None,
            Decision::Switch { to, why } | Decision::FailBack { to, why } => (to, why),
        };
        let kept = pinned.is_some_and(|(_, kept)| kept);
        let (cause, reason) = match why {
            Why::Chosen if kept => (SwitchCause::Automatic, SwitchReason::PinnedIsBack),
            Why::Chosen => (SwitchCause::Manual, SwitchReason::Pinned),
            Why::GoodAgain { lasted } => (SwitchCause::Automatic, SwitchReason::Better(lasted)),
            _ => {
                let silence = current.map(|current| current.silence(now));
                (SwitchCause::Automatic, self.left(silence))
            }
        };
        Some(Choice {
            number: to,
            cause,
            reason,
        })
    }

    /// The feed that is pinned, if it is there, and whether it was on air since it was pinned.
    /// While it is lost, the others take over.
    fn pinned_among(
        &self,
        candidates: &[Candidate<'_>],
        current: Option<&Candidate<'_>>,
        now: Duration,
    ) -> Option<(u64, bool)> {
        let pin = self.pinned.as_ref()?;
        let it = candidates.iter().find(|it| *it.origin == pin.origin)?;
        let is_current = current.is_some_and(|current| current.number == it.number);
        let is_there = match current {
            Some(_) if is_current => it.silence(now) < it.patience(),
            Some(_) if pin.kept => it.is_steady(now),
            _ => it.sends(now),
        };
        is_there.then_some((it.number, pin.kept))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;

    const RULES: Failover = Failover {
        fail_back_after: Duration::from_secs(10),
        fail_backs_per_hour: 2,
        hold: Duration::from_secs(20),
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn source(n: u64) -> Origin {
        Origin::Source(format!("src-{n}").parse().unwrap())
    }

    /// Feeds 1 and 2 of sources of these priorities, heard at these times and good since then.
    struct World {
        director: Director,
        on_air: Option<u64>,
        origins: Vec<Origin>,
        feeds: Vec<(u64, u8, Duration, Duration, Duration)>,
    }

    impl World {
        fn new() -> Self {
            Self {
                director: Director::new(RULES),
                on_air: None,
                origins: (0..10).map(source).collect(),
                feeds: Vec::new(),
            }
        }

        fn feed(&mut self, number: u64, priority: u8, heard: u64, good_since: u64) {
            self.feeds.retain(|feed| feed.0 != number);
            self.feeds
                .push((number, priority, ms(heard), ms(good_since), Duration::ZERO));
        }

        fn gap(&mut self, number: u64, gap: u64) {
            let feed = self.feeds.iter_mut().find(|feed| feed.0 == number);
            feed.unwrap().4 = ms(gap);
        }

        fn choose(&self, now: u64) -> Option<(u64, SwitchReason)> {
            let candidates = self.feeds.iter().map(|feed| Candidate {
                number: feed.0,
                origin: &self.origins[usize::try_from(feed.0).unwrap()],
                priority: Priority(NonZeroU8::new(feed.1).unwrap()),
                heard: feed.2,
                good_since: feed.3,
                gap: feed.4,
            });
            let candidates: Vec<_> = candidates.collect();
            let choice = self.director.choose(self.on_air, &candidates, ms(now));
            choice.map(|choice| (choice.number, choice.reason))
        }

        /// Takes what is chosen, if anything is.
        fn switch(&mut self, now: u64) -> Option<u64> {
            let (number, reason) = self.choose(now)?;
            let origin = self.origins[usize::try_from(number).unwrap()].clone();
            self.director.switched(&origin, reason, ms(now));
            self.on_air = Some(number);
            Some(number)
        }

        fn pin(&mut self, number: Option<u64>) {
            let origin = number.map(source);
            self.director.pin(origin);
        }
    }

    #[test]
    fn the_lowest_priority_of_those_that_send_comes_first() {
        let mut world = World::new();
        world.feed(1, 3, 1_000, 1_000);
        world.feed(2, 2, 1_000, 900);
        world.feed(3, 1, 400, 0);

        assert_eq!(world.choose(1_010), Some((2, SwitchReason::Vacant)));
    }

    #[test]
    fn rule_28_silence_is_decided_on_within_half_a_second_and_not_before_400_ms() {
        let mut world = World::new();
        world.on_air = Some(1);
        for now in (10_000..=10_600).step_by(10) {
            // The first one sent its last at 10 000; the other goes on.
            world.feed(1, 1, 10_000, 0);
            world.feed(2, 2, now, 0);
            let expected = (10_400 <= now).then(|| (2, SwitchReason::Silent(ms(now - 10_000))));
            assert_eq!(world.choose(now), expected, "at {now}");
        }
    }

    #[test]
    fn what_has_ended_is_left_at_once() {
        let mut world = World::new();
        world.on_air = Some(1);
        world.director.ended();
        // It came just now, and there is nothing else.
        world.feed(2, 2, 9_990, 9_990);

        assert_eq!(world.choose(10_000), Some((2, SwitchReason::Ended)));
    }

    #[test]
    fn a_silence_of_all_switches_nothing() {
        let mut world = World::new();
        world.on_air = Some(1);
        world.feed(1, 1, 10_000, 0);
        world.feed(2, 2, 10_040, 0);

        // The machine stood still for a second, and what waits was not read yet.
        assert_eq!(world.choose(11_000), None);
        // Then one is read before the other.
        world.feed(2, 2, 11_010, 11_010);
        assert_eq!(world.choose(11_020), None, "it may come any moment");
        world.feed(2, 2, 12_040, 11_010);
        assert!(world.choose(12_050).is_some(), "it did not");
    }

    #[test]
    fn one_that_is_known_to_have_gaps_is_given_half_as_much_more() {
        let mut world = World::new();
        world.on_air = Some(1);
        world.feed(1, 1, 10_000, 9_000);
        world.gap(1, 600);
        for (now, is_left) in [(10_890, false), (10_900, true)] {
            world.feed(2, 2, now, 0);
            assert_eq!(world.choose(now).is_some(), is_left, "at {now}");
        }
        world.gap(1, 60_000);
        for (now, is_left) in [(11_990, false), (12_000, true)] {
            world.feed(2, 2, now, 0);
            assert_eq!(world.choose(now).is_some(), is_left, "at {now}");
        }
    }

    #[test]
    fn rule_28_a_better_one_is_gone_back_to_after_ten_good_seconds_and_so_often_an_hour() {
        let mut world = World::new();
        let mut now = 0;
        let mut backs = Vec::new();
        // The better one comes, is good for 15 s, and goes; for two hours.
        for _ in 0..360 {
            let begun = now;
            world.feed(2, 2, now, 0);
            for _ in 0..150 {
                now += 100;
                world.feed(1, 1, now, begun);
                world.feed(2, 2, now, 0);
                if world.switch(now) == Some(1) && 0 < begun {
                    assert!(10_000 <= now - begun);
                    backs.push(now);
                }
            }
            world.feeds.retain(|feed| feed.0 != 1);
            world.director.ended();
            now += 5_000;
            world.feed(2, 2, now, 0);
            world.switch(now);
            assert_eq!(world.on_air, Some(2), "what is lost is left, however often");
        }
        assert_eq!(backs.len(), 4, "{backs:?}");
    }

    #[test]
    fn rule_28_a_pin_holds_against_better_ones_and_not_against_its_own_loss() {
        let mut world = World::new();
        world.feed(1, 1, 10_000, 0);
        world.feed(2, 2, 10_000, 9_950);
        world.on_air = Some(1);

        world.pin(Some(2));
        assert_eq!(world.choose(10_010), Some((2, SwitchReason::Pinned)));
        world.switch(10_010);
        world.feed(1, 1, 60_000, 0);
        world.feed(2, 2, 60_000, 9_950);
        assert_eq!(world.choose(60_010), None, "the better one has to wait");

        // It falls silent: the other takes over, and gives back once it is steady.
        world.feed(1, 1, 60_500, 0);
        assert_eq!(world.switch(60_500), Some(1));
        for (now, is_back) in [(61_100, false), (62_090, false), (62_100, true)] {
            world.feed(1, 1, now, 0);
            world.feed(2, 2, now, 61_100);
            let expected = is_back.then_some((2, SwitchReason::PinnedIsBack));
            assert_eq!(world.choose(now), expected, "at {now}");
        }
        world.switch(62_100);
        world.pin(None);
        let (better, _) = world.choose(62_110).unwrap();
        assert_eq!(better, 1, "released");
    }

    #[test]
    fn the_encoder_of_the_relay_goes_before_sources_of_its_priority() {
        let mut world = World::new();
        world.origins[2] = Origin::Encoder;
        world.feed(1, 1, 20_000, 0);
        world.feed(2, 1, 20_000, 0);
        world.on_air = Some(1);

        assert_eq!(world.choose(20_010).map(|it| it.0), Some(2));
        world.on_air = Some(2);
        assert_eq!(world.choose(20_010), None);
    }
}
