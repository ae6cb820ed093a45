//! What is wanted of SRT.

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Encryption, Host, IngestSpec, IngestWay, Priority, Protocol},
};
use lunora_srt::protocol::KeyLength;

use crate::{air::Origin, sources::is_same_way};

/// For how long a lost packet is asked for again, in milliseconds. libsrt takes what the other
/// side wants if that is longer.
const LATENCY_MS: u16 = 200;
/// What SRT takes.
const STREAM_ID_MAX: usize = 512;
const PASSPHRASE_LEN: std::ops::RangeInclusive<usize> = 10..=79;

/// A source that comes in by SRT.
#[derive(Clone, Debug)]
pub(crate) struct SrtSource {
    pub(crate) origin: Origin,
    pub(crate) priority: Priority,
    pub(crate) way: SrtWay,
    pub(crate) passphrase: Option<SecretString>,
    pub(crate) key_length: KeyLength,
    pub(crate) latency_ms: u16,
    /// As it was added; nothing for the encoder of the relay, which stays as it is.
    spec: Option<IngestSpec>,
}

/// Who calls whom.
#[derive(Clone, Debug)]
pub(crate) enum SrtWay {
    Listen {
        stream_id: Option<SecretString>,
    },
    Call {
        host: Host,
        port: u16,
        stream_id: Option<SecretString>,
    },
}

/// Why a source cannot be taken in. No text says what was wrong with a secret beyond its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("it does not come by SRT")]
    OtherProtocol,
    #[error("an SRT passphrase has 10 to 79 characters")]
    Passphrase,
    #[error("it is to be encrypted and has no passphrase")]
    NoPassphrase,
    #[error("an SRT stream id has at most 512 characters")]
    StreamId,
    #[error("the host that it is called at is none")]
    Host,
}

impl SrtSource {
    /// The encoder of the relay itself: it gives the publish key as stream id.
    pub(crate) fn encoder(publish_key: &SecretString) -> Self {
        Self {
            origin: Origin::Encoder,
            priority: Priority::PRIMARY,
            way: SrtWay::Listen {
                stream_id: Some(publish_key.clone()),
            },
            passphrase: None,
            key_length: KeyLength::Any,
            latency_ms: LATENCY_MS,
            spec: None,
        }
    }

    /// A source that was added.
    pub(crate) fn from_spec(spec: &IngestSpec) -> Result<Self, SourceError> {
        if spec.protocol != Protocol::Srt {
            return Err(SourceError::OtherProtocol);
        }
        let key_length = match spec.encryption {
            Encryption::None => KeyLength::Any,
            Encryption::Aes128 => KeyLength::Aes128,
            Encryption::Aes256 => KeyLength::Aes256,
        };
        if key_length != KeyLength::Any && spec.passphrase.is_none() {
            return Err(SourceError::NoPassphrase);
        }
        let len = |secret: &SecretString| secret.expose_secret().len();
        if let Some(passphrase) = &spec.passphrase
            && !PASSPHRASE_LEN.contains(&len(passphrase))
        {
            return Err(SourceError::Passphrase);
        }
        let (way, stream_id) = match &spec.way {
            IngestWay::Listen { stream_name } => {
                let stream_id = stream_name.clone();
                (SrtWay::Listen { stream_id }, stream_name)
            }
            IngestWay::Call {
                host,
                port,
                stream_name,
            } => {
                let host = host_of(host).ok_or(SourceError::Host)?;
                let stream_id = stream_name.clone();
                let way = SrtWay::Call {
                    host,
                    port: *port,
                    stream_id,
                };
                (way, stream_name)
            }
        };
        if stream_id.as_ref().is_some_and(|id| STREAM_ID_MAX < len(id)) {
            return Err(SourceError::StreamId);
        }
        Ok(Self {
            origin: Origin::Source(spec.id.clone()),
            priority: spec.priority,
            way,
            passphrase: spec.passphrase.clone(),
            key_length,
            latency_ms: LATENCY_MS,
            spec: Some(spec.clone()),
        })
    }

    /// Whether its connection can stay where this is the other: it may be used earlier or later.
    pub(crate) fn comes_as(&self, other: &Self) -> bool {
        match (&self.spec, &other.spec) {
            (Some(one), Some(other)) => is_same_way(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether a caller could be either of the two, so that only one of them can be taken in.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (&self.way, &other.way) {
            (SrtWay::Listen { stream_id: one }, SrtWay::Listen { stream_id: two }) => {
                let text =
                    |id: &Option<SecretString>| id.as_ref().map(|id| id.expose_secret().to_owned());
                text(one) == text(two)
            }
            _ => false,
        }
    }
}

/// An address, in brackets or not, or a name.
fn host_of(text: &str) -> Option<Host> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse() {
        return Some(Host::Address(address));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_one = (1..=253).contains(&text.len()) && text.bytes().all(is_name);
    is_one.then(|| Host::Name(text.to_ascii_lowercase()))
}
