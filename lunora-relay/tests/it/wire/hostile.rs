//! Random bytes, and valid streams with bytes changed: nothing panics, nothing grows without end.

use std::sync::LazyLock;

use bytes::Bytes;
use lunora_relay::wire::chunk::{CHUNK_SIZE, ChunkLimits, ChunkReader, whole};
use lunora_relay::wire::client::ClientSession;
use lunora_relay::wire::flv::FlvReader;
use lunora_relay::wire::handshake::{ClientHandshake, RANDOM_LEN, ServerHandshake};
use lunora_relay::wire::message::{Message, MessageKind};
use lunora_relay::wire::server::{ServerEvent, ServerSession};
use lunora_relay::wire::tag::classify;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::pair::{config, publishing};

/// All a client of ours says to a server, media included, and all the server answers.
static RECORDED: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let (mut client, mut server) = (ClientSession::new(config()), ServerSession::new());
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    client.start();
    loop {
        let up: Vec<u8> = std::iter::from_fn(|| client.poll_output())
            .flatten()
            .collect();
        server.handle_input(&up).unwrap();
        while let Some(event) = server.poll_event() {
            if let ServerEvent::PublishRequested { .. } = event {
                server.accept_publish();
            }
        }
        let down: Vec<u8> = std::iter::from_fn(|| server.poll_output())
            .flatten()
            .collect();
        client.handle_input(&down).unwrap();
        to_server.extend(&up);
        to_client.extend(&down);
        if up.is_empty() && down.is_empty() {
            break;
        }
    }
    for at in 0..10 {
        for (csid, kind, len) in [(4, MessageKind::Video, 5000), (5, MessageKind::Audio, 300)] {
            let payload = Bytes::from(vec![0x17; len]);
            let media = Message {
                kind,
                timestamp: at * 0x20_0000,
                stream_id: 1,
                payload,
            };
            to_server.extend(&whole(csid, &media, CHUNK_SIZE)[..]);
        }
    }
    client.close();
    to_server.extend(std::iter::from_fn(|| client.poll_output()).flatten());
    (to_server, to_client)
});

#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), 1_usize..20).prop_map(|(at, len)| Change::Remove(at, len)),
        (any::<Index>(), 1_usize..200).prop_map(|(at, len)| Change::Repeat(at, len)),
    ];
    vec(change, 1..8)
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    // Most of what decides anything is in the first kilobyte or two.
    let mut bytes = bytes.to_vec();
    for change in changes {
        let span = bytes.len().clamp(1, 1500);
        match *change {
            Change::Set(at, byte) => bytes[at.index(span)] = byte,
            Change::Flip(at, bit) => bytes[at.index(span)] ^= 1 << bit,
            Change::Remove(at, len) => {
                let at = at.index(span);
                bytes.drain(at..bytes.len().min(at + len));
            }
            Change::Repeat(at, len) => {
                let at = at.index(span);
                let part = bytes[at..bytes.len().min(at + len)].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// Plays an owner that accepts every publish; gives how many media messages came.
fn feed_server(server: &mut ServerSession, input: &[u8], piece: usize) -> usize {
    let mut all = 0;
    for part in input.chunks(piece) {
        if server.handle_input(part).is_err() {
            break;
        }
        let mut media = 0;
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::PublishRequested { .. } => server.accept_publish(),
                ServerEvent::Media(message) => {
                    let _ = classify(message.kind, &message.payload);
                    media += 1;
                }
                ServerEvent::ConnectRequested { .. } | ServerEvent::Unpublished => {}
            }
        }
        // Every event but the first needs bytes of its own.
        assert!(media <= part.len() + 1);
        all += media;
        while server.poll_output().is_some() {}
    }
    all
}

fn feed_client(client: &mut ClientSession, input: &[u8], piece: usize) {
    for part in input.chunks(piece) {
        if client.handle_input(part).is_err() {
            return;
        }
        while client.poll_event().is_some() {}
        while client.poll_output().is_some() {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_bytes_harm_nobody(bytes in vec(any::<u8>(), 0..3000), piece in 1_usize..500) {
        let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
        for part in bytes.chunks(piece) {
            reader.feed(part);
            while let Ok(Some(_)) = reader.next() {}
            prop_assert!(reader.held() <= bytes.len());
        }
        feed_server(&mut ServerSession::new(), &bytes, piece);
        feed_server(&mut publishing().1, &bytes, piece);
        feed_client(&mut publishing().0, &bytes, piece);
        let _ = classify(MessageKind::Video, &bytes);
        let _ = classify(MessageKind::Audio, &bytes);
        if let Ok(reader) = FlvReader::new([b"FLV\x01\x05\0\0\0\x09\0\0\0\0", &bytes[..]].concat().into()) {
            prop_assert!(reader.count() <= bytes.len() / 11 + 1);
        }
    }

    #[test]
    fn a_handshake_takes_no_more_than_it_needs(bytes in vec(any::<u8>(), 1..5000)) {
        let bytes = [&[3], &bytes[..]].concat();
        let _ = ClientHandshake::new(&[0; RANDOM_LEN]).handle_input(&bytes);
        let mut server = ServerHandshake::new(&[0; RANDOM_LEN]);
        let _ = server.handle_input(&bytes);
        prop_assert!(server.poll_output().is_none_or(|output| output.len() == 1 + 2 * 1536));
    }

    #[test]
    fn a_changed_publish_harms_nobody(changes in changes(), piece in 1_usize..2000) {
        let bytes = changed(&RECORDED.0, &changes);

        feed_server(&mut ServerSession::new(), &bytes, piece);
    }

    #[test]
    fn changed_answers_harm_nobody(changes in changes(), piece in 1_usize..2000) {
        let bytes = changed(&RECORDED.1, &changes);
        let mut client = ClientSession::new(config());
        client.start();

        feed_client(&mut client, &bytes, piece);
    }
}

#[test]
fn the_recorded_stream_is_a_good_one_before_it_is_changed() {
    assert_eq!(feed_server(&mut ServerSession::new(), &RECORDED.0, 100), 20);
}
