use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Label, Platform, PresetId, word::closed_word};

closed_word! {
    /// Whom a preset is for.
    PresetKind, "generic and platform_specific" {
        /// Any platform.
        Generic = "generic",
        /// One platform alone.
        PlatformSpecific = "platform_specific",
    }
}

/// The size of a picture, as `1920x1080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resolution {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

/// The text is not `<width>x<height>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a resolution is a width and a height in pixels, such as `1920x1080`")]
pub struct ResolutionError;

impl FromStr for Resolution {
    type Err = ResolutionError;

    fn from_str(text: &str) -> Result<Self, ResolutionError> {
        let number = |text: &str| match text.parse() {
            Ok(number) if 0 < number && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(number)
            }
            _ => Err(ResolutionError),
        };
        let (width, height) = text.split_once('x').ok_or(ResolutionError)?;
        Ok(Self {
            width: number(width)?,
            height: number(height)?,
        })
    }
}

impl TryFrom<String> for Resolution {
    type Error = ResolutionError;

    fn try_from(text: String) -> Result<Self, ResolutionError> {
        text.parse()
    }
}

impl From<Resolution> for String {
    fn from(resolution: Resolution) -> Self {
        resolution.to_string()
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// How pictures are to be encoded. What is not set is left to the encoder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoPreset {
    /// The codec, such as `H.264`.
    pub codec: Option<Label>,
    /// The size of the picture.
    pub resolution: Option<Resolution>,
    /// Pictures in a second.
    pub framerate: Option<f64>,
    /// Bits in a second.
    pub bitrate: Option<u64>,
    /// The profile, such as `HIGH`.
    pub profile: Option<Label>,
    /// The level, such as `4.1`.
    pub level: Option<Label>,
    /// Seconds from one keyframe to the next.
    pub gop_size: Option<f64>,
    /// The rate control, such as `CBR`.
    pub rate_control: Option<Label>,
}

/// How sound is to be encoded. What is not set is left to the encoder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioPreset {
    /// The codec, such as `AAC`.
    pub codec: Option<Label>,
    /// Bits in a second.
    pub bitrate: Option<u64>,
    /// Samples in a second.
    pub sample_rate: Option<u64>,
    /// How many channels.
    pub channels: Option<u64>,
    /// Their layout, such as `CODING_MODE_2_0`.
    pub coding_mode: Option<Label>,
}

/// What a platform asks for besides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlatformSettings {
    /// The most bits in a second that it takes.
    pub max_bitrate: Option<u64>,
    /// Seconds from one keyframe to the next, as it recommends.
    pub recommended_keyframe: Option<f64>,
    /// Whether it offers a mode of low latency.
    pub low_latency: Option<bool>,
    /// Whether it makes smaller sizes of the stream itself.
    pub adaptive_bitrate: Option<bool>,
}

/// An encoding that a destination asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// Its identity, which never changes.
    pub id: PresetId,
    /// What people call it.
    pub name: Label,
    /// The platform that it is for, if it is for one.
    pub platform: Option<Platform>,
    /// Whom it is for.
    pub kind: PresetKind,
    /// The pictures.
    pub video: VideoPreset,
    /// The sound.
    pub audio: AudioPreset,
    /// What its platform asks for besides.
    pub platform_settings: PlatformSettings,
    /// What it is good for, for people.
    pub description: Option<String>,
    /// Whether it is offered first.
    pub is_default: bool,
    /// Whether it is offered at all.
    pub is_active: bool,
    /// Who made it.
    pub created_by: Option<Label>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed by anybody.
    pub updated_at: Timestamp,
}

/// One of the seven, in the words of its row.
struct Seed {
    id: &'static str,
    name: &'static str,
    platform: Option<Platform>,
    size: Resolution,
    framerate: f64,
    /// Bits in a second.
    bitrate: u64,
    /// Bits in a second, at most.
    max_bitrate: Option<u64>,
    is_default: bool,
}

const FULL_HD: Resolution = Resolution {
    width: 1920,
    height: 1080,
};
const HD: Resolution = Resolution {
    width: 1280,
    height: 720,
};

