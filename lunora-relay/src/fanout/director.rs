//! Which feed is to be on air. It holds no clock and moves nothing.
//!
//! - What has ended is left at once, and what is silent for [`SILENT_AFTER`] as soon as another one
//!   is good that kept on sending meanwhile. So a stall of this machine, which silences all alike,
//!   switches nothing; and one that has shown longer gaps of late and came back from them is given
//!   half as much more than the longest of them, [`SILENT_MAX`] at most.
//! - One of a better priority goes on air once it was good for as long as [`Failover`] says, and
//!   not more often than it says.
//! - What a person pinned goes on air at once, and again when it is back and was good for
//!   [`STEADY_AFTER`]; while it is lost the rules above choose.

use std::{collections::VecDeque, time::Duration};

use lunora_core::domain::{Priority, SwitchCause};
use tokio::time::Instant;

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
const HOUR: Duration = Duration::from_secs(3600);

/// A feed that can be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) number: u64,
    pub(super) origin: &'a Origin,
    pub(super) priority: Priority,
    /// When it last sent sound or a picture.
    pub(super) heard: Instant,
    /// Since when it does so without a silence.
    pub(super) good_since: Instant,
    /// The longest gap of late that it came back from.
    pub(super) gap: Duration,
}

impl Candidate<'_> {
    /// The lower, the better: the encoder of the relay itself comes before sources beside it.
    fn tier(&self) -> (Priority, bool) {
        (self.priority, *self.origin != Origin::Encoder)
    }

    /// The lower, the sooner; no two are alike.
    fn rank(&self) -> ((Priority, bool), u64) {
        (self.tier(), self.number)
    }

    fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    fn sends(&self, now: Instant) -> bool {
        self.silence(now) <= SILENT_AFTER
    }

    /// For how long it has been good.
    fn good(&self, now: Instant) -> Duration {
        if self.sends(now) {
            now.saturating_duration_since(self.good_since)
        } else {
            Duration::ZERO
        }
    }

    /// How long a silence may be before this one is left.
    fn patience(&self) -> Duration {
        let usual = self.gap.mul_f64(1.5);
        usual.clamp(SILENT_AFTER, SILENT_MAX)
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
    fail_backs: VecDeque<Instant>,
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
    pub(super) fn switched(&mut self, to: &Origin, reason: SwitchReason, now: Instant) {
        if let Some(pin) = &mut self.pinned {
            pin.kept |= pin.origin == *to;
        }
        if matches!(reason, SwitchReason::Better(_)) {
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
        &mut self,
        on_air: Option<u64>,
        candidates: &[Candidate<'_>],
        now: Instant,
    ) -> Option<Choice> {
        let current = candidates.iter().find(|it| Some(it.number) == on_air);
        let pin = self.pinned.as_ref();
        let pinned = pin.and_then(|pin| {
            let it = candidates.iter().find(|it| *it.origin == pin.origin)?;
            Some((it, pin.kept))
        });
        if let Some((it, kept)) = pinned {
            let is_there = if kept && current.is_some() {
                STEADY_AFTER <= it.good(now)
            } else {
                it.sends(now)
            };
            if is_there && on_air != Some(it.number) {
                let (cause, reason) = if kept {
                    (SwitchCause::Automatic, SwitchReason::PinnedIsBack)
                } else {
                    (SwitchCause::Manual, SwitchReason::Pinned)
                };
                return Some(chosen(it, cause, reason));
            }
        }
        let Some(current) = current else {
            let best = candidates
                .iter()
                .filter(|it| it.sends(now))
                .min_by_key(|it| it.rank())?;
            let reason = if self.ended {
                SwitchReason::Ended
            } else {
                SwitchReason::Vacant
            };
            return Some(chosen(best, SwitchCause::Automatic, reason));
        };
        let silence = current.silence(now);
        if current.patience() < silence {
            let outlives = |it: &&Candidate<'_>| {
                it.number != current.number
                    && STEADY_AFTER <= it.good(now)
                    && current.heard + OUTLIVES <= it.heard
            };
            let best = candidates
                .iter()
                .filter(outlives)
                .min_by_key(|it| it.rank())?;
            let reason = SwitchReason::Silent(silence);
            return Some(chosen(best, SwitchCause::Automatic, reason));
        }
        if pinned.is_some_and(|(it, _)| it.number == current.number) {
            return None;
        }
        let back_after = self.rules.fail_back_after;
        let is_better =
            |it: &&Candidate<'_>| it.tier() < current.tier() && back_after <= it.good(now);
        let better = candidates
            .iter()
            .filter(is_better)
            .min_by_key(|it| it.rank())?;
        self.may_fail_back(now).then(|| {
            let reason = SwitchReason::Better(better.good(now));
            chosen(better, SwitchCause::Automatic, reason)
        })
    }

    fn may_fail_back(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.fail_backs.front()
            && HOUR <= now.saturating_duration_since(*oldest)
        {
            self.fail_backs.pop_front();
        }
        self.fail_backs.len() < self.rules.fail_backs_per_hour
    }
}

const fn chosen(it: &Candidate<'_>, cause: SwitchCause, reason: SwitchReason) -> Choice {
    Choice {
        number: it.number,
        cause,
        reason,
    }
}
