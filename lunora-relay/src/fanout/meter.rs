//! What a feed sends, measured from headers and counts: its bytes are not decoded.

use std::{collections::VecDeque, time::Duration};

use h264_reader::{
    avcc::AvcDecoderConfigurationRecord,
    nal::{Nal, RefNal, sps::SeqParameterSet},
};
use lunora_core::domain::{AudioFacts, MediaCodec, MediaFacts, VideoFacts};

use super::packet::{Input, Role, Track};
use crate::wire::{
    coded::{Coded, coded},
    tag::Codec,
};

/// Over how many seconds the bitrate is measured.
const SECONDS: usize = 4;
/// Over how many pictures their rate is measured: at 30 a second, to a thirtieth of a per cent.
const PICTURES: usize = 128;
/// Of fewer, nothing is said.
const PICTURES_MIN: usize = 16;
/// How many groups of pictures the longest is looked for in.
const GROUPS: usize = 4;
/// Between two pictures, a jump of the encoder's time and no rate, in milliseconds.
const JUMP: u32 = 2_000;
/// No header that says anything of use is longer.
const HEADER_MAX: usize = 4_096;

/// Counts what one feed sends.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// All bytes of media.
    bytes: u64,
    /// The bytes of the last seconds, each by its number; the newest last.
    seconds: VecDeque<(u64, u64)>,
    video: Option<Codec>,
    audio: Option<Codec>,
    size: Option<(u32, u32)>,
    sound: (Option<u32>, Option<u8>),
    /// The times of the last pictures.
    pictures: VecDeque<u32>,
    /// The time of the last keyframe, and how long the last groups were.
    key: Option<u32>,
    groups: VecDeque<u32>,
}

impl Meter {
    /// Takes note of a message that came at this time.
    pub(super) fn take(&mut self, input: &Input, now: Duration) {
        self.count(input.len() as u64, now.as_secs());
        match (input.track, input.role) {
            (Track::Data, _) | (_, Role::Extra) => {}
            (Track::Video, Role::Header) => {
                self.video = Some(input.codec);
                self.size = configuration(input).and_then(|record| size(input.codec, &record));
            }
            (Track::Audio, Role::Header) => {
                self.audio = Some(input.codec);
                let record = configuration(input);
                self.sound = record.map_or((None, None), |record| sound(input.codec, &record));
            }
            (Track::Video, role) => {
                self.video = Some(input.codec);
                self.picture(input.timestamp);
                if role == Role::Key {
                    self.keyframe(input.timestamp);
                }
            }
            (Track::Audio, _) => self.audio = Some(input.codec),
        }
    }

    fn count(&mut self, bytes: u64, second: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.seconds.back_mut() {
            Some((newest, sum)) if *newest == second => *sum = sum.saturating_add(bytes),
            _ => self.seconds.push_back((second, bytes)),
        }
        // The one that is not over yet, and those before.
        if SECONDS + 1 < self.seconds.len() {
            self.seconds.pop_front();
        }
    }

    fn picture(&mut self, timestamp: u32) {
        let last = self.pictures.back();
        if last.is_some_and(|last| JUMP < timestamp.wrapping_sub(*last)) {
            self.pictures.clear();
        }
        self.pictures.push_back(timestamp);
        if PICTURES < self.pictures.len() {
            self.pictures.pop_front();
        }
    }

    fn keyframe(&mut self, timestamp: u32) {
        let Some(before) = self.key.replace(timestamp) else {
            return;
        };
        let span = timestamp.wrapping_sub(before);
        // The other half of all numbers is behind.
        if span < 1 << 31 {
            self.groups.push_back(span);
        }
        if GROUPS < self.groups.len() {
            self.groups.pop_front();
        }
    }

    /// All bytes of media so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was measured by now.
    pub(super) fn facts(&self, now: Duration) -> MediaFacts {
        let video = self.video.map(|codec| VideoFacts {
            codec: named(codec),
            size: self.size,
            frame_rate_milli: self.frame_rate(),
            keyframe_interval_ms: self.groups.iter().max().copied(),
        });
        let (sample_rate_hz, channels) = self.sound;
        let audio = self.audio.map(|codec| AudioFacts {
            codec: named(codec),
            sample_rate_hz,
            channels,
        });
        MediaFacts {
            bitrate_bps: self.bitrate(now.as_secs()),
            video,
            audio,
        }
    }

