use std::num::NonZeroU32;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::SourceError;
use crate::domain::{
    Edit, Encryption, HealthCheck, InputClass, Passphrase, Priority, Protocol, SecretName,
    SecretRef, Source, SourceAddressError, SourceHost, SourceId, SourceName, SourceUrl, SrtCall,
    StreamName,
};

/// What changes about how a source is reached; what is not mentioned stays.
#[derive(Clone, Debug, Default)]
pub struct AddressEdit {
    /// Its URL. That of SRT is taken apart into the others, and not kept.
    pub url: Edit<SourceUrl>,
    /// Who is called; with SRT, nobody means that the encoder calls.
    pub host: Edit<SourceHost>,
    /// At which port.
    pub port: Edit<u16>,
    /// What it is told from others by.
    pub stream_id: Edit<StreamName>,
    /// What it is encrypted with.
    pub passphrase: Edit<Passphrase>,
}

/// What a new source is made of.
#[derive(Clone, Debug)]
pub struct NewSource {
    /// What people call it.
    pub name: SourceName,
    /// How it comes in.
    pub protocol: Protocol,
    /// How it is reached.
    pub address: AddressEdit,
    /// How it is encrypted. Without a word about it, AES-128 if there is a
    /// passphrase, as libsrt has it, and else not at all.
    pub encryption: Option<Encryption>,
    /// When it is used.
    pub priority: Priority,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Whether it is looked at.
    pub health_check: HealthCheck,
    /// The class of a MediaLive input for it.
    pub input_class: InputClass,
}

/// What changes about a source; what is not mentioned stays.
#[derive(Clone, Debug, Default)]
pub struct SourcePatch {
    /// What people call it.
    pub name: Option<SourceName>,
    /// How it comes in.
    pub protocol: Option<Protocol>,
    /// How it is reached.
    pub address: AddressEdit,
    /// How it is encrypted.
    pub encryption: Option<Encryption>,
    /// When it is used.
    pub priority: Option<Priority>,
    /// Whether it takes part at all.
    pub enabled: Option<bool>,
    /// Whether it is looked at.
    pub health_check_enabled: Option<bool>,
    /// Seconds from one look to the next.
    pub health_check_interval: Option<NonZeroU32>,
    /// The class of a MediaLive input for it.
    pub input_class: Option<InputClass>,
}

impl NewSource {
    /// The row without its address.
    pub(super) fn row(&self, id: SourceId, at: Timestamp) -> Source {
        Source {
            id,
            name: self.name.clone(),
            protocol: self.protocol,
            connection_url: None,
            stream_id: None,
            passphrase: None,
            encryption: self.encryption.unwrap_or(Encryption::None),
            host: None,
            port: None,
            priority: self.priority,
            enabled: self.enabled,
            health_check: self.health_check,
            last_check: None,
            connection_attempts: 0,
            medialive_input: None,
            input_security_group: None,
            input_class: self.input_class,
            generation: 1,
            created_at: at,
            updated_at: at,
        }
    }
}

impl SourcePatch {
    /// Changes everything but the address.
    pub(super) fn apply(&self, row: &mut Source) {
        let Self {
            name,
            protocol,
            address: _,
            encryption,
            priority,
            enabled,
            health_check_enabled,
            health_check_interval,
            input_class,
        } = self.clone();
        row.name = name.unwrap_or_else(|| row.name.clone());
        row.protocol = protocol.unwrap_or(row.protocol);
        row.encryption = encryption.unwrap_or(row.encryption);
        row.priority = priority.unwrap_or(row.priority);
        row.enabled = enabled.unwrap_or(row.enabled);
        let check = &mut row.health_check;
        check.enabled = health_check_enabled.unwrap_or(check.enabled);
        check.interval_seconds = health_check_interval.unwrap_or(check.interval_seconds);
        row.input_class = input_class.unwrap_or(row.input_class);
    }

