//! Messages into chunks.

use std::ops::Deref;

use bytes::{BufMut, Bytes, BytesMut};

use super::header::EXTENDED;
use super::{CSID_CONTROL, INITIAL_CHUNK_SIZE, MAX_MESSAGE};
use crate::wire::message::{Message, MessageKind};

/// Writes a session's own messages, each with a full header.
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

    /// Announces a chunk size and uses it from then on. The largest there can be is 24 bits.
    pub fn set_chunk_size(&mut self, chunk_size: u32) -> Bytes {
        let chunk_size = chunk_size.clamp(1, EXTENDED);
        let announcement = Message {
            kind: MessageKind::SetChunkSize,
            timestamp: 0,
            stream_id: 0,
            payload: Bytes::copy_from_slice(&chunk_size.to_be_bytes()),
        };
        let bytes = self.write(CSID_CONTROL, &announcement);
        self.chunk_size = chunk_size;
        bytes
    }

    /// The chunks of one message on chunk stream `csid`.
    #[must_use]
    pub fn write(&self, csid: u8, message: &Message) -> Bytes {
        whole(csid, message, self.chunk_size)
    }
}

/// A whole message, header and body, right for any timestamp.
///
/// `csid` is in 2..=63, here and in the functions below; a payload beyond [`MAX_MESSAGE`] is cut.
#[must_use]
pub fn whole(csid: u8, message: &Message, chunk_size: u32) -> Bytes {
    let first = full_header(
        csid,
        message.timestamp,
        message.payload.len(),
        message.kind,
        message.stream_id,
    );
    let mut next = continuation(csid);
    if message.timestamp >= EXTENDED {
        next.push(&message.timestamp.to_be_bytes());
    }
    chunked(&first, &message.payload, &next, chunk_size)
}

/// A payload in chunks, without the header of the first: the part all destinations can share.
///
/// It fits behind any header without an extended timestamp. A message at or beyond
/// 0xFFFFFF ms needs either a [`delta_header`] before it, or [`whole`].
#[must_use]
pub fn body(payload: &[u8], csid: u8, chunk_size: u32) -> Bytes {
    chunked(&[], payload, &continuation(csid), chunk_size)
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
    let mut header = Header::new(0, csid);
    header.push(&u24(timestamp));
    header.push(&u24(length(len)));
    header.push(&[kind.id()]);
    header.push(&stream_id.to_le_bytes());
    header.push_extended(timestamp);
    header
}

/// The header of a message `delta` ms after the last on its chunk stream, on the same message
/// stream (type 1).
#[must_use]
pub fn delta_header(csid: u8, delta: u32, len: usize, kind: MessageKind) -> Header {
    let mut header = Header::new(1, csid);
    header.push(&u24(delta));
    header.push(&u24(length(len)));
    header.push(&[kind.id()]);
    header.push_extended(delta);
    header
}

/// The header of a chunk that continues a message (type 3).
fn continuation(csid: u8) -> Header {
    Header::new(3, csid)
}

fn chunked(first: &[u8], payload: &[u8], next: &[u8], chunk_size: u32) -> Bytes {
    let chunk_size = usize::try_from(chunk_size).unwrap_or(usize::MAX).max(1);
    let payload = payload.get(..MAX_MESSAGE).unwrap_or(payload);
    let separators = payload.len().saturating_sub(1) / chunk_size;
    let mut out = BytesMut::with_capacity(first.len() + payload.len() + separators * next.len());
    out.put_slice(first);
    for (at, chunk) in payload.chunks(chunk_size).enumerate() {
        if at > 0 {
            out.put_slice(next);
        }
        out.put_slice(chunk);
    }
    out.freeze()
}

/// A chunk header, kept on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; 16],
    len: usize,
}

impl Header {
    fn new(fmt: u8, csid: u8) -> Self {
        debug_assert!(
            (2..64).contains(&csid),
            "chunk stream {csid} needs a longer header"
        );
        let mut header = Self {
            bytes: [0; 16],
            len: 0,
        };
        header.push(&[fmt << 6 | csid.clamp(2, 63)]);
        header
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        if let Some(free) = self.bytes.get_mut(self.len..end) {
            free.copy_from_slice(part);
            self.len = end;
        }
    }

    fn push_extended(&mut self, time: u32) {
        if time >= EXTENDED {
            self.push(&time.to_be_bytes());
        }
    }
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Header {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(EXTENDED)
}

/// The low 24 bits, or the largest value there is.
fn u24(value: u32) -> [u8; 3] {
    let [_, high, middle, low] = value.min(EXTENDED).to_be_bytes();
    [high, middle, low]
}
