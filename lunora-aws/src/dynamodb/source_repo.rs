//! The rows of `lunora-sources`.
//!
//! An old client writes `connection_url` and `stream_id` as they are. Such a
//! text is a secret that nobody has read, and stays where it is until it is
//! replaced (rule 21). Ours are in the secret store, and the row refers to them
//! by `…_version` and `…_digest`.

use std::num::{NonZeroU8, NonZeroU32};

use aws_sdk_dynamodb::types::AttributeValue;
use lunora_core::{
    SecretString,
    domain::{
        Encryption, HashKey, HealthCheck, InputClass, Priority, Protocol, SecretName, SecretRef,
        Source, SourceCheck, SourceId, SourceName,
    },
};

use super::{
    attribute::{
        BadAttribute, Item, count, flag, from_count, from_text, parsed, text, there, time,
        time_in_id, words,
    },
    destination_repo::generation,
    leg::{RefAttributes, inline_ref},
    row::{Edits, Part, Place, Row, Stored, item},
};

/// The attributes of one secret.
#[derive(Clone, Copy, Debug)]
struct SecretAttributes {
    plain: &'static str,
    kept: RefAttributes,
}

const CONNECTION_URL: SecretAttributes = SecretAttributes {
    plain: "connection_url",
    kept: RefAttributes {
        version: "connection_url_version",
        digest: "connection_url_digest",
    },
};
const STREAM_ID: SecretAttributes = SecretAttributes {
    plain: "stream_id",
    kept: RefAttributes {
        version: "stream_id_version",
        digest: "stream_id_digest",
    },
};
const PASSPHRASE: SecretAttributes = SecretAttributes {
    plain: "passphrase",
    kept: RefAttributes {
        version: "passphrase_version",
        digest: "passphrase_digest",
    },
};

impl SecretAttributes {
    const fn all(self) -> [&'static str; 3] {
        [self.plain, self.kept.version, self.kept.digest]
    }

    fn read(self, item: &Item, hash_key: &HashKey) -> Option<SecretRef> {
        // Whoever writes the text writes it last: we take it away.
        match self.inline(item) {
            Some(text) => Some(inline_ref(&text, hash_key)),
            None => self.kept.read(item),
        }
    }

    fn inline(self, item: &Item) -> Option<SecretString> {
        words(item, self.plain).map(SecretString::from)
    }

    fn write(self, to: Option<&SecretRef>) -> Item {
        item(self.kept.write(to))
    }
}

/// The text of a secret that stands in the row itself.
pub(super) fn inline(name: &SecretName, item: &Item) -> Option<SecretString> {
    match name {
        SecretName::SourceUrl(_) => CONNECTION_URL.inline(item),
        SecretName::SourceStreamId(_) => STREAM_ID.inline(item),
        SecretName::SourcePassphrase(_) => PASSPHRASE.inline(item),
        _ => None,
    }
}

const HEALTH: &str = "health_status";
const INTERVAL: &str = "health_check_interval";
/// Seconds between two looks at a source that does not say it.
const INTERVAL_DEFAULT: NonZeroU32 = NonZeroU32::new(30).unwrap();

impl Row for Source {
    type Codec = HashKey;

    const PLACE: Place = Place::Own { key: "source_id" };

