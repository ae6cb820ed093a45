//! Single attributes: read leniently, written in one way.
//!
//! Other clients write the same rows, and have for years. So a value is read in
//! every form that it is known or likely to have, and NULL is as if it were not
//! there. What has another form than ours stays as it is until it changes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// A row as DynamoDB has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// An attribute that cannot be read, and why, without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute `{attribute}` is not {expected}")]
pub(super) struct BadAttribute {
    pub(super) attribute: &'static str,
    pub(super) expected: &'static str,
}

impl BadAttribute {
    pub(super) const fn new(attribute: &'static str, expected: &'static str) -> Self {
        Self {
            attribute,
            expected,
        }
    }
}

/// The attribute, unless it is NULL.
pub(super) fn there<'a>(item: &'a Item, name: &str) -> Option<&'a AttributeValue> {
    item.get(name).filter(|value| !value.is_null())
}

/// The text exactly as it is stored.
pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    there(item, name)?.as_s().ok().map(String::as_str)
}

/// The text without the space around it, unless nothing is left.
pub(super) fn words<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    text(item, name)
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// The text, if it is one that its type lets through.
pub(super) fn parsed<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    words(item, name)?.parse().ok()
}

/// A yes or no: a boolean, `true` and `false` as text, 1 and 0.
pub(super) fn flag(item: &Item, name: &'static str) -> Result<Option<bool>, BadAttribute> {
    let word = match there(item, name) {
        None => return Ok(None),
        Some(AttributeValue::Bool(flag)) => return Ok(Some(*flag)),
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.trim(),
        Some(_) => "no word at all",
    };
    match word.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "yes" | "1" => Ok(Some(true)),
        "false" | "no" | "0" => Ok(Some(false)),
        _ => Err(BadAttribute::new(name, "true or false")),
    }
}

/// A number from 0 on, as such or as text.
pub(super) fn count(item: &Item, name: &str) -> Option<u64> {
    let digits = match there(item, name)? {
        AttributeValue::N(digits) | AttributeValue::S(digits) => digits.trim(),
        _ => return None,
    };
    digits.parse().ok().or_else(|| {
        // `6000000.0` and `6e6` are whole numbers too.
        let number: f64 = digits.parse().ok()?;
        let whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
        whole.then_some(number as u64)
    })
}

