//! Finds the messages in a stream of chunks and copies none of them.
//!
//! The payload is skipped but for its first bytes, so a frame of 25 KB costs as
//! little as one of 25 bytes. It trusts its peers: use it for benchmarks alone.

use std::{collections::BTreeMap, fmt, mem};

/// How much of each payload is kept: enough to tell what it is.
const HEAD: usize = 4;
/// The value of the 24-bit time field that announces a 32-bit one.
const EXTENDED: u32 = 0xFF_FFFF;
const SET_CHUNK_SIZE: u8 = 1;

/// A message that has arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The type id of the message.
    pub kind: u8,
    /// Bytes of payload.
    pub len: usize,
    /// Milliseconds, as the sender counts them.
    pub timestamp: u32,
    /// The first bytes of the payload, zeros after its end.
    pub head: [u8; HEAD],
}

/// The bytes are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChunks;

impl fmt::Display for NoChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chunk refers to one that never was")
    }
}

impl std::error::Error for NoChunks {}

/// Reads one direction of a connection, from the end of the handshake on.
#[derive(Debug)]
pub struct Scanner {
    chunk_size: usize,
    streams: BTreeMap<u32, Stream>,
    /// The beginning of a header that is not complete yet.
    header: Vec<u8>,
    /// The chunk under way: its stream, and how much of it is missing.
    chunk: Option<(u32, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    message: Seen,
    /// The time field of the last header.
    field: u32,
    /// How much of the message has arrived.
    arrived: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            chunk_size: 128,
            streams: BTreeMap::new(),
            header: Vec::new(),
            chunk: None,
        }
    }
}

impl Scanner {
    /// Takes bytes in, and tells of each message that they complete.
    pub fn scan(&mut self, mut input: &[u8], mut tell: impl FnMut(Seen)) -> Result<(), NoChunks> {
        while !input.is_empty() {
            let Some((id, missing)) = self.chunk else {
                input = self.begin_chunk(input)?;
                continue;
            };
            let (part, rest) = input.split_at(missing.min(input.len()));
            input = rest;
            let stream = self.streams.get_mut(&id).ok_or(NoChunks)?;
            stream.take(part);
            self.chunk = (part.len() < missing).then(|| (id, missing - part.len()));
            if stream.arrived == stream.message.len {
                let message = mem::replace(&mut stream.message.head, [0; HEAD]);
                let message = Seen {
                    head: message,
                    ..stream.message
                };
                stream.arrived = 0;
                if message.kind == SET_CHUNK_SIZE {
                    self.chunk_size = u32::from_be_bytes(message.head) as usize;
                }
                tell(message);
            }
        }
        Ok(())
    }

    /// Reads the header of a chunk, or as much of it as there is.
    fn begin_chunk<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], NoChunks> {
        // The longest header has 18 bytes.
        let before = self.header.len();
        self.header.extend(input.iter().take(18));
        let Some((size, id, stream)) = self.read_header()? else {
            return Ok(&[]);
        };
        let missing = (stream.message.len - stream.arrived).min(self.chunk_size);
        self.streams.insert(id, stream);
        self.chunk = (0 < missing).then_some((id, missing));
        self.header.clear();
        Ok(&input[size - before..])
    }

    fn read_header(&self) -> Result<Option<(usize, u32, Stream)>, NoChunks> {
        let mut rest = &self.header[..];
        Ok(self
            .header_of(&mut rest)?
            .map(|(id, stream)| (self.header.len() - rest.len(), id, stream)))
    }

    fn header_of(&self, rest: &mut &[u8]) -> Result<Option<(u32, Stream)>, NoChunks> {
        let Some([first]) = take(rest) else {
            return Ok(None);
        };
        let id = match first & 0x3F {
            0 => take(rest).map(|[low]| 64 + u32::from(low)),
            1 => take(rest).map(|[low, high]| 64 + u32::from(low) + 256 * u32::from(high)),
            short => Some(u32::from(short)),
        };
        let Some(id) = id else { return Ok(None) };
        let format = first >> 6;
        let stream = match self.streams.get(&id) {
            Some(earlier) => *earlier,
            None if format <= 1 => Stream::NEW,
            None => return Err(NoChunks),
        };
        Ok(stream.after(format, rest).map(|stream| (id, stream)))
    }
}

impl Stream {
    const NEW: Self = Self {
        message: Seen {
            kind: 0,
            len: 0,
            timestamp: 0,
            head: [0; HEAD],
        },
        field: 0,
        arrived: 0,
    };

    /// With what a header of this format says; `None` while it is incomplete.
    fn after(mut self, format: u8, rest: &mut &[u8]) -> Option<Self> {
        if format <= 2 {
            let [a, b, c] = take(rest)?;
            self.field = u32::from_be_bytes([0, a, b, c]);
        }
        if format <= 1 {
            let [a, b, c, kind] = take(rest)?;
            self.message.len = u32::from_be_bytes([0, a, b, c]) as usize;
            self.message.kind = kind;
        }
        if format == 0 {
            let [_, _, _, _] = take(rest)?;
        }
        // Each sender that is measured repeats an extended time in every chunk.
        let mut time = self.field;
        if self.field == EXTENDED {
            time = take(rest).map(u32::from_be_bytes)?;
        }
        match format {
            0 => self.message.timestamp = time,
            3 if 0 < self.arrived => {}
            _ => self.message.timestamp = self.message.timestamp.wrapping_add(time),
        }
        Some(self)
    }

    fn take(&mut self, part: &[u8]) {
        let room = self.message.head.iter_mut().skip(self.arrived);
        room.zip(part).for_each(|(kept, byte)| *kept = *byte);
        self.arrived += part.len();
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lunora_relay::wire::{
        chunk::{ChunkWriter, body, delta_header},
        message::{Message, MessageKind},
    };

    use super::*;

    fn message(kind: MessageKind, timestamp: u32, payload: Vec<u8>) -> Message {
        Message {
            kind,
            timestamp,
            stream_id: 1,
            payload: Bytes::from(payload),
        }
    }

    #[test]
    fn messages_are_found_at_any_cut_of_the_input() {
        let mut writer = ChunkWriter::new();
        let long: Vec<u8> = (0..10_000u32).map(|at| at as u8).collect();
        let mut wire = writer.set_chunk_size(4096).to_vec();
        wire.extend_from_slice(&writer.write(4, &message(MessageKind::Video, 40, long.clone())));
        wire.extend_from_slice(&writer.write(5, &message(MessageKind::Audio, 41, vec![7, 8])));
        wire.extend_from_slice(&delta_header(4, 33, long.len(), MessageKind::Video));
        wire.extend_from_slice(&body(&long, 4, 4096));

        for piece in [1, 7, 4096, wire.len()] {
            let (mut scanner, mut seen) = (Scanner::default(), Vec::new());
            for part in wire.chunks(piece) {
                scanner.scan(part, |message| seen.push(message)).unwrap();
            }

            let facts: Vec<_> = seen
                .iter()
                .map(|it| (it.kind, it.len, it.timestamp))
                .collect();
            assert_eq!(
                facts,
                [(1, 4, 0), (9, 10_000, 40), (8, 2, 41), (9, 10_000, 73)]
            );
            assert_eq!(seen[1].head, [0, 1, 2, 3]);
            assert_eq!(seen[2].head, [7, 8, 0, 0]);
        }
    }
}
