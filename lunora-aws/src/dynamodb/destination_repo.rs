//! The rows of `lunora-destinations`.
//!
//! Of the attributes of the running system, `streaming_status` is written once,
//! when a row is made, and never read (rule 1); ARNs, channel states and times of
//! synchronisation are not known here, and stay as they are (rule 17). `wanted`,
//! `generation`, and what a leg says of its secrets are our own.

use lunora_core::domain::{
    Destination, DestinationId, DestinationName, HashKey, Leg, OutputType, Platform, Wanted,
};

use super::{
    attribute::{
        BadAttribute, Item, count, flag, from_count, from_text, parsed, there, time, time_in_id,
        words,
    },
    leg::{InlineTexts, LegAttributes, LegCodec},
    row::{Edits, Part, Place, Row, Stored, item},
};
use crate::ParameterPrefix;
use aws_sdk_dynamodb::types::AttributeValue;

/// What it takes to read and write a destination.
#[derive(Clone, Debug)]
pub(super) struct DestinationCodec {
    /// What the names of all parameters begin with: an old client reads the key there.
    pub(super) prefix: ParameterPrefix,
    pub(super) hash_key: HashKey,
}

impl DestinationCodec {
    fn leg<'a>(&'a self, id: &'a DestinationId) -> LegCodec<'a> {
        LegCodec {
            id,
            prefix: self.prefix.as_str(),
            hash_key: &self.hash_key,
        }
    }

    /// The secrets of a leg that stand in the row itself.
    pub(super) fn inline(&self, id: &DestinationId, leg: Leg, item: &Item) -> InlineTexts {
        LegAttributes::of(leg).inline(item, self.leg(id))
    }
}

/// What is shown of a way of delivery that is no word.
const UNREADABLE: &str = "unreadable";

impl Row for Destination {
    type Codec = DestinationCodec;

    const PLACE: Place = Place::Own {
        key: "destination_id",
    };

    const PARTS: &'static [Part] = &[
        Part::guarded(&["name"]),
        Part::guarded(&["platform"]),
        Part::guarded(&["preset_id"]),
        Part::guarded(&["enabled"]),
        Part::guarded(&["wanted"]),
        Part::guarded(&["output_type"]),
        Part::guarded(LegAttributes::OF_PRIMARY),
        Part::guarded(LegAttributes::OF_BACKUP),
        Part::guarded(&["failover_enabled"]),
        Part::guarded(&["current_active_url"]),
        Part::guarded(&["generation"]),
        Part::guarded(&["streaming_started_at"]),
        Part::guarded(&["created_at"]),
        Part::stamp(&["updated_at"]),
    ];

    fn decode(
        id: &DestinationId,
        item: &Item,
        codec: &DestinationCodec,
    ) -> Result<Self, BadAttribute> {
        let leg = |leg: LegAttributes| leg.read(item, codec.leg(id));
        Ok(Self {
            id: id.clone(),
            name: parsed(item, "name").unwrap_or_else(|| named_like(id)),
            platform: platform(item),
            preset_id: parsed(item, "preset_id"),
            // As the old API has it.
            enabled: flag(item, "enabled")?.unwrap_or(true),
            wanted: wanted(item)?,
            output_type: output_type(item),
            primary: leg(LegAttributes::PRIMARY),
            backup: leg(LegAttributes::BACKUP),
            failover_enabled: flag(item, "failover_enabled")?.unwrap_or(false),
            active_leg: active_leg(item)?,
            generation: generation(item)?,
            started_at: time(item, "streaming_started_at"),
            created_at: time(item, "created_at").unwrap_or_else(|| time_in_id(id.as_str())),
            updated_at: time(item, "updated_at").unwrap_or_else(|| time_in_id(id.as_str())),
        })
    }

    fn encode(&self, codec: &DestinationCodec) -> Item {
        let mut all = item([
            ("name", Some(from_text(&self.name))),
            ("platform", Some(from_text(&self.platform))),
            ("preset_id", self.preset_id.as_ref().map(from_text)),
            ("enabled", Some(AttributeValue::Bool(self.enabled))),
            ("wanted", Some(from_text(word(self.wanted)))),
            ("output_type", Some(from_text(&self.output_type))),
            (
                "failover_enabled",
                Some(AttributeValue::Bool(self.failover_enabled)),
            ),
            ("current_active_url", Some(from_text(self.active_leg))),
            ("generation", Some(from_count(self.generation))),
            ("streaming_started_at", self.started_at.map(from_text)),
            ("created_at", Some(from_text(self.created_at))),
            ("updated_at", Some(from_text(self.updated_at))),
        ]);
        let leg = codec.leg(&self.id);
        all.extend(LegAttributes::PRIMARY.write(self.primary.as_ref(), leg));
        all.extend(LegAttributes::BACKUP.write(self.backup.as_ref(), leg));
        all
    }

    fn born_with(&self) -> Item {
        // Old clients want to see all three.
        item([
            ("streaming_status", Some(from_text("ready"))),
            ("rtmp_url", Some(AttributeValue::Null(true))),
            ("stream_key_param", Some(AttributeValue::Null(true))),
        ])
    }

    fn edits(&self, part: &Part, stored: &Stored<'_>, codec: &DestinationCodec) -> Edits {
        let leg = [Leg::Primary, Leg::Backup]
            .into_iter()
            .find(|leg| LegAttributes::of(*leg).is_part(part));
        match leg {
            None => part.differences(stored),
            Some(leg) => {
                LegAttributes::of(leg).edits(self.endpoint(leg), stored.raw, codec.leg(&self.id))
            }
        }
    }
}

