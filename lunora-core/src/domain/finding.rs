use jiff::Timestamp;

use super::{Fault, MediaFacts, word::closed_word};

closed_word! {
    /// What a test looks at, from the outside in.
    Aspect, "name, tcp, tls, connect, publish, media and settings" {
        /// Whether what is stored can work at all.
        Settings = "settings",
        /// Whether the host name has addresses that may be called.
        Name = "name",
        /// Whether somebody listens there.
        Tcp = "tcp",
        /// Whether its certificate is good.
        Tls = "tls",
        /// Whether it speaks the protocol and knows the application.
        Connect = "connect",
        /// Whether it takes the key.
        Publish = "publish",
        /// Whether media comes in, and whether it is what the far end takes.
        Media = "media",
    }
}

/// What a test found out about one aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Passed,
    /// It is not.
    Failed(Fault),
    /// It was not looked at, and why, for people (rule 27).
    NotChecked(&'static str),
}

/// One aspect and what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub aspect: Aspect,
    /// As what it was found.
    pub outcome: Outcome,
}

/// What a test of a source or of a destination found: all that was checked, and all that was
/// not (rule 27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When it was over.
    pub at: Timestamp,
    /// In the order of the aspects.
    pub checks: Vec<Check>,
    /// What came in meanwhile, if that was measured.
    pub media: Option<MediaFacts>,
}

impl Finding {
    /// Whether nothing failed of what was checked, and something was.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let failed = |it: &Check| matches!(it.outcome, Outcome::Failed(_));
        let passed = |it: &Check| it.outcome == Outcome::Passed;
        !self.checks.iter().any(failed) && self.checks.iter().any(passed)
    }

    /// What failed first.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.checks.iter().find_map(|it| match &it.outcome {
            Outcome::Failed(fault) => Some(fault),
            Outcome::Passed | Outcome::NotChecked(_) => None,
        })
    }
}
