//! The rows of `lunora-presets`.
//!
//! `video`, `audio` and `platform_settings` are maps; of them, keys that are not
//! known here stay as they are, and so do known ones that do not change.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use lunora_core::domain::{
    AudioPreset, HashKey, Label, PlatformSettings, Preset, PresetId, PresetKind, Resolution,
    VideoPreset,
};

use super::{
    attribute::{
        BadAttribute, Item, count, flag, from_count, from_number, from_text, number, parsed, text,
        there, time, time_in_id, words,
    },
    row::{Edits, Part, Place, Row, Stored, item},
};

const MAPS: [&str; 3] = ["video", "audio", "platform_settings"];

impl Row for Preset {
    type Codec = HashKey;

    const PLACE: Place = Place::Own { key: "preset_id" };

    const PARTS: &'static [Part] = &[
        Part::guarded(&["name"]),
        // A row without a type has that of its platform.
        Part::guarded(&["platform", "type"]),
        Part::guarded(&["video"]),
        Part::guarded(&["audio"]),
        Part::guarded(&["platform_settings"]),
        Part::guarded(&["description"]),
        Part::guarded(&["is_default"]),
        Part::guarded(&["is_active"]),
        Part::guarded(&["created_by"]),
        Part::guarded(&["created_at"]),
        Part::stamp(&["updated_at"]),
    ];

    fn decode(id: &PresetId, item: &Item, _: &HashKey) -> Result<Self, BadAttribute> {
        let platform = words(item, "platform").map(str::to_ascii_lowercase);
        let platform = platform.and_then(|word| word.parse().ok());
        let kind = parsed(item, "type").unwrap_or(match platform {
            None => PresetKind::Generic,
            Some(_) => PresetKind::PlatformSpecific,
        });
        Ok(Self {
            id: id.clone(),
            name: parsed(item, "name").unwrap_or_else(|| named_like(id)),
            platform,
            kind,
            video: video(map(item, "video")),
            audio: audio(map(item, "audio")),
            platform_settings: settings(map(item, "platform_settings")),
            description: text(item, "description").map(str::to_owned),
            is_default: flag(item, "is_default")?.unwrap_or(false),
            is_active: flag(item, "is_active")?.unwrap_or(true),
            created_by: parsed(item, "created_by"),
            created_at: time(item, "created_at").unwrap_or_else(|| time_in_id(id.as_str())),
            updated_at: time(item, "updated_at").unwrap_or_else(|| time_in_id(id.as_str())),
        })
    }

    fn encode(&self, _: &HashKey) -> Item {
        item([
            ("name", Some(from_text(&self.name))),
            ("platform", self.platform.as_ref().map(from_text)),
            ("type", Some(from_text(self.kind))),
            ("video", Some(AttributeValue::M(from_video(&self.video)))),
            ("audio", Some(AttributeValue::M(from_audio(&self.audio)))),
            (
                "platform_settings",
                Some(AttributeValue::M(from_settings(&self.platform_settings))),
            ),
            ("description", self.description.as_ref().map(from_text)),
            ("is_default", Some(AttributeValue::Bool(self.is_default))),
            ("is_active", Some(AttributeValue::Bool(self.is_active))),
            ("created_by", self.created_by.as_ref().map(from_text)),
            ("created_at", Some(from_text(self.created_at))),
            ("updated_at", Some(from_text(self.updated_at))),
        ])
    }

    fn edits(&self, part: &Part, stored: &Stored<'_>, _: &HashKey) -> Edits {
        let name = part.name();
        if name == "platform" {
            return part.whole(stored);
        }
        if !MAPS.contains(&name) {
            return part.differences(stored);
        }
        let [canonical, wanted] = [stored.canonical, stored.wanted].map(|item| map(item, name));
        let mut merged = map(stored.raw, name).clone();
        let keys: BTreeSet<&String> = canonical.keys().chain(wanted.keys()).collect();
        for key in keys {
            match wanted.get(key) {
                value if value == canonical.get(key) => continue,
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Edits::from([(name, Some(AttributeValue::M(merged)))])
    }
}

/// A row without a usable name is called by its id.
fn named_like(id: &PresetId) -> Label {
    let text: String = id.as_str().chars().take(Label::LEN_MAX).collect();
    text.parse()
        .expect("an id is made of what a name is made of")
}

/// What is no map is as an empty one.
fn map<'a>(item: &'a Item, name: &str) -> &'a Item {
    static EMPTY: std::sync::LazyLock<Item> = std::sync::LazyLock::new(HashMap::new);
    let map = there(item, name).and_then(|value| value.as_m().ok());
    map.unwrap_or(&EMPTY)
}

fn switch(item: &Item, name: &'static str) -> Option<bool> {
    flag(item, name).ok().flatten()
}

fn resolution(item: &Item) -> Option<Resolution> {
    words(item, "resolution")?.to_ascii_lowercase().parse().ok()
}

fn video(item: &Item) -> VideoPreset {
    VideoPreset {
        codec: parsed(item, "codec"),
        resolution: resolution(item),
        framerate: number(item, "framerate"),
        bitrate: count(item, "bitrate"),
        profile: parsed(item, "profile"),
        level: parsed(item, "level"),
        gop_size: number(item, "gop_size"),
        rate_control: parsed(item, "rate_control"),
    }
}

fn from_video(video: &VideoPreset) -> Item {
    item([
        ("codec", video.codec.as_ref().map(from_text)),
        ("resolution", video.resolution.map(from_text)),
        ("framerate", video.framerate.map(from_number)),
        ("bitrate", video.bitrate.map(from_count)),
        ("profile", video.profile.as_ref().map(from_text)),
        ("level", video.level.as_ref().map(from_text)),
        ("gop_size", video.gop_size.map(from_number)),
        ("rate_control", video.rate_control.as_ref().map(from_text)),
    ])
}

fn audio(item: &Item) -> AudioPreset {
    AudioPreset {
        codec: parsed(item, "codec"),
        bitrate: count(item, "bitrate"),
        sample_rate: count(item, "sample_rate"),
        channels: count(item, "channels"),
        coding_mode: parsed(item, "coding_mode"),
    }
}

fn from_audio(audio: &AudioPreset) -> Item {
    item([
        ("codec", audio.codec.as_ref().map(from_text)),
        ("bitrate", audio.bitrate.map(from_count)),
        ("sample_rate", audio.sample_rate.map(from_count)),
        ("channels", audio.channels.map(from_count)),
        ("coding_mode", audio.coding_mode.as_ref().map(from_text)),
    ])
}

fn settings(item: &Item) -> PlatformSettings {
    PlatformSettings {
        max_bitrate: count(item, "max_bitrate"),
        recommended_keyframe: number(item, "recommended_keyframe"),
        low_latency: switch(item, "low_latency"),
        adaptive_bitrate: switch(item, "adaptive_bitrate"),
    }
}

fn from_settings(settings: &PlatformSettings) -> Item {
    let switch = |it: Option<bool>| it.map(AttributeValue::Bool);
    item([
        ("max_bitrate", settings.max_bitrate.map(from_count)),
        (
            "recommended_keyframe",
            settings.recommended_keyframe.map(from_number),
        ),
        ("low_latency", switch(settings.low_latency)),
        ("adaptive_bitrate", switch(settings.adaptive_bitrate)),
    ])
}