/// A row without a usable name is called by its id.
fn named_like(id: &DestinationId) -> DestinationName {
    let text: String = id.as_str().chars().take(DestinationName::LEN_MAX).collect();
    text.parse()
        .expect("an id is made of what a name is made of")
}

fn platform(item: &Item) -> Platform {
    let word = words(item, "platform").map(str::to_ascii_lowercase);
    // What is no word says as much as nothing.
    word.and_then(|word| word.parse().ok())
        .unwrap_or(Platform::Custom)
}

/// Only exact words count: what is left alone must not become ours by a spelling.
fn output_type(item: &Item) -> OutputType {
    match there(item, "output_type") {
        None => OutputType::MediaLive,
        Some(AttributeValue::S(word)) if word.is_empty() => OutputType::MediaLive,
        Some(AttributeValue::S(word)) => word.parse().unwrap_or_else(|_| unreadable()),
        Some(_) => unreadable(),
    }
}

fn unreadable() -> OutputType {
    UNREADABLE.parse().expect("it is a word")
}

const fn word(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Running => "running",
        Wanted::Stopped => "stopped",
    }
}

/// An intent that cannot be read is no intent to stop.
fn wanted(item: &Item) -> Result<Wanted, BadAttribute> {
    match there(item, "wanted") {
        None => Ok(Wanted::Stopped),
        Some(AttributeValue::S(text)) if text == word(Wanted::Stopped) => Ok(Wanted::Stopped),
        Some(AttributeValue::S(text)) if text == word(Wanted::Running) => Ok(Wanted::Running),
        Some(_) => Err(BadAttribute::new("wanted", "running or stopped")),
    }
}

fn active_leg(item: &Item) -> Result<Leg, BadAttribute> {
    const NAME: &str = "current_active_url";
    match words(item, NAME) {
        Some(word) if word.eq_ignore_ascii_case("primary") => Ok(Leg::Primary),
        Some(word) if word.eq_ignore_ascii_case("backup") => Ok(Leg::Backup),
        None if there(item, NAME).is_none_or(AttributeValue::is_s) => Ok(Leg::Primary),
        _ => Err(BadAttribute::new(NAME, "primary or backup")),
    }
}

pub(super) fn generation(item: &Item) -> Result<u64, BadAttribute> {
    match there(item, "generation") {
        None => Ok(0),
        Some(_) => {
            count(item, "generation").ok_or(BadAttribute::new("generation", "a number from 0 on"))
        }
    }
}
