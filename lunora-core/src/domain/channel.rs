use std::{fmt, net::SocketAddr, num::NonZeroU16, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Digest, Host, StreamKey, word::closed_word};

closed_word! {
    /// What a channel is doing.
    ChannelState, "idle, starting, running and so on" {
        /// It is being made.
        Creating = "creating",
        /// It does not run, and can be edited and started.
        Idle = "idle",
        /// It was told to start, and viewers see nothing yet.
        Starting = "starting",
        /// It runs.
        Running = "running",
        /// It was running and is being brought back by itself.
        Recovering = "recovering",
        /// It was told to stop.
        Stopping = "stopping",
        /// An edit of it is under way.
        Updating = "updating",
        /// It could not be made or edited; a person has to look.
        Failed = "failed",
        /// It is gone, or is going.
        Deleted = "deleted",
        /// A word that this version does not know.
        Unknown = "unknown",
    }
}

closed_word! {
    /// How many pipelines a channel has.
    ChannelClass, "standard and single_pipeline" {
        /// Two, in two places.
        Standard = "standard",
        /// One.
        SinglePipeline = "single_pipeline",
    }
}

closed_word! {
    /// What an output group of a channel writes to.
    OutputGroupKind, "media_package, hls, srt and so on" {
        /// `MediaPackage`, and so what viewers see.
        MediaPackage = "media_package",
        /// An HLS origin.
        Hls = "hls",
        /// CMAF ingest.
        CmafIngest = "cmaf_ingest",
        /// Smooth Streaming.
        MsSmooth = "ms_smooth",
        /// RTMP.
        Rtmp = "rtmp",
        /// SRT.
        Srt = "srt",
        /// UDP or RTP.
        Udp = "udp",
        /// Files.
        Archive = "archive",
        /// Pictures.
        FrameCapture = "frame_capture",
        /// A multiplex.
        Multiplex = "multiplex",
        /// Inputs of a MediaConnect router.
        MediaConnectRouter = "media_connect_router",
        /// Something that this version does not know.
        Other = "other",
    }
}

/// A channel: what comes in, and what it makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What people call it.
    pub name: String,
    /// What it is doing.
    pub state: ChannelState,
    /// How many pipelines it has.
    pub class: ChannelClass,
    /// How many of them run.
    pub pipelines_running: u32,
    /// What can come in.
    pub attachments: Vec<InputAttachment>,
    /// What comes in; none if it does not run, or does not tell.
    pub active_input: Option<AttachmentName>,
    /// What it writes to.
    pub output_groups: Vec<OutputGroup>,
    /// Where the feed calls, one for each pipeline; empty if there is no feed.
    pub feed: Vec<FeedAddress>,
    /// The keyed hash of all that an edit could change, but for the feed: equal as
    /// long as nobody edits the rest.
    pub rest: Digest,
}

/// An input of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputAttachment {
    /// What it is called in this channel.
    pub name: AttachmentName,
    /// The input, as the backend names it.
    pub input: String,
}

/// What an input is called in a channel. Any text may name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttachmentName(pub String);

impl AttachmentName {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttachmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Outputs of a channel that go the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputGroup {
    /// What it is called in this channel.
    pub name: String,
    /// Where it goes.
    pub kind: OutputGroupKind,
    /// How many outputs it has.
    pub outputs: usize,
}

impl fmt::Display for OutputGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outputs = match self.outputs {
            1 => "1 output".to_owned(),
            more => format!("{more} outputs"),
        };
        write!(f, "`{}` ({}, {outputs})", self.name, self.kind)
    }
}

/// What a channel sends to a flow, beside what viewers see: one encode of theirs,
/// by SRT, always encrypted.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Where the first pipeline calls.
    pub address: FeedAddress,
    /// Where the second pipeline calls; only a standard channel has one, and it
    /// cannot do without: a listener takes one caller.
    pub second: Option<FeedAddress>,
    /// What is proposed for repeating lost packets.
    pub latency: FeedLatency,
    /// Where the backend finds the passphrase.
    pub passphrase: PassphraseRef,
    /// The SRT stream id, a secret (rule 21).
    pub stream_id: Option<StreamKey>,
}

impl Feed {
    /// What the output group, its output and its destination are called. It is
    /// ours by this name, and nothing else is.
    pub const NAME: &'static str = "lunora-feed";

    /// Where it calls, one for each pipeline.
    pub fn addresses(&self) -> impl Iterator<Item = &FeedAddress> {
        [Some(&self.address), self.second.as_ref()]
            .into_iter()
            .flatten()
    }

    /// Whether it has an address for each pipeline of such a channel, and no other.
    pub fn check(&self, class: ChannelClass) -> Result<(), ChannelRefusal> {
        match (class, &self.second) {
            (ChannelClass::SinglePipeline, None) => Ok(()),
            (ChannelClass::Standard, Some(second)) if *second != self.address => Ok(()),
            (class, _) => Err(ChannelRefusal::Addresses { class }),
        }
    }
}

