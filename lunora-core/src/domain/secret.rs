use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{DestinationId, Digest, HashKey, Leg};

/// What stands in every answer where a stream key would (rule 22).
pub const MASK: &str = "***ENCRYPTED***";

/// The secret name of a publish: 1 to 1024 printable ASCII characters without space.
#[derive(Clone)]
pub struct StreamKey(SecretString);

/// The text cannot be a stream key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream key has 1 to 1024 printable ASCII characters and no space")]
pub struct StreamKeyError;

impl StreamKey {
    /// The longest key, in bytes.
    pub const LEN_MAX: usize = 1024;

    /// Takes the text, without the space around it that a paste brings.
    pub fn new(text: &str) -> Result<Self, StreamKeyError> {
        let text = text.trim();
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || Self::LEN_MAX < text.len() || !plain {
            return Err(StreamKeyError);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// The text, for the store or the wire.
    #[must_use]
    pub const fn as_secret(&self) -> &SecretString {
        &self.0
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.expose_secret() == text
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(hidden)")
    }
}

/// The name under which a secret is kept; never the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretName {
    /// The stream key of one leg.
    StreamKey(DestinationId, Leg),
    /// What stood in the push URL of one leg behind the application: further
    /// path segments and a query, either of which may hold a token (rule 21).
    UrlTail(DestinationId, Leg),
    /// The key that an encoder publishes with.
    PublishKey,
}

impl SecretName {
    /// Every name that a destination can have secrets under.
    #[must_use]
    pub fn all_of(destination: &DestinationId) -> [Self; 4] {
        [
            Self::StreamKey(destination.clone(), Leg::Primary),
            Self::UrlTail(destination.clone(), Leg::Primary),
            Self::StreamKey(destination.clone(), Leg::Backup),
            Self::UrlTail(destination.clone(), Leg::Backup),
        ]
    }
}

/// As a path, as the parameters of the running system are named.
impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, leaf) = match self {
            Self::PublishKey => return f.write_str("ingest/publish_key"),
            Self::StreamKey(id, Leg::Primary) => (id, "stream_key"),
            Self::StreamKey(id, Leg::Backup) => (id, "backup_stream_key"),
            Self::UrlTail(id, Leg::Primary) => (id, "url_tail"),
            Self::UrlTail(id, Leg::Backup) => (id, "backup_url_tail"),
        };
        write!(f, "destinations/{id}/{leaf}")
    }
}

/// Which write of a secret this is; it counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretVersion(pub u64);

/// What a row says about a secret that is kept elsewhere (rule 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// The write that this row knows of.
    pub version: SecretVersion,
    /// The keyed hash of the text.
    pub digest: Digest,
}

impl SecretRef {
    /// Refers to this write of this text.
    #[must_use]
    pub fn new(version: SecretVersion, text: &SecretString, hash_key: &HashKey) -> Self {
        let digest = hash_key.digest([b"secret", text.expose_secret().as_bytes()]);
        Self { version, digest }
    }
}
