use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What went wrong, in one vocabulary over every adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultCode {
    /// The far end refused the stream key or the account.
    AuthRejected,
    /// Somebody else, maybe our own last session, publishes under this name.
    NameInUse,
    /// The host name does not resolve.
    Dns,
    /// Nobody listens there.
    Refused,
    /// No answer in time.
    Timeout,
    /// The certificate or the handshake is not acceptable.
    Tls,
    /// The far end ended the connection.
    RemoteClosed,
    /// The far end stopped taking bytes, or takes far fewer than come.
    Wedged,
    /// The far end does not take this codec or format.
    FormatRejected,
    /// There is no room for another output.
    Quota,
    /// The backend asks us to slow down.
    Throttled,
    /// Nothing comes in that could be pushed.
    SourceLost,
    /// The flow that would carry it does not run.
    FlowStopped,
    /// The destination cannot work as it is set up.
    Invalid,
    /// The provider reports a failure of its own.
    Provider,
    /// A bug on our side.
    Internal,
    /// The reason is not known, and nothing is guessed (rule 3).
    Unknown,
}

impl FaultCode {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::AuthRejected,
        Self::NameInUse,
        Self::Dns,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
        Self::RemoteClosed,
        Self::Wedged,
        Self::FormatRejected,
        Self::Quota,
        Self::Throttled,
        Self::SourceLost,
        Self::FlowStopped,
        Self::Invalid,
        Self::Provider,
        Self::Internal,
        Self::Unknown,
    ];

    /// The word in HTTP, events and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthRejected => "auth_rejected",
            Self::NameInUse => "name_in_use",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::RemoteClosed => "remote_closed",
            Self::Wedged => "wedged",
            Self::FormatRejected => "format_rejected",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::SourceLost => "source_lost",
            Self::FlowStopped => "flow_stopped",
            Self::Invalid => "invalid",
            Self::Provider => "provider",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// Retrying is likely to help, and goes on by itself.
    Transient,
    /// A person should act; slow retries go on meanwhile.
    Actionable,
    /// Retrying cannot help; nothing goes on until a person acts.
    Terminal,
}

impl FaultClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transient, Self::Actionable, Self::Terminal];

    /// The word in HTTP and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Actionable => "actionable",
            Self::Terminal => "terminal",
        }
    }
}

/// One line for people, of at most 300 characters.
///
/// Whoever makes one has taken every secret out of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct FaultText(String);

impl FaultText {
    /// The longest text, in characters.
    pub const LEN_MAX: usize = 300;

    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for FaultText {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&str> for FaultText {
    fn from(text: &str) -> Self {
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.chars().take(Self::LEN_MAX).map(visible).collect())
    }
}

impl From<FaultText> for String {
    fn from(text: FaultText) -> Self {
        text.0
    }
}

impl fmt::Display for FaultText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FaultText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Something that went wrong with one output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub code: FaultCode,
    /// What follows.
    pub class: FaultClass,
    /// What, for people.
    pub text: FaultText,
    /// When it was met last.
    pub at: Timestamp,
    /// How often it was met in a row, 1 or more.
    pub count: u32,
}

impl Fault {
    /// Met for the first time.
    pub fn new(
        code: FaultCode,
        class: FaultClass,
        text: impl Into<FaultText>,
        at: Timestamp,
    ) -> Self {
        Self {
            code,
            class,
            text: text.into(),
            at,
            count: 1,
        }
    }

    /// Whether it is the same fault, met again or not.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (self.code, self.class, &self.text) == (other.code, other.class, &other.text)
    }
}
