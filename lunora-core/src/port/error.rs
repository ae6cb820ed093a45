use std::{borrow::Cow, error::Error, fmt, time::Duration};

use crate::domain::FaultCode;

/// What an adapter met underneath.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// What the caller can do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Someone else changed the thing first. Read it again and decide again.
    Conflict,
    /// The credentials do not allow it. An operator has to act.
    Denied,
    /// The request can never succeed as it is. Change it.
    Invalid,
    /// The adapter cannot do this at all. Ask [`capabilities`] first.
    ///
    /// [`capabilities`]: super::OutputRouter
    Unsupported,
    /// The backend is down, slow, or throttling; the call may or may not have
    /// taken effect. Try again, with the same arguments.
    Unavailable,
    /// There is no room for it. Make room first.
    Exhausted,
    /// What is stored cannot be read back. An operator has to act.
    Corrupt,
    /// A bug, here or in the backend.
    Unexpected,
}

/// A call on a port that did not succeed.
///
/// The message says what was being done to what, and the reason that people are
/// to read; the cause, if any, is in [`source`](Error::source) and is not
/// repeated in the message.
#[derive(Debug)]
pub struct PortError {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    retry_after: Option<Duration>,
    reason: Option<Cow<'static, str>>,
    fault: Option<FaultCode>,
    source: Option<BoxError>,
}

impl PortError {
    /// Says that `operation` on `subject` failed.
    pub fn new(kind: ErrorKind, operation: &'static str, subject: impl fmt::Display) -> Self {
        Self {
            kind,
            operation,
            subject: subject.to_string(),
            retry_after: None,
            reason: None,
            fault: None,
            source: None,
        }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Attaches the wait that the backend asked for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says why, and what to do, to people. No secret may be in it.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says what a destination shows for it, where its kind says too little.
    #[must_use]
    pub fn with_fault(mut self, code: FaultCode) -> Self {
        self.fault = Some(code);
        self
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The wait that the backend asked for, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Why, for people, where the adapter said so.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What a destination shows for it, where the adapter said so.
    #[must_use]
    pub fn fault(&self) -> Option<FaultCode> {
        self.fault
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Conflict => "it changed meanwhile",
            ErrorKind::Denied => "not permitted",
            ErrorKind::Invalid => "not a valid request",
            ErrorKind::Unsupported => "not supported",
            ErrorKind::Unavailable => "the backend is unavailable",
            ErrorKind::Exhausted => "there is no room",
            ErrorKind::Corrupt => "what is stored is unreadable",
            ErrorKind::Unexpected => "unexpected failure",
        };
        write!(f, "failed to {} {}: {what}", self.operation, self.subject)?;
        match &self.reason {
            None => Ok(()),
            Some(reason) => write!(f, "; {reason}"),
        }
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
