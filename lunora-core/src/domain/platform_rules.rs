//! What platforms say that they take in, as data.
//!
//! A platform changes its rules without telling us, so each table says where it
//! comes from and how sure that is. What is not known stands as `None`, and
//! nothing is made up for it.

use super::{MediaCodec, Platform, Scheme};

/// How sure a limit is, and so how a breach of it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The platform, or the software that it names, says so.
    Documented,
    /// It is commonly said; nothing official is known to us.
    Hearsay,
}

/// The most of something, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// The most.
    pub most: T,
    /// How sure it is.
    pub standing: Standing,
}

const fn documented<T: Copy>(most: T) -> Option<Limit<T>> {
    let standing = Standing::Documented;
    Some(Limit { most, standing })
}

const fn hearsay<T: Copy>(most: T) -> Option<Limit<T>> {
    let standing = Standing::Hearsay;
    Some(Limit { most, standing })
}

/// What one platform takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestRules {
    /// What it is called.
    pub name: &'static str,
    /// How it can be pushed to.
    pub schemes: &'static [Scheme],
    /// What pictures may be coded as.
    pub video: &'static [MediaCodec],
    /// As which codecs it takes pictures from clients of enhanced RTMP alone.
    pub video_enhanced: &'static [MediaCodec],
    /// What sound may be coded as.
    pub audio: &'static [MediaCodec],
    /// The most bits per second of all together.
    pub bitrate_bps: Option<Limit<u64>>,
    /// The time between keyframes that it asks for, in milliseconds.
    pub keyframe_interval_asked_ms: Option<u32>,
    /// The longest time between keyframes, in milliseconds.
    pub keyframe_interval_ms: Option<Limit<u32>>,
    /// The most pictures per 1000 seconds.
    pub frame_rate_milli: Option<Limit<u32>>,
    /// The most channels of sound.
    pub audio_channels: Option<Limit<u8>>,
    /// After how many hours it ends a broadcast.
    pub hours: Option<Limit<u8>>,
}

const RTMP: &[Scheme] = &[Scheme::Rtmp, Scheme::Rtmps];
const H264: &[MediaCodec] = &[MediaCodec::H264];
const AAC: &[MediaCodec] = &[MediaCodec::Aac];

/// Google, "Ingestion protocol comparison", and OBS `services.json` (format 5,
/// commit f86e9c1): H.264 with AAC by RTMP(S), HEVC and AV1 only as enhanced RTMP;
/// keyframes every 2 s and at most 4 s apart; at most 51 Mbit/s.
const YOUTUBE: IngestRules = IngestRules {
    name: "YouTube",
    schemes: RTMP,
    video: H264,
    video_enhanced: &[MediaCodec::H265, MediaCodec::Av1],
    audio: AAC,
    bitrate_bps: documented(51_000_000),
    keyframe_interval_asked_ms: Some(2_000),
    keyframe_interval_ms: documented(4_000),
    frame_rate_milli: None,
    audio_channels: None,
    hours: None,
};

/// OBS `services.json`: H.264, keyframes every 2 s, pictures of 6000 kbit/s and sound of 320.
const TWITCH: IngestRules = IngestRules {
    name: "Twitch",
    schemes: RTMP,
    video: H264,
    video_enhanced: &[],
    audio: AAC,
    bitrate_bps: documented(6_320_000),
    keyframe_interval_asked_ms: Some(2_000),
    keyframe_interval_ms: None,
    frame_rate_milli: None,
    audio_channels: None,
    hours: None,
};

/// Meta, "Live Video API reference": RTMPS alone; H.264 with AAC-LC in stereo of at
/// most 256 kbit/s; up to 9 Mbit/s at 1080p60; keyframes every 2 s and at most 4 s
/// apart; 8 hours.
const FACEBOOK: IngestRules = IngestRules {
    name: "Facebook",
    schemes: &[Scheme::Rtmps],
    video: H264,
    video_enhanced: &[],
    audio: AAC,
    bitrate_bps: documented(9_256_000),
    keyframe_interval_asked_ms: Some(2_000),
    keyframe_interval_ms: documented(4_000),
    frame_rate_milli: None,
    audio_channels: documented(2),
    hours: documented(8),
};

/// From memory alone: 1080p30 of about 6 Mbit/s, keyframes every 2 s, AAC of 128 kbit/s, 4 hours.
const LINKEDIN: IngestRules = IngestRules {
    name: "LinkedIn",
    schemes: RTMP,
    video: H264,
    video_enhanced: &[],
    audio: AAC,
    bitrate_bps: hearsay(6_128_000),
    keyframe_interval_asked_ms: Some(2_000),
    keyframe_interval_ms: None,
    frame_rate_milli: hearsay(30_000),
    audio_channels: None,
    hours: hearsay(4),
};

/// OBS `services.json`: H.264, keyframes every 3 s, at most 12 Mbit/s with sound of
/// 128 kbit/s, 60 pictures per second.
const X: IngestRules = IngestRules {
    name: "X",
    schemes: RTMP,
    video: H264,
    video_enhanced: &[],
    audio: AAC,
    bitrate_bps: documented(12_128_000),
    keyframe_interval_asked_ms: Some(3_000),
    keyframe_interval_ms: None,
    frame_rate_milli: documented(60_000),
    audio_channels: None,
    hours: None,
};

impl IngestRules {
    /// The rules of a platform, if any are known.
    #[must_use]
    pub const fn of(platform: &Platform) -> Option<&'static Self> {
        match platform {
            Platform::YouTube => Some(&YOUTUBE),
            Platform::Twitch => Some(&TWITCH),
            Platform::Facebook => Some(&FACEBOOK),
            Platform::LinkedIn => Some(&LINKEDIN),
            Platform::X => Some(&X),
            _ => None,
        }
    }
}
