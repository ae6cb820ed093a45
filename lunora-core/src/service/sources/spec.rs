//! What a media engine is told: the row, and the secrets that it refers to.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::Sources;
use crate::{
    domain::{
        Aspect, Check, Encryption, Fault, FaultClass, FaultCode, Finding, IngestSpec, IngestWay,
        Outcome, Protocol, SecretName, Source, SrtCall,
    },
    plan::source_fingerprint,
    port::{ErrorKind, PortError, SecretStore as _, Which},
};

/// Why a media engine cannot be told of a source.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Something has to be set, or set again, which the text says.
    Settings(&'static str),
    /// The store has another text under that version than the row says.
    Changing,
    /// The store cannot tell.
    Port(PortError),
}

impl Unusable {
    /// What the source shows for it; the error itself, where that may be over in a moment.
    pub(super) fn into_fault(self, at: Timestamp) -> Result<Fault, PortError> {
        match self {
            Self::Port(error) if error.kind() == ErrorKind::Unavailable => Err(error),
            other => Ok(other.as_fault(at)),
        }
    }

    pub(super) fn as_fault(&self, at: Timestamp) -> Fault {
        let (code, class, text) = match self {
            Self::Settings(text) => (FaultCode::Invalid, FaultClass::Actionable, *text),
            Self::Changing => (
                FaultCode::Provider,
                FaultClass::Transient,
                "one of its secrets is being changed; it is read again",
            ),
            Self::Port(error) if error.kind() == ErrorKind::Unavailable => (
                FaultCode::Provider,
                FaultClass::Transient,
                "its secrets cannot be read just now; that is tried again",
            ),
            Self::Port(_) => (
                FaultCode::Invalid,
                FaultClass::Actionable,
                "its stored secrets cannot be read; the log of the server says why",
            ),
        };
        Fault::new(code, class, text, at)
    }
}

/// The finding about a source whose settings leave nothing to look at.
pub(super) fn settings_fail(fault: Fault, at: Timestamp) -> Finding {
    let check = |aspect, outcome| Check { aspect, outcome };
    let not_checked = Outcome::NotChecked("the settings have to be mended first");
    Finding {
        at,
        checks: vec![
            check(Aspect::Settings, Outcome::Failed(fault)),
            check(Aspect::Media, not_checked),
        ],
        media: None,
    }
}

impl Sources {
    /// Puts together what an engine is told, with the secrets that the row refers to.
    pub(super) async fn spec(&self, row: &Source) -> Result<IngestSpec, Unusable> {
        let id = || row.id.clone();
        let url = self.text(row, SecretName::SourceUrl(id())).await?;
        let mut stream_name = self.text(row, SecretName::SourceStreamId(id())).await?;
        let mut passphrase = self.text(row, SecretName::SourcePassphrase(id())).await?;
        let mut encryption = row.encryption;
        let way = match (row.protocol, url) {
            (Protocol::Srt, Some(url)) => {
                let call: Result<SrtCall, _> = url.expose_secret().parse();
                let call = call.map_err(|_| {
                    Unusable::Settings("its stored URL is no SRT URL; set `connection_url` again")
                })?;
                let secret = |it: &SecretString| it.clone();
                let named = call.stream_name.as_ref().map(|it| secret(it.as_secret()));
                let secured = call.passphrase.as_ref().map(|it| secret(it.as_secret()));
                if secured.is_some() && encryption == Encryption::None {
                    encryption = Encryption::Aes128;
                }
                stream_name = named.or(stream_name);
                passphrase = secured.or(passphrase);
                IngestWay::Call {
                    host: call.host.into(),
                    port: call.port,
                    stream_name,
                }
            }
            (Protocol::Srt, None) => match (&row.host, row.port) {
                (Some(host), Some(port)) => IngestWay::Call {
                    host: host.clone(),
                    port,
                    stream_name,
                },
                (Some(_), None) => {
                    let text = "it names a host and no port; set `port`";
                    return Err(Unusable::Settings(text));
                }
                (None, _) => IngestWay::Listen { stream_name },
            },
            // No engine that we know fetches these; the one that is told says what works instead.
            (Protocol::Rtmp | Protocol::Rtp | Protocol::Ndi, Some(_)) => IngestWay::Call {
                host: row.host.clone().unwrap_or_default(),
                port: row.port.unwrap_or_default(),
                stream_name,
            },
            (Protocol::Rtmp, None) if stream_name.is_none() => {
                let text = "it has no stream key that an encoder could publish with; set \
                            `stream_id`";
                return Err(Unusable::Settings(text));
            }
            (Protocol::Rtmp | Protocol::Rtp | Protocol::Ndi, None) => {
                IngestWay::Listen { stream_name }
            }
        };
        if row.protocol == Protocol::Srt {
            match (encryption, &passphrase) {
                (Encryption::None, Some(_)) => passphrase = None,
                (Encryption::Aes128 | Encryption::Aes256, None) => {
                    let text = "it is encrypted and has no passphrase; set `passphrase`, or \
                                `encryption_type` to None";
                    return Err(Unusable::Settings(text));
                }
                _ => (),
            }
        }
        Ok(IngestSpec {
            id: id(),
            protocol: row.protocol,
            way,
            passphrase,
            encryption,
            priority: row.priority,
            fingerprint: source_fingerprint(row, &self.hash_key),
        })
    }

    /// Reads the version that the row refers to, and no other. One that an old client
    /// left in the row itself has no version, and is the latest by that.
    async fn text(&self, row: &Source, name: SecretName) -> Result<Option<SecretString>, Unusable> {
        let Some(kept) = row.refers_to(&name) else {
            return Ok(None);
        };
        let which = if kept.is_unread() {
            Which::Latest
        } else {
            Which::Version(kept.version)
        };
        let revealed = self.ports.secrets.reveal(&name, which).await;
        let revealed = revealed.map_err(Unusable::Port)?;
        let Some(revealed) = revealed else {
            return Err(Unusable::Settings(match name {
                SecretName::SourceStreamId(_) => {
                    "its stream id is not in the store; set `stream_id` again"
                }
                SecretName::SourcePassphrase(_) => {
                    "its passphrase is not in the store; set `passphrase` again"
                }
                _ => "its URL is not in the store; set `connection_url` again",
            }));
        };
        if kept.is_unread() || kept.is_of(&revealed.text, &self.hash_key) {
            Ok(Some(revealed.text))
        } else {
            Err(Unusable::Changing)
        }
    }
}
