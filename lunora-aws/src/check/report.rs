//! What a check found.

use serde::Serialize;

use super::assumption::{ASSUMPTIONS, Assumption, Tested};

/// What became of one assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was seen to be so.
    Holds,
    /// It was seen to be otherwise.
    Wrong,
    /// It could not be told, or was not looked at.
    Open,
}

/// What was found of one assumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The assumption.
    pub id: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// What was seen. Nothing secret, and no text of AWS.
    pub seen: String,
    /// What was assumed.
    pub assumed: &'static str,
    /// What happens if it is wrong.
    pub if_wrong: &'static str,
}

/// The findings so far. It is kept by whoever asked for the check, so that what was
/// found stays when the check is stopped.
#[derive(Clone, Debug, Default)]
pub struct Book(Vec<Finding>);

impl Book {
    pub(super) fn holds(&mut self, assumption: &'static Assumption, seen: impl Into<String>) {
        self.note(assumption, Verdict::Holds, seen.into());
    }

    pub(super) fn wrong(&mut self, assumption: &'static Assumption, seen: impl Into<String>) {
        self.note(assumption, Verdict::Wrong, seen.into());
    }

    pub(super) fn open(&mut self, assumption: &'static Assumption, why: impl Into<String>) {
        self.note(assumption, Verdict::Open, why.into());
    }

    fn note(&mut self, assumption: &'static Assumption, verdict: Verdict, seen: String) {
        let finding = Finding {
            id: assumption.id,
            verdict,
            seen,
            assumed: assumption.assumed,
            if_wrong: assumption.if_wrong,
        };
        match self.0.iter_mut().find(|it| it.id == assumption.id) {
            None => self.0.push(finding),
            // Once wrong is wrong, however often it is right.
            Some(before) if before.verdict == Verdict::Wrong => {}
            Some(before) => *before = finding,
        }
    }

    /// What was found, with all that was not looked at, in the order of the list.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let of = |assumption: &&'static Assumption| {
            let found = self.0.iter().find(|it| it.id == assumption.id);
            found.cloned().unwrap_or_else(|| Finding {
                id: assumption.id,
                verdict: Verdict::Open,
                seen: format!("not looked at: {}", assumption.tested.as_str()),
                assumed: assumption.assumed,
                if_wrong: assumption.if_wrong,
            })
        };
        ASSUMPTIONS.iter().map(of).collect()
    }

    /// The same, without what only a person can look at.
    #[must_use]
    pub fn findings_of_ours(&self) -> Vec<Finding> {
        let is_ours = |id: &str| {
            let mut all = ASSUMPTIONS.iter();
            all.any(|it| it.id == id && !matches!(it.tested, Tested::Person(_)))
        };
        let findings = self.findings().into_iter();
        findings.filter(|it| is_ours(it.id)).collect()
    }

    /// The assumptions that are wrong.
    pub fn wrong_ids(&self) -> impl Iterator<Item = &'static str> {
        let wrong = self.0.iter().filter(|it| it.verdict == Verdict::Wrong);
        wrong.map(|it| it.id)
    }
}

/// Why a check could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A call failed in a way that says nothing of an assumption.
    #[error("{0}")]
    Failed(String),
    /// The flow is in no state in which it can be tried.
    #[error("the flow is {0}; it has to be ACTIVE or STANDBY")]
    State(String),
    /// There is no room for test outputs.
    #[error("the flow has {0} of 50 outputs; the check needs room for two")]
    NoRoom(usize),
    /// The flow did not come to rest.
    #[error("the flow was in between for more than {0} s; somebody else may be changing it")]
    Busy(u64),
    /// It took too long.
    #[error("it took more than {0} minutes")]
    TimeUp(u64),
    /// Somebody stopped it.
    #[error("it was stopped")]
    Stopped,
    /// Test outputs may be left.
    #[error("test outputs may be left on the flow ({0}); run it again with --clean-up")]
    Left(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::assumption::{LOW_PORT, RTMP_PUSH};

    #[test]
    fn what_was_wrong_once_stays_wrong_and_what_was_not_looked_at_is_open() {
        let mut book = Book::default();
        book.wrong(&LOW_PORT, "taken");
        book.holds(&LOW_PORT, "refused");
        book.open(&RTMP_PUSH, "later");
        book.holds(&RTMP_PUSH, "taken");

        assert_eq!(book.wrong_ids().collect::<Vec<_>>(), ["low-port"]);
        let findings = book.findings();
        assert_eq!(findings.len(), ASSUMPTIONS.len());
        let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
        assert_eq!((count(Verdict::Holds), count(Verdict::Wrong)), (1, 1));
    }
}
