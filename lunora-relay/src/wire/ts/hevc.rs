//! H.265: from start codes to lengths, and the sequence header of enhanced RTMP.

use super::{
    annexb::{ParameterSets, push_sets, push_unit, units},
    bits::Bits,
    video::{Coded, Entry},
};

const LAST_SLICE: u8 = 31;
const IDR: std::ops::RangeInclusive<u8> = 19..=20;
const BLA: std::ops::RangeInclusive<u8> = 16..=18;
const CRA: u8 = 21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
/// A delimiter, an end of a sequence, an end of the stream.
const LEFT_OUT: std::ops::RangeInclusive<u8> = 35..=37;

/// The bytes of an SPS before its profile.
const BEFORE_PROFILE: usize = 3;
const PROFILE_LEN: usize = 12;

/// Takes an access unit apart. The coded picture is appended to `out`.
pub(super) fn take(sets: &mut ParameterSets, unit: &[u8], out: &mut Vec<u8>) -> Coded {
    let mut coded = Coded::default();
    for nal in units(unit) {
        let &[first, _, ..] = nal else {
            continue;
        };
        let kind = first >> 1 & 0x3F;
        let id = match kind {
            VPS => nal.get(2).map(|byte| byte >> 4),
            SPS => Sps::read(nal).map(|sps| sps.id),
            PPS => Bits::of(nal, 2).number_to(63),
            _ => None,
        };
        if let Some(id) = id {
            sets.keep(kind, id, nal);
        }
        if (VPS..=PPS).contains(&kind) || LEFT_OUT.contains(&kind) {
            continue;
        }
        if IDR.contains(&kind) {
            coded.entry = Entry::Clean;
        } else if BLA.contains(&kind) || kind == CRA {
            coded.entry = coded.entry.max(Entry::Open);
        }
        coded.has_picture |= kind <= LAST_SLICE;
        push_unit(out, nal);
    }
    coded
}

/// What a decoder is set up with, once there is enough of it.
pub(super) fn record(sets: &ParameterSets) -> Option<Vec<u8>> {
    let arrays = [VPS, SPS, PPS].map(|kind| (kind, sets.of(kind)));
    if arrays.iter().any(|(_, sets)| sets.is_empty()) {
        return None;
    }
    let facts = Sps::read(arrays.get(1)?.1.first()?)?;
    let mut out = vec![1];
    out.extend_from_slice(&facts.profile);
    // Nothing is said of slices and of threads.
    out.extend_from_slice(&[0xF0, 0, 0xFC]);
    out.extend_from_slice(&[0xFC | facts.chroma, 0xF8 | facts.luma_depth]);
    out.push(0xF8 | facts.chroma_depth);
    // Nothing is said of the frame rate; lengths take four bytes.
    out.extend_from_slice(&[0, 0, facts.layers << 3 | facts.nested << 2 | 3]);
    out.push(3);
    for (kind, sets) in arrays {
        out.push(0x80 | kind);
        out.extend_from_slice(&u16::try_from(sets.len()).unwrap_or(0).to_be_bytes());
        push_sets(&mut out, &sets);
    }
    Some(out)
}

struct Sps {
    id: u8,
    profile: [u8; PROFILE_LEN],
    /// Temporal layers, and whether one can switch between them anywhere.
    layers: u8,
    nested: u8,
    chroma: u8,
    luma_depth: u8,
    chroma_depth: u8,
}

impl Sps {
    fn read(nal: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(nal, BEFORE_PROFILE + PROFILE_LEN);
        let bytes = bits.bytes();
        let more_layers = *bytes.get(2)? >> 1 & 7;
        let nested = *bytes.get(2)? & 1;
        let profile = *bytes.get(BEFORE_PROFILE..)?.first_chunk()?;
        if 6 < more_layers {
            return None;
        }
        skip_layers(&mut bits, more_layers)?;
        let id = bits.number_to(15)?;
        let chroma = bits.number_to(3)?;
        if chroma == 3 {
            bits.bit()?;
        }
        bits.number()?;
        bits.number()?;
        if bits.bit()? == 1 {
            // What is cut off at each side.
            for _ in 0..4 {
                bits.number()?;
            }
        }
        Some(Self {
            id,
            profile,
            layers: more_layers + 1,
            nested,
            chroma,
            luma_depth: bits.number_to(7)?,
            chroma_depth: bits.number_to(7)?,
        })
    }
}

/// Steps over the profiles and levels of each layer.
fn skip_layers(bits: &mut Bits, count: u8) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let mut size = 0;
    for layer in 0..8 {
        let (profile, level) = (bits.bit()?, bits.bit()?);
        if layer < count {
            size += profile * 88 + level * 8;
        }
    }
    for _ in 0..size {
        bits.bit()?;
    }
    Some(())
}
