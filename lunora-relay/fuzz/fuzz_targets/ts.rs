//! A stream in two cuts: the same messages come out, what is held has its bound, what comes out is
//! in proportion to what came in, and pictures begin with a header and a keyframe.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::{
    message::{Message, MessageKind},
    tag::classify,
    ts::{Demux, HELD_MAX},
};

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else {
        return;
    };
    let once = read(input, usize::from(piece) + 1);
    assert_eq!(once, read(input, input.len().max(1)));
    // Of each packet at most one picture, with all parameter sets that are kept before it.
    let size: usize = once.iter().map(|it| it.payload.len()).sum();
    assert!(size <= (input.len() / 188 + 2) * 16 * 1024);

    let mut pictures = once.iter().filter(|it| it.kind == MessageKind::Video);
    if let Some(first) = pictures.next() {
        assert!(classify(first.kind, &first.payload).sequence_header);
        let second = pictures.next().expect("a header comes with a picture");
        assert!(classify(second.kind, &second.payload).keyframe);
    }
});

fn read(input: &[u8], piece: usize) -> Vec<Message> {
    let (mut demux, mut messages) = (Demux::new(), Vec::new());
    for part in input.chunks(piece) {
        demux.feed(part);
        messages.extend(std::iter::from_fn(|| demux.poll()));
        assert!(demux.held() <= HELD_MAX && demux.held() <= input.len() * 2);
    }
    demux.finish();
    messages.extend(std::iter::from_fn(|| demux.poll()));
    messages
}
