//! One RTMP message.

use std::fmt;

use bytes::Bytes;

/// What a message carries, as its type id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// 1: the sender's chunks are of another size from here on.
    SetChunkSize,
    /// 2: the rest of a message will not come.
    Abort,
    /// 3: so many bytes have been received.
    Ack,
    /// 4: stream begin, ping and the like.
    UserControl,
    /// 5: the sender wants an [`Ack`](Self::Ack) every so many bytes.
    WindowAck,
    /// 6: the receiver should ask for acknowledgements every so many bytes.
    SetPeerBandwidth,
    /// 8: audio, in the form of an FLV tag body.
    Audio,
    /// 9: video, in the form of an FLV tag body.
    Video,
    /// 15: data such as `onMetaData`, behind a byte that says "AMF0 follows".
    DataAmf3,
    /// 17: a command behind a byte that says "AMF0 follows".
    CommandAmf3,
    /// 18: data such as `onMetaData`.
    DataAmf0,
    /// 20: a command.
    Command,
    /// 22: several audio, video and data messages in one.
    Aggregate,
    /// Anything else; passed along and not understood.
    Other(u8),
}

impl MessageKind {
    /// The kind a type id stands for.
    #[must_use]
    pub const fn from_id(id: u8) -> Self {
        match id {
            1 => Self::SetChunkSize,
            2 => Self::Abort,
            3 => Self::Ack,
            4 => Self::UserControl,
            5 => Self::WindowAck,
            6 => Self::SetPeerBandwidth,
            8 => Self::Audio,
            9 => Self::Video,
            15 => Self::DataAmf3,
            17 => Self::CommandAmf3,
            18 => Self::DataAmf0,
            20 => Self::Command,
            22 => Self::Aggregate,
            other => Self::Other(other),
        }
    }

    /// The type id on the wire.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::SetChunkSize => 1,
            Self::Abort => 2,
            Self::Ack => 3,
            Self::UserControl => 4,
            Self::WindowAck => 5,
            Self::SetPeerBandwidth => 6,
            Self::Audio => 8,
            Self::Video => 9,
            Self::DataAmf3 => 15,
            Self::CommandAmf3 => 17,
            Self::DataAmf0 => 18,
            Self::Command => 20,
            Self::Aggregate => 22,
            Self::Other(id) => id,
        }
    }
}

/// A message as it went into, or came out of, its chunks.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What the payload is.
    pub kind: MessageKind,
    /// Milliseconds since a moment the sender chose; wraps after 49.7 days.
    pub timestamp: u32,
    /// The message stream, 0 for the connection itself.
    pub stream_id: u32,
    /// The payload; cheap to clone.
    pub payload: Bytes,
}

// The payload of a command holds the stream key, so only its length is shown.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("timestamp", &self.timestamp)
            .field("stream_id", &self.stream_id)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}
