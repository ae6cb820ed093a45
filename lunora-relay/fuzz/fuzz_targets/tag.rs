//! Any payload is something, and nothing is a key frame and a header at once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::message::MessageKind;
use lunora_relay::wire::tag::classify;

fuzz_target!(|data: &[u8]| {
    for kind in [
        MessageKind::Video,
        MessageKind::Audio,
        MessageKind::DataAmf0,
    ] {
        let info = classify(kind, data);

        assert!(!(info.keyframe && (info.sequence_header || info.sequence_end || info.command)));
    }
});