const SEEDS: [Seed; 7] = [
    Seed {
        id: "generic_720p",
        name: "Generic 720p",
        platform: None,
        size: HD,
        framerate: 30.0,
        bitrate: 3_000_000,
        max_bitrate: None,
        is_default: false,
    },
    Seed {
        id: "generic_1080p",
        name: "Generic 1080p",
        platform: None,
        size: FULL_HD,
        framerate: 30.0,
        bitrate: 6_000_000,
        max_bitrate: None,
        is_default: true,
    },
    Seed {
        id: "youtube_1080p",
        name: "YouTube 1080p",
        platform: Some(Platform::YouTube),
        size: FULL_HD,
        framerate: 30.0,
        bitrate: 6_000_000,
        max_bitrate: Some(8_000_000),
        is_default: true,
    },
    Seed {
        id: "youtube_720p",
        name: "YouTube 720p",
        platform: Some(Platform::YouTube),
        size: HD,
        framerate: 30.0,
        bitrate: 2_500_000,
        max_bitrate: None,
        is_default: false,
    },
    Seed {
        id: "twitch_1080p60",
        name: "Twitch 1080p60",
        platform: Some(Platform::Twitch),
        size: FULL_HD,
        framerate: 60.0,
        bitrate: 6_000_000,
        max_bitrate: Some(6_000_000),
        is_default: true,
    },
    Seed {
        id: "twitch_720p",
        name: "Twitch 720p",
        platform: Some(Platform::Twitch),
        size: HD,
        framerate: 30.0,
        bitrate: 3_000_000,
        max_bitrate: None,
        is_default: false,
    },
    Seed {
        id: "linkedin_720p",
        name: "LinkedIn 720p",
        platform: Some(Platform::LinkedIn),
        size: HD,
        framerate: 30.0,
        bitrate: 2_500_000,
        max_bitrate: Some(3_000_000),
        is_default: true,
    },
];

impl Preset {
    /// The seven that a new deployment begins with: H.264 and AAC at 48 kHz, a
    /// keyframe every 2 s.
    ///
    /// They are those of the running system, whose ids are not known here: a
    /// [twin](Self::is_twin_of) of one that is stored is not to be added.
    #[must_use]
    pub fn seeds(at: Timestamp) -> Vec<Self> {
        SEEDS.iter().filter_map(|seed| seed.preset(at)).collect()
    }

    /// Whether it asks for the same pictures on the same platform.
    #[must_use]
    pub fn is_twin_of(&self, other: &Self) -> bool {
        let pictures = |it: &Self| (it.video.resolution, it.video.framerate);
        self.kind == other.kind
            && self.platform == other.platform
            && pictures(self) == pictures(other)
    }
}

impl Seed {
    /// `None` would be a slip in the table above, which a test rules out.
    fn preset(&self, at: Timestamp) -> Option<Preset> {
        Some(Preset {
            id: self.id.parse().ok()?,
            name: self.name.parse().ok()?,
            platform: self.platform.clone(),
            kind: match self.platform {
                None => PresetKind::Generic,
                Some(_) => PresetKind::PlatformSpecific,
            },
            video: VideoPreset {
                codec: Some("H.264".parse().ok()?),
                resolution: Some(self.size),
                framerate: Some(self.framerate),
                bitrate: Some(self.bitrate),
                gop_size: Some(2.0),
                rate_control: Some("CBR".parse().ok()?),
                ..VideoPreset::default()
            },
            audio: AudioPreset {
                codec: Some("AAC".parse().ok()?),
                sample_rate: Some(48_000),
                channels: Some(2),
                ..AudioPreset::default()
            },
            platform_settings: PlatformSettings {
                max_bitrate: self.max_bitrate,
                recommended_keyframe: Some(2.0),
                ..PlatformSettings::default()
            },
            description: None,
            is_default: self.is_default,
            is_active: true,
            created_by: None,
            created_at: at,
            updated_at: at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seven_presets_are_those_of_the_running_system() {
        let seeds = Preset::seeds(Timestamp::UNIX_EPOCH);
        assert_eq!(seeds.len(), SEEDS.len());
        for (n, one) in seeds.iter().enumerate() {
            let twins = seeds.iter().filter(|other| one.is_twin_of(other)).count();
            assert_eq!(twins, 1, "{}", one.id);
            assert_eq!(one.id.as_str(), SEEDS[n].id);
        }
    }

    #[test]
    fn a_resolution_is_two_numbers() {
        let full: Resolution = "1920x1080".parse().unwrap();
        assert_eq!(full, FULL_HD);
        assert_eq!(full.to_string(), "1920x1080");
        for text in ["", "1920", "x", "0x0", "+1x1", "1920x1080x1", "70000x1"] {
            assert_eq!(text.parse::<Resolution>(), Err(ResolutionError), "{text}");
        }
    }
}
