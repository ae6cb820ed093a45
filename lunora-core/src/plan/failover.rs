//! Which of several ways is used: the legs of a destination, or the sources of the program
//! (rule 28).
//!
//! [`decide`] is given what is known of each candidate and answers; it remembers nothing, so
//! asking again gives the same answer, and after a restart the next one is as good as the last.
//!
//! - What somebody chose by hand stays, good or bad, until it is released.
//! - What is in use is left when trying again cannot help, when it failed some times in a row, or
//!   when it made no progress for a while; and only if another may work.
//! - What is preferred is gone back to when it has been good for a while.
//! - Within any hour there are no more than so many flips. Going back never takes the last one of
//!   them, so that what is unsteady ends where it works and can still be left.
//!
//! Every time here is a [`Duration`] since one origin of the caller's choosing: a clock that only
//! counts up, or the wall clock where decisions have to outlive the process.

use std::{fmt, time::Duration};

use crate::domain::{FaultClass, FaultCode, Label};

/// The span within which flips are counted.
pub const FLIPS_WITHIN: Duration = Duration::from_secs(60 * 60);

/// One of the ways that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<C> {
    /// Which.
    pub id: C,
    /// The lower, the earlier it is used. Of equals, the one in use stays.
    pub rank: u32,
    /// How it fares.
    pub condition: Condition,
}

/// How a candidate fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It works, without a break since then.
    Good {
        /// Since when.
        since: Duration,
        /// When it last moved something; `None` if that is not measured.
        last_progress: Option<Duration>,
    },
    /// It does not work, or not yet.
    Bad {
        /// Since when: for one that worked, when it last did.
        since: Duration,
        /// How often it failed in a row; 0 while it is on its way for the first time.
        faults: u32,
        /// What is wrong; [`Unknown`](FaultCode::Unknown) while it is on its way.
        code: FaultCode,
        /// Whether trying again can help.
        class: FaultClass,
    },
    /// Nothing is known for or against it: it was not tried, or cannot show what it does.
    Unknown,
    /// It is not set up, or somebody took it out of use.
    Unusable,
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, C> {
    /// All that can be used. Of those that are as good as each other, the first is taken.
    pub candidates: &'a [Candidate<C>],
    /// The one in use; `None` before the first.
    pub active: Option<&'a C>,
    /// The one that somebody chose by hand, and did not release yet.
    pub pinned: Option<&'a C>,
    /// When the policy flipped, in any order: at least those of the last hour. What people
    /// switched by hand, and the first choice of all, is not among them.
    pub flips: &'a [Duration],
}

/// When to leave, when to go back, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many failures in a row are enough to leave; at least 1.
    pub faults: u32,
    /// How long without progress is enough to leave.
    pub without_progress: Duration,
    /// How long what is preferred has to be good before it is gone back to.
    pub good_for: Duration,
    /// The most flips within [`FLIPS_WITHIN`]. With 0, nothing is left and nothing gone back to.
    pub flips_max: usize,
}

