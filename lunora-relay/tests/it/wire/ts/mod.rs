//! MPEG-TS: what comes in as packets goes out as an encoder would send it by RTMP.

mod hostile;
mod mux;

use lunora_relay::wire::{
    message::{Message, MessageKind},
    tag::{Codec, classify},
    ts::{Counters, Demux, HELD_MAX, StreamKind},
};
use mux::{AAC, AUDIO, AVC, HEVC, Length, Mux, PMT, PPS, SPS, VIDEO, adts, picture, slice};

/// Ticks from one picture to the next.
const STEP: u64 = 3_600;

fn demuxed(bytes: &[u8]) -> (Vec<Message>, Counters) {
    demuxed_in(bytes, bytes.len().max(1))
}

fn demuxed_in(bytes: &[u8], piece: usize) -> (Vec<Message>, Counters) {
    let (mut demux, mut messages) = (Demux::new(), Vec::new());
    for part in bytes.chunks(piece) {
        demux.feed(part);
        messages.extend(std::iter::from_fn(|| demux.poll()));
        assert!(demux.held() <= HELD_MAX);
    }
    demux.finish();
    messages.extend(std::iter::from_fn(|| demux.poll()));
    (messages, demux.counters())
}

fn only(messages: &[Message], kind: MessageKind) -> Vec<&Message> {
    messages.iter().filter(|it| it.kind == kind).collect()
}

/// The numbers of the pictures, and whether each is a keyframe.
fn pictures(messages: &[Message]) -> Vec<(u32, bool)> {
    let video = only(messages, MessageKind::Video);
    let frames = video.iter().filter(|it| it.payload[1] == 1);
    frames
        .map(|it| {
            let slice = &it.payload[it.payload.len() - 300..];
            let number = slice[1..5].try_into().unwrap();
            let number = (u32::from_le_bytes(number) - 0x0101_0101) / 2;
            (number, classify(it.kind, &it.payload).keyframe)
        })
        .collect()
}

/// So many pictures, every tenth of them a keyframe, beginning at a time.
fn film(mux: &mut Mux, count: u32, begin: u64, length: Length) {
    for number in 0..count {
        let time = (begin + u64::from(number) * STEP) % (1 << 33);
        let unit = picture(number, number % 10 == 0);
        mux.pes(VIDEO, [time, time], &unit, length);
        let sound = adts(&number.to_be_bytes());
        mux.pes(AUDIO, [time, time], &sound, Length::Told);
    }
}

#[test]
fn an_encoder_is_heard_as_if_it_sent_rtmp() {
    let mut mux = Mux::new();
    mux.pes(VIDEO, [97_200, 90_000], &picture(0, true), Length::Untold);
    mux.pes(VIDEO, [108_000, 93_600], &picture(1, false), Length::Untold);
    mux.pes(AUDIO, [90_900; 2], &adts(&[1, 2, 3]), Length::Told);

    let (messages, counters) = demuxed(&mux.bytes());

    let video = only(&messages, MessageKind::Video);
    let audio = only(&messages, MessageKind::Audio);
    assert_eq!((video.len(), audio.len()), (3, 2));
    let [header, key, frame] = [0, 1, 2].map(|n: usize| &video[n].payload);
    assert_eq!(
        header[..],
        [
            &[0x17, 0, 0, 0, 0, 1, 66, 0xC0, 30, 0xFF, 0xE1, 0, 7],
            SPS,
            &[1, 0, 4],
            PPS
        ]
        .concat()
    );
    assert_eq!(key[..9], [0x17, 1, 0, 0, 80, 0, 0, 1, 44]);
    assert_eq!(key[9..], slice(0, true));
    assert_eq!(frame[..9], [0x27, 1, 0, 0, 160, 0, 0, 1, 44]);
    assert_eq!(frame[9..], slice(1, false));
    assert_eq!(audio[0].payload[..], [0xAF, 0, 0x11, 0x90]);
    assert_eq!(audio[1].payload[..], [0xAF, 1, 1, 2, 3]);
    assert_eq!(
        video.iter().map(|it| it.timestamp).collect::<Vec<_>>(),
        [1_000, 1_000, 1_040]
    );
    assert_eq!(audio[1].timestamp, 1_010);
    assert_eq!(counters.gaps + counters.pes_dropped + counters.damaged, 0);
}

#[test]
fn with_and_without_a_told_length_the_same_comes_out() {
    let of = |length| {
        let mut mux = Mux::new();
        film(&mut mux, 25, 0, length);
        let (messages, counters) = demuxed(&mux.bytes());
        assert_eq!(counters.pictures, 25);
        [MessageKind::Video, MessageKind::Audio].map(|kind| {
            only(&messages, kind)
                .into_iter()
                .cloned()
                .collect::<Vec<_>>()
        })
    };

    assert_eq!(of(Length::Told), of(Length::Untold));
}

