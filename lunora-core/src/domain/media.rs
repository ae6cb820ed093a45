use std::fmt;

/// How pictures or sound are coded, by its usual name such as `h264` or `aac`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// AV1.
    Av1,
    /// AAC.
    Aac,
    /// MP3.
    Mp3,
    /// Opus.
    Opus,
    /// Another, by the name that its finder has for it.
    Other(&'static str),
}

impl MediaCodec {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Av1 => "av1",
            Self::Aac => "aac",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for MediaCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was measured of media that comes in. What was not measured is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaFacts {
    /// Bits per second of all tracks, over the last seconds.
    pub bitrate_bps: Option<u64>,
    /// The pictures; `None` while there is none.
    pub video: Option<VideoFacts>,
    /// The sound; `None` while there is none.
    pub audio: Option<AudioFacts>,
}

/// What was measured of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFacts {
    /// How they are coded.
    pub codec: MediaCodec,
    /// Width and height, in pixels.
    pub size: Option<(u32, u32)>,
    /// Pictures per 1000 seconds: 29 970 for 29.97 per second.
    pub frame_rate_milli: Option<u32>,
    /// From one keyframe to the next, the longest of the last few, in milliseconds.
    pub keyframe_interval_ms: Option<u32>,
}

/// What was measured of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFacts {
    /// How it is coded.
    pub codec: MediaCodec,
    /// Samples per second.
    pub sample_rate_hz: Option<u32>,
    /// Channels.
    pub channels: Option<u8>,
}
