//! What payloads are taken for.

use lunora_relay::wire::message::MessageKind;
use lunora_relay::wire::tag::{Codec, TagInfo, classify};

fn video(payload: &[u8]) -> TagInfo {
    classify(MessageKind::Video, payload)
}

fn audio(payload: &[u8]) -> TagInfo {
    classify(MessageKind::Audio, payload)
}

const NOTHING: TagInfo = TagInfo {
    keyframe: false,
    sequence_header: false,
    sequence_end: false,
    command: false,
    codec: Codec::Unknown,
};

#[test]
fn legacy_video_is_told_apart_by_packet_type_before_frame_type() {
    let avc = TagInfo {
        codec: Codec::Avc,
        ..NOTHING
    };

    assert_eq!(
        video(&[0x17, 0, 0, 0, 0]),
        TagInfo {
            sequence_header: true,
            ..avc
        }
    );
    assert_eq!(
        video(&[0x17, 1, 0, 0, 0]),
        TagInfo {
            keyframe: true,
            ..avc
        }
    );
    assert_eq!(video(&[0x27, 1, 0, 0, 0]), avc);
    assert_eq!(
        video(&[0x17, 2, 0, 0, 0]),
        TagInfo {
            sequence_end: true,
            ..avc
        }
    );
    assert_eq!(
        video(&[0x57, 0]),
        TagInfo {
            command: true,
            ..avc
        }
    );
    assert!(video(&[0x1C, 1, 0, 0, 0]).keyframe);
    assert_eq!(
        video(&[0x12, 0]),
        TagInfo {
            keyframe: true,
            ..NOTHING
        }
    );
}

#[test]
fn enhanced_video_is_known_by_its_fourcc() {
    for (fourcc, codec) in [
        (b"hvc1", Codec::Hevc),
        (b"av01", Codec::Av1),
        (b"vp09", Codec::Vp9),
        (b"avc1", Codec::Avc),
    ] {
        let tag = |first: u8| video(&[&[first], &fourcc[..], &[0; 8]].concat());
        let plain = TagInfo { codec, ..NOTHING };

        assert_eq!(
            tag(0x90),
            TagInfo {
                sequence_header: true,
                ..plain
            }
        );
        assert_eq!(
            tag(0x91),
            TagInfo {
                keyframe: true,
                ..plain
            }
        );
        assert_eq!(
            tag(0x93),
            TagInfo {
                keyframe: true,
                ..plain
            }
        );
        assert_eq!(tag(0xA3), plain);
        assert_eq!(
            tag(0x92),
            TagInfo {
                sequence_end: true,
                ..plain
            }
        );
        assert_eq!(
            tag(0x94),
            TagInfo {
                command: true,
                ..plain
            }
        );
    }
    assert_eq!(
        video(&[0xD1, 0]),
        TagInfo {
            command: true,
            ..NOTHING
        }
    );
}

#[test]
fn modifiers_and_tracks_are_looked_through() {
    let nanoseconds = video(b"\x97\x02\0\0\0\x01hvc1");
    let long = video(&[b"\x97\xff\x01\x2c", &[0; 301][..], b"\x03av01"].concat());
    let one_codec = video(b"\x96\x11hvc1\0");
    let many_codecs = video(b"\x96\x21\0hvc1");

    assert_eq!(
        nanoseconds,
        TagInfo {
            keyframe: true,
            codec: Codec::Hevc,
            ..NOTHING
        }
    );
    assert_eq!(
        long,
        TagInfo {
            keyframe: true,
            codec: Codec::Av1,
            ..NOTHING
        }
    );
    assert_eq!(
        one_codec,
        TagInfo {
            keyframe: true,
            codec: Codec::Hevc,
            ..NOTHING
        }
    );
    assert_eq!(
        many_codecs,
        TagInfo {
            keyframe: true,
            ..NOTHING
        }
    );
    assert_eq!(video(&[0x97; 40]), NOTHING);
}

#[test]
fn audio_headers_are_found_and_audio_is_never_a_key_frame() {
    let aac = TagInfo {
        codec: Codec::Aac,
        ..NOTHING
    };

    assert_eq!(
        audio(&[0xAF, 0, 0x12, 0x10]),
        TagInfo {
            sequence_header: true,
            ..aac
        }
    );
    assert_eq!(audio(&[0xAF, 1, 0x21]), aac);
    assert_eq!(
        audio(&[0x2F, 0]),
        TagInfo {
            codec: Codec::Mp3,
            ..NOTHING
        }
    );
    assert_eq!(
        audio(b"\x90OpusOpusHead"),
        TagInfo {
            sequence_header: true,
            codec: Codec::Opus,
            ..NOTHING
        }
    );
    assert_eq!(
        audio(b"\x91Opus\xfc"),
        TagInfo {
            codec: Codec::Opus,
            ..NOTHING
        }
    );
    assert_eq!(
        audio(b"\x95\x01Opus\0"),
        TagInfo {
            codec: Codec::Opus,
            ..NOTHING
        }
    );
}

#[test]
fn what_is_cut_short_or_no_media_is_nothing() {
    assert_eq!(video(&[]), NOTHING);
    assert_eq!(
        video(&[0x17]),
        TagInfo {
            codec: Codec::Avc,
            ..NOTHING
        }
    );
    assert_eq!(audio(&[]), NOTHING);
    assert_eq!(classify(MessageKind::DataAmf0, &[0x17, 1]), NOTHING);
}
