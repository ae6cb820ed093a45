//! A stream that has no meaning and tells every frame from every other.

use bytes::Bytes;
use lunora_relay::wire::message::{Message, MessageKind};

/// Pictures in a group, and milliseconds between two.
const GROUP: u32 = 10;
const STEP: u32 = 40;

/// An endless stream. Two with different seeds have nothing in common, headers included.
#[derive(Clone, Debug)]
pub(crate) struct Footage {
    seed: u8,
    start: u32,
    next: u32,
}

impl Footage {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            seed,
            start: 0,
            next: 0,
        }
    }

    /// With timestamps from this one on.
    pub(crate) fn starting_at(seed: u8, start: u32) -> Self {
        Self {
            seed,
            start,
            next: 0,
        }
    }

    /// Metadata and both sequence headers.
    pub(crate) fn headers(&self) -> Vec<Message> {
        let metadata = [
            b"\x02\x00\x0aonMetaData\x02\x00\x01",
            [b'a' + self.seed].as_slice(),
        ]
        .concat();
        vec![
            message(MessageKind::DataAmf0, self.start, metadata),
            message(
                MessageKind::Video,
                self.start,
                vec![0x17, 0, 0, 0, 0, 1, 0x4d, self.seed],
            ),
            message(
                MessageKind::Audio,
                self.start,
                vec![0xaf, 0, 0x11, self.seed],
            ),
        ]
    }

    /// The next group of pictures, with its sound.
    pub(crate) fn group(&mut self) -> Vec<Message> {
        self.group_of(3_000)
    }

    /// The next group, with pictures of about this many bytes.
    pub(crate) fn group_of(&mut self, size: usize) -> Vec<Message> {
        (0..GROUP).flat_map(|_| self.picture(size)).collect()
    }

    /// The next picture and the two audio frames that go with it.
    pub(crate) fn picture(&mut self, size: usize) -> Vec<Message> {
        let number = self.next;
        self.next += 1;
        let time = self.start.wrapping_add(number * STEP);
        let first = if number.is_multiple_of(GROUP) {
            0x17
        } else {
            0x27
        };
        let video = self.filled(&[first, 1, 0, 0, 0], number, size + number as usize % 977);
        let audio = |half: u32| self.filled(&[0xaf, 1], number * 2 + half, 180);
        vec![
            message(MessageKind::Video, time, video),
            message(MessageKind::Audio, time, audio(0)),
            message(MessageKind::Audio, time.wrapping_add(STEP / 2), audio(1)),
        ]
    }

    fn filled(&self, head: &[u8], number: u32, size: usize) -> Vec<u8> {
        let mut noise = u64::from(number) << 8 | u64::from(self.seed);
        let body = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (noise >> 33) as u8
        });
        head.iter()
            .copied()
            .chain(number.to_be_bytes())
            .chain(body.take(size))
            .collect()
    }
}

fn message(kind: MessageKind, timestamp: u32, payload: Vec<u8>) -> Message {
    Message {
        kind,
        timestamp,
        stream_id: 1,
        payload: Bytes::from(payload),
    }
}

/// The payloads of one kind, in order.
pub(crate) fn payloads(messages: &[Message], kind: MessageKind) -> Vec<Bytes> {
    let of_kind = messages.iter().filter(|message| message.kind == kind);
    of_kind.map(|message| message.payload.clone()).collect()
}
