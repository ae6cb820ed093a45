//! Any bytes are values or an error; values survive being written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::amf0::{MAX_VALUES, decode, encode};

fuzz_target!(|data: &[u8]| {
    let Ok(values) = decode(data) else { return };
    assert!(values.len() <= MAX_VALUES);

    let once = written(&values);
    // What was not UTF-8 has been replaced, which can make a name too long for its length field.
    let Ok(again) = decode(&once) else {
        assert!(once.len() > usize::from(u16::MAX));
        return;
    };

    // As bytes, for a NaN is not equal to itself.
    if once.len() <= usize::from(u16::MAX) {
        assert_eq!(written(&again), once);
    }
});

fn written(values: &[lunora_relay::wire::amf0::Value]) -> Vec<u8> {
    let mut out = Default::default();
    for value in values {
        encode(&mut out, value);
    }
    out.to_vec()
}