    fn bitrate(&self, second: u64) -> Option<u64> {
        let window = SECONDS as u64;
        // The first one was not watched from its beginning.
        let (first, _) = self.seconds.front()?;
        let from = (first + 1).max(second.saturating_sub(window));
        let span = second.checked_sub(from).filter(|span| 0 < *span)?;
        let inside = |it: &&(u64, u64)| (from..second).contains(&it.0);
        let bytes: u64 = self
            .seconds
            .iter()
            .filter(inside)
            .map(|(_, sum)| *sum)
            .sum();
        Some(bytes.saturating_mul(8) / span)
    }

    fn frame_rate(&self) -> Option<u32> {
        let (first, last) = self.pictures.front().zip(self.pictures.back())?;
        let steps = self.pictures.len().checked_sub(1)?;
        let span = u64::from(last.wrapping_sub(*first));
        if self.pictures.len() < PICTURES_MIN || span == 0 {
            return None;
        }
        u32::try_from(steps as u64 * 1_000_000 / span).ok()
    }
}

/// What a decoder is set up with.
fn configuration(input: &Input) -> Option<Vec<u8>> {
    let payload = input.payload();
    if HEADER_MAX < payload.len() {
        return None;
    }
    match coded(input.track.kind(), payload)? {
        (_, Coded::Configuration(record)) => Some(record.to_vec()),
        (_, Coded::Frame { .. }) => None,
    }
}

fn size(codec: Codec, record: &[u8]) -> Option<(u32, u32)> {
    if codec != Codec::Avc {
        return None;
    }
    let record = AvcDecoderConfigurationRecord::try_from(record).ok()?;
    let sps = record.sequence_parameter_sets().next()?.ok()?;
    let sps = SeqParameterSet::from_bits(RefNal::new(sps, &[], true).rbsp_bits()).ok()?;
    sps.pixel_dimensions().ok()
}

/// Samples per second and channels.
fn sound(codec: Codec, record: &[u8]) -> (Option<u32>, Option<u8>) {
    match codec {
        Codec::Aac => aac(record),
        // `OpusHead`, a version, and the channels; it is always played at 48 kHz.
        Codec::Opus => (Some(48_000), record.get(9).copied()),
        _ => (None, None),
    }
}

/// An `AudioSpecificConfig`: the object type, the rate and the channels.
fn aac(record: &[u8]) -> (Option<u32>, Option<u8>) {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    const ESCAPE: u64 = 31;
    /// Spectral band replication, with and without a parametric stereo: the rate is told twice.
    const REPLICATED: [u64; 2] = [5, 29];
    let mut bits = record
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |place| u64::from(byte >> place & 1)));
    let mut take =
        |count: usize| (0..count).try_fold(0_u64, |number, _| Some(number << 1 | bits.next()?));
    let mut kind = take(5);
    if kind == Some(ESCAPE) {
        kind = take(6).map(|more| 32 + more);
    }
    let rate = |take: &mut dyn FnMut(usize) -> Option<u64>| {
        let number = usize::try_from(take(4)?).ok()?;
        match number {
            15 => u32::try_from(take(24)?).ok(),
            _ => RATES.get(number).copied(),
        }
    };
    let first = rate(&mut take);
    let channels = take(4).and_then(|number| match number {
        1..=6 => u8::try_from(number).ok(),
        7 => Some(8),
        _ => None,
    });
    let channels = match kind {
        // One channel is sent, and two are heard.
        Some(29) if channels == Some(1) => Some(2),
        _ => channels,
    };
    let second = kind.filter(|kind| REPLICATED.contains(kind));
    let second = second.and_then(|_| rate(&mut take));
    (second.or(first), channels)
}

