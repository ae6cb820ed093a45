use proptest::prelude::*;

use super::*;

fn address() -> impl Strategy<Value = SocketAddr> {
    any::<(IpAddr, u16)>().prop_map(SocketAddr::from)
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    let end = prop_oneof![
        Just(End::Lost),
        Just(End::NoAnswer),
        Just(End::Passphrase),
        any::<u16>().prop_map(End::Rejected),
        Just(End::Ours),
        Just(End::Failed),
    ];
    let refusal = prop_oneof![
        Just(Refusal::UnknownStream),
        Just(Refusal::Passphrase),
        Just(Refusal::Busy),
        Just(Refusal::Receiver),
    ];
    let source = any::<u32>();
    let bytes = prop::collection::vec(any::<u8>(), 0..2_000);
    prop_oneof![
        any::<(u8, [u8; 3])>().prop_map(|(version, libsrt)| FromWorker::Hello { version, libsrt }),
        Just(FromWorker::Missing),
        address().prop_map(FromWorker::Listening),
        Just(FromWorker::NoListener),
        (source, address()).prop_map(|(source, peer)| FromWorker::Connected { source, peer }),
        (source, bytes).prop_map(|(source, bytes)| FromWorker::Media { source, bytes }),
        source.prop_map(|source| FromWorker::Gap { source }),
        (source, end).prop_map(|(source, why)| FromWorker::Ended { source, why }),
        (any::<Option<u32>>(), refusal, any::<u32>())
            .prop_map(|(source, why, count)| FromWorker::Refused { source, why, count }),
        (source, any::<[u64; 5]>(), any::<u32>()).prop_map(
            |(source, [received, lost, retransmitted, dropped, undecrypted], rtt_us)| {
                let stats = Stats {
                    received,
                    lost,
                    retransmitted,
                    dropped,
                    undecrypted,
                    rtt_us,
                };
                FromWorker::Stats { source, stats }
            }
        ),
        any::<u32>().prop_map(|number| FromWorker::Pong { number }),
    ]
}

proptest! {
    #[test]
    fn what_a_worker_says_is_read_at_any_cut(
        said in prop::collection::vec(from_worker(), 0..20), piece in 1..3_000_usize,
    ) {
        let bytes: Vec<u8> = said.iter().flat_map(FromWorker::to_frame).collect();
        let (mut reader, mut heard) = (FrameReader::default(), Vec::new());
        for part in bytes.chunks(piece) {
            reader.feed(part);
            while let Some(frame) = reader.from_worker().unwrap() {
                heard.push(frame);
            }
        }
        prop_assert_eq!(heard, said);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let mut reader = FrameReader::default();
        reader.feed(&bytes);
        while let Ok(Some(frame)) = reader.from_worker() {
            let frame = frame.to_frame();
            prop_assert!(bytes.windows(frame.len()).any(|it| it == frame), "it reads as it was written");
        }
        let mut reader = FrameReader::default();
        reader.feed(&bytes);
        while let Ok(Some(_)) = reader.to_worker() {}
    }
}

#[test]
fn what_a_program_says_is_read_and_shows_no_secret() {
    let said = [
        ToWorker::Start {
            version: VERSION,
            library: Some("/lib/x.so".into()),
        },
        ToWorker::Listen("[::1]:9000".parse().unwrap()),
        ToWorker::Open(Open {
            source: 7,
            way: Way::Listen {
                stream_id: Some("canary-id".into()),
            },
            passphrase: Some("canary-passphrase".into()),
            key_length: KeyLength::Aes256,
            latency_ms: 120,
        }),
        ToWorker::Open(Open {
            source: 8,
            way: Way::Call {
                address: "10.0.0.1:1".parse().unwrap(),
                stream_id: None,
            },
            passphrase: None,
            key_length: KeyLength::Any,
            latency_ms: 120,
        }),
        ToWorker::Close { source: 7 },
        ToWorker::Ping { number: 3 },
    ];
    let mut reader = FrameReader::default();
    for message in &said {
        reader.feed(&message.to_frame());
        assert!(!format!("{message:?} {reader:?}").contains("canary"));
        let heard = reader.to_worker().unwrap().unwrap();
        assert_eq!(heard.to_frame(), message.to_frame());
    }
}

#[test]
fn what_is_too_long_or_too_much_is_an_error_at_once() {
    let read = |bytes: &[u8]| {
        let mut reader = FrameReader::default();
        reader.feed(bytes);
        reader.from_worker()
    };
    assert_eq!(read(&[0, 1, 0, 1]), Err(FrameError::TooLong(65_537)));
    assert_eq!(read(&[0, 0, 0, 0]), Err(FrameError::Empty));
    assert_eq!(read(&[0, 0, 0, 1, 99]), Err(FrameError::Unknown(99)));
    assert_eq!(read(&[0, 0, 0, 2, 2, 0]), Err(FrameError::Malformed(2)));
    assert_eq!(read(&[0, 0, 0, 3, 7, 0, 0]), Err(FrameError::Malformed(7)));
    let too_much = FromWorker::Media {
        source: 1,
        bytes: vec![0; MEDIA_MAX + 1],
    };
    assert_eq!(read(&too_much.to_frame()), Err(FrameError::Malformed(6)));
}
