//! A worker that says anything, and a program that does: frames or an error, the same at any cut,
//! and what was read is written as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_srt::protocol::{FrameReader, FromWorker};

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else {
        return;
    };
    let (once, is_right) = read(input, usize::from(piece) + 1);
    assert_eq!(
        (&once, is_right),
        (&read(input, input.len().max(1)).0, is_right)
    );
    let written: Vec<u8> = once.iter().flat_map(FromWorker::to_frame).collect();
    assert!(input.starts_with(&written));

    let mut reader = FrameReader::default();
    reader.feed(input);
    while let Ok(Some(frame)) = reader.to_worker() {
        let _ = format!("{frame:?}");
        assert!(frame.to_frame().len() <= input.len());
    }
});

fn read(input: &[u8], piece: usize) -> (Vec<FromWorker>, bool) {
    let (mut reader, mut frames) = (FrameReader::default(), Vec::new());
    for part in input.chunks(piece) {
        reader.feed(part);
        loop {
            match reader.from_worker() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}
