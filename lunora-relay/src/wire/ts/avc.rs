//! H.264: from start codes to lengths, and the sequence header of RTMP.

use super::{
    annexb::{ParameterSets, push_sets, push_unit, units},
    bits::Bits,
    video::{Coded, Entry},
};

const SLICES: std::ops::RangeInclusive<u8> = 1..=5;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
/// Of a delimiter, an end, an extension, or a set of another layer: RTMP has no place for them.
const LEFT_OUT: [u8; 5] = [9, 10, 11, 13, 15];

/// Takes an access unit apart. The coded picture is appended to `out`.
pub(super) fn take(sets: &mut ParameterSets, unit: &[u8], out: &mut Vec<u8>) -> Coded {
    let mut coded = Coded::default();
    for nal in units(unit) {
        let kind = nal.first().map_or(0, |byte| byte & 0x1F);
        match kind {
            SPS => {
                if let Some(sps) = Sps::read(nal) {
                    sets.keep(SPS, sps.id, nal);
                }
                continue;
            }
            PPS => {
                if let Some(id) = Bits::of(nal, 1).number_to(u8::MAX) {
                    sets.keep(PPS, id, nal);
                }
                continue;
            }
            SEI if recovers(nal) => coded.entry = coded.entry.max(Entry::Open),
            IDR => coded.entry = Entry::Clean,
            _ => {}
        }
        if LEFT_OUT.contains(&kind) {
            continue;
        }
        coded.has_picture |= SLICES.contains(&kind);
        push_unit(out, nal);
    }
    coded
}

/// What a decoder is set up with, once there is enough of it.
pub(super) fn record(sets: &ParameterSets) -> Option<Vec<u8>> {
    let (sps, pps) = (sets.of(SPS), sets.of(PPS));
    let first = sps.first()?;
    let facts = Sps::read(first)?;
    if pps.is_empty() {
        return None;
    }
    let &[_, profile, compatibility, level, ..] = *first else {
        return None;
    };
    let mut out = vec![1, profile, compatibility, level, 0xFF];
    out.push(0xE0 | u8::try_from(sps.len()).unwrap_or(0x1F));
    push_sets(&mut out, &sps);
    out.push(u8::try_from(pps.len()).unwrap_or(u8::MAX));
    push_sets(&mut out, &pps);
    if let Some([chroma, luma_depth, chroma_depth]) = facts.colour {
        out.extend_from_slice(&[0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0]);
    }
    Some(out)
}

struct Sps {
    id: u8,
    /// Chroma format, and the depths of luma and chroma less 8; older profiles have only one choice.
    colour: Option<[u8; 3]>,
}

impl Sps {
    fn read(nal: &[u8]) -> Option<Self> {
        let profile = *nal.get(1)?;
        let mut bits = Bits::of(nal, 4);
        let id = bits.number_to(31)?;
        let is_high = matches!(
            profile,
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
        );
        let colour = if is_high {
            let chroma = bits.number_to(3)?;
            if chroma == 3 {
                bits.bit()?;
            }
            Some([chroma, bits.number_to(6)?, bits.number_to(6)?])
        } else {
            None
        };
        Some(Self { id, colour })
    }
}

/// Whether an SEI says that all pictures from this one on come out right.
fn recovers(nal: &[u8]) -> bool {
    const RECOVERY_POINT: u32 = 6;
    // It stands at the beginning; a long one is no reason to copy all of it.
    let bits = Bits::of(nal.get(..nal.len().min(256)).unwrap_or_default(), 0);
    let mut rest = bits.bytes().get(1..).unwrap_or_default();
    while rest.len() > 2 {
        let (Some(kind), Some(len)) = (sum(&mut rest), sum(&mut rest)) else {
            return false;
        };
        if kind == RECOVERY_POINT {
            return Bits::of(rest, 0).number() == Some(0);
        }
        rest = rest
            .get(usize::try_from(len).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
    }
    false
}

/// A number as the sum of bytes, the first below 255 being the last.
fn sum(rest: &mut &[u8]) -> Option<u32> {
    let mut sum = 0_u32;
    loop {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        sum += u32::from(byte);
        if byte != u8::MAX {
            return Some(sum);
        }
    }
}