    /// Whether anything changes of how it comes in, so that it has to be possible then.
    pub(super) fn touches_the_way(&self) -> bool {
        let it = &self.address;
        let kept = it.url.is_keep() && it.host.is_keep() && it.port.is_keep();
        let kept = kept && it.stream_id.is_keep() && it.passphrase.is_keep();
        !kept || self.protocol.is_some() || self.encryption.is_some()
    }
}

/// An address edit, with what its URL says taken apart.
#[derive(Debug)]
pub(super) struct Resolved<'a> {
    pub(super) host: Edit<SourceHost>,
    pub(super) port: Edit<u16>,
    url: Edit<&'a SourceUrl>,
    stream_id: Edit<StreamName>,
    passphrase: Edit<Passphrase>,
}

impl AddressEdit {
    /// Reads the URL as one of this protocol.
    pub(super) fn resolve(&self, protocol: Protocol) -> Result<Resolved<'_>, SourceError> {
        let mut resolved = Resolved {
            host: self.host.clone(),
            port: self.port,
            url: self.url.as_ref(),
            stream_id: self.stream_id.clone(),
            passphrase: self.passphrase.clone(),
        };
        let Edit::Set(url) = &self.url else {
            return Ok(resolved);
        };
        let text = url.as_secret().expose_secret();
        if protocol != Protocol::Srt {
            check_scheme(protocol, text)?;
            return Ok(resolved);
        }
        let refused = |it: SourceAddressError| {
            SourceError::invalid(format!("`connection_url` of an SRT source: {it}"))
        };
        let call: SrtCall = text.parse().map_err(refused)?;
        // Nothing of it is left to keep as a whole.
        resolved.url = Edit::Clear;
        let twice = |what: &str| {
            let reason = format!("`{what}` stands in `connection_url` too, and is another there");
            SourceError::invalid(reason)
        };
        set_once(&mut resolved.host, call.host, |it| it.as_str().to_owned())
            .map_err(|()| twice("host_ip"))?;
        set_once(&mut resolved.port, call.port, u16::to_string).map_err(|()| twice("port"))?;
        if let Some(name) = call.stream_name {
            let text = |it: &StreamName| it.as_secret().expose_secret().to_owned();
            set_once(&mut resolved.stream_id, name, text).map_err(|()| twice("stream_id"))?;
        }
        if let Some(passphrase) = call.passphrase {
            let text = |it: &Passphrase| it.as_secret().expose_secret().to_owned();
            set_once(&mut resolved.passphrase, passphrase, text)
                .map_err(|()| twice("passphrase"))?;
        }
        Ok(resolved)
    }
}

/// Sets a value that a URL says, unless something else says another.
fn set_once<T>(edit: &mut Edit<T>, said: T, text: impl Fn(&T) -> String) -> Result<(), ()> {
    match edit {
        Edit::Set(other) if text(other) != text(&said) => Err(()),
        Edit::Keep | Edit::Clear | Edit::Set(_) => {
            *edit = Edit::Set(said);
            Ok(())
        }
    }
}

/// A URL of another protocol is more likely a slip than meant.
fn check_scheme(protocol: Protocol, url: &str) -> Result<(), SourceError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let is_one = |known: &[&str]| {
        scheme.is_some_and(|it| known.iter().any(|known| it.eq_ignore_ascii_case(known)))
    };
    let (fits, expected) = match protocol {
        Protocol::Srt => (is_one(&["srt"]), "srt://host:port"),
        Protocol::Rtmp => (is_one(&["rtmp", "rtmps"]), "rtmp://host/application/name"),
        Protocol::Rtp => (is_one(&["rtp", "rtp-fec", "udp"]), "rtp://host:port"),
        // NDI knows sources by a name, such as "STUDIO (Camera 1)".
        Protocol::Ndi => (
            scheme.is_none() || is_one(&["ndi"]),
            "the name of an NDI source",
        ),
    };
    if fits {
        return Ok(());
    }
    let reason = format!("`connection_url` of an {protocol} source has to be {expected}");
    Err(SourceError::invalid(reason))
}

/// The names of a source's secrets, each with what an edit says about it.
pub(super) type SecretEdits<'a> = [(SecretName, Edit<&'a SecretString>); 3];

