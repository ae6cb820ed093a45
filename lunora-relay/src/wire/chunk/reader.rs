//! Chunks into messages.

use std::collections::BTreeMap;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::header::{self, Earlier, MessageHeader};
use super::{ChunkError, ChunkLimits, INITIAL_CHUNK_SIZE, MAX_MESSAGE};
use crate::wire::message::{Message, MessageKind};

/// Puts the messages of one connection together again.
///
/// Chunks of several messages may be interleaved at will. `SetChunkSize` and `Abort` are obeyed
/// here and do not come out. After an error the reader stays in error: nobody can say where the next
/// chunk begins.
pub struct ChunkReader {
    limits: ChunkLimits,
    chunk_size: usize,
    input: BytesMut,
    streams: BTreeMap<u32, Stream>,
    /// The chunk whose payload is being read.
    chunk: Option<Chunk>,
    /// The sum of all unfinished payloads.
    buffered: usize,
    failed: Option<ChunkError>,
}

#[derive(Default)]
struct Stream {
    header: MessageHeader,
    /// The message under way.
    payload: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Chunk {
    csid: u32,
    left: usize,
}

impl ChunkReader {
    /// A reader at the start of a connection.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self {
            limits,
            chunk_size: as_usize(INITIAL_CHUNK_SIZE),
            input: BytesMut::new(),
            streams: BTreeMap::new(),
            chunk: None,
            buffered: 0,
            failed: None,
        }
    }

    /// Allows the peer more, or less, from the next message on.
    pub fn set_limits(&mut self, limits: ChunkLimits) {
        self.limits = limits;
    }

    /// Takes bytes as they came; ask [`next`](Self::next) for what they made until it has no more,
    /// after which at most a header's worth of them is left.
    pub fn feed(&mut self, input: &[u8]) {
        if self.failed.is_none() {
            self.input.extend_from_slice(input);
        }
    }

    /// The next whole message, if there is one.
    #[expect(
        clippy::should_implement_trait,
        reason = "not an iterator: after `None` it may go on"
    )]
    pub fn next(&mut self) -> Result<Option<Message>, ChunkError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance();
        if let Err(error) = result {
            self.failed = Some(error);
            self.input = BytesMut::new();
            self.streams.clear();
            self.buffered = 0;
        }
        result
    }

    /// How many bytes are held: input not yet read and messages not yet whole.
    #[must_use]
    pub fn held(&self) -> usize {
        self.input.len() + self.buffered
    }

    fn advance(&mut self) -> Result<Option<Message>, ChunkError> {
        loop {
            let chunk = match self.chunk.take() {
                Some(chunk) => chunk,
                None => match self.begin()? {
                    Some(chunk) => chunk,
                    None => return Ok(None),
                },
            };
            let left = self.fill(chunk)?;
            if left > 0 {
                self.chunk = Some(Chunk { left, ..chunk });
                return Ok(None);
            }
            if let Some(message) = self.finish(chunk.csid)
                && let Some(message) = self.obey(message)?
            {
                return Ok(Some(message));
            }
        }
    }

    /// Reads a chunk's header, if all of it is there.
    fn begin(&mut self) -> Result<Option<Chunk>, ChunkError> {
        let streams = &self.streams;
        let lookup = |csid| {
            let stream: &Stream = streams.get(&csid)?;
            let missing = stream
                .payload
                .as_ref()
                .map(|payload| stream.header.len - payload.len());
            Some(Earlier {
                header: stream.header,
                missing,
            })
        };
        let Some(start) = header::parse(&self.input, lookup)? else {
            return Ok(None);
        };

        self.check_length(&start.header)?;
        if !self.streams.contains_key(&start.csid) && self.streams.len() >= self.limits.streams {
            return Err(ChunkError::TooManyStreams(self.limits.streams));
        }
        self.input.advance(start.size);
        let stream = self.streams.entry(start.csid).or_default();
        stream.header = start.header;
        let missing = start.header.len - stream.payload.get_or_insert_default().len();
        Ok(Some(Chunk {
            csid: start.csid,
            left: missing.min(self.chunk_size),
        }))
    }

    fn check_length(&self, header: &MessageHeader) -> Result<(), ChunkError> {
        let limit = match MessageKind::from_id(header.kind) {
            MessageKind::Audio | MessageKind::Video | MessageKind::Aggregate => self.limits.media,
            _ => self.limits.other,
        };
        if header.len > limit {
            return Err(ChunkError::TooLong {
                id: header.kind,
                len: header.len,
                limit,
            });
        }
        Ok(())
    }

    /// Moves payload from the input to its message; says how much of the chunk is still to come.
    fn fill(&mut self, chunk: Chunk) -> Result<usize, ChunkError> {
        let now = chunk.left.min(self.input.len());
        if self.buffered + now > self.limits.buffered {
            return Err(ChunkError::TooMuchBuffered(self.limits.buffered));
        }
        let part = self.input.split_to(now);
        if let Some(stream) = self.streams.get_mut(&chunk.csid)
            && let Some(payload) = &mut stream.payload
        {
            append(payload, &part, stream.header.len);
            self.buffered += now;
        }
        Ok(chunk.left - now)
    }

    /// The message of a chunk stream, if the chunk just read was its last.
    fn finish(&mut self, csid: u32) -> Option<Message> {
        let stream = self.streams.get_mut(&csid)?;
        let payload = stream
            .payload
            .take_if(|payload| payload.len() == stream.header.len)?;
        self.buffered -= payload.len();
        Some(Message {
            kind: MessageKind::from_id(stream.header.kind),
            timestamp: stream.header.timestamp,
            stream_id: stream.header.stream_id,
            payload: Bytes::from(payload),
        })
    }

    /// Does what a message says about the chunks themselves; any other is handed on.
    fn obey(&mut self, message: Message) -> Result<Option<Message>, ChunkError> {
        match message.kind {
            MessageKind::SetChunkSize => {
                let size = number(&message)?;
                if size == 0 {
                    return Err(ChunkError::ChunkSize);
                }
                // Larger ones are legal, and mean that every message is one chunk.
                self.chunk_size = as_usize(size).min(MAX_MESSAGE);
                Ok(None)
            }
            MessageKind::Abort => {
                let csid = number(&message)?;
                let stream = self.streams.get_mut(&csid);
                if let Some(payload) = stream.and_then(|stream| stream.payload.take()) {
                    self.buffered -= payload.len();
                }
                Ok(None)
            }
            _ => Ok(Some(message)),
        }
    }
}

impl fmt::Debug for ChunkReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkReader")
            .field("limits", &self.limits)
            .field("chunk_size", &self.chunk_size)
            .field("streams", &self.streams.len())
            .field("held", &self.held())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Grows with what arrived, at most to twice that, and ends at exactly `len`: a message that waits
/// in a cache wastes nothing, and one that is only announced costs nothing.
fn append(payload: &mut Vec<u8>, part: &[u8], len: usize) {
    let needed = payload.len() + part.len();
    if needed > payload.capacity() {
        let target = len.min(needed.max(payload.capacity() * 2));
        payload.reserve_exact(target - payload.len());
    }
    payload.extend_from_slice(part);
}

fn number(message: &Message) -> Result<u32, ChunkError> {
    let bytes = message.payload.first_chunk();
    bytes
        .copied()
        .map(u32::from_be_bytes)
        .ok_or(ChunkError::ShortControl(message.kind.id()))
}

fn as_usize(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
