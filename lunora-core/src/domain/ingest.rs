use jiff::Timestamp;
use secrecy::SecretString;

use super::{Encryption, Fault, Fingerprint, MediaFacts, Priority, Protocol, SourceId};

/// Which way the connection of an ingest is made.
#[derive(Clone, Debug)]
pub enum IngestWay {
    /// The encoder calls us, and is told from others by its stream name: with RTMP, the stream
    /// key that it publishes with; with SRT, its stream id.
    Listen {
        /// Who it is. An SRT listener without one takes any caller.
        stream_name: Option<SecretString>,
    },
    /// We call a host: SRT alone.
    Call {
        /// The host: a name or an address.
        host: String,
        /// Its port.
        port: u16,
        /// What we ask for.
        stream_name: Option<SecretString>,
    },
}

/// What a media engine is told about one source that it is to take in.
#[derive(Clone, Debug)]
pub struct IngestSpec {
    /// Which source.
    pub id: SourceId,
    /// How it comes in.
    pub protocol: Protocol,
    /// Who calls whom.
    pub way: IngestWay,
    /// The SRT passphrase.
    pub passphrase: Option<SecretString>,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// The lower, the earlier it is used.
    pub priority: Priority,
    /// Of all of the above; the engine keeps it and shows it when observed.
    pub fingerprint: Fingerprint,
}

/// How an ingest fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngestState {
    /// Nobody has called yet, or nobody has answered.
    Waiting,
    /// It is connected, and no media came within the last moments.
    Silent,
    /// Media comes in, and another source is on air.
    Standby,
    /// Media comes in, and goes out.
    OnAir,
    /// It cannot come in until a person acts.
    Failed,
}

/// A source as a media engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedIngest {
    /// Which source.
    pub id: SourceId,
    /// As it was told last.
    pub fingerprint: Fingerprint,
    /// In a word.
    pub state: IngestState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// Connections that were tried or made since media last came in.
    pub attempts: u32,
    /// What is wrong now.
    pub fault: Option<Fault>,
    /// What was measured of it; nothing while nothing comes in.
    pub media: MediaFacts,
    /// Bytes of media that came in since it was added.
    pub bytes: u64,
}
