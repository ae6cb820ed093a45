//! Chunks by hand: each case is one a real peer, or a hostile one, sends.

use bytes::Bytes;
use lunora_relay::wire::chunk::{
    ChunkError, ChunkLimits, ChunkReader, ChunkWriter, body, delta_header, full_header, whole,
};
use lunora_relay::wire::message::{Message, MessageKind};

fn message(kind: MessageKind, timestamp: u32, payload: &[u8]) -> Message {
    Message {
        kind,
        timestamp,
        stream_id: 1,
        payload: Bytes::copy_from_slice(payload),
    }
}

fn read(input: &[u8]) -> Result<Vec<Message>, ChunkError> {
    read_within(ChunkLimits::MEDIA, input)
}

fn read_within(limits: ChunkLimits, input: &[u8]) -> Result<Vec<Message>, ChunkError> {
    let mut reader = ChunkReader::new(limits);
    reader.feed(input);
    let mut messages = Vec::new();
    while let Some(message) = reader.next()? {
        messages.push(message);
    }
    Ok(messages)
}

/// `rml_rtmp` bug 1: a panic there.
#[test]
fn audio_between_the_chunks_of_video_comes_out_whole_and_first() {
    let (video, audio) = (vec![7; 300], vec![9; 50]);
    let mut wire = full_header(4, 10, 300, MessageKind::Video, 1).to_vec();
    wire.extend(&video[..128]);
    wire.extend(&whole(5, &message(MessageKind::Audio, 11, &audio), 128)[..]);
    for rest in [&video[128..256], &video[256..]] {
        wire.push(0xC4);
        wire.extend(rest);
    }

    let messages = read(&wire).unwrap();

    assert_eq!(
        messages,
        [
            message(MessageKind::Audio, 11, &audio),
            message(MessageKind::Video, 10, &video)
        ]
    );
}

/// `rml_rtmp` bug 4: a second type 0 header in the middle of a message there.
#[test]
fn a_long_message_is_written_with_type_3_headers_only_after_the_first() {
    let long = message(MessageKind::Command, 0, &[0xAA; 300]);

    let wire = ChunkWriter::new().write(3, &long);

    assert_eq!(wire.len(), 12 + 300 + 2);
    assert_eq!(
        (wire[0], wire[12 + 128], wire[12 + 128 + 129]),
        (0x03, 0xC3, 0xC3)
    );
    assert_eq!(read(&wire).unwrap(), [long]);
}

/// `rml_rtmp` bug 7: the parser lost its place there.
#[test]
fn an_extended_timestamp_may_be_repeated_or_left_out_in_type_3_headers() {
    let time = 0x0102_0304;
    let payload: Vec<u8> = (0..=255).collect();
    for repeated in [&[][..], &[1, 2, 3, 4], &[0x81, 2, 3, 4]] {
        let mut wire = full_header(4, time, 256, MessageKind::Video, 1).to_vec();
        wire.extend(&payload[..128]);
        wire.push(0xC4);
        wire.extend(repeated);
        wire.extend(&payload[128..]);
        wire.extend(&delta_header(4, 40, 3, MessageKind::Video)[..]);
        wire.extend([1, 2, 3]);

        let messages = read(&wire).unwrap();

        assert_eq!(
            messages[0],
            message(MessageKind::Video, time, &payload),
            "{repeated:?}"
        );
        assert_eq!(
            messages[1],
            message(MessageKind::Video, time + 40, &[1, 2, 3])
        );
    }
}

#[test]
fn an_extended_delta_may_be_repeated_as_delta_or_as_time() {
    let (first, delta) = (1000, 0x0200_0000_u32);
    for repeated in [delta, first + delta] {
        let mut wire = whole(4, &message(MessageKind::Video, first, &[1]), 128).to_vec();
        wire.extend(&delta_header(4, delta, 130, MessageKind::Video)[..]);
        wire.extend([5; 128]);
        wire.push(0xC4);
        wire.extend(repeated.to_be_bytes());
        wire.extend([5; 2]);

        let messages = read(&wire).unwrap();

        assert_eq!(
            messages[1],
            message(MessageKind::Video, first + delta, &[5; 130])
        );
    }
}

#[test]
fn time_goes_on_beyond_24_bits_and_around_32() {
    for (start, step) in [
        (0xFF_FFFE, 1),
        (0xFF_FFF0, 40),
        (0xFFFF_FFF0, 40),
        (0x7FFF_FFFF, 1),
    ] {
        let mut wire = whole(4, &message(MessageKind::Video, start, &[0; 200]), 128).to_vec();
        for _ in 0..3 {
            wire.extend(&delta_header(4, step, 200, MessageKind::Video)[..]);
            wire.extend(&body(&[0; 200], 4, 128)[..]);
        }

        let times: Vec<_> = read(&wire)
            .unwrap()
            .iter()
            .map(|message| message.timestamp)
            .collect();

        let expected: Vec<_> = (0..4).map(|n| start.wrapping_add(n * step)).collect();
        assert_eq!(times, expected);
    }
}

