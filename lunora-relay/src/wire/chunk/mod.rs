//! Messages to chunks and back.
//!
//! [`ChunkReader`] takes a peer's bytes; [`ChunkWriter`] writes a session's own few messages. The
//! fan-out writes media without either: it joins a [`full_header`] or a [`delta_header`] with one
//! [`body`] that all destinations share.

mod header;
mod reader;
mod writer;

pub use reader::ChunkReader;
pub use writer::{ChunkWriter, Header, body, delta_header, full_header, whole};

/// The chunk size a connection starts with.
pub const INITIAL_CHUNK_SIZE: u32 = 128;

/// The chunk size this crate announces before it sends anything long.
pub const CHUNK_SIZE: u32 = 4096;

/// The chunk stream of protocol control messages.
pub const CSID_CONTROL: u8 = 2;
/// The chunk stream of commands.
pub const CSID_COMMAND: u8 = 3;
/// The chunk stream video is sent on.
pub const CSID_VIDEO: u8 = 4;
/// The chunk stream audio is sent on.
pub const CSID_AUDIO: u8 = 5;
/// The chunk stream data messages are sent on.
pub const CSID_DATA: u8 = 7;

/// The longest message the format can describe: its length field has 24 bits.
pub const MAX_MESSAGE: usize = 0xFF_FFFF;

/// How much a peer may ask of a [`ChunkReader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// The longest audio, video or aggregate message, in bytes.
    pub media: usize,
    /// The longest message of any other kind.
    pub other: usize,
    /// How many chunk streams a peer may use over the life of the connection.
    pub streams: usize,
    /// How many bytes of unfinished messages may wait, over all chunk streams.
    pub buffered: usize,
}

impl ChunkLimits {
    /// For a peer that may send media.
    pub const MEDIA: Self = Self {
        media: MAX_MESSAGE,
        other: 256 * 1024,
        streams: 64,
        buffered: 32 * 1024 * 1024,
    };

    /// For a peer that has only commands to send, or has not yet been allowed more.
    pub const CONTROL: Self = Self {
        media: 1024 * 1024,
        buffered: 2 * 1024 * 1024,
        ..Self::MEDIA
    };
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self::MEDIA
    }
}

/// Why a peer's bytes are no chunk stream. The connection cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A compressed header refers to an earlier one that never was.
    #[error("chunk stream {csid} begins with a type {fmt} header, which needs an earlier one")]
    NoEarlierHeader {
        /// The chunk stream.
        csid: u32,
        /// The header type, 2 or 3.
        fmt: u8,
    },
    /// A new header stands where the rest of a message is due.
    #[error("chunk stream {csid} begins a message {missing} bytes before its last one ended")]
    Unfinished {
        /// The chunk stream.
        csid: u32,
        /// How much of the earlier message is missing.
        missing: usize,
    },
    /// A message is announced longer than its kind may be.
    #[error("a message of type {id} announces {len} bytes, more than the {limit} allowed")]
    TooLong {
        /// The type id.
        id: u8,
        /// The announced length.
        len: usize,
        /// The bound it exceeds.
        limit: usize,
    },
    /// A chunk size of zero.
    #[error("the peer sets a chunk size of zero")]
    ChunkSize,
    /// More chunk streams than a peer may use.
    #[error("the peer uses more than {0} chunk streams")]
    TooManyStreams(usize),
    /// More unfinished bytes than may wait.
    #[error("more than {0} bytes of unfinished messages are waiting")]
    TooMuchBuffered(usize),
    /// A control message too short for its one number.
    #[error("a control message of type {0} is too short")]
    ShortControl(u8),
}
