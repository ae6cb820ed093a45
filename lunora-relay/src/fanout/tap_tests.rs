//! A tap whose reader is slow, against one that is not.

use std::time::Duration;

use bytes::Bytes;

use super::{
    packet::{Input, OVERHEAD, Packet, Role, Track},
    program::Program,
    tap::{Tap, TapHandle, TapLimits, TapReader, Tapped, tap},
};
use crate::wire::message::{Message, MessageKind};

const LIMITS: TapLimits = TapLimits {
    bytes: 64 * 1024,
    span: 10_000,
};
const HEADER: &[u8] = &[0x17, 0, 0, 0, 0, 1];
const KEY: u8 = 0x17;
const FRAME: u8 = 0x27;

struct World {
    program: Program,
    tap: Tap,
    reader: TapReader,
    handle: TapHandle,
    last: u64,
}

impl World {
    fn new() -> Self {
        let (tap, reader, handle) = tap(LIMITS);
        Self {
            program: Program::default(),
            tap,
            reader,
            handle,
            last: 0,
        }
    }

    fn offer(&mut self, time: u64, payload: &[u8]) {
        let message = Message {
            kind: MessageKind::Video,
            timestamp: 0,
            stream_id: 0,
            payload: Bytes::copy_from_slice(payload),
        };
        let input = Input::new(message).unwrap();
        let packet = Packet::new(&input, time, self.last);
        self.last = time;
        self.program.take(&packet);
        self.tap.take(&input, &packet, &self.program);
    }

    /// A picture that takes this much room.
    fn picture(&mut self, time: u64, first: u8, size: usize) {
        let mut payload = vec![0; size - OVERHEAD];
        payload[..2].copy_from_slice(&[first, 1]);
        self.offer(time, &payload);
    }

    fn read(&self) -> Vec<Tapped> {
        std::iter::from_fn(|| self.reader.next(Duration::ZERO)).collect()
    }
}

/// The times and roles of the packets, and what is told between them.
fn shape(tapped: &[Tapped]) -> Vec<String> {
    let word = |it: &Tapped| match it {
        Tapped::Packet(packet) => format!("{:?} {}", packet.role, packet.time),
        other => format!("{other:?}"),
    };
    tapped.iter().map(word).collect()
}

#[test]
fn a_reader_in_time_gets_every_packet_in_the_bytes_that_came_in() {
    let mut world = World::new();
    world.tap.begin();
    world.offer(0, HEADER);
    world.picture(0, KEY, 5_000);
    world.picture(40, FRAME, 1_000);
    world.tap.end();
    world.handle.stop();

    let tapped = world.read();

    let expected = ["Begin", "Header 0", "Key 0", "Frame 40", "End", "Stop"];
    assert_eq!(shape(&tapped), expected);
    let Tapped::Packet(header) = &tapped[1] else {
        panic!("{tapped:?}");
    };
    assert_eq!((header.track, header.role), (Track::Video, Role::Header));
    assert_eq!(header.payload, HEADER);
    assert_eq!((world.handle.lost(), world.handle.is_losing()), (0, false));
}

#[test]
fn a_reader_that_stands_still_costs_no_more_than_the_limit_and_goes_on_at_a_keyframe() {
    let mut world = World::new();
    world.offer(0, HEADER);
    for n in 0..1_000 {
        let first = if n % 10 == 0 { KEY } else { FRAME };
        world.picture(n * 40, first, 8 * 1024);
    }
    assert!(world.handle.is_losing());
    let lost = world.handle.lost();
    let before = world.read();
    assert_eq!(before.len(), 1 + 7, "what fits into 64 KiB with the header");
    assert_eq!(lost, 1_000 - 7);

    world.picture(40_000, FRAME, 8 * 1024);
    world.offer(40_040, &[HEADER, b"other"].concat());
    world.picture(40_040, KEY, 8 * 1024);

    let after = world.read();
    let expected = ["Lost(994)", "Begin", "Header 40040", "Key 40040"];
    assert_eq!(shape(&after), expected);
    assert!(!world.handle.is_losing());
    let Tapped::Packet(header) = &after[2] else {
        panic!("{after:?}");
    };
    assert_eq!(header.payload, [HEADER, b"other"].concat());
}

#[test]
fn packets_without_bytes_fill_it_by_their_number_and_slow_ones_by_their_time() {
    let mut world = World::new();
    for n in 0..1_000 {
        world.offer(n, &[if n == 0 { KEY } else { FRAME }, 1]);
    }
    assert!(world.handle.is_losing());
    assert!(world.read().len() <= LIMITS.bytes / OVERHEAD);

    let mut world = World::new();
    for n in 0..20 {
        world.picture(n * 1_000, KEY, 300);
    }
    assert_eq!(world.read().len(), 11, "ten seconds");
}

#[test]
fn a_silence_is_no_reason_to_leave_anything_out() {
    let mut world = World::new();
    world.picture(0, KEY, 300);
    world.read();

    world.picture(3_600_000, KEY, 300);
    world.picture(3_600_040, FRAME, 300);

    assert_eq!(shape(&world.read()), ["Key 3600000", "Frame 3600040"]);
}

#[test]
fn a_reader_that_has_gone_is_not_missed() {
    let mut world = World::new();
    world.reader = World::new().reader;

    world.tap.begin();
    for n in 0..1_000 {
        world.picture(n * 40, KEY, 8 * 1024);
    }
}
