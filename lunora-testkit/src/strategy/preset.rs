use lunora_core::domain::{
    AudioPreset, PlatformSettings, Preset, PresetKind, Resolution, VideoPreset,
};
use proptest::{option, prelude::*, sample::select};

use super::{COUNT_MAX, label, platform, preset_id, text, time};

/// Any preset: all left to the encoder, or nothing.
pub fn preset() -> impl Strategy<Value = Preset> {
    let identity = (preset_id(), label());
    let whose = (option::of(platform()), select(PresetKind::ALL));
    let encoding = (video(), audio(), platform_settings());
    let offer = (option::of(text()), any::<bool>(), any::<bool>());
    let history = (option::of(label()), time(), time());
    (identity, whose, encoding, offer, history).prop_map(
        |(identity, whose, encoding, offer, history)| Preset {
            id: identity.0,
            name: identity.1,
            platform: whose.0,
            kind: whose.1,
            video: encoding.0,
            audio: encoding.1,
            platform_settings: encoding.2,
            description: offer.0,
            is_default: offer.1,
            is_active: offer.2,
            created_by: history.0,
            created_at: history.1,
            updated_at: history.2,
        },
    )
}

fn video() -> impl Strategy<Value = VideoPreset> {
    let words = || option::of(label());
    let size = option::of((1..=u16::MAX, 1..=u16::MAX));
    let numbers = (
        option::of(decimal()),
        option::of(0..=COUNT_MAX),
        option::of(decimal()),
    );
    (words(), size, numbers, words(), words(), words()).prop_map(
        |(codec, size, (framerate, bitrate, gop_size), profile, level, rate_control)| VideoPreset {
            codec,
            resolution: size.map(|(width, height)| Resolution { width, height }),
            framerate,
            bitrate,
            profile,
            level,
            gop_size,
            rate_control,
        },
    )
}

fn audio() -> impl Strategy<Value = AudioPreset> {
    let count = || option::of(0..=COUNT_MAX);
    let words = || option::of(label());
    (words(), count(), count(), count(), words()).prop_map(
        |(codec, bitrate, sample_rate, channels, coding_mode)| AudioPreset {
            codec,
            bitrate,
            sample_rate,
            channels,
            coding_mode,
        },
    )
}

fn platform_settings() -> impl Strategy<Value = PlatformSettings> {
    let answer = || option::of(any::<bool>());
    let numbers = (option::of(0..=COUNT_MAX), option::of(decimal()));
    (numbers, answer(), answer()).prop_map(
        |((max_bitrate, recommended_keyframe), low_latency, adaptive_bitrate)| PlatformSettings {
            max_bitrate,
            recommended_keyframe,
            low_latency,
            adaptive_bitrate,
        },
    )
}

/// A number from 0 to 1000 with at most 6 decimals, often a whole one.
fn decimal() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0..=1000_u32).prop_map(f64::from),
        (0..=1_000_000_000_u32).prop_map(|millionths| f64::from(millionths) / 1e6),
    ]
}