#[test]
fn a_wrap_of_33_bits_is_no_step_back() {
    let mut mux = Mux::new();
    film(&mut mux, 20, (1 << 33) - 9 * STEP - 1_700, Length::Untold);

    let (messages, _) = demuxed(&mux.bytes());

    for kind in [MessageKind::Video, MessageKind::Audio] {
        let times: Vec<_> = only(&messages, kind)[1..]
            .iter()
            .map(|it| it.timestamp)
            .collect();
        let steps = times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        assert!(
            steps.into_iter().all(|step| step == 40),
            "{kind:?}: {times:?}"
        );
    }
}

#[test]
fn after_a_loss_pictures_go_on_with_the_next_keyframe_and_it_is_counted() {
    let mut mux = Mux::new();
    film(&mut mux, 30, 0, Length::Untold);
    let of_video = |packet: &[u8; 188]| packet[1] & 0x1F == 1 && packet[2] == 0;
    // A packet from the middle of the fourth picture.
    let mut places = mux
        .packets
        .iter()
        .enumerate()
        .filter(|(_, it)| of_video(it));
    let (lost, _) = places.nth(2 * 3 + 1).unwrap();
    mux.packets.remove(lost);

    let (messages, counters) = demuxed(&mux.bytes());

    let numbers: Vec<u32> = pictures(&messages).iter().map(|it| it.0).collect();
    assert_eq!(numbers, (0..3).chain(10..30).collect::<Vec<_>>());
    assert_eq!((counters.gaps, counters.pes_dropped), (1, 1));
    assert_eq!(counters.pictures_dropped, 6);
    assert_eq!(
        only(&messages, MessageKind::Audio).len(),
        31,
        "sound is untouched"
    );
}

#[test]
fn a_loss_that_counters_cannot_show_is_one_if_it_is_told() {
    let mut mux = Mux::new();
    film(&mut mux, 12, 0, Length::Told);
    let bytes = mux.bytes();
    let (before, after) = bytes.split_at(188 * (2 + 3 * 5));
    let mut demux = Demux::new();

    demux.feed(before);
    demux.interrupt();
    demux.feed(after);
    let messages: Vec<_> = std::iter::from_fn(|| demux.poll()).collect();

    let numbers: Vec<u32> = pictures(&messages).iter().map(|it| it.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 10, 11]);
}

#[test]
fn who_takes_over_gets_headers_and_begins_with_a_keyframe() {
    let mut mux = Mux::new();
    film(&mut mux, 25, 0, Length::Told);
    let bytes = mux.bytes();
    let (before, after) = bytes.split_at(188 * (2 + 3 * 5));
    let mut demux = Demux::new();
    demux.feed(before);

    demux.begin_anew();
    demux.feed(after);
    let messages: Vec<_> = std::iter::from_fn(|| demux.poll()).collect();

    let numbers: Vec<u32> = pictures(&messages).iter().map(|it| it.0).collect();
    assert_eq!(numbers, (10..25).collect::<Vec<_>>());
    for kind in [MessageKind::Video, MessageKind::Audio] {
        let first = only(&messages, kind)[0];
        assert!(classify(kind, &first.payload).sequence_header);
    }
}

