//! What the pictures and the sound are, as the head of an MP4 file says it.

use std::fmt;

use bytes::Bytes;
use h264_reader::nal::{Nal as _, RefNal, sps::SeqParameterSet};
use mp4_atom::{
    Atom as _, Audio as AudioEntry, Av01, Av1c, Avc1, Avcc, Codec as Entry, Dops, Esds, Hvc1, Hvcc,
    Mp4a, Opus, OpusChannelMapping, Visual, esds,
};

use crate::wire::{amf0, tag::Codec};

/// Ticks of pictures in a second: RTMP counts milliseconds.
pub(super) const VIDEO_TIMESCALE: u32 = 1_000;

/// The tracks that are in force; one of them at least is there once there is anything to show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tracks {
    pub(super) video: Option<Video>,
    pub(super) audio: Option<Audio>,
}

/// How pictures are coded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Video {
    pub(super) size: Size,
    pub(super) entry: Entry,
}

/// How sound is coded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Audio {
    /// Ticks in a second: the sampling rate.
    pub(super) timescale: u32,
    /// Ticks of every frame, if they are all alike.
    pub(super) frame: Option<u32>,
    pub(super) entry: Entry,
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u16, pub(super) u16);

/// Why something is not in the HLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsuitable {
    /// No player would know what to do with it.
    Codec(Codec),
    /// What a decoder is to be set up with makes no sense.
    Configuration(Codec),
    /// How large pictures are is said nowhere.
    Size(Codec),
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(codec) => write!(f, "{codec} cannot be in the HLS, and is left out of it"),
            Self::Configuration(codec) => {
                write!(
                    f,
                    "the {codec} configuration makes no sense, so it is left out of the HLS"
                )
            }
            Self::Size(codec) => write!(
                f,
                "the encoder does not say how large its {codec} pictures are, so they are left out \
                 of the HLS; it has to send `width` and `height` in its metadata"
            ),
        }
    }
}

impl Size {
    /// What metadata says of the pictures.
    pub(super) fn of_metadata(payload: &[u8]) -> Option<Self> {
        let values = amf0::decode(payload).ok()?;
        let number = |name| values.iter().find_map(|value| value.get(name)?.as_number());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what does not fit is filtered out"
        )]
        let side = |name| {
            let side = number(name).filter(|side| (1.0..=f64::from(u16::MAX)).contains(side))?;
            Some(side as u16)
        };
        Some(Self(side("width")?, side("height")?))
    }

    fn of_avc(avcc: &Avcc) -> Option<Self> {
        let set = avcc.sequence_parameter_sets.first()?;
        if set.is_empty() {
            return None;
        }
        let nal = RefNal::new(set, &[], true);
        let set = SeqParameterSet::from_bits(nal.rbsp_bits()).ok()?;
        // Larger ones are no pictures, and `pixel_dimensions` would overflow.
        let sides = [
            set.pic_width_in_mbs_minus1,
            set.pic_height_in_map_units_minus1,
        ];
        if sides.iter().any(|side| 4_096 <= *side) {
            return None;
        }
        let (width, height) = set.pixel_dimensions().ok()?;
        Some(Self(width.try_into().ok()?, height.try_into().ok()?))
    }
}

impl Video {
    /// Reads what a decoder is set up with; `said` is the size that the metadata tells.
    pub(super) fn new(
        codec: Codec,
        configuration: &Bytes,
        said: Option<Size>,
    ) -> Result<Self, Unsuitable> {
        let damaged = || Unsuitable::Configuration(codec);
        let unsized_ = || Unsuitable::Size(codec);
        let mut bytes = configuration.as_ref();
        let bytes = &mut bytes;
        let (size, entry) = match codec {
            Codec::Avc => {
                let avcc = Avcc::decode_body(bytes).map_err(|_| damaged())?;
                let size = Size::of_avc(&avcc).or(said).ok_or_else(unsized_)?;
                let visual = visual(size);
                let entry = Avc1 {
                    visual,
                    avcc,
                    ..Avc1::default()
                };
                (size, entry.into())
            }
            Codec::Hevc => {
                let hvcc = Hvcc::decode_body(bytes).map_err(|_| damaged())?;
                let size = said.ok_or_else(unsized_)?;
                let visual = visual(size);
                let entry = Hvc1 {
                    visual,
                    hvcc,
                    ..Hvc1::default()
                };
                (size, entry.into())
            }
            Codec::Av1 => {
                let av1c = Av1c::decode_body(bytes).map_err(|_| damaged())?;
                let size = said.ok_or_else(unsized_)?;
                let visual = visual(size);
                let entry = Av01 {
                    visual,
                    av1c,
                    ..Av01::default()
                };
                (size, entry.into())
            }
            _ => return Err(Unsuitable::Codec(codec)),
        };
        Ok(Self { size, entry })
    }
}