/// For a destination: 3 failures or 15 s, which is more than a platform's own restart of an
/// ingest takes; back after a minute; 6 flips an hour.
impl Default for Limits {
    fn default() -> Self {
        Self {
            faults: 3,
            without_progress: Duration::from_secs(15),
            good_for: Duration::from_secs(60),
            flips_max: 6,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<C> {
    /// Nothing, and what would come next.
    Stay(Outlook<C>),
    /// Use another.
    Switch {
        /// Which.
        to: C,
        /// Why.
        why: Why,
    },
    /// Use the preferred one again.
    FailBack {
        /// Which.
        to: C,
        /// Why.
        why: Why,
    },
}

/// What comes next if nothing changes. It is for people and for timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook<C> {
    /// Nothing: it is as it should be, or nothing is known against it.
    Settled,
    /// Nothing: somebody chose it by hand, and has to release it.
    Pinned,
    /// It fails, and no other may work.
    NoOther,
    /// It fails, and is left for another then.
    Leaves {
        /// For which.
        to: C,
        /// When.
        at: Duration,
    },
    /// It failed, and may not be left: there were too many flips.
    Spent {
        /// For which it would be left.
        to: C,
        /// When it is; never if no flip is allowed.
        at: Option<Duration>,
    },
    /// The preferred one works, and is gone back to then.
    GoesBack {
        /// Which.
        to: C,
        /// When; never if no flip is allowed.
        at: Option<Duration>,
    },
}

/// Why another one is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing was in use before.
    First,
    /// Somebody chose it by hand.
    Chosen,
    /// The one in use is not there any more, or was taken out of use.
    Unusable,
    /// Trying again cannot help the one in use.
    Terminal {
        /// What was wrong.
        code: FaultCode,
    },
    /// The one in use failed too often.
    Faults {
        /// How often in a row.
        count: u32,
        /// What was wrong last.
        code: FaultCode,
    },
    /// The one in use made no progress.
    NoProgress {
        /// For how long.
        lasted: Duration,
        /// What was wrong.
        code: FaultCode,
    },
    /// The preferred one works again.
    GoodAgain {
        /// For how long.
        lasted: Duration,
    },
}

impl Why {
    /// As the reason of an event.
    #[must_use]
    pub fn label(&self) -> Label {
        Label::cut(&self.to_string())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("nothing was in use before"),
            Self::Chosen => f.write_str("chosen by hand"),
            Self::Unusable => f.write_str("the one in use cannot be used any more"),
            Self::Terminal { code } => {
                write!(f, "the one in use failed for good: {code}")
            }
            Self::Faults { count: 1, code } => write!(f, "the one in use failed: {code}"),
            Self::Faults { count, code } => {
                write!(f, "the one in use failed {count} times in a row: {code}")
            }
            Self::NoProgress { lasted, code } => {
                let lasted = Seconds(*lasted);
                write!(f, "the one in use made no progress for {lasted}: {code}")
            }
            Self::GoodAgain { lasted } => {
                write!(
                    f,
                    "the preferred one has been good for {}",
                    Seconds(*lasted)
                )
            }
        }
    }
}

/// Whole seconds; below ten of them, with tenths.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(10) {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else {
            write!(f, "{} s", self.0.as_secs())
        }
    }
}

/// Decides by what is known now.
#[must_use]
pub fn decide<C: Clone + PartialEq>(
    view: &View<'_, C>,
    limits: &Limits,
    now: Duration,
) -> Decision<C> {
    if let Some(pinned) = view.pinned {
        return view.pinned_to(pinned);
    }
    let other = view.best_other(limits, now);
    let Some(active) = view.active else {
        let why = Why::First;
        return other.map_or(Decision::Stay(Outlook::NoOther), |to| Decision::Switch {
            to: to.id.clone(),
            why,
        });
    };
    let active = view.candidates.iter().find(|it| it.id == *active);
    let standing = active.map_or(Standing::Failed(Why::Unusable), |it| {
        it.condition.standing(limits, now)
    });
    let budget = Budget::new(view.flips, limits, now);
    if let Standing::Failed(why) = standing {
        let Some(to) = other.map(|it| it.id.clone()) else {
            return Decision::Stay(Outlook::NoOther);
        };
        return match budget.leaves_at() {
            Some(at) if at <= now => Decision::Switch { to, why },
            at => Decision::Stay(Outlook::Spent { to, at }),
        };
    }
    if let Some((to, since)) = active.and_then(|active| view.preferred_to(active, limits, now)) {
        let (to, good_at) = (to.clone(), since.saturating_add(limits.good_for));
        let lasted = now.saturating_sub(since);
        return match budget.goes_back_at().map(|at| at.max(good_at)) {
            Some(at) if at <= now => Decision::FailBack {
                to,
                why: Why::GoodAgain { lasted },
            },
            at => Decision::Stay(Outlook::GoesBack { to, at }),
        };
    }
    Decision::Stay(match (standing, other) {
        (Standing::FailsAt(_), None) => Outlook::NoOther,
        (Standing::FailsAt(at), Some(to)) => Outlook::Leaves {
            to: to.id.clone(),
            at,
        },
        (Standing::Well | Standing::Failed(_), _) => Outlook::Settled,
    })
}

/// What follows from the condition of the one in use.
enum Standing {
    Well,
    FailsAt(Duration),
    Failed(Why),
}

impl Condition {
    fn standing(self, limits: &Limits, now: Duration) -> Standing {
        let (since, code) = match self {
            Self::Unknown => return Standing::Well,
            Self::Unusable => return Standing::Failed(Why::Unusable),
            Self::Good { last_progress, .. } if last_progress.is_none() => return Standing::Well,
            Self::Good {
                since,
                last_progress,
            } => (
                // What it moved before it was last good does not count against it.
                last_progress.unwrap_or(since).max(since),
                FaultCode::Wedged,
            ),
            Self::Bad {
                code,
                class: FaultClass::Terminal,
                ..
            } => return Standing::Failed(Why::Terminal { code }),
            Self::Bad { faults, code, .. } if limits.faults.max(1) <= faults => {
                let count = faults;
                return Standing::Failed(Why::Faults { count, code });
            }
            Self::Bad { since, code, .. } => (since, code),
        };
        let lasted = now.saturating_sub(since);
        if limits.without_progress <= lasted {
            return Standing::Failed(Why::NoProgress { lasted, code });
        }
        match self {
            Self::Bad { .. } => Standing::FailsAt(since.saturating_add(limits.without_progress)),
            _ => Standing::Well,
        }
    }