#[test]
fn chunk_streams_have_one_two_or_three_bytes() {
    let forms: [(&[u8], u32); 6] = [
        (&[0x02], 2),
        (&[0x3F], 63),
        (&[0x00, 0], 64),
        (&[0x00, 255], 319),
        (&[0x01, 0, 1], 320),
        (&[0x01, 255, 255], 65_599),
    ];
    let mut wire = Vec::new();
    for (basic, csid) in forms {
        wire.extend(basic);
        wire.extend(&full_header(2, csid, 200, MessageKind::Audio, 1)[1..]);
        wire.extend([1; 128]);
    }
    for (basic, _) in forms.iter().rev() {
        wire.push(0xC0 | basic[0]);
        wire.extend(&basic[1..]);
        wire.extend([1; 72]);
    }

    let times: Vec<_> = read(&wire)
        .unwrap()
        .iter()
        .map(|message| message.timestamp)
        .collect();

    assert_eq!(times, [65_599, 320, 319, 64, 63, 2]);
}

#[test]
fn chunks_of_one_byte_and_of_sixteen_megabytes_are_read() {
    for size in [1, 0xFF_FFFF] {
        let mut writer = ChunkWriter::new();
        let payload: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let mut wire = writer.set_chunk_size(size).to_vec();
        wire.extend(&writer.write(4, &message(MessageKind::Video, 5, &payload))[..]);

        assert_eq!(
            read(&wire).unwrap(),
            [message(MessageKind::Video, 5, &payload)]
        );
    }
}

#[test]
fn a_chunk_size_set_within_a_message_counts_from_the_next_chunk() {
    let payload = [3; 500];
    let mut wire = full_header(4, 0, 500, MessageKind::Video, 1).to_vec();
    wire.extend(&payload[..128]);
    wire.extend(&ChunkWriter::new().set_chunk_size(300)[..]);
    wire.push(0xC4);
    wire.extend(&payload[128..428]);
    wire.push(0xC4);
    wire.extend(&payload[428..]);

    assert_eq!(
        read(&wire).unwrap(),
        [message(MessageKind::Video, 0, &payload)]
    );
}

#[test]
fn an_aborted_message_never_comes_and_the_next_is_whole() {
    let mut wire = full_header(4, 0, 300, MessageKind::Video, 1).to_vec();
    wire.extend([1; 128]);
    let abort = Message {
        stream_id: 0,
        ..message(MessageKind::Abort, 0, &[0, 0, 0, 4])
    };
    wire.extend(&whole(2, &abort, 128)[..]);
    wire.extend(&whole(4, &message(MessageKind::Video, 40, &[2; 10]), 128)[..]);

    assert_eq!(
        read(&wire).unwrap(),
        [message(MessageKind::Video, 40, &[2; 10])]
    );
}

#[test]
fn a_message_without_payload_is_a_message() {
    let wire = [
        &whole(4, &message(MessageKind::Audio, 7, &[]), 128)[..],
        &delta_header(4, 1, 0, MessageKind::Audio)[..],
        &[0xC4],
    ]
    .concat();

    let times: Vec<_> = read(&wire)
        .unwrap()
        .iter()
        .map(|message| message.timestamp)
        .collect();

    assert_eq!(times, [7, 8, 9]);
}

#[test]
fn a_type_3_header_that_begins_a_message_repeats_the_time_step() {
    let mut wire = whole(4, &message(MessageKind::Audio, 100, &[1]), 128).to_vec();
    wire.extend(&delta_header(4, 23, 1, MessageKind::Audio)[..]);
    wire.extend([2, 0xC4, 3, 0xC4, 4]);
    // Type 2: another step, all else as before.
    wire.extend([0x84, 0, 0, 10, 5]);

    let messages = read(&wire).unwrap();

    let times: Vec<_> = messages.iter().map(|message| message.timestamp).collect();
    assert_eq!(times, [100, 123, 146, 169, 179]);
    assert_eq!(messages[4], message(MessageKind::Audio, 179, &[5]));
}

#[test]
fn a_chunk_stream_may_begin_with_type_1_but_not_with_2_or_3() {
    let ping = delta_header(2, 5, 2, MessageKind::Other(77));
    let tolerated = read(&[&ping[..], &[1, 2]].concat()).unwrap();

    assert_eq!(
        tolerated,
        [Message {
            stream_id: 0,
            ..message(MessageKind::Other(77), 5, &[1, 2])
        }]
    );
    assert_eq!(
        read(&[0x84, 0, 0, 0]),
        Err(ChunkError::NoEarlierHeader { csid: 4, fmt: 2 })
    );
    assert_eq!(
        read(&[0xC5]),
        Err(ChunkError::NoEarlierHeader { csid: 5, fmt: 3 })
    );
}

