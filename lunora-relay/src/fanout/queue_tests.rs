//! The queue against a receiver that reads what it writes.

use std::io::IoSlice;

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    packet::{Input, Packet, Track},
    program::Program,
    queue::Queue,
};
use crate::wire::{
    chunk::{self, ChunkLimits, ChunkReader},
    message::{Message, MessageKind},
};

/// A program, one queue, and the receiver behind it.
struct World {
    program: Program,
    queue: Queue,
    reader: ChunkReader,
    last: [u64; Track::COUNT],
    got: Vec<Message>,
}

impl World {
    fn new() -> Self {
        let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
        reader.feed(&chunk::ChunkWriter::new().set_chunk_size(chunk::CHUNK_SIZE));
        // The chunk size itself is a message too.
        let announced = reader.next().unwrap();
        assert!(announced.is_none_or(|message| message.kind == MessageKind::SetChunkSize));
        let (program, queue) = (Program::default(), Queue::new(1));
        Self {
            program,
            queue,
            reader,
            last: [0; Track::COUNT],
            got: Vec::new(),
        }
    }

    /// A message comes in at this time of the program.
    fn offer(&mut self, kind: MessageKind, time: u64, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        let input = Input::new(Message {
            kind,
            timestamp: 0,
            stream_id: 0,
            payload,
        })
        .unwrap();
        let index = input.track.index();
        let packet = Packet::new(&input, time, self.last[index]);
        self.last[index] = time;
        self.program.take(&packet);
        self.queue.offer(&packet, &self.program);
    }

    fn headers(&mut self, time: u64, which: u8) {
        self.offer(MessageKind::DataAmf0, time, b"\x02\x00\x0aonMetaData\x05");
        self.offer(MessageKind::Video, time, &[0x17, 0, 0, 0, 0, which]);
        self.offer(MessageKind::Audio, time, &[0xaf, 0, which]);
    }

    fn picture(&mut self, time: u64, is_key: bool, size: usize) {
        let first = if is_key { 0x17 } else { 0x27 };
        let head = [first, 1, 0, 0, 0];
        let body = time
            .to_be_bytes()
            .into_iter()
            .chain(std::iter::repeat_n(0xC4, size));
        let payload: Vec<u8> = head.into_iter().chain(body).collect();
        self.offer(MessageKind::Video, time, &payload);
    }

    fn sound(&mut self, time: u64) {
        let payload: Vec<u8> = [0xaf, 1].into_iter().chain(time.to_be_bytes()).collect();
        self.offer(MessageKind::Audio, time, &payload);
    }

    /// The receiver takes so many bytes.
    fn take(&mut self, most: usize) {
        let mut left = most;
        while 0 < left && !self.queue.is_empty() {
            let mut room = [IoSlice::new(&[]); 8];
            let filled = self.queue.slices(&mut room);
            let bytes: Vec<u8> = room[..filled]
                .iter()
                .flat_map(|part| part.iter().copied())
                .collect();
            let len = bytes.len().min(left);
            self.reader.feed(&bytes[..len]);
            while let Some(message) = self.reader.next().unwrap() {
                self.got.push(message);
            }
            self.queue.advance(len);
            left -= len;
        }
    }

    fn take_all(&mut self) {
        self.take(usize::MAX);
    }

    /// What the receiver got, as kind, first byte and time.
    fn got(&self) -> Vec<(char, u8, u32)> {
        let word = |message: &Message| match message.kind {
            MessageKind::Audio => 'a',
            MessageKind::Video => 'v',
            MessageKind::DataAmf0 => 'd',
            other => panic!("{other:?}"),
        };
        let second = |message: &Message| message.payload[1];
        self.got
            .iter()
            .map(|it| (word(it), second(it), it.timestamp))
            .collect()
    }
}

/// The time that a frame carries in its payload.
fn stamp(message: &Message) -> Option<u64> {
    let at = match (message.kind, message.payload[1]) {
        (MessageKind::Video, 1) => 5,
        (MessageKind::Audio, 1) => 2,
        _ => return None,
    };
    Some(u64::from_be_bytes(
        message.payload[at..at + 8].try_into().unwrap(),
    ))
}

fn is_key(message: &Message) -> bool {
    message.kind == MessageKind::Video && message.payload[..2] == [0x17, 1]
}

#[test]
fn a_newcomer_gets_headers_then_the_group_from_time_zero() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(5_000, true, 10);
    world.sound(5_010);
    world.picture(5_040, false, 10);

    world.queue = Queue::new(1);
    world.queue.join(&world.program);
    world.take_all();
    world.picture(5_080, false, 10);
    world.take_all();

    let expected = [
        ('d', 0, 0),
        ('v', 0, 0),
        ('a', 0, 0),
        ('v', 1, 0),
        ('a', 1, 10),
        ('v', 1, 40),
        ('v', 1, 80),
    ];
    assert_eq!(world.got(), expected);
}

