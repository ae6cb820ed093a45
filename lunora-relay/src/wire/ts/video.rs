//! Pictures: from PES packets to the messages of an encoder.

use bytes::Bytes;

use super::{
    annexb::ParameterSets,
    avc,
    clock::{Clock, distance, milliseconds},
    hevc,
    pes::Pes,
};
use crate::wire::message::{Message, MessageKind};

/// How pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VideoCodec {
    Avc,
    Hevc,
}

/// Whether a decoder can begin with a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    /// It needs those before.
    #[default]
    No,
    /// It can; but pictures that are shown before it need those before it.
    Open,
    /// It can, and nothing after it needs what was before.
    Clean,
}

/// What was in an access unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Coded {
    pub(super) entry: Entry,
    pub(super) has_picture: bool,
}

/// The pictures of one PID.
#[derive(Debug)]
pub(super) struct Video {
    codec: VideoCodec,
    sets: ParameterSets,
    /// The sequence header that was sent last.
    header: Bytes,
    /// Whether pictures are dropped until one that a decoder can begin with.
    waits: bool,
    /// After such a one with older pictures behind it: when it is shown. Older ones are dropped.
    shown_from: Option<u64>,
    /// When the last one was decoded, and how long it lasted.
    last: Option<(u64, u64)>,
}

/// What becomes of an access unit.
pub(super) enum Outcome {
    Sent,
    Dropped,
    /// There was no picture in it.
    Nothing,
}

impl Video {
    pub(super) fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            sets: ParameterSets::default(),
            header: Bytes::new(),
            waits: true,
            shown_from: None,
            last: None,
        }
    }

    pub(super) const fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Something is missing: what refers to it would be seen broken.
    pub(super) const fn interrupt(&mut self) {
        self.waits = true;
    }

    /// Begins as if nothing was sent yet.
    pub(super) fn begin_anew(&mut self) {
        self.waits = true;
        self.header = Bytes::new();
    }

    pub(super) fn take(
        &mut self,
        pes: Pes<'_>,
        clock: &mut Clock,
        out: &mut impl FnMut(Message),
    ) -> Outcome {
        let mut payload = Vec::with_capacity(pes.payload.len() + 64);
        let begin = match self.codec {
            VideoCodec::Avc => 5,
            VideoCodec::Hevc => 8,
        };
        payload.resize(begin, 0);
        let coded = match self.codec {
            VideoCodec::Avc => avc::take(&mut self.sets, pes.payload, &mut payload),
            VideoCodec::Hevc => hevc::take(&mut self.sets, pes.payload, &mut payload),
        };
        if !coded.has_picture {
            return Outcome::Nothing;
        }
        let Some((pts, dts)) = self.times(pes) else {
            return self.drop_one();
        };
        if self.waits {
            if coded.entry == Entry::No {
                return self.drop_one();
            }
            self.shown_from = (coded.entry == Entry::Open).then_some(pts);
        } else if coded.entry == Entry::No
            && let Some(from) = self.shown_from
        {
            if distance(from, pts) < 0 {
                return Outcome::Dropped;
            }
        } else if coded.entry != Entry::No {
            self.shown_from = None;
        }

        let record = match self.codec {
            VideoCodec::Avc => avc::record(&self.sets),
            VideoCodec::Hevc => hevc::record(&self.sets),
        };
        let Some(record) = record else {
            return self.drop_one();
        };
        let ticks = clock.follow(dts);
        let timestamp = milliseconds(ticks);
        // Rounded as both are, so that no picture is shown a millisecond off.
        let shown = milliseconds(ticks.wrapping_add(distance(dts, pts)));
        let offset = shown.wrapping_sub(timestamp).cast_signed();
        let [high, o0, o1, o2] = offset.to_be_bytes();
        if high != 0 && (high != 0xFF || o0 & 0x80 == 0) {
            return self.drop_one();
        }
        self.waits = false;
        let header = self.header(&record);
        if header != self.header {
            self.header = header.clone();
            out(message(timestamp, header));
        }
        let frame = if coded.entry == Entry::No { 2 } else { 1 };
        let tag = match self.codec {
            VideoCodec::Avc => [frame << 4 | 7, 1, o0, o1, o2, 0, 0, 0],
            VideoCodec::Hevc => [0x80 | frame << 4 | 1, b'h', b'v', b'c', b'1', o0, o1, o2],
        };
        if let Some((place, tag)) = payload.get_mut(..begin).zip(tag.get(..begin)) {
            place.copy_from_slice(tag);
        }
        out(message(timestamp, payload.into()));
        Outcome::Sent
    }

    fn header(&self, record: &[u8]) -> Bytes {
        let tag: &[u8] = match self.codec {
            VideoCodec::Avc => &[0x17, 0, 0, 0, 0],
            VideoCodec::Hevc => &[0x90, b'h', b'v', b'c', b'1'],
        };
        [tag, record].concat().into()
    }

    /// When it is shown and decoded. What says nothing comes as long after the last one as that
    /// one after the one before.
    fn times(&mut self, pes: Pes<'_>) -> Option<(u64, u64)> {
        const STEP_MAX: i64 = 90_000;
        let told = pes.dts.or(pes.pts);
        let dts = match (told, self.last) {
            (Some(dts), _) => dts,
            (None, Some((last, step))) => (last + step) % (1 << 33),
            (None, None) => return None,
        };
        let pts = pes.pts.unwrap_or(dts);
        let step = self.last.map_or(0, |(last, step)| {
            let way = distance(last, dts);
            let is_step = (1..STEP_MAX).contains(&way);
            if is_step { way.cast_unsigned() } else { step }
        });
        self.last = Some((dts, step));
        Some((pts, dts))
    }

    /// Those that refer to it are dropped as well.
    const fn drop_one(&mut self) -> Outcome {
        self.waits = true;
        Outcome::Dropped
    }
}

const fn message(timestamp: u32, payload: Bytes) -> Message {
    Message {
        kind: MessageKind::Video,
        timestamp,
        stream_id: 1,
        payload,
    }
}
