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
                let reason = match silence {
                    Some(silence) => SwitchReason::Silent(silence),
                    None if self.ended => SwitchReason::Ended,
                    None => SwitchReason::Vacant,
                };
                (SwitchCause::Automatic, reason)
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
