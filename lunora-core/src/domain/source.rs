use std::num::{NonZeroU8, NonZeroU32};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ResourceId, SecretName, SecretRef, SourceId, SourceName, word::closed_word};

closed_word! {
    /// How a source comes in.
    Protocol, "SRT, RTMP, RTP and NDI" {
        /// SRT.
        Srt = "SRT",
        /// RTMP.
        Rtmp = "RTMP",
        /// RTP.
        Rtp = "RTP",
        /// NDI.
        Ndi = "NDI",
    }
}

closed_word! {
    /// How what comes in is encrypted.
    Encryption, "None, AES-128 and AES-256" {
        /// Not at all.
        None = "None",
        /// AES with a key of 128 bits.
        Aes128 = "AES-128",
        /// AES with a key of 256 bits.
        Aes256 = "AES-256",
    }
}

closed_word! {
    /// How many pipelines a MediaLive input feeds.
    InputClass, "STANDARD and SINGLE_PIPELINE" {
        /// Two.
        Standard = "STANDARD",
        /// One.
        SinglePipeline = "SINGLE_PIPELINE",
    }
}

closed_word! {
    /// How a source was found.
    SourceHealth, "HEALTHY, DEGRADED and FAILED" {
        /// It comes in as it should.
        Healthy = "HEALTHY",
        /// It comes in, with losses.
        Degraded = "DEGRADED",
        /// It does not come in.
        Failed = "FAILED",
    }
}

/// The order in which sources are used: 1 is the primary, 2 the backup, 3 the emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Priority(pub NonZeroU8);

impl Priority {
    /// The one to use.
    pub const PRIMARY: Self = Self(NonZeroU8::MIN);
}

/// Whether, and how often, a source is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Whether it is looked at without being asked.
    pub enabled: bool,
    /// Seconds from one look to the next.
    pub interval_seconds: NonZeroU32,
}

/// What the last look at a source found. It is for people; nothing is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCheck {
    /// How it was found.
    pub health: SourceHealth,
    /// When.
    pub at: Timestamp,
}

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its identity, which never changes.
    pub id: SourceId,
    /// What people call it.
    pub name: SourceName,
    /// How it comes in.
    pub protocol: Protocol,
    /// Where it is fetched from, or how it calls; a secret, as it may hold one (rule 21).
    pub connection_url: Option<SecretRef>,
    /// The SRT stream id, which is a secret (rule 21).
    pub stream_id: Option<SecretRef>,
    /// The SRT passphrase.
    pub passphrase: Option<SecretRef>,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// The host that it comes from or is called at: a name or an address.
    pub host: Option<String>,
    /// The port there.
    pub port: Option<u16>,
    /// When it is used.
    pub priority: Priority,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Whether it is looked at.
    pub health_check: HealthCheck,
    /// What the last look found.
    pub last_check: Option<SourceCheck>,
    /// How often a connection was tried since it last came in.
    pub connection_attempts: u32,
    /// The MediaLive input that it feeds, if it has one.
    pub medialive_input: Option<ResourceId>,
    /// The security group of that input.
    pub input_security_group: Option<ResourceId>,
    /// The class of that input.
    pub input_class: InputClass,
    /// Counts up with every change of what is wanted; the `ETag` (rule 17).
    pub generation: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed by anybody.
    pub updated_at: Timestamp,
}

impl Source {
    /// What it says about a secret of its own.
    #[must_use]
    pub fn refers_to(&self, name: &SecretName) -> Option<SecretRef> {
        match name {
            SecretName::SourceUrl(id) if *id == self.id => self.connection_url,
            SecretName::SourceStreamId(id) if *id == self.id => self.stream_id,
            SecretName::SourcePassphrase(id) if *id == self.id => self.passphrase,
            _ => None,
        }
    }

    /// Says something else about a secret of its own; nothing, about any other.
    pub(crate) fn set_ref(&mut self, name: &SecretName, to: Option<SecretRef>) {
        match name {
            SecretName::SourceUrl(id) if *id == self.id => self.connection_url = to,
            SecretName::SourceStreamId(id) if *id == self.id => self.stream_id = to,
            SecretName::SourcePassphrase(id) if *id == self.id => self.passphrase = to,
            _ => (),
        }
    }
}