    /// Since when it is known to work, if it is.
    fn good_since(self, limits: &Limits, now: Duration) -> Option<Duration> {
        match self {
            Self::Good { since, .. } => {
                matches!(self.standing(limits, now), Standing::Well).then_some(since)
            }
            Self::Bad { .. } | Self::Unknown | Self::Unusable => None,
        }
    }

    /// Whether it may work; what is known to work goes before what was not tried.
    fn chance(self, limits: &Limits, now: Duration) -> Option<Chance> {
        match self {
            Self::Unknown => Some(Chance::Untried),
            _ => self.good_since(limits, now).map(|_| Chance::Works),
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Chance {
    Works,
    Untried,
}

impl<C: Clone + PartialEq> View<'_, C> {
    /// What was chosen by hand is used even if it is bad; but nothing is given up for what
    /// cannot be used at all.
    fn pinned_to(&self, pinned: &C) -> Decision<C> {
        let found = self.candidates.iter().find(|it| it.id == *pinned);
        let can_be = found.is_some_and(|it| it.condition != Condition::Unusable);
        if self.active == Some(pinned) || !can_be {
            return Decision::Stay(Outlook::Pinned);
        }
        Decision::Switch {
            to: pinned.clone(),
            why: Why::Chosen,
        }
    }

    /// What to use if the one in use cannot be.
    fn best_other(&self, limits: &Limits, now: Duration) -> Option<&Candidate<C>> {
        let others = self.candidates.iter();
        let others = others.filter(|it| self.active != Some(&it.id));
        let may_work = others.filter_map(|it| Some((it.condition.chance(limits, now)?, it)));
        let best = may_work.min_by(|(one, a), (other, b)| (one, a.rank).cmp(&(other, b.rank)));
        best.map(|(_, it)| it)
    }

    /// What works, and since when, and goes before the one in use.
    fn preferred_to(
        &self,
        active: &Candidate<C>,
        limits: &Limits,
        now: Duration,
    ) -> Option<(&C, Duration)> {
        let preferred = self.candidates.iter().filter(|it| it.rank < active.rank);
        let good = preferred.filter_map(|it| Some((it, it.condition.good_since(limits, now)?)));
        // The best of those that have been good for long enough, or else who is next to be.
        let ripe = |since: Duration| limits.good_for <= now.saturating_sub(since);
        let order = |it: &Candidate<C>, since: Duration| match ripe(since) {
            true => (Duration::ZERO, it.rank),
            false => (since, it.rank),
        };
        let best = good.min_by_key(|(it, since)| order(it, *since));
        best.map(|(it, since)| (&it.id, since))
    }
}

/// The flips of the last hour, and how many may be made.
struct Budget {
    /// The oldest first.
    flips: Vec<Duration>,
    most: usize,
}

impl Budget {
    fn new(flips: &[Duration], limits: &Limits, now: Duration) -> Self {
        let recent = |at: &&Duration| now.saturating_sub(**at) < FLIPS_WITHIN;
        let mut flips: Vec<Duration> = flips.iter().filter(recent).copied().collect();
        flips.sort_unstable();
        let most = limits.flips_max;
        Self { flips, most }
    }

    /// When what is in use may be left; never if no flip is allowed.
    fn leaves_at(&self) -> Option<Duration> {
        Some(self.when_at_most(self.most.checked_sub(1)?))
    }

    /// When the preferred one may be gone back to, so that it can be left again after that. Who
    /// has one flip an hour goes back when that one is long past.
    fn goes_back_at(&self) -> Option<Duration> {
        self.leaves_at()?;
        Some(self.when_at_most(self.most.saturating_sub(2)))
    }

    /// When there were no more flips than that within the hour.
    fn when_at_most(&self, flips: usize) -> Duration {
        let excess = self.flips.len().saturating_sub(flips);
        let last = excess.checked_sub(1).and_then(|it| self.flips.get(it));
        last.map_or(Duration::ZERO, |at| at.saturating_add(FLIPS_WITHIN))
    }
}
