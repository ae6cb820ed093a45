//! What MediaConnect said of how outputs and sources fare.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::port::PortError;

/// What an event was about: the ARN of an output, a source or a flow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

/// What follows the ARN of a flow where it is said whether it runs.
pub(super) const STATUS: &str = "#status";

/// The text is not such an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the ARN of an output, a source or a flow of MediaConnect")]
pub struct SubjectError;

impl Subject {
    /// The longest ARN that is taken, in bytes. AWS states no limit.
    pub const LEN_MAX: usize = 512;

    /// Borrows the ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same flow, as far as it runs or not: that is apart from what comes in.
    pub(super) fn of_status(flow: &str) -> Option<Self> {
        format!("{flow}{STATUS}").parse().ok()
    }

    /// Which of the three it is.
    pub(super) fn kind(&self) -> SubjectKind {
        match self.0.split(':').nth(5) {
            Some("output") => SubjectKind::Output,
            Some("source") => SubjectKind::Source,
            _ => SubjectKind::Flow,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubjectKind {
    Output,
    Source,
    Flow,
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let parts: Vec<&str> = text.splitn(7, ':').collect();
        let ["arn", partition, "mediaconnect", _, _, kind, _] = parts[..] else {
            return Err(SubjectError);
        };
        let is_ours = partition.starts_with("aws") && matches!(kind, "output" | "source" | "flow");
        let is_plain = text.bytes().all(|it| it.is_ascii_graphic());
        if !is_ours || !is_plain || Self::LEN_MAX < text.len() {
            return Err(SubjectError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// Of an output: media goes to the far end.
    Sending,
    /// Of an output: the far end is there.
    Connected,
    /// Of an output: the far end is not there.
    Disconnected,
    /// Of an output: nothing goes on. What makes it say so is not documented.
    Idle,
    /// Of a source or a flow: it gets what it should.
    SourceFound,
    /// Of a source or a flow: nothing comes in.
    SourceLost,
    /// Of the status of a flow: it began to run. What was sent before is over.
    FlowActive,
    /// Of the status of a flow: it does not run.
    FlowStopped,
}

impl Signal {
    const ALL: [Self; 8] = [
        Self::Sending,
        Self::Connected,
        Self::Disconnected,
        Self::Idle,
        Self::SourceFound,
        Self::SourceLost,
        Self::FlowActive,
        Self::FlowStopped,
    ];

    /// The word under which it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Idle => "idle",
            Self::SourceFound => "source_found",
            Self::SourceLost => "source_lost",
            Self::FlowActive => "flow_active",
            Self::FlowStopped => "flow_stopped",
        }
    }
}

/// The word stands for no signal that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signal")]
pub struct SignalError;

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(word: &str) -> Result<Self, SignalError> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.as_str() == word).ok_or(SignalError)
    }
}

/// What was said of whom, and when. The newest one counts (rule 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Of whom.
    pub subject: Subject,
    /// What.
    pub signal: Signal,
    /// When it was so, by AWS's clock; EventBridge tells whole seconds.
    pub at: Timestamp,
}

/// Keeps the newest [`Evidence`] of each subject.
///
/// Events come late, twice and in any order, and some never; so what is kept here
/// says what was so last, as far as it was heard.
///
/// # Contract
///
/// 1. What was noted is among all, under its subject, with its signal and time.
/// 2. An older one does not replace a newer one, in whatever order they are noted.
/// 3. Of two with one time, the one that was noted last stands.
/// 4. Noting the same again changes nothing.
/// 5. What is noted of one subject changes no other.
///
/// What is 30 days old may be forgotten.
#[async_trait]
pub trait EvidenceStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps it, unless a newer one of its subject is kept.
    async fn note(&self, evidence: &Evidence) -> Result<(), PortError>;

    /// The newest of each subject, in no order.
    async fn all(&self) -> Result<Vec<Evidence>, PortError>;
}

/// An [`EvidenceStore`] in this process. It is empty after a restart, and outputs
/// are then `unconfirmed` until they are heard of again.
#[derive(Debug, Default)]
pub struct MemoryEvidence(Mutex<BTreeMap<Subject, Evidence>>);

#[async_trait]
impl EvidenceStore for MemoryEvidence {
    async fn note(&self, evidence: &Evidence) -> Result<(), PortError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = kept.get(&evidence.subject);
        if stands.is_none_or(|stands| stands.at <= evidence.at) {
            kept.insert(evidence.subject.clone(), evidence.clone());
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Evidence>, PortError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_an_arn_of_mediaconnect() {
        for (kind, expected) in [
            ("output", SubjectKind::Output),
            ("source", SubjectKind::Source),
            ("flow", SubjectKind::Flow),
        ] {
            let text = format!("arn:aws:mediaconnect:us-west-2:111122223333:{kind}:1-a:b");
            let subject: Subject = text.parse().unwrap();
            assert_eq!(
                (subject.as_str(), subject.kind()),
                (text.as_str(), expected)
            );
        }
        for text in [
            "",
            "arn",
            "arn:aws:mediaconnect:us-west-2:111122223333:output",
            "arn:aws:mediaconnect:us-west-2:111122223333:entitlement:1-a:b",
            "arn:aws:medialive:us-west-2:111122223333:output:1-a:b",
            "arn:aws:mediaconnect:us-west-2:111122223333:output:1-a:b c",
            &format!("arn:aws:mediaconnect:::output:{}", "x".repeat(512)),
        ] {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError), "{text}");
        }
    }

    #[test]
    fn each_signal_has_a_word() {
        for signal in Signal::ALL {
            assert_eq!(signal.as_str().parse(), Ok(signal));
        }
        assert_eq!("".parse::<Signal>(), Err(SignalError));
    }
}
