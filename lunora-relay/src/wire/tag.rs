//! What an audio or video payload is, from its first bytes.

use bytes::Bytes;

use super::message::MessageKind;

/// How a payload is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// H.266.
    Vvc,
    /// AV1.
    Av1,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// AAC.
    Aac,
    /// MP3.
    Mp3,
    /// Opus.
    Opus,
    /// FLAC.
    Flac,
    /// AC-3.
    Ac3,
    /// Enhanced AC-3.
    Eac3,
    /// Anything else, or several in one message.
    #[default]
    Unknown,
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Avc => "h264",
            Self::Hevc => "h265",
            Self::Vvc => "h266",
            Self::Av1 => "av1",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Aac => "aac",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::Unknown => "unknown",
        })
    }
}

/// What a payload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagInfo {
    /// A decoder can start here. Never set for headers, ends and commands, whatever their bits say.
    pub keyframe: bool,
    /// A decoder needs this before anything else.
    pub sequence_header: bool,
    /// The last message of a sequence.
    pub sequence_end: bool,
    /// A video command, or metadata of the coding itself: nothing to see or hear.
    pub command: bool,
    /// How it is coded.
    pub codec: Codec,
}

/// What the payload of an audio or video message is; nothing is known of other kinds.
#[must_use]
pub fn classify(kind: MessageKind, payload: &[u8]) -> TagInfo {
    let info = match kind {
        MessageKind::Audio => audio(payload),
        MessageKind::Video => video(payload),
        _ => None,
    };
    info.unwrap_or_default()
}

fn video(payload: &[u8]) -> Option<TagInfo> {
    const KEY: u8 = 1;
    const COMMAND: u8 = 5;
    let (&first, rest) = payload.split_first()?;
    let frame = first >> 4 & 7;
    if first & ENHANCED != 0 {
        // A command has one byte and neither codec nor packet type that means anything else.
        if frame == COMMAND && first & 0x0F != METADATA {
            return Some(TagInfo {
                command: true,
                ..TagInfo::default()
            });
        }
        return Some(enhanced(first & 0x0F, rest, &VIDEO, frame == KEY));
    }

    let codec = match first & 0x0F {
        7 => Codec::Avc,
        // Not in any specification, but sent before there was one.
        12 => Codec::Hevc,
        13 => Codec::Av1,
        _ => Codec::Unknown,
    };
    if frame == COMMAND {
        return Some(TagInfo {
            command: true,
            codec,
            ..TagInfo::default()
        });
    }
    let info = TagInfo {
        codec,
        ..TagInfo::default()
    };
    Some(match (codec, rest.first()) {
        (Codec::Unknown, _) | (_, Some(1)) => TagInfo {
            keyframe: frame == KEY,
            ..info
        },
        (_, Some(0)) => TagInfo {
            sequence_header: true,
            ..info
        },
        (_, Some(2)) => TagInfo {
            sequence_end: true,
            ..info
        },
        (_, _) => info,
    })
}

fn audio(payload: &[u8]) -> Option<TagInfo> {
    let (&first, rest) = payload.split_first()?;
    let codec = match first >> 4 {
        ENHANCED_AUDIO => return Some(enhanced(first & 0x0F, rest, &AUDIO, false)),
        2 | 14 => Codec::Mp3,
        10 => Codec::Aac,
        _ => Codec::Unknown,
    };
    let sequence_header = codec == Codec::Aac && rest.first() == Some(&0);
    Some(TagInfo {
        codec,
        sequence_header,
        ..TagInfo::default()
    })
}

/// The bit of a video tag that says: packet type and fourCC follow.
const ENHANCED: u8 = 0x80;

/// The sound format of an audio tag that says the same.
const ENHANCED_AUDIO: u8 = 9;

const SEQUENCE_START: u8 = 0;
const SEQUENCE_END: u8 = 2;
/// Colours for video, the layout of channels for audio.
const METADATA: u8 = 4;
const MODIFIER: u8 = 7;