impl Resolved<'_> {
    pub(super) fn secrets(&self, id: &SourceId) -> SecretEdits<'_> {
        let url = match self.url {
            Edit::Keep => Edit::Keep,
            Edit::Clear => Edit::Clear,
            Edit::Set(url) => Edit::Set(url.as_secret()),
        };
        let stream_id = self.stream_id.as_ref().map(StreamName::as_secret);
        let passphrase = self.passphrase.as_ref().map(Passphrase::as_secret);
        [
            (SecretName::SourceUrl(id.clone()), url),
            (SecretName::SourceStreamId(id.clone()), stream_id),
            (SecretName::SourcePassphrase(id.clone()), passphrase),
        ]
    }

    /// Changes what anybody may see of the address.
    pub(super) fn apply(&self, row: &mut Source) {
        match &self.host {
            Edit::Keep => (),
            Edit::Clear => row.host = None,
            Edit::Set(host) => row.host = Some(host.clone().into()),
        }
        match self.port {
            Edit::Keep => (),
            Edit::Clear => row.port = None,
            Edit::Set(port) => row.port = Some(port),
        }
    }

    /// As libsrt does, unless something was said of it.
    pub(super) fn choose_encryption(&self, row: &mut Source, said: Option<Encryption>) {
        let sets_one = matches!(self.passphrase, Edit::Set(_));
        if said.is_none() && sets_one && row.encryption == Encryption::None {
            row.encryption = Encryption::Aes128;
        }
    }
}

/// Refuses a row that no media engine could take in as it is.
pub(super) fn check(row: &Source) -> Result<(), SourceError> {
    let invalid = |reason: &str| Err(SourceError::invalid(reason));
    let encrypts = row.encryption != Encryption::None;
    match row.protocol {
        // An old row may keep a whole URL, which says the rest.
        Protocol::Srt if row.connection_url.is_some() => Ok(()),
        Protocol::Srt if encrypts && row.passphrase.is_none() => invalid(
            "an encrypted SRT source needs a passphrase; set `passphrase`, or `encryption_type` \
             to None",
        ),
        Protocol::Srt if !encrypts && row.passphrase.is_some() => invalid(
            "a passphrase needs `encryption_type` AES-128 or AES-256; send `passphrase: null` to \
             go without",
        ),
        Protocol::Srt if row.host.is_some() && row.port.is_none() => {
            invalid("an SRT source that is called needs a port; set `port`")
        }
        Protocol::Srt => Ok(()),
        _ if encrypts || row.passphrase.is_some() => {
            invalid("only SRT is encrypted; set `encryption_type` to None and `passphrase` to null")
        }
        Protocol::Rtmp if row.stream_id.is_none() && row.connection_url.is_none() => invalid(
            "an RTMP source needs a `stream_id`: the stream key that its encoder publishes with",
        ),
        Protocol::Rtmp | Protocol::Rtp | Protocol::Ndi => Ok(()),
    }
}

/// The fields in which two rows differ, by their names in HTTP.
pub(super) fn changed_fields(before: &Source, after: &Source) -> Vec<String> {
    let digest = |it: Option<SecretRef>| it.map(|it| it.digest);
    let differs = |of: fn(&Source) -> Option<SecretRef>| digest(of(before)) != digest(of(after));
    let (old, new) = (before.health_check, after.health_check);
    let pairs = [
        ("name", before.name != after.name),
        ("protocol", before.protocol != after.protocol),
        ("connection_url", differs(|it| it.connection_url)),
        ("host_ip", before.host != after.host),
        ("port", before.port != after.port),
        ("stream_id", differs(|it| it.stream_id)),
        ("passphrase", differs(|it| it.passphrase)),
        ("encryption_type", before.encryption != after.encryption),
        ("priority", before.priority != after.priority),
        ("enabled", before.enabled != after.enabled),
        ("health_check_enabled", old.enabled != new.enabled),
        (
            "health_check_interval",
            old.interval_seconds != new.interval_seconds,
        ),
        ("input_class", before.input_class != after.input_class),
    ];
    let changed = pairs.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(name, _)| name.to_owned()).collect()
}
