//! AAC in ADTS: from PES packets to the messages of an encoder.

use bytes::Bytes;

use super::{
    clock::{Clock, milliseconds},
    pes::Pes,
};
use crate::wire::message::{Message, MessageKind};

/// The largest frame that its length field can tell.
const FRAME_MAX: usize = 0x1FFF;
const HEADER: usize = 7;
/// Samples of a frame.
const SAMPLES: u64 = 1_024;
const TICKS_PER_SECOND: u64 = 90_000;
const RATES: [u64; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// The sound of one PID.
#[derive(Debug, Default)]
pub(super) struct Audio {
    /// The beginning of a frame whose rest is in the next packet.
    rest: Vec<u8>,
    /// When that frame, or else the next one, is heard.
    next: Option<Time>,
    /// The sequence header that was sent last.
    header: Bytes,
}

/// A time and the samples since, so that the steps between frames do not add up to an error.
#[derive(Clone, Copy, Debug)]
struct Time {
    base: u64,
    samples: u64,
}

impl Time {
    const fn ticks(self, rate: u64) -> u64 {
        (self.base + self.samples * TICKS_PER_SECOND / rate) % (1 << 33)
    }
}

impl Audio {
    /// Something is missing: what was begun is of no use.
    pub(super) fn interrupt(&mut self) {
        self.rest.clear();
        self.next = None;
    }

    /// Begins as if nothing was sent yet.
    pub(super) fn begin_anew(&mut self) {
        self.header = Bytes::new();
    }

    /// Returns how many pieces were no frame that can be sent.
    pub(super) fn take(
        &mut self,
        pes: Pes<'_>,
        clock: &mut Clock,
        out: &mut impl FnMut(Message),
    ) -> u64 {
        let carried = self.rest.len();
        let mut told = pes.pts.map(|base| Time { base, samples: 0 });
        let joined;
        let bytes = if carried == 0 {
            pes.payload
        } else {
            self.rest.extend_from_slice(pes.payload);
            joined = std::mem::take(&mut self.rest);
            joined.as_slice()
        };
        let (mut at, mut refused, mut is_noise) = (0, 0, false);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            // The time that is told is that of the first frame that begins here.
            if carried <= at && told.is_some() {
                self.next = told.take();
            }
            let frame = match Frame::parse(rest) {
                Parsed::Frame(frame) => frame,
                Parsed::Short => {
                    self.rest = rest.to_vec();
                    break;
                }
                Parsed::Noise => {
                    refused += u64::from(!is_noise);
                    is_noise = true;
                    at += 1;
                    continue;
                }
            };
            is_noise = false;
            at += frame.len;
            match (self.next, frame.raw) {
                (Some(time), Some(raw)) => self.send(&frame, raw, time, clock, out),
                _ => refused += 1,
            }
            if let Some(time) = &mut self.next {
                time.samples = time.samples.saturating_add(SAMPLES * frame.blocks);
            }
        }
        refused
    }

    pub(super) const fn held(&self) -> usize {
        self.rest.len()
    }

    fn send(
        &mut self,
        frame: &Frame<'_>,
        raw: &[u8],
        time: Time,
        clock: &mut Clock,
        out: &mut impl FnMut(Message),
    ) {
        let timestamp = milliseconds(clock.follow(time.ticks(frame.rate)));
        let header = [&[AAC, 0][..], &frame.setup].concat();
        if self.header != header {
            self.header = header.into();
            out(message(timestamp, self.header.clone()));
        }
        out(message(timestamp, [&[AAC, 1][..], raw].concat().into()));
    }
}

/// Of the tag: AAC, with whatever else it says about the sound being meaningless.
const AAC: u8 = 0xAF;

const fn message(timestamp: u32, payload: Bytes) -> Message {
    Message {
        kind: MessageKind::Audio,
        timestamp,
        stream_id: 1,
        payload,
    }
}

enum Parsed<'a> {
    Frame(Frame<'a>),
    /// It may be one, and its end is missing.
    Short,
    Noise,
}

struct Frame<'a> {
    len: usize,
    rate: u64,
    /// Of how many blocks it is.
    blocks: u64,
    /// What a decoder is set up with.
    setup: [u8; 2],
    /// What it decodes; nothing if it is coded in a way that RTMP cannot say.
    raw: Option<&'a [u8]>,
}

impl<'a> Frame<'a> {
    fn parse(bytes: &'a [u8]) -> Parsed<'a> {
        let Some(&[b0, b1, b2, b3, b4, b5, b6]) = bytes.first_chunk::<HEADER>() else {
            let begins = matches!(bytes, [0xFF] | [0xFF, 0xF0..=0xFF, ..]);
            return if begins { Parsed::Short } else { Parsed::Noise };
        };
        // The layer is always 0.
        if b0 != 0xFF || b1 & 0xF6 != 0xF0 {
            return Parsed::Noise;
        }
        let header = if b1 & 1 == 1 { HEADER } else { HEADER + 2 };
        let len = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        let index = b2 >> 2 & 0x0F;
        let rate = RATES.get(usize::from(index)).copied();
        let (Some(rate), true) = (rate, header < len && len <= FRAME_MAX) else {
            return Parsed::Noise;
        };
        let Some(frame) = bytes.get(..len) else {
            return Parsed::Short;
        };
        let object = (b2 >> 6) + 1;
        let channels = (b2 & 1) << 2 | b3 >> 6;
        let blocks = u64::from(b6 & 3) + 1;
        // Several blocks cannot be told apart, and without a channel count a table of them follows.
        let can_be_said = blocks == 1 && channels != 0;
        Parsed::Frame(Self {
            len,
            rate,
            blocks,
            setup: [object << 3 | index >> 1, (index & 1) << 7 | channels << 3],
            raw: frame.get(header..).filter(|_| can_be_said),
        })
    }
}
