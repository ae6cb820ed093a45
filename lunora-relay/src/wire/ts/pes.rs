//! PES packets: one or more frames with the time at which they are shown.

use super::packet::{Continuity, Order, Packet};

/// The largest that is put together: more than any picture of a live stream.
pub(super) const SIZE_MAX: usize = 4 << 20;

/// What became of a packet, or of what came before it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Packets are missing.
    pub(super) gap: bool,
    /// Something was begun and is not handed over.
    pub(super) dropped: bool,
}

/// Puts the PES packets of one PID together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    continuity: Continuity,
    held: Vec<u8>,
    is_open: bool,
}

impl Assembler {
    /// Takes a packet in, and hands over each PES packet that is complete. Where trouble is told,
    /// it comes before what is handed over.
    pub(super) fn take(
        &mut self,
        packet: &Packet<'_>,
        mut each: impl FnMut(Option<&[u8]>, Trouble),
    ) {
        let Some(payload) = packet.payload else {
            return;
        };
        match self.continuity.check(packet) {
            Order::Next => {}
            Order::Again => return,
            Order::Gap => {
                let dropped = self.drop_held();
                each(None, Trouble { gap: true, dropped });
            }
        }
        if packet.starts {
            self.end(&mut each);
            self.is_open = true;
        }
        if !self.is_open {
            return;
        }
        if SIZE_MAX < self.held.len() + payload.len() {
            let dropped = self.drop_held();
            return each(
                None,
                Trouble {
                    gap: false,
                    dropped,
                },
            );
        }
        self.held.extend_from_slice(payload);
        // With its length told, it need not wait for the next one to begin.
        if let Some(len) = told_len(&self.held)
            && len <= self.held.len()
        {
            each(self.held.get(..len), Trouble::default());
            self.drop_held();
        }
    }

    /// Hands over what needs no more than an end.
    pub(super) fn end(&mut self, mut each: impl FnMut(Option<&[u8]>, Trouble)) {
        if self.is_open {
            let is_whole = told_len(&self.held).is_none();
            let trouble = Trouble {
                gap: false,
                dropped: !is_whole,
            };
            each(is_whole.then_some(&self.held), trouble);
        }
        self.drop_held();
    }

    /// Something was lost nobody knows where: what was begun is of no use.
    pub(super) fn interrupt(&mut self) -> Trouble {
        self.continuity.forget();
        let dropped = self.drop_held();
        Trouble { gap: true, dropped }
    }

    pub(super) const fn held(&self) -> usize {
        self.held.len()
    }

    fn drop_held(&mut self) -> bool {
        // A picture of a moment ago must not hold its memory for ever.
        if 1 << 20 < self.held.capacity() {
            self.held = Vec::new();
        }
        self.held.clear();
        std::mem::take(&mut self.is_open)
    }
}

/// The length with the header, if it is told; that of pictures often is not.
fn told_len(pes: &[u8]) -> Option<usize> {
    let &[_, _, _, _, l0, l1, ..] = pes else {
        return None;
    };
    match u16::from_be_bytes([l0, l1]) {
        0 => None,
        len => Some(6 + usize::from(len)),
    }
}

/// A PES packet, taken apart. Times are in 90 kHz, of 33 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pes<'a> {
    /// When it is shown.
    pub pts: Option<u64>,
    /// When it is decoded, if that is another time.
    pub dts: Option<u64>,
    /// The frames.
    pub payload: &'a [u8],
}

impl<'a> Pes<'a> {
    /// Takes a whole packet apart. Nothing if it is no PES packet of a frame, or is scrambled.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[0, 0, 1, stream, _, _, marks, flags, len], rest) = bytes.split_first_chunk()? else {
            return None;
        };
        // Private 1, audio, video, and what is told apart by an extension.
        let has_frames = matches!(stream, 0xBD | 0xC0..=0xEF | 0xFD);
        let (is_mpeg_2, scrambled) = (marks >> 6 == 2, marks & 0x30 != 0);
        if !has_frames || !is_mpeg_2 || scrambled {
            return None;
        }
        let (header, payload) = rest.split_at_checked(len.into())?;
        let pts = (flags & 0x80 != 0).then(|| header.first_chunk());
        let dts = (flags & 0xC0 == 0xC0).then(|| header.get(5..).and_then(<[u8]>::first_chunk));
        Some(Self {
            pts: pts.flatten().map(time),
            dts: dts.flatten().map(time),
            payload,
        })
    }
}

fn time(&[b0, b1, b2, b3, b4]: &[u8; 5]) -> u64 {
    let [b0, b1, b2, b3, b4] = [b0, b1, b2, b3, b4].map(u64::from);
    (b0 >> 1 & 7) << 30 | b1 << 22 | (b2 >> 1) << 15 | b3 << 7 | b4 >> 1
}