const fn named(codec: Codec) -> MediaCodec {
    match codec {
        Codec::Avc => MediaCodec::H264,
        Codec::Hevc => MediaCodec::H265,
        Codec::Av1 => MediaCodec::Av1,
        Codec::Aac => MediaCodec::Aac,
        Codec::Mp3 => MediaCodec::Mp3,
        Codec::Opus => MediaCodec::Opus,
        Codec::Vvc => MediaCodec::Other("h266"),
        Codec::Vp8 => MediaCodec::Other("vp8"),
        Codec::Vp9 => MediaCodec::Other("vp9"),
        Codec::Flac => MediaCodec::Other("flac"),
        Codec::Ac3 => MediaCodec::Other("ac3"),
        Codec::Eac3 => MediaCodec::Other("eac3"),
        Codec::Unknown => MediaCodec::Other("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{
        flv::FlvReader,
        message::{Message, MessageKind},
    };

    /// The video header of the test stream: pictures of 640 by 360.
    fn avc() -> Vec<u8> {
        let file = Bytes::from_static(include_bytes!("../../assets/test-stream.flv"));
        let mut all = FlvReader::new(file).unwrap().map(Result::unwrap);
        let is_header = |message: &Message| {
            message.kind == MessageKind::Video && message.payload.get(1) == Some(&0)
        };
        all.find(is_header).unwrap().payload.to_vec()
    }

    fn input(kind: MessageKind, timestamp: u32, payload: &[u8]) -> Option<Input> {
        Input::new(Message {
            kind,
            timestamp,
            stream_id: 1,
            payload: Bytes::copy_from_slice(payload),
        })
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn rate_size_and_groups_are_those_of_the_encoder() {
        let mut meter = Meter::default();
        let header = input(MessageKind::Video, 0, &avc()).unwrap();
        meter.take(&header, at(0));
        let config = input(MessageKind::Audio, 0, &[0xaf, 0, 0x11, 0x90]).unwrap();
        meter.take(&config, at(0));
        // Ten seconds of 25 pictures each, a keyframe every two seconds and once after three.
        for n in 0..250_u32 {
            let is_key = n % 50 == 0 && n != 100 || n == 125;
            let mut picture = vec![0; 1_000];
            picture[..5].copy_from_slice(&[if is_key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
            // It wraps on the way.
            let time = (u32::MAX - 3_000).wrapping_add(n * 40);
            let picture = input(MessageKind::Video, time, &picture).unwrap();
            meter.take(&picture, at(u64::from(n) * 40));
        }

        let facts = meter.facts(at(10_000));

        let video = facts.video.unwrap();
        assert_eq!(video.codec, MediaCodec::H264);
        assert_eq!(video.size, Some((640, 360)));
        assert_eq!(video.frame_rate_milli, Some(25_000));
        assert_eq!(video.keyframe_interval_ms, Some(3_000));
        let audio = facts.audio.unwrap();
        assert_eq!(audio.sample_rate_hz, Some(48_000));
        assert_eq!(audio.channels, Some(2));
        assert_eq!(facts.bitrate_bps, Some(25 * 1_000 * 8));
        assert_eq!(
            meter.facts(at(20_000)).bitrate_bps,
            Some(0),
            "it went silent"
        );
    }

    #[test]
    fn the_sound_is_what_its_header_says() {
        for (record, expected) in [
            (&[0x12_u8, 0x10][..], (Some(44_100), Some(2))),
            (&[0x11, 0x88], (Some(48_000), Some(1))),
            (&[0x11, 0xb8], (Some(48_000), Some(8))),
            // Replicated: 22 050 sent, 44 100 heard.
            (&[0x2b, 0x8a, 0x08], (Some(44_100), Some(1))),
            (&[0x11], (None, None)),
            (&[], (None, None)),
        ] {
            assert_eq!(aac(record), expected, "{record:02x?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_measured_without_harm(
            messages in prop::collection::vec(
                (0..3_usize, any::<u32>(), prop::collection::vec(any::<u8>(), 1..80), any::<bool>(), 0..60_usize, any::<u8>(), 0..5_000_u64),
                1..60,
            )
        ) {
            let good = avc();
            let mut meter = Meter::default();
            let mut now = 0;
            for (kind, timestamp, noise, is_header, place, byte, wait) in messages {
                let kind = [MessageKind::Video, MessageKind::Audio, MessageKind::DataAmf0][kind];
                // Noise alone is hardly ever a header: so a good one with a wrong byte, too.
                let mut payload = if is_header { good.clone() } else { noise };
                if let Some(wrong) = payload.get_mut(place) {
                    *wrong = byte;
                }
                now += wait;
                if let Some(input) = input(kind, timestamp, &payload) {
                    meter.take(&input, at(now));
                }
                meter.facts(at(now));
                prop_assert!(meter.pictures.len() <= PICTURES && meter.groups.len() <= GROUPS);
                prop_assert!(meter.seconds.len() <= SECONDS + 1);
            }
        }
    }
}
