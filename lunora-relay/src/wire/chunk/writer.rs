//! Messages into chunks.

use bytes::{Bytes, BytesMut};

use super::INITIAL_CHUNK_SIZE;
use crate::wire::message::{Message, MessageKind};

/// A chunk header of at most 18 bytes, kept on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; 18],
    len: usize,
}

impl std::ops::Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Writes a session's own messages, each with a full header on `csid`.
#[derive(Debug)]
pub struct ChunkWriter {
    chunk_size: u32,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkWriter {
    /// A writer at the chunk size a connection starts with.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chunk_size: INITIAL_CHUNK_SIZE,
        }
    }

    /// Announces a chunk size and uses it from then on.
    pub fn set_chunk_size(&mut self, chunk_size: u32) -> Bytes {
        let _ = chunk_size;
        todo!()
    }

    /// The chunks of one message.
    #[must_use]
    pub fn write(&self, csid: u8, message: &Message) -> Bytes {
        let _ = (csid, message);
        todo!()
    }
}

/// A payload in chunks, without the header of the first: the part all destinations can share.
#[must_use]
pub fn body(payload: &[u8], csid: u8, chunk_size: u32) -> Bytes {
    let _ = (payload, csid, chunk_size, BytesMut::new());
    todo!()
}

/// The header of a message that refers to nothing earlier (type 0).
#[must_use]
pub fn full_header(
    csid: u8,
    timestamp: u32,
    len: usize,
    kind: MessageKind,
    stream_id: u32,
) -> Header {
    let _ = (csid, timestamp, len, kind, stream_id);
    todo!()
}

/// The header of a message that is `delta` ms after the last on its chunk stream (type 1).
#[must_use]
pub fn delta_header(csid: u8, delta: u32, len: usize, kind: MessageKind) -> Header {
    let _ = (csid, delta, len, kind);
    todo!()
}

/// A whole message, header and body, right for any timestamp.
#[must_use]
pub fn whole(csid: u8, message: &Message, chunk_size: u32) -> Bytes {
    let _ = (csid, message, chunk_size);
    todo!()
}
