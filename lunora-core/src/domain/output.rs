use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{DestinationId, Digest, Fault, PushUrl, StreamKey, push_url::whole_app};

/// One of the two ways of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// The one that is used first.
    Primary,
    /// The one that takes over.
    Backup,
}

impl Leg {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Primary, Self::Backup];

    /// The word in HTTP and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Backup,
            Self::Backup => Self::Primary,
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Identifies an output: ours and stable, never a URL and never a position (rule 5).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId {
    /// Whose.
    pub destination: DestinationId,
    /// Which way.
    pub leg: Leg,
}

impl fmt::Display for OutputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.destination, self.leg)
    }
}

impl fmt::Debug for OutputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether an output that is there sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It sends.
    On,
    /// It is kept and does not send.
    Off,
}

/// The keyed hash of everything that an output is told, its secrets included
/// and its [`Switch`] not: equal exactly if nothing but the switch differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub Digest);

/// Where an output pushes, with every secret: what the wire needs.
#[derive(Clone, Debug)]
pub struct PushTarget {
    /// What anybody may see.
    pub url: PushUrl,
    /// What follows the application in the URL; with SRT, the passphrase.
    pub tail: Option<SecretString>,
    /// The stream key; with SRT and Zixi, the stream id. RTMP is never without one.
    pub key: Option<StreamKey>,
}

impl PushTarget {
    /// The RTMP application: first segment, tail and query.
    #[must_use]
    pub fn app(&self) -> SecretString {
        whole_app(&self.url, self.tail.as_ref()).into()
    }

    /// The URL that RTMP's `connect` names: everything but the stream key.
    #[must_use]
    pub fn tc_url(&self) -> SecretString {
        let app = whole_app(&self.url, self.tail.as_ref());
        format!("{}/{app}", self.url.origin()).into()
    }

    /// The RTMP stream name, or the stream id of SRT or Zixi: the key.
    #[must_use]
    pub fn stream_name(&self) -> Option<&SecretString> {
        self.key.as_ref().map(StreamKey::as_secret)
    }

    /// The passphrase of SRT.
    #[must_use]
    pub fn passphrase(&self) -> Option<&SecretString> {
        let is_link = !self.url.scheme().needs_a_key();
        self.tail.as_ref().filter(|_| is_link)
    }
}

/// What a router is told about one output.
#[derive(Clone, Debug)]
pub struct OutputSpec {
    /// Which.
    pub id: OutputId,
    /// Where to.
    pub target: PushTarget,
    /// Whether it sends.
    pub switch: Switch,
    /// Of all but the switch; the router keeps it and shows it when observed.
    pub fingerprint: Fingerprint,
}

/// An output as its router sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedOutput {
    /// Which.
    pub id: OutputId,
    /// As it was told last.
    pub fingerprint: Fingerprint,
    /// As it was told last.
    pub switch: Switch,
    /// How it fares.
    pub health: OutputHealth,
}

/// How an output fares.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputHealth {
    /// In a word.
    pub state: OutputState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// What is wrong now.
    pub fault: Option<Fault>,
    /// What was wrong last; it survives retries and success.
    pub last_fault: Option<Fault>,
    /// What it moved.
    pub progress: Progress,
}

impl OutputHealth {
    /// In this state from now on, with nothing moved and nothing wrong.
    #[must_use]
    pub fn new(state: OutputState, since: Timestamp) -> Self {
        Self {
            state,
            since,
            fault: None,
            last_fault: None,
            progress: Progress::default(),
        }
    }
}

/// The state of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputState {
    /// Switched off.
    Off,
    /// Switched on, and nothing comes in that it could send.
    WaitingForSource,
    /// On its way for the first time since it was switched on or changed.
    Connecting,
    /// The far end accepted the publish, and bytes move (rule 3).
    Live,
    /// Told to send, and without evidence that it does.
    Unconfirmed,
    /// Waiting to try again, or trying again.
    Reconnecting,
    /// It will not try again by itself.
    Failed,
    /// Ending its publish.
    Stopping,
}

/// What an output moved since it was switched on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes that the far end's transport took.
    pub bytes_sent: u64,
    /// Audio and video frames sent.
    pub frames_sent: u64,
    /// Frames that were dropped because the far end was slow.
    pub frames_dropped: u64,
    /// Connections after the first.
    pub reconnects: u32,
    /// Bits per second, measured over the last seconds; `None` while nothing was measured.
    pub bitrate_bps: Option<u64>,
    /// When the far end's transport last took a byte.
    pub last_progress: Option<Timestamp>,
}
