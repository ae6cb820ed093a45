//! Any messages, interleaved anyhow, at any chunk size, cut anywhere, come out the same.

use bytes::Bytes;
use lunora_relay::wire::chunk::{ChunkLimits, ChunkReader, ChunkWriter, whole};
use lunora_relay::wire::message::{Message, MessageKind};
use proptest::collection::vec;
use proptest::prelude::*;

/// What one chunk stream has to send.
#[derive(Clone, Debug)]
struct Sender {
    csid: u32,
    messages: Vec<Message>,
    /// How far headers are compressed: the highest type used to begin a message.
    compression: u8,
    /// Whether type 3 headers repeat an extended timestamp.
    repeats: bool,
}

fn sender() -> impl Strategy<Value = Sender> {
    let csid = prop_oneof![3_u32..64, 64_u32..320, 320_u32..65_600];
    (csid, vec(message(), 0..6), 0_u8..4, any::<bool>()).prop_map(
        |(csid, messages, compression, repeats)| Sender {
            csid,
            messages,
            compression,
            repeats,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![
        Just(MessageKind::Audio),
        Just(MessageKind::Video),
        Just(MessageKind::DataAmf0),
        Just(MessageKind::Command),
        Just(MessageKind::Other(99)),
    ];
    let timestamp = prop_oneof![
        0_u32..200,
        0xFF_FFF0_u32..0x100_0010,
        0x7FFF_FFF0_u32..0x8000_0010,
        0xFFFF_FFF0_u32..=0xFFFF_FFFF,
        any::<u32>(),
    ];
    // Few lengths, so that headers can often be compressed.
    let payload = prop_oneof![
        vec(any::<u8>(), 0..3),
        vec(any::<u8>(), 40..41),
        vec(any::<u8>(), 0..600)
    ];
    (kind, timestamp, 0_u32..3, payload).prop_map(|(kind, timestamp, stream_id, payload)| Message {
        kind,
        timestamp,
        stream_id,
        payload: payload.into(),
    })
}

/// A sender under way: an independent, plain reading of section 5.3 of the specification.
struct Sending {
    sender: Sender,
    next: usize,
    sent: usize,
    earlier: Option<Message>,
    field: u32,
}

impl Sending {
    fn new(sender: Sender) -> Self {
        Self {
            sender,
            next: 0,
            sent: 0,
            earlier: None,
            field: 0,
        }
    }

    /// Writes one chunk; gives the message if it was its last.
    fn chunk(&mut self, wire: &mut Vec<u8>, chunk_size: usize) -> Option<Message> {
        let message = self.sender.messages.get(self.next)?.clone();
        if self.sent == 0 {
            self.begin(wire, &message);
        } else {
            self.basic(wire, 3);
            self.extension(wire, self.sender.repeats);
        }
        let end = message.payload.len().min(self.sent + chunk_size);
        wire.extend(&message.payload[self.sent..end]);
        self.sent = end;
        if end < message.payload.len() {
            return None;
        }
        self.sent = 0;
        self.next += 1;
        self.earlier = Some(message.clone());
        Some(message)
    }

    fn begin(&mut self, wire: &mut Vec<u8>, message: &Message) {
        let fmt = self.fmt(message).min(self.sender.compression);
        if fmt < 3 {
            self.field = match &self.earlier {
                Some(earlier) if fmt > 0 => message.timestamp.wrapping_sub(earlier.timestamp),
                _ => message.timestamp,
            };
        }
        self.basic(wire, fmt);
        if fmt < 3 {
            wire.extend(&self.field.min(0xFF_FFFF).to_be_bytes()[1..]);
        }
        if fmt < 2 {
            wire.extend(&u32::try_from(message.payload.len()).unwrap().to_be_bytes()[1..]);
            wire.push(message.kind.id());
        }
        if fmt < 1 {
            wire.extend(message.stream_id.to_le_bytes());
        }
        self.extension(wire, fmt < 3 || self.sender.repeats);
    }

    /// The most compressed header type that says what is to be said.
    fn fmt(&self, message: &Message) -> u8 {
        let Some(earlier) = &self.earlier else {
            return 0;
        };
        if earlier.stream_id != message.stream_id {
            0
        } else if (earlier.kind, earlier.payload.len()) != (message.kind, message.payload.len()) {
            1
        } else if message.timestamp.wrapping_sub(earlier.timestamp) != self.field {
            2
        } else {
            3
        }
    }

    fn basic(&self, wire: &mut Vec<u8>, fmt: u8) {
        match self.sender.csid {
            csid @ 0..64 => wire.push(fmt << 6 | csid as u8),
            csid @ 64..320 => wire.extend([fmt << 6, (csid - 64) as u8]),
            csid => wire.extend([fmt << 6 | 1, (csid - 64) as u8, ((csid - 64) >> 8) as u8]),
        }
    }

    fn extension(&self, wire: &mut Vec<u8>, written: bool) {
        if self.field >= 0xFF_FFFF && written {
            wire.extend(self.field.to_be_bytes());
        }
    }
}

fn last() -> Message {
    Message {
        kind: MessageKind::Ack,
        timestamp: 0,
        stream_id: 0,
        payload: Bytes::from_static(&[1, 2, 3, 4]),
    }
}

/// The bytes of all senders, taking turns as told, and the messages in the order they end.
fn interleave(senders: Vec<Sender>, turns: &[(usize, Option<u32>)]) -> (Vec<u8>, Vec<Message>) {
    let mut sendings: Vec<_> = senders.into_iter().map(Sending::new).collect();
    let mut writer = ChunkWriter::new();
    let (mut wire, mut expected, mut chunk_size) = (Vec::new(), Vec::new(), 128);
    for turn in 0.. {
        let unfinished: Vec<_> = (0..sendings.len())
            .filter(|&at| sendings[at].next < sendings[at].sender.messages.len())
            .collect();
        if unfinished.is_empty() {
            break;
        }
        let (pick, new_size) = turns[turn % turns.len()];
        if let Some(size) = new_size.filter(|_| turn < turns.len()) {
            wire.extend(&writer.set_chunk_size(size)[..]);
            chunk_size = usize::try_from(size).unwrap();
        }
        let sending = &mut sendings[unfinished[pick % unfinished.len()]];
        expected.extend(sending.chunk(&mut wire, chunk_size));
    }
    // Whatever follows settles whether trailing bytes are payload or an extended timestamp.
    wire.extend(&writer.write(2, &last())[..]);
    expected.push(last());
    (wire, expected)
}

fn read_in_pieces(wire: &[u8], pieces: &[usize]) -> Vec<Message> {
    let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
    let mut messages = Vec::new();
    let mut rest = wire;
    for piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at((*piece).min(rest.len()));
        reader.feed(now);
        while let Some(message) = reader.next().unwrap() {
            messages.push(message);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_messages_interleaved_and_cut_anyhow_come_out_the_same(
        senders in vec(sender(), 1..6),
        turns in vec((any::<usize>(), proptest::option::weighted(0.1, 1_u32..700)), 1..60),
        pieces in vec(1_usize..300, 1..20),
    ) {
        let mut senders = senders;
        senders.sort_by_key(|sender| sender.csid);
        senders.dedup_by_key(|sender| sender.csid);
        let (wire, expected) = interleave(senders, &turns);

        let messages = read_in_pieces(&wire, &pieces);

        prop_assert_eq!(messages, expected);
    }

    #[test]
    fn what_is_written_is_read_at_any_time_and_chunk_size(
        messages in vec(message(), 1..8),
        chunk_size in prop_oneof![1_u32..300, Just(4096), Just(0xFF_FFFF)],
        piece in 1_usize..2000,
    ) {
        let mut wire = ChunkWriter::new().set_chunk_size(chunk_size).to_vec();
        for message in &messages {
            wire.extend(&whole(4, message, chunk_size)[..]);
        }

        prop_assert_eq!(read_in_pieces(&wire, &[piece]), messages);
    }

    #[test]
    fn what_is_held_is_bounded_by_what_arrived(
        announced in vec((3_u8..60, 0_usize..0xFF_FFFF), 1..20),
    ) {
        let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
        let mut fed = 0;
        for (csid, len) in announced {
            let header = lunora_relay::wire::chunk::full_header(csid, 0, len, MessageKind::Video, 1);
            reader.feed(&header);
            fed += header.len();
            while let Ok(Some(_)) = reader.next() {}

            prop_assert!(reader.held() <= fed);
        }
    }
}
