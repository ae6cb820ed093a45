//! Packets of 188 bytes, out of bytes that come in any pieces.

/// The size of a packet.
pub(super) const SIZE: usize = 188;

const SYNC: u8 = 0x47;

/// Cuts a stream into packets, and finds their beginnings again after bytes were lost.
#[derive(Debug, Default)]
pub(super) struct Framer {
    held: Vec<u8>,
    in_step: bool,
    losses: u64,
}

impl Framer {
    /// Takes bytes in; less than two packets stay behind.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8; SIZE])) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = self.held.get(at..).unwrap_or_default();
            if self.in_step {
                let Some(packet) = rest.first_chunk::<SIZE>() else {
                    break;
                };
                if packet[0] == SYNC {
                    each(packet);
                    at += SIZE;
                } else {
                    self.in_step = false;
                    self.losses += 1;
                }
                continue;
            }
            // One byte may look like a beginning anywhere; two at the right distance hardly do.
            match rest.iter().position(|byte| *byte == SYNC) {
                None => at = self.held.len(),
                Some(skipped) => {
                    at += skipped;
                    match self.held.get(at + SIZE) {
                        None => break,
                        Some(&SYNC) => self.in_step = true,
                        Some(_) => at += 1,
                    }
                }
            }
            if at == self.held.len() {
                break;
            }
        }
        self.held.drain(..at);
    }

    /// How often the step was lost.
    pub(super) const fn losses(&self) -> u64 {
        self.losses
    }

    /// Bytes that wait for the rest of their packet.
    pub(super) const fn held(&self) -> usize {
        self.held.len()
    }
}

/// One packet, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// Whether a section or a PES packet begins in it.
    pub(super) starts: bool,
    pub(super) scrambled: bool,
    /// Whether it says that its counter begins anew.
    pub(super) jumps: bool,
    pub(super) counter: u8,
    /// `None` if it has only an adaptation field; then its counter stands still.
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Nothing if it was damaged on the way here, or says what cannot be.
    pub(super) fn parse(bytes: &'a [u8; SIZE]) -> Option<Self> {
        const ERROR: u8 = 0x80;
        let &[_, b1, b2, b3, field_len, flags, ..] = bytes;
        let control = b3 >> 4 & 3;
        if b1 & ERROR != 0 || control == 0 {
            return None;
        }
        let has_field = control & 2 != 0;
        let begin = if has_field {
            5 + usize::from(field_len)
        } else {
            4
        };
        let payload = bytes.get(begin..)?;
        Some(Self {
            pid: u16::from_be_bytes([b1 & 0x1F, b2]),
            starts: b1 & 0x40 != 0,
            scrambled: b3 & 0xC0 != 0,
            jumps: has_field && field_len != 0 && flags & 0x80 != 0,
            counter: b3 & 0x0F,
            payload: (control & 1 != 0).then_some(payload),
        })
    }
}

/// What the counter of a packet says about the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It follows.
    Next,
    /// It is the same once more.
    Again,
    /// Others were lost in between.
    Gap,
}

/// Watches the counters of one PID.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    last: Option<u8>,
    repeated: bool,
}

impl Continuity {
    /// Of a packet with a payload.
    pub(super) fn check(&mut self, packet: &Packet<'_>) -> Order {
        let last = self.last.replace(packet.counter);
        let order = match last {
            None => Order::Next,
            Some(_) if packet.jumps => Order::Next,
            Some(last) if packet.counter == (last + 1) & 0x0F => Order::Next,
            // A packet may be sent twice, and no more.
            Some(last) if packet.counter == last && !self.repeated => Order::Again,
            Some(_) => Order::Gap,
        };
        self.repeated = order == Order::Again;
        order
    }

    /// Forgets the last one: the next one follows, whatever its counter.
    pub(super) const fn forget(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(counter: u8) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..4].copy_from_slice(&[SYNC, 0x01, 0x00, 0x10 | counter]);
        bytes
    }

    #[test]
    fn packets_come_out_at_any_cut_and_after_noise() {
        let mut stream = vec![SYNC, 1, 2, SYNC];
        for counter in 0..8 {
            stream.extend_from_slice(&packet(counter));
            if counter == 4 {
                stream.extend_from_slice(&[9, SYNC, 9]);
            }
        }
        stream.push(SYNC);
        for piece in [1, 7, 188, 189, 2_000] {
            let (mut framer, mut counters) = (Framer::default(), Vec::new());
            for part in stream.chunks(piece) {
                framer.feed(part, |bytes| counters.push(bytes[3] & 0x0F));
                assert!(framer.held() < 2 * SIZE);
            }
            assert_eq!(counters, [0, 1, 2, 3, 4, 5, 6, 7], "in pieces of {piece}");
            assert_eq!(framer.losses(), 1);
        }
    }

    #[test]
    fn a_counter_may_repeat_once_and_jump_if_it_says_so() {
        let mut continuity = Continuity::default();
        let mut check = |counter: u8, jumps: bool| {
            let bytes = packet(counter);
            let packet = Packet::parse(&bytes).unwrap();
            continuity.check(&Packet { jumps, ..packet })
        };

        assert_eq!(check(14, false), Order::Next);
        assert_eq!(check(15, false), Order::Next);
        assert_eq!(check(15, false), Order::Again);
        assert_eq!(check(0, false), Order::Next);
        assert_eq!(check(2, false), Order::Gap);
        assert_eq!(check(9, true), Order::Next);
        assert_eq!(check(9, false), Order::Again);
        assert_eq!(check(9, false), Order::Gap);
    }
}
