//! What is inside of an audio or video message: the coded bytes, without the tag around them.

use bytes::Bytes;

use super::{
    message::MessageKind,
    tag::{self, Codec},
};

/// The inside of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coded {
    /// What a decoder is set up with, as MP4 files hold it too.
    Configuration(Bytes),
    /// A picture or a piece of sound.
    Frame {
        /// By how many milliseconds it is shown after its time.
        composition: i32,
        /// As MP4 files hold it.
        data: Bytes,
    },
}

/// Takes the tag off; `None` for a command, for several tracks in one message, for a codec that
/// is not known and for what is cut off.
#[must_use]
pub fn coded(kind: MessageKind, payload: &Bytes) -> Option<(Codec, Coded)> {
    let codec = tag::classify(kind, payload).codec;
    if codec == Codec::Unknown {
        return None;
    }
    let inside = match kind {
        MessageKind::Video => video(payload, codec),
        MessageKind::Audio => audio(payload, codec),
        _ => None,
    };
    Some((codec, inside?))
}

const SEQUENCE_START: u8 = 0;
const FRAMES: u8 = 1;
const FRAMES_WITHOUT_COMPOSITION: u8 = 3;

fn video(payload: &Bytes, codec: Codec) -> Option<Coded> {
    if tag::is_enhanced(MessageKind::Video, payload) {
        let (packet_type, rest) = tag::enhanced_body(MessageKind::Video, payload)?;
        let has_composition = matches!(codec, Codec::Avc | Codec::Hevc | Codec::Vvc);
        return match packet_type {
            SEQUENCE_START => Some(Coded::Configuration(rest)),
            FRAMES if has_composition => composed(&rest),
            FRAMES | FRAMES_WITHOUT_COMPOSITION => Some(frame(rest)),
            _ => None,
        };
    }
    match payload.get(1)? {
        0 => Some(Coded::Configuration(from(payload, 5)?)),
        1 => composed(&from(payload, 2)?),
        _ => None,
    }
}

fn audio(payload: &Bytes, codec: Codec) -> Option<Coded> {
    if tag::is_enhanced(MessageKind::Audio, payload) {
        let (packet_type, rest) = tag::enhanced_body(MessageKind::Audio, payload)?;
        return match packet_type {
            SEQUENCE_START => Some(Coded::Configuration(rest)),
            FRAMES => Some(frame(rest)),
            _ => None,
        };
    }
    match (codec, payload.get(1)?) {
        (Codec::Aac, 0) => Some(Coded::Configuration(from(payload, 2)?)),
        (Codec::Aac, 1) => Some(frame(from(payload, 2)?)),
        (Codec::Aac, _) => None,
        _ => Some(frame(from(payload, 1)?)),
    }
}

/// A frame behind its composition time, which is signed and takes three bytes.
fn composed(rest: &Bytes) -> Option<Coded> {
    let &[high, middle, low] = rest.first_chunk()?;
    let composition = i32::from_be_bytes([high, middle, low, 0]) >> 8;
    let data = from(rest, 3)?;
    Some(Coded::Frame { composition, data })
}

const fn frame(data: Bytes) -> Coded {
    Coded::Frame {
        composition: 0,
        data,
    }
}

fn from(bytes: &Bytes, at: usize) -> Option<Bytes> {
    (at <= bytes.len()).then(|| bytes.slice(at..))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inside(kind: MessageKind, payload: &[u8]) -> Option<(Codec, Coded)> {
        coded(kind, &Bytes::copy_from_slice(payload))
    }

    fn shown_after(composition: i32, data: &'static [u8]) -> Coded {
        let data = Bytes::from_static(data);
        Coded::Frame { composition, data }
    }

    #[test]
    fn the_inside_is_the_same_whichever_tag_is_around_it() {
        let configuration = Coded::Configuration(Bytes::from_static(b"set"));
        let video = MessageKind::Video;
        for (payload, expected) in [
            (b"\x17\0\0\0\0set".as_slice(), configuration.clone()),
            (b"\x90avc1set", configuration.clone()),
            (b"\x17\x01\0\0\x42pic", shown_after(66, b"pic")),
            (b"\x27\x01\xff\xff\xffpic", shown_after(-1, b"pic")),
            (b"\x91avc1\0\0\x42pic", shown_after(66, b"pic")),
            (b"\x93avc1pic", shown_after(0, b"pic")),
            // A modifier of four bytes before the packet type.
            (b"\x97\x03abcd\x01avc1\0\0\x42pic", shown_after(66, b"pic")),
        ] {
            assert_eq!(inside(video, payload), Some((Codec::Avc, expected)));
        }
        let av1 = inside(video, b"\x91av01pic");
        assert_eq!(av1, Some((Codec::Av1, shown_after(0, b"pic"))));

        let audio = MessageKind::Audio;
        let aac = inside(audio, b"\xaf\0set");
        assert_eq!(aac, Some((Codec::Aac, configuration.clone())));
        let opus = inside(audio, b"\x90Opusset");
        assert_eq!(opus, Some((Codec::Opus, configuration)));
        let mp3 = inside(audio, b"\x2fsound");
        assert_eq!(mp3, Some((Codec::Mp3, shown_after(0, b"sound"))));
    }

    #[test]
    fn several_tracks_in_one_message_and_what_is_cut_off_have_no_inside() {
        for payload in [
            b"\x96\x01avc1\0pic".as_slice(),
            b"\x95avc1",
            b"\x17",
            b"\x17\x01\0\0",
            b"\x17\0\0",
            b"\x91avc1\0",
            b"\x91avc",
            b"",
        ] {
            assert_eq!(inside(MessageKind::Video, payload), None, "{payload:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_is_too_strange(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            for kind in [MessageKind::Video, MessageKind::Audio, MessageKind::DataAmf0] {
                let _ = inside(kind, &payload);
            }
        }
    }
}
