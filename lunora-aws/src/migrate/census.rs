//! Counting and hashing what is there, so that it can be shown what stayed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use lunora_core::port::PortError;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{Migrator, TableKind};
use crate::dynamodb::stored::{self, Item};

/// The most rows that are read in one call, so that a small table is not emptied
/// of its capacity at once. A page ends at 1 MB anyway.
const PAGE_MAX: i32 = 250;

/// How many rows a table has, and a hash of all of them.
///
/// It is the SHA-256 over the ids, in order, each with the SHA-256 of the row's
/// attributes. Equal tables have equal ones, in whatever order DynamoDB shows
/// rows, attributes, or the members of a map or set. Nothing smaller than a
/// whole table is ever shown or stored: of one row, a value could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many rows.
    pub rows: u64,
    /// Their hash.
    pub sha256: RowsHash,
}

/// 64 hexadecimal digits that tell equal tables from different ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RowsHash([u8; 32]);

impl fmt::Display for RowsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RowsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RowsHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for RowsHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const PROBLEM: &str = "a hash has 64 hexadecimal digits";
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PROBLEM);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| PROBLEM)?;
        }
        Ok(Self(bytes))
    }
}

/// Who has which row, without what it says: ids and hashes, 32 bytes each.
///
/// The hashes of rows stay in memory. They are here so that a row that somebody
/// else changed can be named.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Census(BTreeMap<String, [u8; 32]>);

impl Census {
    /// Takes a row down, all of its attributes but `without`.
    pub(super) fn add(&mut self, id: &str, item: &Item, without: impl Fn(&str) -> bool) {
        let mut names: Vec<&String> = item.keys().filter(|name| !without(name)).collect();
        names.sort();
        let (mut hash, mut bytes) = (Sha256::new(), Vec::new());
        for name in names {
            bytes.clear();
            bytes.extend((name.len() as u64).to_be_bytes());
            bytes.extend(name.as_bytes());
            stored::write_bytes(&item[name], &mut bytes);
            hash.update(&bytes);
        }
        self.0.insert(id.to_owned(), hash.finalize().into());
    }

    pub(super) fn tally(&self) -> Tally {
        let mut hash = Sha256::new();
        for (id, row) in &self.0 {
            hash.update((id.len() as u64).to_be_bytes());
            hash.update(id.as_bytes());
            hash.update(row);
        }
        Tally {
            rows: self.0.len() as u64,
            sha256: RowsHash(hash.finalize().into()),
        }
    }

    /// What became of the rows since an earlier one.
    pub(super) fn since(&self, earlier: &Self) -> Drift {
        let mut drift = Drift::default();
        for (id, row) in &self.0 {
            match earlier.0.get(id) {
                None => drift.added.push(id.clone()),
                Some(before) if before != row => drift.changed.push(id.clone()),
                Some(_) => (),
            }
        }
        let gone = earlier.0.keys().filter(|id| !self.0.contains_key(*id));
        drift.gone = gone.cloned().collect();
        drift
    }
}

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Census({} rows)", self.0.len())
    }
}

/// The rows that others changed meanwhile, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Those with another value than before.
    pub changed: Vec<String>,
    /// Those that were not there before.
    pub added: Vec<String>,
    /// Those that are there no more.
    pub gone: Vec<String>,
}

impl Drift {
    /// Whether nobody changed anything.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.gone.is_empty()
    }
}

/// Texts that were seen, such as the presets that destinations ask for.
pub(super) type Names = BTreeSet<String>;

impl Migrator {
    /// Reads every row of a table, strongly and page by page; none stays in memory.
    pub(super) async fn for_each_row(
        &self,
        kind: TableKind,
        mut see: impl FnMut(&str, &Item) + Send,
    ) -> Result<(), PortError> {
        let name = kind.name(&self.tables);
        let mut start = None;
        loop {
            let asked = || async {
                let call = self.client.scan().table_name(name.as_str());
                let call = call.consistent_read(true).limit(PAGE_MAX);
                let answer = call.set_exclusive_start_key(start.clone()).send().await;
                answer.map_err(|error| {
                    let subject = format_args!("the rows of table {name}");
                    stored::failed("Scan", "read", subject, &error)
                })
            };
            let page = self.pace.patiently(asked).await?;
            for item in page.items() {
                // The key of each was seen to be a text.
                let id = item.get(kind.key()[0]).and_then(|id| id.as_s().ok());
                see(id.map_or("", String::as_str), item);
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn row(pairs: &[(&str, &str)]) -> Item {
        let value = |text: &str| AttributeValue::S(text.to_owned());
        let pairs = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), value(text)));
        pairs.collect()
    }

    fn census(rows: &[(&str, &[(&str, &str)])]) -> Census {
        let mut census = Census::default();
        for (id, pairs) in rows {
            census.add(id, &row(pairs), |_| false);
        }
        census
    }

    #[test]
    fn the_same_rows_in_another_order_have_the_same_hash() {
        let one = census(&[("a", &[("x", "1"), ("y", "2")]), ("b", &[("x", "3")])]);
        let other = census(&[("b", &[("x", "3")]), ("a", &[("y", "2"), ("x", "1")])]);
        assert_eq!(one.tally(), other.tally());
        assert_eq!(one.tally().rows, 2);
    }

    #[test]
    fn every_difference_has_another_hash() {
        let all = [
            census(&[]),
            census(&[("a", &[])]),
            census(&[("a", &[("x", "1")])]),
            census(&[("a", &[("x", "2")])]),
            census(&[("b", &[("x", "1")])]),
            census(&[("a", &[("x", "1")]), ("b", &[])]),
            census(&[("a", &[("xS", "1")])]),
            census(&[("a", &[("x", "1"), ("y", "")])]),
        ];
        for (n, one) in all.iter().enumerate() {
            let same = all
                .iter()
                .filter(|it| it.tally().sha256 == one.tally().sha256);
            assert_eq!(same.count(), 1, "{n}");
        }
    }

    #[test]
    fn an_attribute_that_was_added_is_left_out() {
        let mut after = Census::default();
        after.add("a", &row(&[("x", "1"), ("new", "2")]), |name| name == "new");
        assert_eq!(after, census(&[("a", &[("x", "1")])]));
    }

    #[test]
    fn rows_that_others_changed_are_named() {
        let before = census(&[("a", &[("x", "1")]), ("b", &[]), ("c", &[])]);
        let after = census(&[("a", &[("x", "2")]), ("b", &[]), ("d", &[])]);
        let drift = after.since(&before);
        assert_eq!(drift.changed, ["a"]);
        assert_eq!(drift.added, ["d"]);
        assert_eq!(drift.gone, ["c"]);
        assert!(before.since(&before).is_none());
    }

    #[test]
    fn a_hash_reads_back_and_a_census_shows_nothing_of_rows() {
        let census = census(&[("a", &[("x", "canary")])]);
        let hash = census.tally().sha256;
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(format!("{census:?}"), "Census(1 rows)");
    }
}
