//! A small muxer, which shares no line with the demuxer.

use std::collections::BTreeMap;

pub(super) const PMT: u16 = 0x1000;
pub(super) const VIDEO: u16 = 0x100;
pub(super) const AUDIO: u16 = 0x101;
pub(super) const AVC: u8 = 0x1B;
pub(super) const HEVC: u8 = 0x24;
pub(super) const AAC: u8 = 0x0F;

/// Whether a PES packet says how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Told,
    Untold,
}

/// Writes packets of 188 bytes.
#[derive(Debug, Default)]
pub(super) struct Mux {
    counters: BTreeMap<u16, u8>,
    pub(super) packets: Vec<[u8; 188]>,
}

impl Mux {
    /// With one program of H.264 and AAC.
    pub(super) fn new() -> Self {
        let mut mux = Self::default();
        mux.tables(0, &[(AVC, VIDEO), (AAC, AUDIO)]);
        mux
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.packets.concat()
    }

    pub(super) fn tables(&mut self, version: u8, streams: &[(u8, u16)]) {
        self.pat(version, PMT);
        self.pmt(version, streams, &[]);
    }

    pub(super) fn pat(&mut self, version: u8, pmt: u16) {
        let [high, low] = pmt.to_be_bytes();
        // The network's table is no program.
        let body = [0, 0, 0xE0, 0x10, 0, 1, 0xE0 | high, low];
        self.section(0, 0, version, &body);
    }

    pub(super) fn pmt(&mut self, version: u8, streams: &[(u8, u16)], info: &[u8]) {
        let mut body = vec![0xE1, 0];
        body.extend_from_slice(&(0xF000 | info.len() as u16).to_be_bytes());
        body.extend_from_slice(info);
        for (kind, pid) in streams {
            body.push(*kind);
            body.extend_from_slice(&(0xE000 | pid).to_be_bytes());
            // A descriptor: the language.
            body.extend_from_slice(&[0xF0, 6, 10, 4, b'e', b'n', b'g', 0]);
        }
        self.section(PMT, 2, version, &body);
    }

    pub(super) fn section(&mut self, pid: u16, table: u8, version: u8, body: &[u8]) {
        let len = body.len() as u16 + 9;
        let mut section = vec![table];
        section.extend_from_slice(&(0xB000 | len).to_be_bytes());
        section.extend_from_slice(&[0, 1, 0xC1 | version << 1, 0, 0]);
        section.extend_from_slice(body);
        let sum = crc(&section);
        section.extend_from_slice(&sum.to_be_bytes());
        let mut payload = vec![0];
        payload.extend_from_slice(&section);
        while payload.len() % 184 != 0 {
            payload.push(0xFF);
        }
        self.payload(pid, &payload);
    }

    pub(super) fn pes(&mut self, pid: u16, [pts, dts]: [u64; 2], payload: &[u8], length: Length) {
        let stream = if pid == AUDIO { 0xC0 } else { 0xE0 };
        let mut header = vec![0x80, 0xC0, 10];
        header.extend_from_slice(&time(3, pts));
        header.extend_from_slice(&time(1, dts));
        let len = match length {
            Length::Told => u16::try_from(header.len() + payload.len()).unwrap(),
            Length::Untold => 0,
        };
        let mut pes = vec![0, 0, 1, stream];
        pes.extend_from_slice(&len.to_be_bytes());
        pes.extend_from_slice(&header);
        pes.extend_from_slice(payload);
        self.payload(pid, &pes);
    }

    /// In as many packets as it takes, the last one stuffed.
    pub(super) fn payload(&mut self, pid: u16, payload: &[u8]) {
        for (number, part) in payload.chunks(184).enumerate() {
            let counter = self.counters.entry(pid).or_default();
            let starts = u8::from(number == 0) << 6;
            let [high, low] = pid.to_be_bytes();
            let mut packet = vec![0x47, starts | high, low, *counter];
            *counter = (*counter + 1) & 0x0F;
            match 184 - part.len() {
                0 => packet[3] |= 0x10,
                stuffing => {
                    packet[3] |= 0x30;
                    packet.push(stuffing as u8 - 1);
                    if stuffing > 1 {
                        packet.push(0);
                        packet.resize(4 + stuffing, 0xFF);
                    }
                }
            }
            packet.extend_from_slice(part);
            self.packets.push(packet.try_into().unwrap());
        }
    }
}

fn time(mark: u8, time: u64) -> [u8; 5] {
    let at = |shift: u32| (time >> shift) as u8;
    let top = (at(30) & 7) << 1;
    [
        mark << 4 | top | 1,
        at(22),
        at(15) << 1 | 1,
        at(7),
        at(0) << 1 | 1,
    ]
}

/// By long division, a bit at a time.
fn crc(bytes: &[u8]) -> u32 {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(u32::MAX, |sum, bit| {
        let top = sum >> 31 ^ u32::from(bit);
        (sum << 1) ^ if top == 1 { 0x04C1_1DB7 } else { 0 }
    })
}

pub(super) const SPS: &[u8] = &[0x67, 66, 0xC0, 30, 0xF4, 0x05, 0x01];
pub(super) const PPS: &[u8] = &[0x68, 0xCE, 0x38, 0x80];

/// An access unit of H.264: its picture holds the number.
pub(super) fn picture(number: u32, is_key: bool) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, 9, 0xF0];
    if is_key {
        for set in [SPS, PPS] {
            unit.extend_from_slice(&[0, 0, 0, 1]);
            unit.extend_from_slice(set);
        }
    }
    unit.extend_from_slice(&[0, 0, 1]);
    unit.extend_from_slice(&slice(number, is_key));
    unit
}

pub(super) fn slice(number: u32, is_key: bool) -> Vec<u8> {
    let mut slice = vec![if is_key { 0x65 } else { 0x41 }];
    slice.extend_from_slice(&(0x0101_0101 + number * 2).to_le_bytes());
    // Some hundred bytes, so that a picture is of several packets.
    slice.resize(300, 0x55);
    slice
}

/// A frame of AAC in ADTS: stereo, 48 kHz.
pub(super) fn adts(raw: &[u8]) -> Vec<u8> {
    let len = raw.len() + 7;
    let mut frame = vec![
        0xFF,
        0xF1,
        0x4C,
        0x80 | (len >> 11) as u8,
        (len >> 3) as u8,
        (len << 5) as u8 | 0x1F,
        0xFC,
    ];
    frame.extend_from_slice(raw);
    frame
}
