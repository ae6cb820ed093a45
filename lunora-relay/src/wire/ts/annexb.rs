//! NAL units behind start codes.

use std::collections::BTreeMap;

/// The NAL units of an access unit: what stands between start codes, without the zeros behind it.
pub(super) fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes.get(find(bytes).1..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (end, next) = find(rest);
        let unit = rest.get(..end).unwrap_or_default();
        rest = rest.get(next..).unwrap_or_default();
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit.get(..unit.len() - zeros)
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the next start code begins and where it ends; the end of the bytes if there is none.
fn find(bytes: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while let Some(&[a, b, c]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        match (a, b, c) {
            (0, 0, 1) => return (at, at + 3),
            (_, _, 2..) => at += 3,
            (_, 1.., _) => at += 2,
            _ => at += 1,
        }
    }
    (bytes.len(), bytes.len())
}

/// The parameter sets in force, of several types, each with an id of its own.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sets: BTreeMap<(u8, u8), Vec<u8>>,
    size: usize,
}

impl ParameterSets {
    /// Real ones take some ten or hundred bytes.
    const ONE_MAX: usize = 2 * 1024;
    const ALL_MAX: usize = 8 * 1024;

    /// Keeps a set in the place of one with the same id. What is too large is not kept, and what
    /// becomes too many begins anew.
    pub(super) fn keep(&mut self, kind: u8, id: u8, set: &[u8]) {
        if Self::ONE_MAX < set.len() {
            return;
        }
        if let Some(known) = self.sets.get(&(kind, id)) {
            if known == set {
                return;
            }
            self.size -= known.len();
        }
        if Self::ALL_MAX < self.size + set.len() {
            (self.sets, self.size) = (BTreeMap::new(), 0);
        }
        self.sets.insert((kind, id), set.to_vec());
        self.size += set.len();
    }

    /// All of a type, by id; not more than a header can hold.
    pub(super) fn of(&self, kind: u8) -> Vec<&[u8]> {
        const COUNT_MAX: usize = 31;
        let of_kind = self.sets.range((kind, 0)..=(kind, u8::MAX));
        of_kind
            .map(|(_, set)| set.as_slice())
            .take(COUNT_MAX)
            .collect()
    }
}

/// A list of sets, each behind its length.
pub(super) fn push_sets(out: &mut Vec<u8>, sets: &[&[u8]]) {
    for set in sets {
        // They are far shorter, see `ParameterSets`.
        let len = u16::try_from(set.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(set);
    }
}

/// A unit behind its length.
pub(super) fn push_unit(out: &mut Vec<u8>, unit: &[u8]) {
    let len = u32::try_from(unit.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(unit);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_stand_between_start_codes_of_three_or_four_bytes() {
        let bytes = [9, 9, 0, 0, 0, 1, 5, 6, 0, 0, 1, 7, 0, 2, 0, 0, 0, 0, 1, 8];
        let units: Vec<_> = units(&bytes).collect();
        assert_eq!(units, [&[5, 6][..], &[7, 0, 2], &[8]]);
    }

    proptest! {
        #[test]
        fn what_was_put_behind_start_codes_comes_out(
            parts in prop::collection::vec(prop::collection::vec(1..=255_u8, 1..20), 0..9),
            long in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend_from_slice(if long { &[0, 0, 0, 1] } else { &[0, 0, 1] });
                bytes.extend_from_slice(part);
            }
            let units: Vec<_> = units(&bytes).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(units, parts);
        }

        #[test]
        fn sets_never_take_more_than_their_bound(
            sets in prop::collection::vec((0..3_u8, any::<u8>(), 0..3_000_usize), 0..60)
        ) {
            let mut kept = ParameterSets::default();
            for (kind, id, len) in sets {
                kept.keep(kind, id, &vec![1; len]);
                let sum: usize = kept.sets.values().map(Vec::len).sum();
                prop_assert_eq!(sum, kept.size);
                prop_assert!(sum <= ParameterSets::ALL_MAX);
            }
        }
    }
}
