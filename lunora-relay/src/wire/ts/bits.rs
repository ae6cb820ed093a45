//! Reads the bits of a parameter set.

/// The bits of a NAL unit, without the bytes that keep start codes out of it.
#[derive(Debug)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// From this byte of the unit on.
    pub(super) fn of(nal: &[u8], from: usize) -> Self {
        let mut bytes = Vec::with_capacity(nal.len());
        let mut zeros = 0;
        for byte in nal {
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            bytes.push(*byte);
        }
        Self {
            bytes,
            at: from * 8,
        }
    }

    /// The bytes without what was taken out.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit.into())
    }

    /// Up to 32 of them.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// A number in Exp-Golomb code.
    pub(super) fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some(((1_u32 << zeros) - 1).wrapping_add(rest))
    }

    /// A number that is at most this.
    pub(super) fn number_to(&mut self, max: u8) -> Option<u8> {
        let number = u8::try_from(self.number()?).ok()?;
        (number <= max).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_coded() {
        // 1, 010, 011, 00100, 00101, then an emulation prevention byte is stepped over.
        let mut bits = Bits::of(&[0b1010_0110, 0b0100_0010, 0b1000_0000, 0, 0, 3, 0xFF], 0);
        let numbers: Vec<_> = std::iter::from_fn(|| bits.number()).take(5).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(bits.bytes(), [0xA6, 0x42, 0x80, 0, 0, 0xFF]);
        assert_eq!(Bits::of(&[0; 9], 0).number(), None);
        assert_eq!(Bits::of(&[1], 0).number(), None);
    }
}