/// Where the packet types of audio and video differ.
struct PacketTypes {
    frames: &'static [u8],
    sequence_headers: &'static [u8],
    multitrack: u8,
}

const VIDEO: PacketTypes = PacketTypes {
    frames: &[1, 3],
    sequence_headers: &[SEQUENCE_START, 5],
    multitrack: 6,
};
const AUDIO: PacketTypes = PacketTypes {
    frames: &[1],
    sequence_headers: &[SEQUENCE_START],
    multitrack: 5,
};

/// A payload with a packet type and a fourCC. Modifiers before the packet type are stepped over; of
/// several tracks the packet type counts, which they share, and the codec if they share that.
fn enhanced(packet_type: u8, rest: &[u8], types: &PacketTypes, key: bool) -> TagInfo {
    let Some((mut packet_type, mut rest)) = behind_modifiers(packet_type, rest) else {
        return TagInfo::default();
    };
    let mut one_codec = true;
    if packet_type == types.multitrack {
        const MANY_TRACKS_MANY_CODECS: u8 = 2;
        let Some((&track, behind)) = rest.split_first() else {
            return TagInfo::default();
        };
        one_codec = track >> 4 != MANY_TRACKS_MANY_CODECS;
        packet_type = track & 0x0F;
        rest = behind;
    }
    TagInfo {
        keyframe: key && types.frames.contains(&packet_type),
        sequence_header: types.sequence_headers.contains(&packet_type),
        sequence_end: packet_type == SEQUENCE_END,
        command: packet_type == METADATA,
        codec: if one_codec {
            codec(rest)
        } else {
            Codec::Unknown
        },
    }
}

/// The packet type of a payload with a fourCC and what follows that; `None` for any other payload,
/// and for several tracks in one.
pub(super) fn enhanced_body(kind: MessageKind, payload: &Bytes) -> Option<(u8, Bytes)> {
    let (&first, rest) = payload.split_first()?;
    let is_enhanced = is_enhanced(kind, payload);
    let types = match kind {
        MessageKind::Audio => AUDIO,
        _ => VIDEO,
    };
    let (packet_type, rest) = behind_modifiers(first & 0x0F, rest)?;
    let is_one = is_enhanced && packet_type != types.multitrack;
    let behind = rest.get(4..).filter(|_| is_one)?;
    Some((packet_type, payload.slice_ref(behind)))
}

/// Whether the tag has a packet type and a fourCC.
pub(super) fn is_enhanced(kind: MessageKind, payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| match kind {
        MessageKind::Audio => first >> 4 == ENHANCED_AUDIO,
        _ => first & ENHANCED != 0,
    })
}

/// The packet type after any number of modifiers. Each takes at least two bytes, so this ends.
fn behind_modifiers(mut packet_type: u8, mut rest: &[u8]) -> Option<(u8, &[u8])> {
    while packet_type == MODIFIER {
        let (&size, behind) = rest.split_first()?;
        let (size, behind) = if size == u8::MAX {
            let (size, behind) = behind.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*size)) + 1, behind)
        } else {
            (usize::from(size) + 1, behind)
        };
        let (&next, behind) = behind.get(size..)?.split_first()?;
        packet_type = next & 0x0F;
        rest = behind;
    }
    Some((packet_type, rest))
}

fn codec(rest: &[u8]) -> Codec {
    match rest.get(..4) {
        Some(b"avc1") => Codec::Avc,
        Some(b"hvc1") => Codec::Hevc,
        Some(b"vvc1") => Codec::Vvc,
        Some(b"av01") => Codec::Av1,
        Some(b"vp08") => Codec::Vp8,
        Some(b"vp09") => Codec::Vp9,
        Some(b"mp4a") => Codec::Aac,
        Some(b".mp3") => Codec::Mp3,
        Some(b"Opus") => Codec::Opus,
        Some(b"fLaC") => Codec::Flac,
        Some(b"ac-3") => Codec::Ac3,
        Some(b"ec-3") => Codec::Eac3,
        _ => Codec::Unknown,
    }
}
