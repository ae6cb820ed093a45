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
        let Edit::Set(key) = &address.key else {
            continue;
        };
        // The same text may stand in what is public, too; a short one does by chance.
        let count = |within: &str| {
            let secret = lunora_core::ExposeSecret::expose_secret(key.as_secret());
            let secret = secret.to_ascii_lowercase();
            let times = within.to_ascii_lowercase().matches(&secret).count();
            if secret.len() < 24 { 0 } else { times }
        };
        assert!(count(&shown) == 0 || count(&shown) < count(text));
    }
});
