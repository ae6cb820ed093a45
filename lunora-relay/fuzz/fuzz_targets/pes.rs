//! Any bytes are a PES packet or none; and as the frames of one, in a stream that is otherwise
//! right, they are pictures and sound or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lunora_relay::wire::{
    message::MessageKind,
    tag::classify,
    ts::{Demux, Pes},
};

const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;

fuzz_target!(|data: &[u8]| {
    if let Some(pes) = Pes::parse(data) {
        assert!(pes.payload.len() + 9 <= data.len());
        assert!(pes.pts.is_none_or(|time| time < 1 << 33));
        assert!(pes.dts.is_none_or(|time| time < 1 << 33));
    }
    let Some((&kind, frames)) = data.split_first() else {
        return;
    };
    let mut demux = Demux::new();
    let video = if kind & 1 == 0 { 0x1B } else { 0x24 };
    demux.feed(&packets(0, &mut 0, &section(0, &[0, 1, 0xF0, 0])));
    let streams = [video, 0xE1, 0, 0xF0, 0, 0x0F, 0xE1, 1, 0xF0, 0];
    let pmt = [&[0xE1, 0, 0xF0, 0][..], &streams].concat();
    demux.feed(&packets(0x1000, &mut 0, &section(2, &pmt)));
    let mut counters = [0; 2];
    // Twice, cut in two: so that what is kept of the first meets the second.
    let (one, two) = frames.split_at(frames.len() / 2);
    for part in [one, two, frames] {
        for (number, pid) in [VIDEO, AUDIO].into_iter().enumerate() {
            let mut pes = vec![0, 0, 1, if pid == VIDEO { 0xE0 } else { 0xC0 }, 0, 0];
            pes.extend_from_slice(&[0x80, 0x80, 5, 0x21, 0, 1, kind, 1]);
            pes.extend_from_slice(part);
            demux.feed(&packets(pid, &mut counters[number], &pes));
        }
    }
    demux.finish();
    assert_eq!(demux.counters().gaps, 0);
    while let Some(message) = demux.poll() {
        let info = classify(message.kind, &message.payload);
        assert!(message.kind != MessageKind::Video || message.payload.len() > 5);
        assert!(!(info.keyframe && info.sequence_header));
    }
});

fn section(table: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u16 + 9;
    let mut section = vec![table];
    section.extend_from_slice(&(0xB000 | len).to_be_bytes());
    section.extend_from_slice(&[0, 1, 0xC1, 0, 0]);
    section.extend_from_slice(body);
    let mut sum = u32::MAX;
    for byte in &section {
        sum ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            sum = (sum << 1) ^ ((sum >> 31) * 0x04C1_1DB7);
        }
    }
    section.extend_from_slice(&sum.to_be_bytes());
    [&[0][..], &section].concat()
}

fn packets(pid: u16, counter: &mut u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, part) in payload.chunks(182).enumerate() {
        let [high, low] = pid.to_be_bytes();
        let starts = u8::from(number == 0) << 6;
        let field = 183 - part.len();
        out.extend_from_slice(&[0x47, starts | high, low, 0x30 | *counter, field as u8, 0]);
        out.resize(out.len() + field - 1, 0xFF);
        out.extend_from_slice(part);
        *counter = (*counter + 1) & 0x0F;
    }
    out
}
