//! Sections: the tables that say what is in a stream, each with its own check sum.

use super::packet::{Continuity, Order, Packet};

/// The longest section that there can be.
const SIZE_MAX: usize = 3 + 0xFFF;

/// Stuffing behind the last section of a packet.
const STUFFING: u8 = 0xFF;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(super) struct Sections {
    continuity: Continuity,
    held: Vec<u8>,
    is_open: bool,
}

impl Sections {
    /// Takes a packet in, and hands over each section that is complete.
    pub(super) fn take(&mut self, packet: &Packet<'_>, mut each: impl FnMut(&[u8])) {
        let Some(payload) = packet.payload else {
            return;
        };
        match self.continuity.check(packet) {
            Order::Next => {}
            Order::Again => return,
            Order::Gap => self.close(),
        }
        if !packet.starts {
            if self.is_open {
                self.held.extend_from_slice(payload);
                self.drain(&mut each);
            }
            return;
        }
        let Some((&pointer, payload)) = payload.split_first() else {
            return self.close();
        };
        let Some((end, begin)) = payload.split_at_checked(usize::from(pointer)) else {
            return self.close();
        };
        if self.is_open {
            self.held.extend_from_slice(end);
            self.drain(&mut each);
        }
        self.held.clear();
        self.held.extend_from_slice(begin);
        self.is_open = true;
        self.drain(&mut each);
    }

    pub(super) const fn held(&self) -> usize {
        self.held.len()
    }

    fn close(&mut self) {
        self.held.clear();
        self.is_open = false;
    }

    fn drain(&mut self, each: &mut impl FnMut(&[u8])) {
        while let &[table, b1, b2, ..] = self.held.as_slice() {
            if table == STUFFING {
                return self.close();
            }
            let len = 3 + usize::from(u16::from_be_bytes([b1 & 0x0F, b2]));
            let Some(section) = self.held.get(..len) else {
                break;
            };
            each(section);
            self.held.drain(..len);
        }
        debug_assert!(self.held.len() < SIZE_MAX);
    }
}

/// Of a section with all fields and a right check sum that is in force now: its table, what it is
/// about, and what stands in it.
pub(super) fn opened(section: &[u8]) -> Option<(u8, u16, &[u8])> {
    let &[table, b1, _, id0, id1, version, _number, _last, ..] = section else {
        return None;
    };
    let (has_syntax, in_force) = (b1 & 0x80 != 0, version & 1 != 0);
    let body = section.get(8..section.len().checked_sub(4)?)?;
    let is_right = has_syntax && in_force && crc(section) == 0;
    is_right.then_some((table, u16::from_be_bytes([id0, id1]), body))
}

/// The check sum of MPEG-2 systems; of a section with its sum it is 0.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x04C1_1DB7;
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            let carry = sum >> 31;
            sum = (sum << 1) ^ (carry * POLYNOMIAL);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_that_of_mpeg_2() {
        assert_eq!(crc(b"123456789"), 0x0376_E6E7);
    }
}
