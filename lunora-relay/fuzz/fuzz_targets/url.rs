//! Any text is a push URL or none; what is shown of one reads back as itself, and shows neither
//! the key nor the tail.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_core::domain::{Edit, KeyInput, PushAddress, PushUrl};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for key in [KeyInput::Omitted, KeyInput::Masked, KeyInput::Removed] {
        let Ok(address) = PushAddress::parse(text, key) else {
            continue;
        };
        let shown = address.url.to_string();
        let again: PushUrl = shown.parse().expect("what is shown reads back");
        assert_eq!(again, address.url);
        if let Edit::Set(key) = &address.key {
            let secret = lunora_core::ExposeSecret::expose_secret(key.as_secret());
            let debug = format!("{address:?}");
            // A short one may stand in it by chance.
            assert!(secret.len() < 24 || !(shown.contains(secret) || debug.contains(secret)));
        }
    }
});