/// A number, as such or as text.
pub(super) fn number(item: &Item, name: &str) -> Option<f64> {
    match there(item, name)? {
        AttributeValue::N(digits) | AttributeValue::S(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// A time: ISO 8601, which is UTC if it says nothing else, or milliseconds since 1970.
pub(super) fn time(item: &Item, name: &str) -> Option<Timestamp> {
    let text = match there(item, name)? {
        AttributeValue::S(text) | AttributeValue::N(text) => text.trim(),
        _ => return None,
    };
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return TimeZone::UTC.to_timestamp(time).ok();
    }
    // Some clients count them with a fraction.
    let milliseconds: f64 = text.parse().ok()?;
    let known = milliseconds.is_finite() && milliseconds.abs() < 1e15;
    known
        .then(|| Timestamp::from_millisecond(milliseconds as i64).ok())
        .flatten()
}

/// When a row was made that does not say it: many ids tell, as `dest_<ms>_…` does.
pub(super) fn time_in_id(id: &str) -> Timestamp {
    let is_time =
        |it: &&str| (12..=14).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_digit());
    let digits = id.split('_').nth(1).filter(is_time);
    let milliseconds = digits.and_then(|digits| digits.parse().ok());
    milliseconds
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What a row stands under, for people; not always an id.
pub(super) fn id_text(item: &Item, name: &str) -> String {
    text(item, name).unwrap_or("not a text").to_owned()
}

pub(super) fn from_text(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

pub(super) fn from_count(count: u64) -> AttributeValue {
    AttributeValue::N(count.to_string())
}

pub(super) fn from_number(number: f64) -> AttributeValue {
    let size = number.abs();
    // DynamoDB has numbers from 1e-130 to 1e126 and no others; the rest stands as text.
    if !number.is_finite() || number != 0.0 && !(1e-129..1e125).contains(&size) {
        return AttributeValue::S(number.to_string());
    }
    AttributeValue::N(if number == 0.0 || (1e-6..1e15).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    })
}

/// Writes bytes that are equal exactly for equal values, in whatever order a
/// map or a set has its members.
pub(super) fn write_bytes(value: &AttributeValue, out: &mut Vec<u8>) {
    fn part(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
        out.push(tag);
        out.extend((bytes.len() as u64).to_be_bytes());
        out.extend(bytes);
    }
    fn nested(tag: u8, mut parts: Vec<Vec<u8>>, sorted: bool, out: &mut Vec<u8>) {
        if sorted {
            parts.sort();
        }
        out.push(tag);
        out.extend((parts.len() as u64).to_be_bytes());
        out.extend(parts.concat());
    }
    fn all<'a, T: 'a>(
        values: impl IntoIterator<Item = &'a T>,
        mut write: impl FnMut(&T, &mut Vec<u8>),
    ) -> Vec<Vec<u8>> {
        let one = |value: &T| {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            bytes
        };
        values.into_iter().map(one).collect()
    }
    match value {
        AttributeValue::S(text) => part(b'S', text.as_bytes(), out),
        AttributeValue::N(digits) => part(b'N', digits.as_bytes(), out),
        AttributeValue::B(blob) => part(b'B', blob.as_ref(), out),
        AttributeValue::Bool(flag) => part(b'?', &[u8::from(*flag)], out),
        AttributeValue::Null(_) => part(b'0', &[], out),
        AttributeValue::L(list) => nested(b'L', all(list, write_bytes), false, out),
        AttributeValue::M(map) => {
            let entry = |(name, value): (&String, &AttributeValue)| {
                let mut bytes = Vec::new();
                part(b'S', name.as_bytes(), &mut bytes);
                write_bytes(value, &mut bytes);
                bytes
            };
            nested(b'M', map.iter().map(entry).collect(), true, out);
        }
        AttributeValue::Ss(set) => {
            let write = |text: &String, out: &mut Vec<u8>| part(b'S', text.as_bytes(), out);
            nested(b's', all(set, write), true, out);
        }
        AttributeValue::Ns(set) => {
            let write = |digits: &String, out: &mut Vec<u8>| part(b'N', digits.as_bytes(), out);
            nested(b'n', all(set, write), true, out);
        }
        AttributeValue::Bs(set) => {
            let parts = set.iter().map(|blob| {
                let mut bytes = Vec::new();
                part(b'B', blob.as_ref(), &mut bytes);
                bytes
            });
            nested(b'b', parts.collect(), true, out);
        }
        // A kind of value that this SDK does not know; none is written by us.
        _ => part(b'-', &[], out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: AttributeValue) -> Item {
        Item::from([("a".to_owned(), value)])
    }

    fn s(text: &str) -> Item {
        item(from_text(text))
    }

    fn n(digits: &str) -> Item {
        item(AttributeValue::N(digits.to_owned()))
    }

    #[test]
    fn a_flag_is_read_in_every_form_that_clients_write() {
        for (yes, no) in [("true", "false"), ("TRUE", " False "), ("1", "0")] {
            assert_eq!(flag(&s(yes), "a"), Ok(Some(true)), "{yes}");
            assert_eq!(flag(&s(no), "a"), Ok(Some(false)), "{no}");
        }
        assert_eq!(flag(&n("1"), "a"), Ok(Some(true)));
        assert_eq!(flag(&item(AttributeValue::Null(true)), "a"), Ok(None));
        assert_eq!(flag(&Item::new(), "a"), Ok(None));
        let bad = flag(&s("canary"), "a").unwrap_err();
        assert_eq!(bad.to_string(), "attribute `a` is not true or false");
        assert!(flag(&item(AttributeValue::L(vec![])), "a").is_err());
    }

    #[test]
    fn a_time_is_read_in_every_form_that_clients_write() {
        let expected = "2024-03-01T10:00:00.123Z".parse().unwrap();
        for text in [
            "2024-03-01T10:00:00.123Z",
            "2024-03-01T12:00:00.123+02:00",
            "2024-03-01T10:00:00.123",
            "2024-03-01 10:00:00.123",
            "1709287200123",
            " 1709287200123.0 ",
        ] {
            assert_eq!(time(&s(text), "a"), Some(expected), "{text}");
        }
        assert_eq!(time(&n("1709287200123"), "a"), Some(expected));
        for text in ["", "yesterday", "NaN", "1e300", "-1e300"] {
            assert_eq!(time(&s(text), "a"), None, "{text}");
        }
    }

    #[test]
    fn a_row_that_does_not_say_when_it_was_made_has_the_time_of_its_id() {
        let time = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        assert_eq!(time_in_id("dest_1700000000123_z10000000"), time);
        for id in ["dest", "dest_x_y", "dest_12_y", "dest_-700000000123_y"] {
            assert_eq!(time_in_id(id), Timestamp::UNIX_EPOCH, "{id}");
        }
    }

    #[test]
    fn a_whole_number_is_read_in_every_form_that_clients_write() {
        for digits in ["6000000", "6000000.0", "6e6", "6E+6"] {
            assert_eq!(count(&n(digits), "a"), Some(6_000_000), "{digits}");
            assert_eq!(count(&s(digits), "a"), Some(6_000_000), "{digits}");
        }
        assert_eq!(count(&n(&u64::MAX.to_string()), "a"), Some(u64::MAX));
        for digits in ["-1", "1.5", "", "many", "NaN", "1e300"] {
            assert_eq!(count(&s(digits), "a"), None, "{digits}");
        }
    }

    #[test]
    fn every_number_reads_back_as_it_was_written() {
        for value in [
            0.0,
            -0.0,
            29.97,
            1e-7,
            1e15,
            1e16,
            1e-200,
            1e200,
            f64::MAX,
            f64::MIN_POSITIVE,
            0.1,
            f64::INFINITY,
        ] {
            assert_eq!(number(&item(from_number(value)), "a"), Some(value));
        }
    }

    #[test]
    fn the_bytes_of_a_map_do_not_depend_on_its_order() {
        let bytes = |value: &AttributeValue| {
            let mut out = Vec::new();
            write_bytes(value, &mut out);
            out
        };
        let map = |keys: &[&str]| {
            let entries = keys.iter().map(|key| ((*key).to_owned(), from_text(key)));
            AttributeValue::M(entries.collect())
        };
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
        for _ in 0..10 {
            assert_eq!(bytes(&map(&keys)), bytes(&map(&keys)));
        }
        assert_ne!(bytes(&map(&["a", "b"])), bytes(&map(&["a"])));
        assert_ne!(bytes(&from_text("1")), bytes(&from_count(1)));
    }
}
