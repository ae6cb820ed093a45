//! A server that answers anything never makes the session say what is secret.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::client::{ClientConfig, ClientEvent, ClientSession};

const KEY: &str = "k9-secret-key";

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else {
        return;
    };
    let mut client = ClientSession::new(ClientConfig {
        app: "live?auth=app-token-1".into(),
        tc_url: "rtmp://example.invalid/live?auth=app-token-1".into(),
        stream_name: KEY.into(),
        flash_ver: "FMLE/3.0".to_owned(),
        fourcc: vec!["hvc1".to_owned()],
    });
    client.start();
    for part in input.chunks(usize::from(piece) * 8 + 1) {
        if client.handle_input(part).is_err() {
            return;
        }
        while let Some(event) = client.poll_event() {
            check(&event);
        }
        let output: usize = std::iter::from_fn(|| client.poll_output())
            .map(|bytes| bytes.len())
            .sum();
        assert!(output <= 512 * 1024);
    }
    client.close();
});

fn check(event: &ClientEvent) {
    if let ClientEvent::Rejected {
        code, description, ..
    }
    | ClientEvent::StatusError { code, description } = event
    {
        assert!(code.len() <= 128 && description.chars().count() <= 512);
    }
    let shown = format!("{event:?}").to_lowercase();
    assert!(
        !shown.contains(KEY) && !shown.contains("app-token"),
        "{shown}"
    );
}