#[test]
fn without_a_group_a_newcomer_waits_for_the_next_keyframe() {
    let mut world = World::new();
    world.headers(0, 1);
    world.queue.join(&world.program);
    world.picture(40, false, 10);
    world.sound(50);
    world.picture(80, true, 10);
    world.take_all();

    assert_eq!(
        world.got(),
        [('d', 0, 0), ('v', 0, 0), ('a', 0, 0), ('v', 1, 0)]
    );
    assert_eq!(world.queue.take_dropped(), 0, "it has not begun");
}

#[test]
fn with_sound_alone_any_frame_is_a_start() {
    let mut world = World::new();
    world.offer(MessageKind::Audio, 0, &[0xaf, 0, 1]);
    world.sound(100);
    world.sound(120);
    world.take_all();

    assert_eq!(world.got(), [('a', 0, 0), ('a', 1, 0), ('a', 1, 20)]);
}

#[test]
fn too_much_media_is_dropped_to_the_next_keyframe_and_changed_headers_come_before_it() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10_000);
    world.take(7_000);
    for time in (40..6_000).step_by(40) {
        world.picture(time, time.is_multiple_of(2_000), 1_000);
    }
    world.headers(6_000, 2);
    world.picture(6_000, false, 10);
    world.picture(6_040, true, 10);
    world.picture(6_080, false, 10);
    world.take_all();

    assert_eq!(world.queue.take_dropped(), 150);
    #[rustfmt::skip]
    let expected = [
        ('d', 0, 0), ('v', 0, 0), ('a', 0, 0), ('v', 1, 0),
        // Metadata is as it was, so it is not sent again.
        ('v', 0, 6_040), ('a', 0, 6_040), ('v', 1, 6_040), ('v', 1, 6_080),
    ];
    assert_eq!(world.got(), expected);
}

#[test]
fn too_many_bytes_are_dropped_to_the_next_keyframe() {
    let mut world = World::new();
    world.headers(0, 1);
    for time in [0, 40, 80, 120, 160] {
        world.picture(time, time == 0, 1 << 20);
    }
    world.picture(200, true, 10);
    world.take_all();

    assert_eq!(world.queue.take_dropped(), 5);
    let expected = [('d', 0, 0), ('v', 0, 0), ('a', 0, 0), ('v', 1, 0)];
    assert_eq!(
        world.got(),
        expected,
        "it got nothing before, so its time begins here"
    );
}

#[test]
fn headers_that_were_dropped_unsent_are_sent_again() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10);
    for time in (40..8_000).step_by(40) {
        world.picture(time, time.is_multiple_of(2_000), 10);
    }
    world.take_all();

    let kinds: Vec<_> = world
        .got()
        .into_iter()
        .take(4)
        .map(|(kind, second, _)| (kind, second))
        .collect();
    assert_eq!(kinds, [('d', 0), ('v', 0), ('a', 0), ('v', 1)]);
    assert!(is_key(&world.got[3]));
}

#[test]
fn a_group_longer_than_the_limit_is_still_handed_to_a_newcomer() {
    let mut world = World::new();
    world.headers(0, 1);
    for time in (0..10_000).step_by(40) {
        world.picture(time, time == 0, 100);
    }
    world.queue = Queue::new(1);
    world.queue.join(&world.program);
    world.picture(10_000, false, 100);
    world.take_all();

    assert_eq!(world.got().len(), 3 + 251);
}

#[test]
fn session_bytes_go_out_before_what_waits_and_never_inside_a_message() {
    let mut world = World::new();
    let ping = Message {
        kind: MessageKind::UserControl,
        timestamp: 0,
        stream_id: 0,
        payload: Bytes::from_static(&[0, 7, 1, 2, 3, 4]),
    };
    world.headers(0, 1);
    world.picture(0, true, 20_000);
    world.take(9_000);
    world
        .queue
        .interject(chunk::whole(chunk::CSID_CONTROL, &ping, chunk::CHUNK_SIZE))
        .unwrap();
    world.picture(40, false, 10);
    world.take_all();

    let kinds: Vec<_> = world.got.iter().map(|message| message.kind).collect();
    let (data, video, audio) = (
        MessageKind::DataAmf0,
        MessageKind::Video,
        MessageKind::Audio,
    );
    assert_eq!(
        kinds,
        [data, video, audio, video, MessageKind::UserControl, video]
    );
}

#[test]
fn sound_that_goes_on_without_pictures_is_a_start_until_there_is_one() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10);
    for time in (20..=5_020).step_by(20) {
        world.sound(time);
    }
    assert!(world.program.group().is_empty());
    world.queue = Queue::new(1);
    world.queue.join(&world.program);
    world.sound(5_040);
    world.picture(5_050, false, 10);
    world.sound(5_060);
    world.picture(5_080, true, 10);
    world.picture(5_120, false, 10);
    world.take_all();

    let expected = [
        ('d', 0, 0),
        ('v', 0, 0),
        ('a', 0, 0),
        ('a', 1, 0),
        ('a', 1, 20),
        ('v', 1, 40),
        ('v', 1, 80),
    ];
    assert_eq!(world.got(), expected);
}

#[test]
fn sound_behind_another_header_is_never_handed_out_with_the_group_before_it() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10);
    world.sound(10);
    world.offer(MessageKind::Audio, 20, &[0xaf, 0, 2]);
    world.sound(20);

    assert!(world.program.group().is_empty());
}

