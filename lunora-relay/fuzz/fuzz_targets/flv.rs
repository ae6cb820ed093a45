//! Any file is tags or an error, and no tag is larger than the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::flv::FlvReader;

fuzz_target!(|data: &[u8]| {
    let Ok(reader) = FlvReader::new(data.to_vec().into()) else {
        return;
    };
    let payloads: usize = reader
        .flatten()
        .map(|message| message.payload.len() + 11)
        .sum();

    assert!(payloads <= data.len());
});
