//! What we write into the description of an output.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use lunora_core::domain::{Digest, Fingerprint, HashKey};

use super::place::Place;

/// What an output was told last, written in the same call (rule 11).
///
/// Four words: the version, the fingerprint of all that it was told, the digest
/// of its visible place, and when. There is nothing secret in it: the first hash
/// is keyed, and the second hashes what stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    fingerprint: Fingerprint,
    place: String,
    /// In whole seconds, as events are.
    pub(super) changed_at: Timestamp,
}

const VERSION: &str = "lunora1";

/// Longer texts are none of ours.
const LEN_MAX: usize = 128;

impl Description {
    pub(super) fn new(fingerprint: Fingerprint, place: &Place, now: Timestamp) -> Self {
        Self {
            fingerprint,
            place: place.digest(),
            changed_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
        }
    }

    /// What the output is as it stands there: the fingerprint that it was told, or
    /// another one if somebody moved it since.
    pub(super) fn fingerprint_at(&self, place: &Place) -> Fingerprint {
        if self.place == place.digest() {
            self.fingerprint
        } else {
            strange(&[self.fingerprint.0.as_bytes(), place.digest().as_bytes()])
        }
    }
}

/// What no output is ever told, so that a plan repairs what shows it.
pub(super) fn strange(of: &[&[u8]]) -> Fingerprint {
    let parts = [&b"strange"[..]].into_iter().chain(of.iter().copied());
    Fingerprint(HashKey::new([0; 32]).digest(parts))
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fingerprint: Fingerprint(fingerprint),
            place,
            changed_at,
        } = self;
        write!(f, "{VERSION} {fingerprint} {place} {changed_at}")
    }
}

/// The text is not one of ours, or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl FromStr for Description {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if LEN_MAX < text.len() {
            return Err(Unreadable);
        }
        let words: Vec<&str> = text.split(' ').collect();
        let [VERSION, fingerprint, place, changed_at] = words[..] else {
            return Err(Unreadable);
        };
        let is_digest = place.len() == 16 && place.bytes().all(|it| it.is_ascii_hexdigit());
        let fingerprint: Option<Digest> = fingerprint.parse().ok();
        match (fingerprint, changed_at.parse()) {
            (Some(fingerprint), Ok(changed_at)) if is_digest => Ok(Self {
                fingerprint: Fingerprint(fingerprint),
                place: place.to_owned(),
                changed_at,
            }),
            _ => Err(Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_mediaconnect::types::Protocol;
    use lunora_testkit::sample;
    use proptest::prelude::*;

    use super::*;

    fn place(host: &str) -> Place {
        Place::new(Protocol::Rtp, Some(host.to_owned()), Some(5000))
    }

    fn description() -> Description {
        let fingerprint = sample::spec(1).fingerprint;
        Description::new(fingerprint, &place("a.example"), sample::time())
    }

    #[test]
    fn rule_11_a_description_reads_back() {
        let description = description();
        assert_eq!(description.to_string().parse(), Ok(description));
    }

    #[test]
    fn rule_11_what_was_moved_by_hand_has_another_fingerprint() {
        let (told, description) = (sample::spec(1).fingerprint, description());
        assert_eq!(description.fingerprint_at(&place("a.example")), told);
        let moved = description.fingerprint_at(&place("b.example"));
        assert_ne!(moved, told);
        assert_ne!(moved, description.fingerprint_at(&place("c.example")));
    }

    #[test]
    fn the_time_of_a_change_is_told_in_whole_seconds() {
        let now = "2026-11-22T10:00:00.999Z".parse().unwrap();
        let fingerprint = sample::spec(1).fingerprint;
        let text = Description::new(fingerprint, &place("a.example"), now).to_string();
        assert!(text.ends_with(" 2026-11-22T10:00:00Z"), "{text}");
    }

    #[test]
    fn a_description_of_somebody_else_is_unreadable() {
        let ours = description().to_string();
        let words: Vec<&str> = ours.split(' ').collect();
        for text in [
            String::new(),
            "Facebook, do not touch".to_owned(),
            ours.replace("lunora1", "lunora2"),
            ours.replace(words[1], &words[1][1..]),
            ours.replace(words[2], &words[2].replace(char::is_alphanumeric, "g")),
            ours.replace(words[3], "yesterday"),
            format!("{ours} "),
            ours.replace(' ', "  "),
            format!("{ours}{}", "x".repeat(10_000)),
        ] {
            assert_eq!(text.parse::<Description>(), Err(Unreadable), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_hostile_description_is_read_without_a_panic(
            start in prop_oneof![Just("lunora1 ".to_owned()), ".{0,20}"],
            rest in ".{0,150}",
        ) {
            let read = format!("{start}{rest}").parse::<Description>();
            if let Ok(read) = read {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }
    }
}
