use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{DestinationId, Digest, HashKey, Leg, SourceId};

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretName {
    /// The stream key of one leg.
    StreamKey(DestinationId, Leg),
    /// What stood in the push URL of one leg behind the application: further
    /// path segments and a query, either of which may hold a token (rule 21).
    UrlTail(DestinationId, Leg),
    /// The URL of a source.
    SourceUrl(SourceId),
    /// The SRT stream id of a source.
    SourceStreamId(SourceId),
    /// The SRT passphrase of a source.
    SourcePassphrase(SourceId),
    /// The key that an encoder publishes with.
    PublishKey,
}

impl SecretName {
    /// Every name that a source can have secrets under.
    #[must_use]
    pub fn all_of_source(source: &SourceId) -> [Self; 3] {
        [
            Self::SourceUrl(source.clone()),
            Self::SourceStreamId(source.clone()),
            Self::SourcePassphrase(source.clone()),
        ]
    }

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
            Self::SourceUrl(id) => return write!(f, "sources/{id}/connection_url"),
            Self::SourceStreamId(id) => return write!(f, "sources/{id}/stream_id"),
            Self::SourcePassphrase(id) => return write!(f, "sources/{id}/passphrase"),
            Self::StreamKey(id, Leg::Primary) => (id, "stream_key"),
            Self::StreamKey(id, Leg::Backup) => (id, "backup_stream_key"),
            Self::UrlTail(id, Leg::Primary) => (id, "url_tail"),
            Self::UrlTail(id, Leg::Backup) => (id, "backup_url_tail"),
        };
        write!(f, "destinations/{id}/{leaf}")
    }
}

/// The text is not the path of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a secret")]
pub struct SecretNameError;

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;

    fn try_from(path: String) -> Result<Self, SecretNameError> {
        path.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.to_string()
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(path: &str) -> Result<Self, SecretNameError> {
        let mut parts = path.split('/');
        let (Some(whose), Some(id), leaf, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SecretNameError);
        };
        let destination =
            |make: fn(DestinationId, Leg) -> Self, leg| id.parse().map(|id| make(id, leg));
        let source = |make: fn(SourceId) -> Self| id.parse().map(make);
        match (whose, leaf) {
            ("ingest", None) if id == "publish_key" => return Ok(Self::PublishKey),
            ("destinations", Some("stream_key")) => destination(Self::StreamKey, Leg::Primary),
            ("destinations", Some("backup_stream_key")) => {
                destination(Self::StreamKey, Leg::Backup)
            }
            ("destinations", Some("url_tail")) => destination(Self::UrlTail, Leg::Primary),
            ("destinations", Some("backup_url_tail")) => destination(Self::UrlTail, Leg::Backup),
            ("sources", Some("connection_url")) => source(Self::SourceUrl),
            ("sources", Some("stream_id")) => source(Self::SourceStreamId),
            ("sources", Some("passphrase")) => source(Self::SourcePassphrase),
            _ => return Err(SecretNameError),
        }
        .map_err(|_| SecretNameError)
    }
}

/// Which write of a secret this is; it counts up from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretVersion(pub u64);

impl SecretVersion {
    /// No write: what a row says about a secret that somebody else kept, and
    /// that nobody has read yet.
    pub const UNREAD: Self = Self(0);
}

/// What a row says about a secret that is kept elsewhere (rule 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// The write that this row knows of.
    pub version: SecretVersion,
    /// The keyed hash of the text.
    pub digest: Digest,
}

impl SecretRef {
    /// Refers to whatever is kept under a name by somebody else. Its digest is
    /// that of no text, and equal to that of no other name.
    #[must_use]
    pub fn unread(name: &SecretName, hash_key: &HashKey) -> Self {
        let digest = hash_key.digest([&b"unread"[..], name.to_string().as_bytes()]);
        let version = SecretVersion::UNREAD;
        Self { version, digest }
    }

    /// Whether nobody has read the text yet.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.version == SecretVersion::UNREAD
    }

    /// Whether the text is the one that this refers to.
    #[must_use]
    pub fn is_of(&self, text: &SecretString, hash_key: &HashKey) -> bool {
        Self::new(self.version, text, hash_key).digest == self.digest
    }

    /// Refers to this write of this text.
    #[must_use]
    pub fn new(version: SecretVersion, text: &SecretString, hash_key: &HashKey) -> Self {
        let digest = hash_key.digest([b"secret", text.expose_secret().as_bytes()]);
        Self { version, digest }
    }
}