    const PARTS: &'static [Part] = &[
        Part::guarded(&["name"]),
        Part::guarded(&["protocol"]),
        Part::guarded(&CONNECTION_URL.all()),
        Part::guarded(&STREAM_ID.all()),
        Part::guarded(&PASSPHRASE.all()),
        Part::guarded(&["encryption_type"]),
        Part::guarded(&["host_ip"]),
        Part::guarded(&["port"]),
        Part::guarded(&["priority"]),
        Part::guarded(&["enabled"]),
        Part::guarded(&["health_check_enabled"]),
        Part::guarded(&[INTERVAL]),
        Part::guarded(&[HEALTH, "last_health_check"]),
        Part::guarded(&["connection_attempts"]),
        Part::guarded(&["medialive_input_id"]),
        Part::guarded(&["input_security_group_id"]),
        Part::guarded(&["input_class"]),
        Part::guarded(&["generation"]),
        Part::guarded(&["created_at"]),
        Part::stamp(&["updated_at"]),
    ];

    fn decode(id: &SourceId, item: &Item, hash_key: &HashKey) -> Result<Self, BadAttribute> {
        Ok(Self {
            id: id.clone(),
            name: parsed(item, "name").unwrap_or_else(|| named_like(id)),
            protocol: protocol(item)?,
            connection_url: CONNECTION_URL.read(item, hash_key),
            stream_id: STREAM_ID.read(item, hash_key),
            passphrase: PASSPHRASE.read(item, hash_key),
            encryption: word(
                item,
                "encryption_type",
                "None, AES-128 or AES-256",
                Encryption::None,
            )?,
            host: text(item, "host_ip").map(str::to_owned),
            port: count(item, "port").and_then(|port| port.try_into().ok()),
            priority: priority(item),
            enabled: flag(item, "enabled")?.unwrap_or(true),
            health_check: HealthCheck {
                enabled: flag(item, "health_check_enabled")?.unwrap_or(false),
                interval_seconds: interval(item),
            },
            last_check: last_check(item),
            connection_attempts: count(item, "connection_attempts")
                .and_then(|attempts| attempts.try_into().ok())
                .unwrap_or(0),
            medialive_input: parsed(item, "medialive_input_id"),
            input_security_group: parsed(item, "input_security_group_id"),
            input_class: parsed(item, "input_class").unwrap_or(InputClass::Standard),
            generation: generation(item)?,
            created_at: time(item, "created_at").unwrap_or_else(|| time_in_id(id.as_str())),
            updated_at: time(item, "updated_at").unwrap_or_else(|| time_in_id(id.as_str())),
        })
    }

    fn encode(&self, _: &HashKey) -> Item {
        let check = self.last_check;
        let interval = u64::from(self.health_check.interval_seconds.get());
        let mut all = item([
            ("name", Some(from_text(&self.name))),
            ("protocol", Some(from_text(self.protocol))),
            ("encryption_type", Some(from_text(self.encryption))),
            ("host_ip", self.host.as_ref().map(from_text)),
            ("port", self.port.map(|port| from_count(port.into()))),
            ("priority", Some(from_count(self.priority.0.get().into()))),
            ("enabled", Some(AttributeValue::Bool(self.enabled))),
            (
                "health_check_enabled",
                Some(AttributeValue::Bool(self.health_check.enabled)),
            ),
            (INTERVAL, Some(from_count(interval))),
            (HEALTH, check.map(|check| from_text(check.health))),
            ("last_health_check", check.map(|check| from_text(check.at))),
            (
                "connection_attempts",
                Some(from_count(self.connection_attempts.into())),
            ),
            (
                "medialive_input_id",
                self.medialive_input.as_ref().map(from_text),
            ),
            (
                "input_security_group_id",
                self.input_security_group.as_ref().map(from_text),
            ),
            ("input_class", Some(from_text(self.input_class))),
            ("generation", Some(from_count(self.generation))),
            ("created_at", Some(from_text(self.created_at))),
            ("updated_at", Some(from_text(self.updated_at))),
        ]);
        all.extend(CONNECTION_URL.write(self.connection_url.as_ref()));
        all.extend(STREAM_ID.write(self.stream_id.as_ref()));
        all.extend(PASSPHRASE.write(self.passphrase.as_ref()));
        all
    }

    fn edits(&self, part: &Part, stored: &Stored<'_>, _: &HashKey) -> Edits {
        let secrets = [CONNECTION_URL, STREAM_ID, PASSPHRASE];
        let is_secret = secrets.iter().any(|it| it.plain == part.name());
        if is_secret || part.name() == HEALTH {
            part.whole(stored)
        } else {
            part.differences(stored)
        }
    }
}

/// A row without a usable name is called by its id.
fn named_like(id: &SourceId) -> SourceName {
    let text: String = id.as_str().chars().take(SourceName::LEN_MAX).collect();
    text.parse()
        .expect("an id is made of what a name is made of")
}

/// A word of those that are known; nothing is as the default.
fn word<T: std::str::FromStr>(
    item: &Item,
    name: &'static str,
    expected: &'static str,
    default: T,
) -> Result<T, BadAttribute> {
    match words(item, name) {
        Some(word) => word.parse().map_err(|_| BadAttribute::new(name, expected)),
        None if there(item, name).is_none_or(AttributeValue::is_s) => Ok(default),
        None => Err(BadAttribute::new(name, expected)),
    }
}

/// The old pages wrote `rtp-fec`, which is a way to send RTP.
fn protocol(item: &Item) -> Result<Protocol, BadAttribute> {
    match words(item, "protocol") {
        Some(fec) if fec.eq_ignore_ascii_case("rtp-fec") => Ok(Protocol::Rtp),
        _ => word(item, "protocol", "SRT, RTMP, RTP or NDI", Protocol::Srt),
    }
}

fn priority(item: &Item) -> Priority {
    let found = count(item, "priority").and_then(|it| u8::try_from(it).ok());
    let found = found.and_then(NonZeroU8::new);
    found.map_or(Priority::PRIMARY, Priority)
}

fn interval(item: &Item) -> NonZeroU32 {
    let found = count(item, INTERVAL).and_then(|it| u32::try_from(it).ok());
    found.and_then(NonZeroU32::new).unwrap_or(INTERVAL_DEFAULT)
}

/// A finding without its time is none.
fn last_check(item: &Item) -> Option<SourceCheck> {
    Some(SourceCheck {
        health: parsed(item, HEALTH)?,
        at: time(item, "last_health_check")?,
    })
}
