//! The header of one chunk, and what it inherits from earlier ones.

use super::ChunkError;

/// The value of the 24-bit time field that announces a 32-bit one.
pub(super) const EXTENDED: u32 = 0xFF_FFFF;

/// What the chunks of one chunk stream carry over to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageHeader {
    /// The absolute time of the message.
    pub(super) timestamp: u32,
    /// The time field as it was sent: absolute in a type 0 header, else the delta. A type 3 header
    /// that begins a message adds it again, after type 0 too (section 5.3.1.2.4 of the
    /// specification; ffmpeg and SRS do the same).
    pub(super) field: u32,
    /// Whether the field came as an extended timestamp.
    pub(super) extended: bool,
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) stream_id: u32,
}

/// What is known of a chunk stream when another chunk of it begins.
#[derive(Clone, Copy)]
pub(super) struct Earlier {
    pub(super) header: MessageHeader,
    /// How many bytes the message under way still lacks, if one is.
    pub(super) missing: Option<usize>,
}

/// A chunk whose header is complete.
pub(super) struct ChunkStart {
    pub(super) csid: u32,
    /// How many bytes the header took.
    pub(super) size: usize,
    pub(super) header: MessageHeader,
}

/// Reads the header at the start of `input`; `None` while it is incomplete.
///
/// A chunk stream may begin with a type 1 header: librtmp and SRS do so for control messages. Its
/// time counts from 0 then. Types 2 and 3 know no length, so they are refused there.
pub(super) fn parse(
    input: &[u8],
    lookup: impl FnOnce(u32) -> Option<Earlier>,
) -> Result<Option<ChunkStart>, ChunkError> {
    let mut rest = input;
    let Some((fmt, csid)) = basic(&mut rest) else {
        return Ok(None);
    };
    let earlier = lookup(csid);
    let missing = earlier.and_then(|earlier| earlier.missing);
    let mut header = match earlier {
        Some(earlier) => earlier.header,
        None if fmt > 1 => return Err(ChunkError::NoEarlierHeader { csid, fmt }),
        None => MessageHeader::default(),
    };
    if let (0..=2, Some(missing)) = (fmt, missing) {
        return Err(ChunkError::Unfinished { csid, missing });
    }

    let complete = if fmt == 3 {
        repeat(&mut rest, &mut header, missing.is_none())
    } else {
        renew(&mut rest, &mut header, fmt)
    };
    Ok(complete.map(|()| ChunkStart {
        csid,
        size: input.len() - rest.len(),
        header,
    }))
}

/// The header type and the chunk stream, in one to three bytes.
fn basic(rest: &mut &[u8]) -> Option<(u8, u32)> {
    let [first] = take(rest)?;
    let csid = match first & 0x3F {
        0 => {
            let [low] = take(rest)?;
            64 + u32::from(low)
        }
        1 => {
            let [low, high] = take(rest)?;
            64 + u32::from(low) + 256 * u32::from(high)
        }
        short => u32::from(short),
    };
    Some((first >> 6, csid))
}

/// A header of type 0, 1 or 2.
fn renew(rest: &mut &[u8], header: &mut MessageHeader, fmt: u8) -> Option<()> {
    let field = take(rest).map(u24)?;
    if fmt < 2 {
        header.len = usize::try_from(take(rest).map(u24)?).unwrap_or(usize::MAX);
        [header.kind] = take(rest)?;
    }
    if fmt == 0 {
        header.stream_id = take(rest).map(u32::from_le_bytes)?;
    }
    header.extended = field == EXTENDED;
    header.field = if header.extended {
        take(rest).map(u32::from_be_bytes)?
    } else {
        field
    };
    header.timestamp = if fmt == 0 {
        header.field
    } else {
        header.timestamp.wrapping_add(header.field)
    };
    Some(())
}

/// A header of type 3, which continues a message or begins one like the last.
fn repeat(rest: &mut &[u8], header: &mut MessageHeader, begins: bool) -> Option<()> {
    let next = header.timestamp.wrapping_add(header.field);
    if header.extended && extended_follows(rest, [header.field, header.timestamp, next])? {
        let [_, _, _, _] = take(rest)?;
    }
    if begins {
        header.timestamp = next;
    }
    Some(())
}

/// Whether the bytes after a type 3 header repeat the extended timestamp, or are payload already;
/// `None` while too few of them are there to tell.
///
/// Senders differ on both counts: whether it is repeated, and whether as the field, as the absolute
/// time, or with the highest bit cleared (ossrs/srs#4680). Payload that looks the same is a
/// chance of one in 2^32.
fn extended_follows(rest: &[u8], candidates: [u32; 3]) -> Option<bool> {
    let seen = rest.get(..4).unwrap_or(rest);
    let matches = candidates.iter().any(|candidate| {
        let candidate = candidate.to_be_bytes();
        seen.iter()
            .zip(candidate)
            .enumerate()
            .all(|(at, (&seen, candidate))| {
                let mask = if at == 0 { 0x7F } else { 0xFF };
                seen & mask == candidate & mask
            })
    });
    match (matches, seen.len()) {
        (false, _) => Some(false),
        (true, 4) => Some(true),
        (true, _) => None,
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn u24([high, middle, low]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, high, middle, low])
}
