//! What comes into a flow, as its program tables tell.

use aws_sdk_mediaconnect::types::{TransportMediaInfo, TransportStream};

/// The elementary streams of what comes into a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFormat {
    /// All of them, program by program.
    pub streams: Vec<StreamFormat>,
}

/// One elementary stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamFormat {
    /// Its codec, so far as it is known.
    pub codec: Codec,
    /// MediaConnect's own word for the codec.
    pub codec_text: Option<String>,
    /// Width and height of a picture, in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second, as MediaConnect writes it, such as `30000/1001`.
    pub frame_rate: Option<String>,
    /// Audio channels.
    pub channels: Option<u32>,
    /// Audio samples per second.
    pub sample_rate_hz: Option<u32>,
}

/// The codec of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// H.264 video.
    H264,
    /// Other video.
    OtherVideo,
    /// AAC audio.
    Aac,
    /// Other audio.
    OtherAudio,
    /// Data, or a word that this version does not know.
    Unknown,
}

impl SourceFormat {
    pub(super) fn of(info: &TransportMediaInfo) -> Self {
        let programs = info.programs().iter();
        let streams = programs.flat_map(|program| program.streams());
        Self {
            streams: streams.map(StreamFormat::of).collect(),
        }
    }

    /// Why no RTMP can carry it (H.264 and AAC, nothing else: facts 0.5). What is not
    /// known is no reason.
    pub(super) fn unfit_for_rtmp(&self) -> Option<String> {
        let lacks = |good: Codec, bad: Codec| {
            let has = |codec| self.streams.iter().any(|it| it.codec == codec);
            let bad = self.streams.iter().find(|it| it.codec == bad);
            bad.filter(|_| !has(good))
        };
        let what = match (
            lacks(Codec::H264, Codec::OtherVideo),
            lacks(Codec::Aac, Codec::OtherAudio),
        ) {
            (Some(video), _) => format!("video is {}", video.word()),
            (None, Some(audio)) => format!("audio is {}", audio.word()),
            (None, None) => return None,
        };
        Some(format!(
            "RTMP carries H.264 and AAC only, and MediaConnect does not convert; the source's {what}"
        ))
    }
}

impl StreamFormat {
    fn of(stream: &TransportStream) -> Self {
        let count = |number: Option<i32>| number.and_then(|it| u32::try_from(it).ok());
        let resolution = stream.frame_resolution().and_then(|it| {
            let width = count(it.frame_width())?;
            Some((width, count(it.frame_height())?))
        });
        Self {
            codec: Codec::of(stream.codec(), stream.stream_type()),
            codec_text: stream.codec().map(str::to_owned),
            resolution,
            frame_rate: stream.frame_rate().map(str::to_owned),
            channels: count(stream.channels()),
            sample_rate_hz: count(stream.sample_rate()),
        }
    }

    /// For people; a word from outside is cut short.
    fn word(&self) -> String {
        let text = self.codec_text.as_deref().unwrap_or("of another kind");
        let plain = |it: &char| it.is_ascii_alphanumeric() || " .-/".contains(*it);
        text.chars().filter(plain).take(20).collect()
    }
}

impl Codec {
    /// By the word for it, or else by the type in the program map table (ISO/IEC 13818-1).
    /// How MediaConnect spells either is not documented.
    fn of(word: Option<&str>, stream_type: Option<&str>) -> Self {
        let plain = |text: &str| -> String {
            let all = text.chars().filter(char::is_ascii_alphanumeric);
            all.map(|it| it.to_ascii_lowercase()).collect()
        };
        let named = match plain(word.unwrap_or_default()).as_str() {
            "h264" | "avc" | "avc1" | "mpeg4avc" | "mpegavc" => Self::H264,
            "hevc" | "h265" | "mpeg2" | "mpeg2video" | "mpegvideo" | "jpegxs" | "av1" | "vvc"
            | "h266" | "vc1" => Self::OtherVideo,
            "aac" | "aaclc" | "heaac" | "heaacv1" | "heaacv2" | "mp4a" | "mpeg4aac"
            | "mpeg2aac" | "adtsaac" | "aacadts" | "aaclatm" | "latmaac" => Self::Aac,
            "ac3" | "eac3" | "ec3" | "ac4" | "mp2" | "mp1" | "mp3" | "mpegaudio" | "mpeg1audio"
            | "mpeg2audio" | "opus" | "dts" | "lpcm" | "pcm" | "smpte302m" | "302m" | "dolbye" => {
                Self::OtherAudio
            }
            _ => Self::Unknown,
        };
        if named != Self::Unknown {
            return named;
        }
        let number = plain(stream_type.unwrap_or_default());
        let number = match number.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        };
        match number {
            Some(0x1b) => Self::H264,
            Some(0x01 | 0x02 | 0x10 | 0x24 | 0x33) => Self::OtherVideo,
            Some(0x0f | 0x11) => Self::Aac,
            Some(0x03 | 0x04 | 0x81 | 0x87) => Self::OtherAudio,
            // Private data (0x06) may be anything.
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_mediaconnect::types::{FrameResolution, TransportStreamProgram};

    use super::*;

    fn format(codecs: &[(&str, &str)]) -> SourceFormat {
        let streams = codecs.iter().map(|(codec, kind)| {
            let stream = TransportStream::builder().codec(*codec);
            stream.stream_type(*kind).build()
        });
        let program = TransportStreamProgram::builder();
        let program = program.set_streams(Some(streams.collect())).build();
        let info = TransportMediaInfo::builder().programs(program).build();
        SourceFormat::of(&info)
    }

    #[test]
    fn what_rtmp_cannot_carry_is_told() {
        for codecs in [
            [("HEVC", "0x24"), ("AAC", "0x0F")],
            [("H.264", "0x1B"), ("AC-3", "0x81")],
            [("", "0x24"), ("", "0x0f")],
            [("", "27"), ("", "129")],
        ] {
            let why = format(&codecs).unfit_for_rtmp();
            assert!(
                why.is_some_and(|it| it.contains("H.264 and AAC")),
                "{codecs:?}"
            );
        }
    }

    #[test]
    fn what_is_fit_or_not_known_is_no_reason() {
        for codecs in [
            &[][..],
            &[("H264", "0x1B"), ("AAC", "0x0F")],
            &[("h.264", ""), ("aac", ""), ("SCTE-35", "0x86")],
            // A second audio track is left out of RTMP.
            &[("AVC", "0x1B"), ("AAC", "0x0F"), ("AC3", "0x81")],
            &[("H264", "0x1B")],
            &[("a word of the future", "0xFE"), ("", "canary")],
        ] {
            assert_eq!(format(codecs).unfit_for_rtmp(), None, "{codecs:?}");
        }
    }

    #[test]
    fn a_picture_has_its_size() {
        let resolution = FrameResolution::builder();
        let resolution = resolution.frame_width(1920).frame_height(1080).build();
        let stream = TransportStream::builder()
            .codec("H264")
            .frame_resolution(resolution)
            .frame_rate("30000/1001")
            .build();
        let stream = StreamFormat::of(&stream);
        assert_eq!(stream.resolution, Some((1920, 1080)));
        assert_eq!(stream.frame_rate.as_deref(), Some("30000/1001"));
    }
}
