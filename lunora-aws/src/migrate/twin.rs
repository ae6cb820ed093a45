//! Which stored preset is one of the seven, however it is written.

use lunora_core::domain::{Preset, PresetKind, Resolution};

use crate::dynamodb::stored::{self, Item};

/// A stored preset, as far as it is compared.
pub(super) struct Stored(Preset);

impl Stored {
    /// Reads a row; none if it cannot be read.
    pub(super) fn read(id: &str, item: &Item) -> Option<Self> {
        let mut preset = stored::preset(id, item)?;
        let is_generic = |name: &str| word(item, name).is_none_or(|it| it == "generic");
        // A preset for every platform may say that in the place of one, or both.
        if is_generic("platform") && is_generic("type") {
            preset.kind = PresetKind::Generic;
        }
        if preset.kind == PresetKind::Generic && is_generic("platform") {
            preset.platform = None;
        }
        if preset.video.resolution.is_none() {
            let video = item.get("video").and_then(|it| it.as_m().ok());
            preset.video.resolution = video
                .and_then(|video| word(video, "resolution"))
                .and_then(|height| size(&height));
        }
        Some(Self(preset))
    }

    /// Whether it has the type, the platform, the size and about the rate of frames
    /// of one of the seven: 29.97 is 30.
    pub(super) fn is_twin_of(&self, seed: &Preset) -> bool {
        let mut stored = self.0.clone();
        stored.video.framerate = stored.video.framerate.map(f64::round);
        seed.is_twin_of(&stored)
    }
}

fn word(item: &Item, name: &str) -> Option<String> {
    let text = item.get(name)?.as_s().ok()?.trim();
    Some(text.to_ascii_lowercase()).filter(|text| !text.is_empty())
}

fn size(height: &str) -> Option<Resolution> {
    let size = match height {
        "1080p" | "1080" => "1920x1080",
        "720p" | "720" => "1280x720",
        _ => return None,
    };
    size.parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use jiff::Timestamp;

    use super::*;

    /// The one of the seven that a row is a twin of.
    fn twin(pairs: &[(&str, &str)], resolution: &str, framerate: &str) -> Option<String> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut item: Item = pairs
            .iter()
            .map(|(name, word)| ((*name).to_owned(), text(word)))
            .collect();
        let video = [
            ("resolution".to_owned(), text(resolution)),
            (
                "framerate".to_owned(),
                AttributeValue::N(framerate.to_owned()),
            ),
        ];
        item.insert("video".to_owned(), AttributeValue::M(video.into()));
        let stored = Stored::read("preset_1", &item)?;
        let seeds = Preset::seeds(Timestamp::UNIX_EPOCH);
        let found = seeds.iter().find(|seed| stored.is_twin_of(seed));
        found.map(|seed| seed.id.to_string())
    }

    #[test]
    fn a_preset_that_is_written_in_another_way_is_the_same_preset() {
        let generic = Some("generic_1080p".to_owned());
        for pairs in [
            &[][..],
            &[("type", "generic")],
            &[("platform", "generic")],
            &[("platform", "Generic"), ("type", "generic")],
        ] {
            for size in ["1920x1080", "1080p", "1920X1080"] {
                for rate in ["30", "29.97"] {
                    assert_eq!(twin(pairs, size, rate), generic, "{pairs:?} {size} {rate}");
                }
            }
        }
        let youtube = [("platform", "youtube"), ("type", "platform_specific")];
        assert_eq!(
            twin(&youtube, "720p", "30").as_deref(),
            Some("youtube_720p")
        );
    }

    #[test]
    fn another_size_rate_or_platform_is_another_preset() {
        assert_eq!(twin(&[("type", "generic")], "640x360", "30"), None);
        assert_eq!(twin(&[("type", "generic")], "1920x1080", "59.94"), None);
        assert_eq!(twin(&[("type", "generic")], "best", "30"), None);
        let facebook = [("platform", "facebook"), ("type", "platform_specific")];
        assert_eq!(twin(&facebook, "1920x1080", "30"), None);
    }
}