#[test]
fn answers_that_nobody_reads_have_an_end_and_cost_no_media() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 20_000);
    world.take(9_000);
    let answer = Bytes::from(vec![0; 1_000]);
    let taken = (0..100)
        .take_while(|_| world.queue.interject(answer.clone()).is_ok())
        .count();
    assert_eq!(taken, 65, "64 KiB");

    // What waits of the program may still be as much as ever.
    for time in [40, 80, 120, 160] {
        world.picture(time, false, (1 << 20) - 8_000);
    }
    assert_eq!(world.queue.take_dropped(), 0);
    world.queue.finish();
    assert!(world.queue.interject(answer).is_err());
}

#[test]
fn messages_with_next_to_nothing_in_them_count_too() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10);
    for _ in 0..8_192 {
        world.offer(MessageKind::DataAmf0, 0, b"\x02\x00\x01a");
    }

    assert_eq!(world.queue.take_dropped(), 1, "the picture");
    world.take_all();
    assert!(world.got().len() < 8_192);
    assert!(world.program.group().is_empty());
}

#[test]
fn data_alone_has_an_end() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10);
    world.take_all();
    let words = [b"\x02\x00\x01a".as_slice(), &[0; 1 << 20]].concat();
    for _ in 0..10 {
        world.offer(MessageKind::DataAmf0, 0, &words);
    }
    world.take_all();

    let data = world.got().iter().filter(|(kind, ..)| *kind == 'd').count();
    assert_eq!(data, 1, "the metadata: all that waited was dropped");
}

#[test]
fn what_was_written_in_one_go_has_begun() {
    let mut world = World::new();
    world.picture(1_000, true, 10);
    let pong = Bytes::from_static(&[2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4]);
    world.queue.interject(pong).unwrap();
    // One write that takes the session's own bytes and all the media behind them.
    world.take_all();
    world.queue.finish();
    world.picture(9_000, true, 10);
    world.take_all();

    assert_eq!(
        world.got.last().map(|message| message.timestamp),
        Some(8_000),
        "the receiver's time goes on"
    );
}

#[test]
fn a_goodbye_drops_what_waits_but_not_half_a_message() {
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 20_000);
    world.picture(40, false, 20_000);
    world.take(9_000);
    world.queue.finish();
    world.take_all();

    assert_eq!(world.got().last(), Some(&('v', 1, 0)));
    assert!(world.queue.is_empty());
}

#[test]
fn a_drop_after_more_than_four_hours_resumes_at_the_right_time() {
    const LATE: u64 = 0x100_0000 + 1_000;
    let mut world = World::new();
    world.headers(0, 1);
    world.picture(0, true, 10);
    world.take_all();
    world.picture(LATE, true, 10_000);
    world.take_all();
    world.picture(LATE + 40, false, 10_000);
    world.take_all();

    let tail = world.got.split_off(4);
    assert_eq!(
        tail.iter().map(stamp).collect::<Vec<_>>(),
        [Some(LATE), Some(LATE + 40)]
    );
    assert!(
        tail.iter()
            .all(|message| Some(u64::from(message.timestamp)) == stamp(message))
    );
}

#[derive(Clone, Debug)]
enum Step {
    Picture {
        is_key: bool,
        size: usize,
        wait: u64,
    },
    Sound,
    Headers(u8),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::bool::weighted(0.2), 0..6_000_usize, 1..400_u64)
            .prop_map(|(is_key, size, wait)| Step::Picture { is_key, size, wait }),
        4 => Just(Step::Sound),
        1 => any::<u8>().prop_map(Step::Headers),
        3 => (0..30_000_usize).prop_map(Step::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_is_dropped_the_receiver_reads_on_and_resumes_on_a_keyframe(
        steps in prop::collection::vec(step(), 1..200)
    ) {
        let mut world = World::new();
        let (mut time, mut sent) = (0, Vec::new());
        world.headers(0, 1);
        for step in steps {
            match step {
                Step::Picture { is_key, size, wait } => {
                    time += wait;
                    sent.push(time);
                    world.picture(time, is_key, size);
                }
                Step::Sound => world.sound(time),
                Step::Headers(which) => world.headers(time, which),
                Step::Take(most) => world.take(most),
            }
        }
        world.take_all();

        let mut origin = None;
        let mut last = [0; 2];
        let mut pictures = sent.into_iter();
        for message in &world.got {
            let Some(stamp) = stamp(message) else { continue };
            let is_video = message.kind == MessageKind::Video;
            // Every timestamp is the program's, from the first frame on; none goes back.
            let origin = *origin.get_or_insert(stamp);
            let at = u64::from(message.timestamp);
            let track = usize::from(is_video);
            prop_assert!(last[track] <= at);
            prop_assert_eq!(at, (stamp - origin).max(last[track]));
            last[track] = at;
            // What follows a lost picture is a keyframe.
            if is_video {
                let lost = pictures.by_ref().take_while(|sent| *sent != stamp).count();
                prop_assert!(lost == 0 || is_key(message));
            }
        }
    }
}
