//! A reader of FLV files held in memory, and of the same tags in aggregate messages.

use bytes::{Buf, Bytes};

use super::message::{Message, MessageKind};

/// The tags of a file as messages, in file order. Payloads are slices of the file.
///
/// Ends after the last tag, or after the first error.
#[derive(Debug, Clone)]
pub struct FlvReader {
    rest: Bytes,
    at: usize,
}

/// Why bytes are no FLV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlvError {
    /// The file does not begin as FLV does.
    #[error("not an flv file")]
    NotFlv,
    /// The file ends within a tag.
    #[error("flv file ends within the tag at byte {at}")]
    Truncated {
        /// Where the tag begins.
        at: usize,
    },
}

/// The length of the tag before, which stands after each tag.
const BACK_POINTER: usize = 4;

impl FlvReader {
    /// Reads the file's header.
    pub fn new(file: Bytes) -> Result<Self, FlvError> {
        let Some(&[b'F', b'L', b'V', _, _, a, b, c, d]) = file.first_chunk() else {
            return Err(FlvError::NotFlv);
        };
        let header = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let at = header
            .max(9)
            .checked_add(BACK_POINTER)
            .ok_or(FlvError::NotFlv)?;
        if at > file.len() {
            return Err(FlvError::NotFlv);
        }
        Ok(Self {
            rest: file.slice(at..),
            at,
        })
    }
}

impl Iterator for FlvReader {
    type Item = Result<Message, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let before = self.rest.len();
        let Some(message) = take_tag(&mut self.rest) else {
            self.rest = Bytes::new();
            return Some(Err(FlvError::Truncated { at: self.at }));
        };
        self.at += before - self.rest.len();
        Some(Ok(message))
    }
}

/// The messages of an aggregate message. Their times are shifted so that the first has the time of
/// the aggregate; what is cut short at the end is left out.
pub(super) fn disaggregate(aggregate: &Message) -> impl Iterator<Item = Message> + use<> {
    let (timestamp, stream_id) = (aggregate.timestamp, aggregate.stream_id);
    let mut rest = aggregate.payload.clone();
    let mut first = None;
    std::iter::from_fn(move || {
        let tag = take_tag(&mut rest)?;
        let first = *first.get_or_insert(tag.timestamp);
        let timestamp = timestamp.wrapping_add(tag.timestamp.wrapping_sub(first));
        Some(Message {
            timestamp,
            stream_id,
            ..tag
        })
    })
}

/// One tag and the back pointer behind it, which may be missing at the very end.
fn take_tag(rest: &mut Bytes) -> Option<Message> {
    const ENCRYPTION_BIT: u8 = 0x20;
    let &[kind, l0, l1, l2, t0, t1, t2, t3, s0, s1, s2] = rest.first_chunk()?;
    let len = usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).ok()?;
    let end = 11 + len;
    if rest.len() < end {
        return None;
    }
    let payload = rest.slice(11..end);
    rest.advance(rest.len().min(end + BACK_POINTER));
    Some(Message {
        kind: MessageKind::from_id(kind & !ENCRYPTION_BIT),
        timestamp: u32::from_be_bytes([t3, t0, t1, t2]),
        stream_id: u32::from_be_bytes([0, s0, s1, s2]),
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\
        \x08\0\0\x02\0\0\x0a\x01\0\0\0\xaf\x01\0\0\0\x0d\
        \x09\0\0\x03\0\0\x0b\x01\0\0\0\x17\x01\x07\0\0\0\x0e";

    #[test]
    fn tags_come_out_in_order_with_all_32_bits_of_their_time() {
        let tags: Result<Vec<_>, _> = FlvReader::new(Bytes::from_static(FILE)).unwrap().collect();

        let tags = tags.unwrap();
        assert_eq!(tags.len(), 2);
        assert_eq!(
            (tags[0].kind, tags[0].timestamp),
            (MessageKind::Audio, 0x0100_000A)
        );
        assert_eq!(
            (tags[1].kind, tags[1].timestamp),
            (MessageKind::Video, 0x0100_000B)
        );
        assert_eq!(&tags[1].payload[..], [0x17, 1, 7]);
    }

    #[test]
    fn a_file_cut_anywhere_ends_with_an_error_or_whole_tags() {
        for end in 0..FILE.len() {
            let Ok(reader) = FlvReader::new(Bytes::from_static(&FILE[..end])) else {
                assert!(end < 13);
                continue;
            };

            let tags: Vec<_> = reader.collect();

            // The back pointer after the last tag may be missing or cut.
            let whole = end == 13 || (26..=30).contains(&end) || end >= 44;
            assert_eq!(tags.iter().all(Result::is_ok), whole, "cut at {end}");
        }
    }

    #[test]
    fn an_aggregate_keeps_distances_and_takes_the_time_of_its_message() {
        let aggregate = Message {
            kind: MessageKind::Aggregate,
            timestamp: 500,
            stream_id: 1,
            payload: Bytes::from_static(&FILE[13..]),
        };

        let parts: Vec<_> = disaggregate(&aggregate).collect();

        assert_eq!(
            parts.iter().map(|part| part.timestamp).collect::<Vec<_>>(),
            [500, 501]
        );
        assert!(parts.iter().all(|part| part.stream_id == 1));
    }
}
