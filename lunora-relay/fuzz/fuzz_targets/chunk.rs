//! A peer's bytes in two cuts: the same messages come out, and no more is held than arrived.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::chunk::{ChunkError, ChunkLimits, ChunkReader};
use lunora_relay::wire::message::Message;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else {
        return;
    };

    assert_eq!(
        read(input, usize::from(piece) + 1),
        read(input, input.len().max(1))
    );
});

fn read(input: &[u8], piece: usize) -> (Vec<Message>, Option<ChunkError>) {
    let mut reader = ChunkReader::new(ChunkLimits::MEDIA);
    let (mut messages, mut fed) = (Vec::new(), 0);
    for part in input.chunks(piece) {
        reader.feed(part);
        fed += part.len();
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(reader.held() <= fed);
    }
    (messages, None)
}
