//! An encoder that says anything, to an owner that accepts what it asks and takes all it is given.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::server::{ServerEvent, ServerSession};
use lunora_relay::wire::tag::classify;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else {
        return;
    };
    let mut server = ServerSession::new();
    for part in input.chunks(usize::from(piece) * 8 + 1) {
        if server.handle_input(part).is_err() {
            return;
        }
        let mut events = 0;
        while let Some(event) = server.poll_event() {
            events += 1;
            match event {
                ServerEvent::PublishRequested { .. } if piece % 7 == 0 => {
                    server.reject_publish("NetStream.Publish.BadName", "no");
                }
                ServerEvent::PublishRequested { .. } => server.accept_publish(),
                ServerEvent::Media(message) => {
                    assert!(!message.payload.is_empty());
                    let _ = classify(message.kind, &message.payload);
                }
                ServerEvent::ConnectRequested { .. } | ServerEvent::Unpublished => {}
            }
        }
        assert!(events <= part.len() + 16 * 1024);
        let output: usize = std::iter::from_fn(|| server.poll_output())
            .map(|bytes| bytes.len())
            .sum();
        assert!(output <= 512 * 1024);
    }
});