fn visual(Size(width, height): Size) -> Visual {
    Visual {
        data_reference_index: 1,
        width,
        height,
        ..Visual::default()
    }
}

impl Audio {
    /// Reads what a decoder is set up with.
    pub(super) fn new(codec: Codec, configuration: &Bytes) -> Result<Self, Unsuitable> {
        let audio = match codec {
            Codec::Aac => Self::aac(configuration),
            Codec::Opus => Self::opus(configuration),
            _ => return Err(Unsuitable::Codec(codec)),
        };
        audio.ok_or(Unsuitable::Configuration(codec))
    }

    fn aac(configuration: &[u8]) -> Option<Self> {
        let config = AudioSpecificConfig::read(configuration)?;
        let dec_specific = esds::DecoderSpecific {
            raw: configuration.to_vec(),
            ..esds::DecoderSpecific::default()
        };
        let dec_config = esds::DecoderConfig {
            // AAC, and sound.
            object_type_indication: 0x40,
            stream_type: 5,
            dec_specific: Some(dec_specific),
            ..esds::DecoderConfig::default()
        };
        let es_desc = esds::EsDescriptor {
            dec_config,
            ..esds::EsDescriptor::default()
        };
        let entry = Mp4a {
            audio: audio_entry(config.channels, config.rate),
            esds: Esds { es_desc },
            btrt: None,
            taic: None,
        };
        Some(Self {
            timescale: config.rate,
            frame: Some(config.frame),
            entry: entry.into(),
        })
    }

    /// Reads an `OpusHead` (RFC 7845, 5.1), which counts the other way round than MP4 does.
    fn opus(configuration: &[u8]) -> Option<Self> {
        const RATE: u32 = 48_000;
        let head = configuration.strip_prefix(b"OpusHead")?;
        let (
            &[
                _,
                channels,
                skip_0,
                skip_1,
                r0,
                r1,
                r2,
                r3,
                gain_0,
                gain_1,
                family,
            ],
            rest,
        ) = head.split_first_chunk()?;
        let channel_mapping = match (family, rest) {
            (0, _) => None,
            (_, [stream_count, coupled_count, mapping @ ..]) => Some(OpusChannelMapping {
                family,
                stream_count: *stream_count,
                coupled_count: *coupled_count,
                channel_mapping: mapping.get(..channels.into())?.to_vec(),
            }),
            (_, _) => return None,
        };
        let dops = Dops {
            output_channel_count: channels,
            pre_skip: u16::from_le_bytes([skip_0, skip_1]),
            input_sample_rate: u32::from_le_bytes([r0, r1, r2, r3]),
            output_gain: i16::from_le_bytes([gain_0, gain_1]),
            channel_mapping,
        };
        let entry = Opus {
            audio: audio_entry(channels.into(), RATE),
            dops,
            btrt: None,
        };
        Some(Self {
            timescale: RATE,
            frame: None,
            entry: entry.into(),
        })
    }
}

fn audio_entry(channel_count: u16, rate: u32) -> AudioEntry {
    AudioEntry {
        data_reference_index: 1,
        channel_count,
        sample_size: 16,
        // There is no room for more; the decoder goes by its configuration.
        sample_rate: u16::try_from(rate).unwrap_or(0).into(),
    }
}

/// The first fields of an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
struct AudioSpecificConfig {
    rate: u32,
    channels: u16,
    frame: u32,
}