/// Where a feed calls: `host:port`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FeedAddress {
    host: Host,
    port: NonZeroU16,
}

/// The text is not `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of a feed is a host name or an address, a colon and a port")]
pub struct FeedAddressError;

impl FeedAddress {
    /// Who is called.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Where there.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.get()
    }
}

impl FromStr for FeedAddress {
    type Err = FeedAddressError;

    fn from_str(text: &str) -> Result<Self, FeedAddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let port = NonZeroU16::new(address.port()).ok_or(FeedAddressError)?;
            let host = Host::Address(address.ip());
            return Ok(Self { host, port });
        }
        let (name, port) = text.split_once(':').ok_or(FeedAddressError)?;
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // The last label of an address is a number, and that of a name is not.
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = name.len() <= 253
            && name.split('.').all(is_label)
            && !name.rsplit('.').next().is_some_and(is_number);
        let is_port = is_number(port);
        if !is_name || !is_port {
            return Err(FeedAddressError);
        }
        let host = Host::Name(name.to_ascii_lowercase());
        let port = port.parse().map_err(|_| FeedAddressError)?;
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for FeedAddress {
    type Error = FeedAddressError;

    fn try_from(text: String) -> Result<Self, FeedAddressError> {
        text.parse()
    }
}

impl From<FeedAddress> for String {
    fn from(address: FeedAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for FeedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for FeedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How long SRT waits for a packet that was lost, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLatency(u16);

/// The number is no latency of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the latency of a feed is 40 to 16000 milliseconds")]
pub struct FeedLatencyError;

impl FeedLatency {
    /// As a number of milliseconds.
    #[must_use]
    pub const fn millis(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for FeedLatency {
    type Error = FeedLatencyError;

    fn try_from(millis: u16) -> Result<Self, FeedLatencyError> {
        // The range of an SRT output of MediaLive.
        let is_known = (40..=16_000).contains(&millis);
        is_known.then_some(Self(millis)).ok_or(FeedLatencyError)
    }
}

/// Where a backend finds a passphrase, such as the ARN of a secret; never the passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassphraseRef(String);

/// The text cannot name a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a passphrase has 1 to 2048 printable ASCII characters and no space")]
pub struct PassphraseRefError;

impl PassphraseRef {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PassphraseRef {
    type Err = PassphraseRefError;

    fn from_str(text: &str) -> Result<Self, PassphraseRefError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=2_048).contains(&text.len()) || !plain {
            return Err(PassphraseRefError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// What takes a feed out again, and proves that nothing else was touched. To be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedReceipt {
    /// Where it calls.
    pub feed: Vec<FeedAddress>,
    /// The [`rest`](Channel::rest) of the channel when the receipt was made.
    pub rest: Digest,
}

/// What adding a feed would change, without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedChange {
    /// What adding it would do.
    pub step: FeedStep,
    /// What the channel is doing now.
    pub state: ChannelState,
    /// The encode of the viewers that it takes along.
    pub encode: SharedEncode,
    /// What would be added, a line each.
    pub difference: Vec<String>,
    /// The output groups that stay as they are.
    pub untouched: Vec<OutputGroup>,
    /// For how long viewers see nothing.
    pub outage: Outage,
}

/// What adding a feed would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStep {
    /// It is added.
    Add,
    /// It is there as wanted.
    Keep,
}

/// An encode that is there already and is sent another way, too; nothing is encoded twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedEncode {
    /// The output group that it is taken from.
    pub group: String,
    /// What the channel calls the video.
    pub video: String,
    /// What the channel calls each sound that goes with it.
    pub audio: Vec<String>,
}

/// For how long viewers see nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// As a rule.
    pub usual: Duration,
    /// What is still normal.
    pub most: Duration,
}

impl Outage {
    /// None.
    pub const NONE: Self = Self {
        usual: Duration::ZERO,
        most: Duration::ZERO,
    };
    /// That of stopping a channel, editing it and starting it again. AWS calls a
    /// start of 3 minutes usual and one of 10 normal, and waits 5 for a stop.
    pub const OF_AN_EDIT: Self = Self {
        usual: Duration::from_secs(4 * 60),
        most: Duration::from_secs(15 * 60),
    };
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("viewers notice nothing");
        }
        let minutes = |duration: Duration| duration.as_secs() / 60;
        let (usual, most) = (minutes(self.usual), minutes(self.most));
        write!(
            f,
            "viewers see nothing for about {usual} minutes, and up to {most} are normal"
        )
    }
}

