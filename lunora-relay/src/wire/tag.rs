//! What an audio or video payload is, from its first bytes.

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

/// What a payload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagInfo {
    /// A decoder can start here. Never set for headers, ends and commands, whatever their bits say.
    pub keyframe: bool,
    /// A decoder needs this before anything else.
    pub sequence_header: bool,
    /// The last message of a sequence.
    pub sequence_end: bool,
    /// A video command or metadata: no picture.
    pub command: bool,
    /// How it is coded.
    pub codec: Codec,
}

/// What the payload of an audio or video message is; nothing is known of other kinds.
#[must_use]
pub fn classify(kind: MessageKind, payload: &[u8]) -> TagInfo {
    let _ = (kind, payload);
    TagInfo::default()
}