#[test]
fn a_new_header_within_a_message_is_refused() {
    let mut wire = full_header(4, 0, 300, MessageKind::Video, 1).to_vec();
    wire.extend([1; 128]);
    wire.extend(&full_header(4, 0, 300, MessageKind::Video, 1)[..]);

    assert_eq!(
        read(&wire),
        Err(ChunkError::Unfinished {
            csid: 4,
            missing: 172
        })
    );
}

#[test]
fn an_error_is_final_and_holds_nothing() {
    let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
    reader.feed(&[0xC5, 1, 2, 3]);
    let error = reader.next().unwrap_err();

    reader.feed(&whole(4, &message(MessageKind::Audio, 7, &[1]), 128));

    assert_eq!(reader.next(), Err(error));
    assert_eq!(reader.held(), 0);
}

#[test]
fn bounds_on_length_depend_on_the_kind_and_hold_before_the_payload_comes() {
    let limits = ChunkLimits::MEDIA;
    let announce = |kind, len| read(&full_header(4, 0, len, kind, 1)).map(|_| ());

    assert_eq!(announce(MessageKind::Video, limits.media), Ok(()));
    assert_eq!(announce(MessageKind::Command, limits.other), Ok(()));
    for kind in [
        MessageKind::Command,
        MessageKind::DataAmf0,
        MessageKind::Other(99),
    ] {
        let (id, len, limit) = (kind.id(), limits.other + 1, limits.other);
        assert_eq!(
            announce(kind, len),
            Err(ChunkError::TooLong { id, len, limit })
        );
    }
}

#[test]
fn a_chunk_size_of_zero_is_refused_and_any_larger_than_a_message_is_none_less() {
    let zero = message(MessageKind::SetChunkSize, 0, &[0; 4]);
    assert_eq!(read(&whole(2, &zero, 128)), Err(ChunkError::ChunkSize));
    for size in [0xFF_FFFF_u32, 16 * 1024 * 1024 + 1, 0x7FFF_FFFF] {
        let set = message(MessageKind::SetChunkSize, 0, &size.to_be_bytes());
        let long = message(MessageKind::Video, 0, &[7; 100_000]);
        let wire = [whole(2, &set, 128), whole(4, &long, 0xFF_FFFF)].concat();

        assert_eq!(read(&wire).unwrap().len(), 1, "{size}");
    }
    let short = message(MessageKind::SetChunkSize, 0, &[1]);
    assert_eq!(
        read(&whole(2, &short, 128)),
        Err(ChunkError::ShortControl(1))
    );
}

#[test]
fn chunk_streams_are_counted() {
    let limits = ChunkLimits {
        streams: 3,
        ..ChunkLimits::MEDIA
    };
    let mut wire = Vec::new();
    for csid in [3, 4, 5, 3, 4, 5] {
        wire.extend(&whole(csid, &message(MessageKind::Audio, 0, &[1]), 128)[..]);
    }
    assert_eq!(read_within(limits, &wire).unwrap().len(), 6);

    wire.extend(&whole(6, &message(MessageKind::Audio, 0, &[1]), 128)[..]);

    assert_eq!(
        read_within(limits, &wire),
        Err(ChunkError::TooManyStreams(3))
    );
}

#[test]
fn unfinished_messages_together_stay_within_their_bound() {
    let limits = ChunkLimits {
        buffered: 1000,
        ..ChunkLimits::MEDIA
    };
    let mut wire = Vec::new();
    for csid in 3..=12 {
        wire.extend(&full_header(csid, 0, 10_000_000, MessageKind::Video, 1)[..]);
        wire.extend([0; 128]);
    }

    assert_eq!(
        read_within(limits, &wire),
        Err(ChunkError::TooMuchBuffered(1000))
    );
}

#[test]
fn a_payload_owns_no_more_than_its_length() {
    let payload = vec![1; 25_001];
    let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
    let mut writer = ChunkWriter::new();
    reader.feed(&writer.set_chunk_size(4096));
    for part in writer
        .write(4, &message(MessageKind::Video, 0, &payload))
        .chunks(1000)
    {
        assert_eq!(reader.next(), Ok(None));
        reader.feed(part);
    }

    let received = reader.next().unwrap().unwrap();

    assert_eq!(Vec::from(received.payload).capacity(), 25_001);
}

#[test]
fn the_debug_form_of_a_message_does_not_show_its_payload() {
    let publish = message(MessageKind::Command, 0, b"publish secret");

    assert_eq!(
        format!("{publish:?}"),
        "Message { kind: Command, timestamp: 0, stream_id: 1, payload: 14 bytes }"
    );
}