#[test]
fn sound_may_begin_in_one_packet_and_end_in_the_next() {
    let frames: Vec<Vec<u8>> = (0..9_u8).map(|n| adts(&[n; 150])).collect();
    let stream = frames.concat();
    let mut mux = Mux::new();
    // The first has two frames and a half, of which the third one begins there.
    let (one, rest) = stream.split_at(157 * 2 + 80);
    let (two, three) = rest.split_at(157 * 3 + 3);
    mux.pes(AUDIO, [90_000; 2], one, Length::Told);
    mux.pes(AUDIO, [90_000 + 3 * 1_920; 2], two, Length::Told);
    mux.pes(AUDIO, [90_000 + 6 * 1_920; 2], three, Length::Told);

    let (messages, counters) = demuxed(&mux.bytes());

    let sounds = &only(&messages, MessageKind::Audio)[1..];
    let raw: Vec<_> = sounds.iter().map(|it| it.payload[2]).collect();
    assert_eq!(raw, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let times: Vec<_> = sounds.iter().map(|it| it.timestamp).collect();
    let expected = (0..9_u32).map(|n| 1_000 + n * 64 / 3);
    assert_eq!(times, expected.collect::<Vec<_>>());
    assert_eq!(counters.sounds_dropped, 0);
}

#[test]
fn what_is_no_sound_is_stepped_over_and_counted() {
    let mut mux = Mux::new();
    let mut stream = adts(&[1; 50]);
    stream.extend_from_slice(&[0xFF, 0x00, 0x13, 0x37]);
    stream.extend_from_slice(&adts(&[2; 50]));
    mux.pes(AUDIO, [0; 2], &stream, Length::Told);

    let (messages, counters) = demuxed(&mux.bytes());

    assert_eq!(only(&messages, MessageKind::Audio).len(), 3);
    assert_eq!(counters.sounds_dropped, 1);
}

#[test]
fn other_parameter_sets_are_another_header_and_the_same_are_none() {
    let mut mux = Mux::new();
    film(&mut mux, 11, 0, Length::Told);
    let high = [0x67, 100, 0, 31, 0xAF, 0x99];
    let unit = [
        &[0, 0, 1][..],
        &high,
        &[0, 0, 1],
        PPS,
        &[0, 0, 1],
        &slice(11, true),
    ]
    .concat();
    mux.pes(VIDEO, [11 * STEP; 2], &unit, Length::Told);

    let (messages, _) = demuxed(&mux.bytes());

    let video = only(&messages, MessageKind::Video);
    let headers: Vec<_> = video.iter().filter(|it| it.payload[1] == 0).collect();
    assert_eq!(
        headers.len(),
        2,
        "the keyframe with the same sets sends none"
    );
    // High profile says how colours are sampled: 4:2:0, in 8 bits.
    let expected = [
        &[0x17, 0, 0, 0, 0, 1, 100, 0, 31, 0xFF, 0xE1, 0, 6],
        &high[..],
        &[1, 0, 4],
        PPS,
        &[0xFD, 0xF8, 0xF8, 0],
    ]
    .concat();
    assert_eq!(headers[1].payload[..], expected);
}

#[test]
fn a_table_over_several_packets_counts_when_it_is_complete() {
    let mut mux = Mux::default();
    mux.pat(0, PMT);
    mux.pmt(
        0,
        &[(0x06, 0x200), (AVC, VIDEO), (AAC, AUDIO), (AVC, 0x300)],
        &[0x55; 400],
    );
    film(&mut mux, 3, 0, Length::Told);
    let mut demux = Demux::new();

    demux.feed(&mux.bytes());

    let messages: Vec<_> = std::iter::from_fn(|| demux.poll()).collect();
    assert_eq!(pictures(&messages).len(), 3);
    // Private data, and pictures besides the first: they are named, and left.
    assert_eq!(demux.ignored(), [StreamKind::Other(6), StreamKind::Avc]);
}

#[test]
fn a_table_with_a_wrong_sum_is_no_table() {
    let mut mux = Mux::new();
    mux.packets[1][20] ^= 1;
    film(&mut mux, 3, 0, Length::Told);
    let (messages, counters) = demuxed(&mux.bytes());
    assert!(messages.is_empty());
    assert_eq!(counters.tables_refused, 1);
}

#[test]
fn a_new_table_moves_a_track_and_leaves_the_other_as_it_was() {
    let mut mux = Mux::new();
    film(&mut mux, 3, 0, Length::Told);
    mux.pmt(1, &[(AVC, 0x200), (AAC, AUDIO)], &[]);
    for number in 3..6 {
        let times = [u64::from(number) * STEP; 2];
        mux.pes(0x200, times, &picture(number, number == 4), Length::Told);
        mux.pes(AUDIO, times, &adts(&number.to_be_bytes()), Length::Told);
    }

    let (messages, _) = demuxed(&mux.bytes());

    assert_eq!(
        pictures(&messages),
        [(0, true), (1, false), (2, false), (4, true), (5, false)]
    );
    assert_eq!(
        only(&messages, MessageKind::Audio).len(),
        7,
        "one header, six frames"
    );
}

#[test]
fn a_program_that_moves_is_followed() {
    let mut mux = Mux::new();
    film(&mut mux, 2, 0, Length::Told);
    mux.pat(1, 0x1100);
    let before = mux.packets.len();
    mux.pmt(0, &[(AVC, VIDEO)], &[]);
    for packet in &mut mux.packets[before..] {
        packet[1] = packet[1] & 0xE0 | 0x11;
        packet[2] = 0;
    }
    mux.pes(VIDEO, [9 * STEP; 2], &picture(9, true), Length::Told);

    let (messages, _) = demuxed(&mux.bytes());

    assert_eq!(pictures(&messages), [(0, true), (1, false), (9, true)]);
}

#[test]
fn scrambled_null_and_damaged_packets_are_no_pictures() {
    let mut mux = Mux::new();
    film(&mut mux, 10, 0, Length::Told);
    film(&mut mux, 10, 10 * STEP, Length::Told);
    let mut null = [0xFF; 188];
    null[..4].copy_from_slice(&[0x47, 0x1F, 0xFF, 0x10]);
    for at in (3..60).step_by(7) {
        mux.packets.insert(at, null);
    }
    let of_video = mux
        .packets
        .iter_mut()
        .filter(|it| it[1] & 0x1F == 1 && it[2] == 0);
    for (number, packet) in of_video.enumerate() {
        match number {
            // Of the second picture, and of the fourth.
            3 => packet[1] |= 0x80,
            7 => packet[3] |= 0x80,
            _ => {}
        }
    }

    let (messages, counters) = demuxed(&mux.bytes());

    let numbers: Vec<u32> = pictures(&messages).iter().map(|it| it.0).collect();
    assert_eq!(numbers, [0].into_iter().chain(0..10).collect::<Vec<_>>());
    assert_eq!((counters.damaged, counters.scrambled), (1, 1));
}

#[test]
fn the_beginning_of_packets_is_found_again() {
    let mut mux = Mux::new();
    film(&mut mux, 12, 0, Length::Told);
    let mut bytes = mux.bytes();
    // Within the third picture.
    bytes.drain(188 * 9..188 * 9 + 71);

    let (messages, counters) = demuxed(&bytes);

    let numbers: Vec<u32> = pictures(&messages).iter().map(|it| it.0).collect();
    assert_eq!(numbers, [0, 1, 10, 11]);
    assert_eq!(counters.sync_losses, 1);
}

#[test]
fn pictures_before_an_open_keyframe_are_dropped_where_one_joins() {
    // A recovery point instead of an IDR, as broadcasters send.
    let recovery = [0, 0, 1, 6, 6, 1, 0xC4, 0x80];
    let sets = [&[0, 0, 1][..], SPS, &[0, 0, 1], PPS].concat();
    let open = |number| [&sets[..], &recovery, &[0, 0, 1], &slice(number, false)].concat();
    let mut mux = Mux::new();
    mux.pes(VIDEO, [5 * STEP, STEP], &open(0), Length::Told);
    mux.pes(
        VIDEO,
        [3 * STEP, 2 * STEP],
        &picture(1, false),
        Length::Told,
    );
    mux.pes(
        VIDEO,
        [8 * STEP, 3 * STEP],
        &picture(2, false),
        Length::Told,
    );
    mux.pes(VIDEO, [12 * STEP, 4 * STEP], &open(3), Length::Told);
    mux.pes(
        VIDEO,
        [10 * STEP, 5 * STEP],
        &picture(4, false),
        Length::Told,
    );

    let (messages, counters) = demuxed(&mux.bytes());

    assert_eq!(
        pictures(&messages),
        [(0, true), (2, false), (3, true), (4, false)]
    );
    assert_eq!(counters.pictures_dropped, 1);
}

/// Of a picture of 1280 by 720, as x265 writes them.
const HEVC_SETS: [&[u8]; 3] = [
    &[
        0x40, 1, 0x0C, 1, 0xFF, 0xFF, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5D, 0x95,
        0x98, 9,
    ],
    &[
        0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5D, 0xA0, 2, 0x80, 0x80,
        0x2D, 0x16, 0x59, 0x59, 0xA4, 0x93, 0x2B, 0xC0, 0x40,
    ],
    &[0x44, 1, 0xC1, 0x72, 0xB4, 0x62, 0x40],
];

#[test]
fn h265_becomes_enhanced_rtmp() {
    let mut mux = Mux::default();
    mux.tables(0, &[(HEVC, VIDEO)]);
    let mut unit = vec![0, 0, 0, 1, 0x46, 1, 0x50];
    for set in HEVC_SETS {
        unit.extend_from_slice(&[0, 0, 0, 1]);
        unit.extend_from_slice(set);
    }
    unit.extend_from_slice(&[0, 0, 1, 0x26, 1, 0xAA, 0xBB]);
    mux.pes(VIDEO, [7_200, 3_600], &unit, Length::Told);
    mux.pes(VIDEO, [14_400, 7_200], &[0, 0, 1, 2, 1, 0xCC], Length::Told);

    let (messages, _) = demuxed(&mux.bytes());

    let [header, key, frame] = messages.try_into().unwrap();
    let info = classify(MessageKind::Video, &header.payload);
    assert!(info.sequence_header && info.codec == Codec::Hevc);
    let record = &header.payload[5..];
    let profile = [1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x5D];
    assert_eq!(
        record[..23],
        [
            &[1],
            &profile[..],
            &[0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, 3]
        ]
        .concat()
    );
    assert_eq!(record[23..28], [0xA0, 0, 1, 0, 24]);
    assert!(record.ends_with(HEVC_SETS[2]));
    assert_eq!(
        key.payload[..],
        [
            &[0x91][..],
            b"hvc1",
            &[0, 0, 40, 0, 0, 0, 4, 0x26, 1, 0xAA, 0xBB]
        ]
        .concat()
    );
    assert_eq!(
        frame.payload[..8],
        [&[0xA1][..], b"hvc1", &[0, 0, 80]].concat()
    );
}