/// The outage first, then the steps, then the difference.
impl fmt::Display for FeedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.outage)?;
        if self.step == FeedStep::Keep {
            return writeln!(f, "the feed is there as wanted; nothing is to be done");
        }
        writeln!(
            f,
            "the channel is {}; steps: stop it, wait until it is idle, add the feed, start it, verify",
            self.state
        )?;
        let SharedEncode {
            group,
            video,
            audio,
        } = &self.encode;
        let audio = audio.join("`, `");
        writeln!(
            f,
            "the feed shares video `{video}` and audio `{audio}` with `{group}`"
        )?;
        for line in &self.difference {
            writeln!(f, "+ {line}")?;
        }
        for group in &self.untouched {
            writeln!(f, "= {group} stays as it is")?;
        }
        Ok(())
    }
}

/// Why a channel is not changed, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelRefusal {
    /// The backend finds no passphrase there.
    #[error("the passphrase of a feed is named by the ARN of a secret in Secrets Manager")]
    Passphrase,
    /// A feed is added and removed only while idle.
    #[error(
        "the channel is {0}, and only an idle one can be edited; in this order: stop it (viewers see \
         nothing from here on), wait until it is idle, do this again, start it"
    )]
    NotIdle(ChannelState),
    /// It cannot be started as it is.
    #[error("the channel is {0} and cannot be started; wait until it is idle")]
    CannotStart(ChannelState),
    /// It cannot be stopped as it is.
    #[error("the channel is {0} and cannot be stopped; wait until it is running")]
    CannotStop(ChannelState),
    /// An input is switched only while running.
    #[error("the channel is {0}, and an input is switched while it is running; start it first")]
    NotRunning(ChannelState),
    /// No input has this name.
    #[error("the channel has no input attachment of this name; it has: {}", list(.0))]
    NoSuchInput(Vec<AttachmentName>),
    /// A feed of ours goes elsewhere, or is not whole.
    #[error(
        "there is another feed, or a part of one, under the name lunora-feed; remove it with its \
         receipt, then add this one"
    )]
    AnotherFeed,
    /// The rest is not what it was when the receipt was made.
    #[error(
        "the rest of the channel was edited after the receipt was made, so that removing the feed \
         would not bring back what was; nothing was changed. Look at what was edited, then add \
         the same feed again (nothing is done but a new receipt made) and remove it with that"
    )]
    RestChanged,
    /// Nothing that viewers get can be sent on by RTMP.
    #[error(
        "no output group of the viewers has H.264 video and AAC audio that the feed could share; RTMP \
         takes nothing else, and nothing behind the channel encodes"
    )]
    NoSharedEncode,
    /// An edit might drop what is not known.
    #[error(
        "the channel has the setting `{0}`, which this version of Lunora does not know and an edit \
         might drop; update Lunora"
    )]
    UnknownSetting(String),
    /// One address for each pipeline, each another.
    #[error("a {class} channel needs a feed with {}", addresses(*class))]
    Addresses {
        /// The class of the channel.
        class: ChannelClass,
    },
}

fn list(names: &[AttachmentName]) -> String {
    let names: Vec<&str> = names.iter().map(AttachmentName::as_str).collect();
    names.join(", ")
}

fn addresses(class: ChannelClass) -> &'static str {
    match class {
        ChannelClass::Standard => "two different addresses, one for each pipeline",
        ChannelClass::SinglePipeline => "one address",
    }
}

/// What was found after the start: who receives, and since when it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedVerdict {
    /// The channel runs.
    pub running: Option<Timestamp>,
    /// The flow receives the feed.
    pub flow: Option<Timestamp>,
    /// Viewers are served: what makes HLS receives.
    pub viewers: Option<Timestamp>,
}

impl FeedVerdict {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.running.is_some() && self.flow.is_some() && self.viewers.is_some()
    }
}

impl fmt::Display for FeedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |since: Option<Timestamp>| match since {
            Some(since) => format!("yes, seen at {since}"),
            None => "no".to_owned(),
        };
        write!(
            f,
            "channel runs: {}; flow receives: {}; viewers are served: {}",
            say(self.running),
            say(self.flow),
            say(self.viewers)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_feed_reads_as_it_is_written() {
        for text in ["203.0.113.7:5000", "[2001:db8::1]:5000", "in.example.com:1"] {
            let address: FeedAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_could_be_read_as_something_else_is_no_address_of_a_feed() {
        let not = [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:+1",
            "host:65536",
            "a/b:1",
            "a b:1",
            "user@host:1",
            "1.2.3:4",
            "1.2.3.400:1",
            "-a:1",
            "a..b:1",
            "2001:db8::1",
            "a:1:2",
        ];
        for text in not {
            assert_eq!(text.parse::<FeedAddress>(), Err(FeedAddressError), "{text}");
        }
    }

    #[test]
    fn a_latency_of_a_feed_has_bounds() {
        let is_ok = |millis: u16| FeedLatency::try_from(millis).is_ok();
        assert_eq!(
            [39, 40, 16_000, 16_001].map(is_ok),
            [false, true, true, false]
        );
    }
}