impl AudioSpecificConfig {
    fn read(bytes: &[u8]) -> Option<Self> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8_000, 7_350,
        ];
        const EXPLICIT: u32 = 15;
        let mut bits = Bits { bytes, at: 0 };
        let kind = match bits.read(5)? {
            31 => 32 + bits.read(6)?,
            kind => kind,
        };
        let rate = match bits.read(4)? {
            EXPLICIT => bits.read(24)?,
            index => *RATES.get(usize::try_from(index).ok()?)?,
        };
        let channels = match bits.read(4)? {
            // Said elsewhere, and hardly ever anything else.
            0 => 2,
            7 => 8,
            channels => u16::try_from(channels).ok()?,
        };
        // With spectral band replication another rate and the kind inside follow.
        let is_short = match kind {
            5 | 29 => false,
            _ => bits.read(1) == Some(1),
        };
        let frame = if is_short { 960 } else { 1_024 };
        (0 < kind && 0 < rate).then_some(Self {
            rate,
            channels,
            frame,
        })
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_audio_specific_config_tells_rate_channels_and_length() {
        for (bytes, rate, channels, frame) in [
            (b"\x11\x90".as_slice(), 48_000, 2, 1_024),
            (b"\x12\x08", 44_100, 1, 1_024),
            (b"\x11\x94", 48_000, 2, 960),
            // HE-AAC: the rate of the core counts.
            (b"\x2b\x11\x88\x00", 24_000, 2, 1_024),
            // A rate that is spelled out.
            (b"\x17\x80\x5d\xc0\x10", 48_000, 2, 1_024),
        ] {
            let config = AudioSpecificConfig::read(bytes).unwrap();
            let got = (config.rate, config.channels, config.frame);
            assert_eq!(got, (rate, channels, frame), "{bytes:x?}");
        }
    }

    #[test]
    fn an_opus_head_is_read_in_its_own_byte_order() {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        let audio = Audio::new(Codec::Opus, &Bytes::from_static(head)).unwrap();

        let Entry::Opus(entry) = audio.entry else {
            panic!("{audio:?}");
        };
        assert_eq!((audio.timescale, entry.audio.channel_count), (48_000, 2));
        assert_eq!(entry.dops.pre_skip, 312);
        assert_eq!(entry.dops.input_sample_rate, 48_000);
    }

    #[test]
    fn metadata_tells_the_size_where_the_configuration_does_not() {
        let metadata = b"\x02\0\x0aonMetaData\x08\0\0\0\x02\0\x05width\0\x40\x94\0\0\0\0\0\0\
                         \0\x06height\0\x40\x86\x80\0\0\0\0\0\0\0\x09";
        assert_eq!(Size::of_metadata(metadata), Some(Size(1280, 720)));
        assert_eq!(Size::of_metadata(b"\x02\0\x0aonMetaData"), None);

        let av1c = Bytes::from_static(b"\x81\x05\x0c\0");
        let video = Video::new(Codec::Av1, &av1c, Some(Size(1280, 720)));
        assert_eq!(video.unwrap().size, Size(1280, 720));
        let without = Video::new(Codec::Av1, &av1c, None);
        assert_eq!(without, Err(Unsuitable::Size(Codec::Av1)));
    }

    proptest! {
        #[test]
        fn no_configuration_is_too_strange(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            is_plausible: bool,
        ) {
            let plausible = b"\x01\x64\0\x1f\xff\xe1\0\x40\x67\x64\0\x1f";
            let bytes = if is_plausible { [plausible, bytes.as_slice()].concat() } else { bytes };
            let bytes = Bytes::from(bytes);
            let head = Bytes::from([b"OpusHead", bytes.as_ref()].concat());
            for codec in [Codec::Avc, Codec::Hevc, Codec::Av1, Codec::Vp9] {
                let _ = Video::new(codec, &bytes, Some(Size(1, 1)));
            }
            for codec in [Codec::Aac, Codec::Mp3] {
                let _ = Audio::new(codec, &bytes);
            }
            let _ = Audio::new(Codec::Opus, &head);
            let _ = Size::of_metadata(&bytes);
        }
    }
}
