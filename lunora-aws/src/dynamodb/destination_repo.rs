//! The rows of `lunora-destinations`.
//!
//! Of the attributes of the running system, `streaming_status` is written once,
//! when a row is made, and never read (rule 1); ARNs, channel states and times of
//! synchronisation are not known here, and stay as they are (rule 17). `wanted`,
//! `generation`, and what a leg says of its secrets are our own.
//!
//! Old clients know one way of delivery, `medialive`. A row of theirs is read in
//! whatever form it has, and what makes no sense in it is as if it were not there:
//! we make nothing of it but what people see. A row whose `output_type` says
//! anything else is ours to act on. There, nothing is taken for missing that may
//! have been lost: a row that has no `wanted`, which an old client drops that puts
//! whole rows, or whose push URL cannot be used, is not read, so that its output
//! is left alone (rules 8 and 9). This is so as well for a row that somebody
//! writes by hand: it needs a `wanted`.

use lunora_core::domain::{
    BackupMode, Destination, DestinationId, DestinationName, HashKey, Leg, OutputType, Platform,
    Wanted,
};

use super::{
    attribute::{
        BadAttribute, Item, count, flag, from_count, from_text, parsed, there, time, time_in_id,
        words,
    },
    leg::{InlineTexts, LegAttributes, LegCodec},
    row::{Edits, Part, Place, Row, Stored, item},
};
use crate::ParameterPrefix;
use aws_sdk_dynamodb::types::AttributeValue;

/// What it takes to read and write a destination.
#[derive(Clone, Debug)]
pub(super) struct DestinationCodec {
    /// What the names of all parameters begin with: an old client reads the key there.
    pub(super) prefix: ParameterPrefix,
    pub(super) hash_key: HashKey,
}

impl DestinationCodec {
    fn leg<'a>(&'a self, id: &'a DestinationId) -> LegCodec<'a> {
        LegCodec {
            id,
            prefix: self.prefix.as_str(),
            hash_key: &self.hash_key,
        }
    }

    /// The secrets of a leg that stand in the row itself.
    pub(super) fn inline(&self, id: &DestinationId, leg: Leg, item: &Item) -> InlineTexts {
        LegAttributes::of(leg).inline(item, self.leg(id))
    }
}

/// What is shown of a way of delivery that is no word.
const UNREADABLE: &str = "unreadable";

impl Row for Destination {
    type Codec = DestinationCodec;

    const PLACE: Place = Place::Own {
        key: "destination_id",
    };

    const PARTS: &'static [Part] = &[
        Part::guarded(&["name"]),
        Part::guarded(&["platform"]),
        Part::guarded(&["preset_id"]),
        Part::guarded(&["enabled"]),
        // The second is not read without the first: what is to be ours needs an intent.
        Part::guarded(&["output_type", "wanted"]),
        Part::guarded(LegAttributes::OF_PRIMARY),
        Part::guarded(LegAttributes::OF_BACKUP),
        Part::guarded(&["failover_enabled"]),
        Part::guarded(&["backup_mode"]),
        Part::guarded(&["current_active_url"]),
        Part::guarded(&["generation"]),
        Part::guarded(&["streaming_started_at"]),
        Part::guarded(&["created_at"]),
        Part::stamp(&["updated_at"]),
    ];

    fn decode(
        id: &DestinationId,
        item: &Item,
        codec: &DestinationCodec,
    ) -> Result<Self, BadAttribute> {
        let output_type = output_type(item);
        let is_ours = output_type != OutputType::MediaLive;
        let leg = |leg: LegAttributes| {
            if is_ours {
                leg.check(item, codec.leg(id))?;
            }
            Ok(leg.read(item, codec.leg(id)))
        };
        Ok(Self {
            id: id.clone(),
            name: parsed(item, "name").unwrap_or_else(|| named_like(id)),
            platform: platform(item),
            preset_id: parsed(item, "preset_id"),
            // As the old API has it.
            enabled: flag(item, "enabled")?.unwrap_or(true),
            wanted: wanted(item, is_ours)?,
            output_type,
            primary: leg(LegAttributes::PRIMARY)?,
            backup: leg(LegAttributes::BACKUP)?,
            failover_enabled: flag(item, "failover_enabled")?.unwrap_or(false),
            backup_mode: backup_mode(item)?,
            active_leg: active_leg(item)?,
            generation: generation(item)?,
            started_at: time(item, "streaming_started_at"),
            created_at: time(item, "created_at").unwrap_or_else(|| time_in_id(id.as_str())),
            updated_at: time(item, "updated_at").unwrap_or_else(|| time_in_id(id.as_str())),
        })
    }

    fn encode(&self, codec: &DestinationCodec) -> Item {
        // A row that never had one stays without.
        let hot = self.backup_mode == BackupMode::Hot;
        let backup_mode = hot.then(|| from_text(self.backup_mode));
        let mut all = item([
            ("name", Some(from_text(&self.name))),
            ("platform", Some(from_text(&self.platform))),
            ("preset_id", self.preset_id.as_ref().map(from_text)),
            ("enabled", Some(AttributeValue::Bool(self.enabled))),
            ("wanted", Some(from_text(word(self.wanted)))),
            ("output_type", Some(from_text(&self.output_type))),
            (
                "failover_enabled",
                Some(AttributeValue::Bool(self.failover_enabled)),
            ),
            ("backup_mode", backup_mode),
            ("current_active_url", Some(from_text(self.active_leg))),
            ("generation", Some(from_count(self.generation))),
            ("streaming_started_at", self.started_at.map(from_text)),
            ("created_at", Some(from_text(self.created_at))),
            ("updated_at", Some(from_text(self.updated_at))),
        ]);
        let leg = codec.leg(&self.id);
        all.extend(LegAttributes::PRIMARY.write(self.primary.as_ref(), leg));
        all.extend(LegAttributes::BACKUP.write(self.backup.as_ref(), leg));
        all
    }

    fn born_with(&self) -> Item {
        // Old clients want to see all three.
        item([
            ("streaming_status", Some(from_text("ready"))),
            ("rtmp_url", Some(AttributeValue::Null(true))),
            ("stream_key_param", Some(AttributeValue::Null(true))),
        ])
    }

    fn edits(&self, part: &Part, stored: &Stored<'_>, codec: &DestinationCodec) -> Edits {
        let leg = [Leg::Primary, Leg::Backup]
            .into_iter()
            .find(|leg| LegAttributes::of(*leg).is_part(part));
        match leg {
            None if part.name() == "output_type" => {
                let mut edits = part.differences(stored);
                if there(stored.raw, "wanted").is_none() {
                    edits.insert("wanted", stored.wanted.get("wanted").cloned());
                }
                edits
            }
            None => part.differences(stored),
            Some(leg) => {
                LegAttributes::of(leg).edits(self.endpoint(leg), stored.raw, codec.leg(&self.id))
            }
        }
    }

    fn over(&self, raw: &Item, codec: &DestinationCodec) -> Option<Self> {
        let mut over = self.clone();
        let legs = [&mut over.primary, &mut over.backup];
        for (leg, endpoint) in [Leg::Primary, Leg::Backup].into_iter().zip(legs) {
            if let Some(endpoint) = endpoint.as_mut().filter(|it| it.key.is_none()) {
                let codec = codec.leg(&self.id);
                endpoint.key = LegAttributes::of(leg).key_of_nothing(raw, codec);
            }
        }
        (over != *self).then_some(over)
    }
}

/// A row without a usable name is called by its id.
fn named_like(id: &DestinationId) -> DestinationName {
    let text: String = id.as_str().chars().take(DestinationName::LEN_MAX).collect();
    text.parse()
        .expect("an id is made of what a name is made of")
}

fn platform(item: &Item) -> Platform {
    let word = words(item, "platform").map(str::to_ascii_lowercase);
    // What is no word says as much as nothing.
    word.and_then(|word| word.parse().ok())
        .unwrap_or(Platform::Custom)
}

/// Only exact words count: what is left alone must not become ours by a spelling.
fn output_type(item: &Item) -> OutputType {
    match there(item, "output_type") {
        None => OutputType::MediaLive,
        Some(AttributeValue::S(word)) if word.is_empty() => OutputType::MediaLive,
        Some(AttributeValue::S(word)) => word.parse().unwrap_or_else(|_| unreadable()),
        Some(_) => unreadable(),
    }
}

fn unreadable() -> OutputType {
    UNREADABLE.parse().expect("it is a word")
}

const fn word(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Running => "running",
        Wanted::Stopped => "stopped",
    }
}

/// An intent that cannot be read is no intent to stop, nor is one that is lost.
fn wanted(item: &Item, is_ours: bool) -> Result<Wanted, BadAttribute> {
    match there(item, "wanted") {
        None if !is_ours => Ok(Wanted::Stopped),
        Some(AttributeValue::S(text)) if text == word(Wanted::Stopped) => Ok(Wanted::Stopped),
        Some(AttributeValue::S(text)) if text == word(Wanted::Running) => Ok(Wanted::Running),
        _ => Err(BadAttribute::new("wanted", "running or stopped")),
    }
}

/// Whether a second output is to be on is not guessed.
fn backup_mode(item: &Item) -> Result<BackupMode, BadAttribute> {
    const NAME: &str = "backup_mode";
    match words(item, NAME) {
        None if there(item, NAME).is_none_or(AttributeValue::is_s) => Ok(BackupMode::Standby),
        word => word
            .and_then(|word| word.parse().ok())
            .ok_or(BadAttribute::new(NAME, "standby or hot")),
    }
}

fn active_leg(item: &Item) -> Result<Leg, BadAttribute> {
    const NAME: &str = "current_active_url";
    match words(item, NAME) {
        Some(word) if word.eq_ignore_ascii_case("primary") => Ok(Leg::Primary),
        Some(word) if word.eq_ignore_ascii_case("backup") => Ok(Leg::Backup),
        None if there(item, NAME).is_none_or(AttributeValue::is_s) => Ok(Leg::Primary),
        _ => Err(BadAttribute::new(NAME, "primary or backup")),
    }
}

pub(super) fn generation(item: &Item) -> Result<u64, BadAttribute> {
    match there(item, "generation") {
        None => Ok(0),
        // No counter comes so far, and others count in 63 bits.
        Some(_) => count(item, "generation")
            .filter(|generation| i64::try_from(*generation).is_ok())
            .ok_or(BadAttribute::new(
                "generation",
                "a number from 0 to 2^63 - 1",
            )),
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::{Endpoint, SecretName, SecretRef, SecretVersion};
    use lunora_testkit::sample;

    use super::{
        super::{change::Change, change::Refusal, revision::Knowledge},
        *,
    };

    fn codec() -> DestinationCodec {
        DestinationCodec {
            prefix: "/lunora".parse().unwrap(),
            hash_key: sample::hash_key(),
        }
    }

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    const NULL: AttributeValue = AttributeValue::Null(true);
    const PARAM: &str = "/elsewhere/stream_key";

    /// A row of ours that says nothing but this.
    fn ours(attributes: &[(&str, AttributeValue)]) -> Item {
        let mut item = Item::from([
            ("output_type".to_owned(), s("mediaconnect")),
            ("wanted".to_owned(), s("running")),
        ]);
        let own = |(name, value): &(&str, AttributeValue)| ((*name).to_owned(), value.clone());
        item.extend(attributes.iter().map(own));
        item
    }

    /// The same as an old client has it.
    fn theirs(attributes: &[(&str, AttributeValue)]) -> Item {
        let mut item = ours(attributes);
        item.retain(|name, _| !["output_type", "wanted"].contains(&name.as_str()));
        item
    }

    fn read(item: &Item) -> Result<Destination, &'static str> {
        let read = Destination::decode(&sample::destination_id(1), item, &codec());
        read.map_err(|bad| bad.attribute)
    }

    /// What is written over a row by who read it and makes this change.
    fn change(
        item: &Item,
        change: impl FnOnce(&mut Destination),
    ) -> (Destination, Result<Edits, Refusal>) {
        let mut value = read(item).unwrap();
        let canonical = value.encode(&codec());
        let (hash_key, codec) = (sample::hash_key(), codec());
        let known = Knowledge::of::<Destination>(None, &value.id, &canonical, &hash_key);
        change(&mut value);
        let edits = Change::new(&value, &known, &codec, &hash_key).of(item);
        (value, edits)
    }

    fn leg(url: &str) -> Endpoint {
        Endpoint {
            url: url.parse().unwrap(),
            tail: None,
            key: None,
        }
    }

    fn written(edits: Edits, item: &Item) -> Item {
        let mut item = item.clone();
        for (name, value) in edits {
            match value {
                Some(value) => item.insert(name.to_owned(), value),
                None => item.remove(name),
            };
        }
        item
    }

    #[test]
    fn rule_8_a_row_of_ours_whose_intent_is_lost_is_not_read_as_stopped() {
        let words = ["mediaconnect", "relay", "teleport", " medialive "].map(s);
        for output_type in words.into_iter().chain([from_count(1)]) {
            for lost in [None, Some(NULL)] {
                let mut item = ours(&[("output_type", output_type.clone())]);
                item.remove("wanted");
                item.extend(lost.map(|lost| ("wanted".to_owned(), lost)));
                assert_eq!(read(&item), Err("wanted"), "{output_type:?}");
            }
        }
        for medialive in [s("medialive"), s(""), NULL] {
            let row = read(&theirs(&[("output_type", medialive)])).unwrap();
            assert_eq!(row.wanted, Wanted::Stopped);
        }
        assert_eq!(read(&ours(&[])).unwrap().wanted, Wanted::Running);
    }

    #[test]
    fn a_row_that_becomes_ours_is_given_its_intent() {
        let item = theirs(&[("output_type", s("medialive"))]);
        let (value, edits) = change(&item, |row| row.output_type = OutputType::MediaConnect);

        let edits = edits.unwrap();

        let names: Vec<_> = edits.keys().copied().collect();
        assert_eq!(names, ["output_type", "wanted"]);
        assert_eq!(read(&written(edits, &item)), Ok(value));
    }

    #[test]
    fn a_row_does_not_become_ours_with_a_url_that_cannot_be_used() {
        let item = theirs(&[("rtmp_url", s("http://a.example/x"))]);
        let (_, edits) = change(&item, |row| row.output_type = OutputType::MediaConnect);
        assert!(matches!(edits, Err(Refusal::Unstorable(_))), "{edits:?}");

        let (value, edits) = change(&item, |row| {
            row.output_type = OutputType::MediaConnect;
            row.primary = Some(leg("rtmp://a.example/app"));
        });
        assert_eq!(read(&written(edits.unwrap(), &item)), Ok(value));
    }

    #[test]
    fn a_row_without_a_backup_mode_is_standby_and_one_with_an_unknown_one_is_not_read() {
        for missing in [&[][..], &[("backup_mode", NULL)], &[("backup_mode", s(""))]] {
            let row = read(&ours(missing)).unwrap();
            assert_eq!(row.backup_mode, BackupMode::Standby);
        }
        let row = read(&ours(&[("backup_mode", s("Hot"))])).unwrap();
        assert_eq!(row.backup_mode, BackupMode::Hot);
        for odd in [s("lukewarm"), AttributeValue::Bool(true)] {
            assert_eq!(read(&ours(&[("backup_mode", odd)])), Err("backup_mode"));
        }
    }

    #[test]
    fn a_backup_mode_is_written_when_it_changes_and_to_no_row_that_never_had_one() {
        let item = ours(&[]);
        let (_, edits) = change(&item, |row| row.enabled = false);
        assert!(!edits.unwrap().contains_key("backup_mode"));

        let (value, edits) = change(&item, |row| row.backup_mode = BackupMode::Hot);
        let edits = edits.unwrap();
        assert_eq!(edits.keys().copied().collect::<Vec<_>>(), ["backup_mode"]);
        let hot = written(edits, &item);
        assert_eq!(read(&hot), Ok(value));

        let (value, edits) = change(&hot, |row| row.backup_mode = BackupMode::Standby);
        assert_eq!(read(&written(edits.unwrap(), &hot)), Ok(value));
    }

    #[test]
    fn a_leg_of_ours_that_cannot_be_used_is_not_taken_for_none() {
        let odd = AttributeValue::L(vec![s("rtmp://a.example/app")]);
        let no_url = s("http://a.example/x");
        let masked = s("rtmp://a.example/app/***");
        for (name, value) in [
            ("rtmp_url", no_url.clone()),
            ("rtmp_url", odd.clone()),
            ("rtmp_url", masked.clone()),
            ("backup_rtmp_url", no_url),
            ("backup_rtmp_url", AttributeValue::Bool(true)),
            ("backup_rtmp_url", masked),
            ("stream_key_param", odd.clone()),
            ("backup_stream_key_param", odd),
        ] {
            let row = [(name, value)];
            assert_eq!(read(&ours(&row)), Err(name));
            assert!(read(&theirs(&row)).is_ok(), "{name}");
        }
        for nothing in [NULL, s(""), s(" ")] {
            let names = ["rtmp_url", "backup_rtmp_url", "stream_key_param"];
            let row = read(&ours(&names.map(|name| (name, nothing.clone())))).unwrap();
            assert_eq!((row.primary, row.backup), (None, None));
        }
    }

    #[test]
    fn a_masked_url_of_ours_is_read_with_its_own_hidden_part_alone() {
        let url = "rtmp://a.example/app/***?backup=1";
        let tail = SecretRef::new(SecretVersion(2), &sample::secret(2), &sample::hash_key());
        let row = |of: &str| {
            ours(&[
                ("rtmp_url", s(url)),
                ("url_tail_version", from_count(2)),
                ("url_tail_digest", from_text(tail.digest)),
                ("url_tail_of", s(of)),
            ])
        };
        let read_tail = |of| read(&row(of)).map(|row| row.primary.unwrap().tail);

        assert_eq!(read_tail(url), Ok(Some(tail)));
        assert_eq!(read_tail("rtmp://b.example/app/***"), Err("rtmp_url"));
        let mut lost = row(url);
        lost.remove("url_tail_digest");
        assert_eq!(read(&lost), Err("rtmp_url"));
    }

    #[test]
    fn rule_22_a_url_for_a_leg_that_had_none_leaves_the_key_of_the_row() {
        let (id, hash_key) = (sample::destination_id(1), sample::hash_key());
        let unread = SecretRef::unread(&SecretName::StreamKey(id, Leg::Primary), &hash_key);
        let kept = SecretRef::new(SecretVersion(4), &sample::secret(4), &hash_key);
        let param = ("stream_key_param", s(PARAM));
        let version = ("stream_key_version", from_count(4));
        let digest = ("stream_key_digest", from_text(kept.digest));
        let garbage = ("rtmp_url", s("http://a.example/x"));
        for (item, key) in [
            (theirs(std::slice::from_ref(&param)), unread),
            (theirs(&[param.clone(), ("rtmp_url", NULL)]), unread),
            (theirs(&[param.clone(), garbage]), unread),
            (ours(std::slice::from_ref(&param)), unread),
            (ours(&[param, version, digest]), kept),
        ] {
            let url = "rtmp://new.example/app";
            let (_, edits) = change(&item, |row| row.primary = Some(leg(url)));

            let edits = edits.unwrap();

            assert_eq!(edits.keys().collect::<Vec<_>>(), [&"rtmp_url"]);
            let expected = Endpoint {
                key: Some(key),
                ..leg(url)
            };
            let after = read(&written(edits, &item)).unwrap();
            assert_eq!(after.primary, Some(expected));
        }
    }

    #[test]
    fn rule_22_a_key_that_was_seen_goes_when_it_is_taken_away() {
        let url = ("rtmp_url", s("rtmp://a.example/app"));
        let item = theirs(&[url, ("stream_key_param", s(PARAM))]);
        let (value, edits) = change(&item, |row| row.primary.as_mut().unwrap().key = None);

        let after = written(edits.unwrap(), &item);

        assert_eq!(after["stream_key_param"], NULL);
        assert_eq!(read(&after), Ok(value));
    }

    #[test]
    fn a_generation_counts_in_63_bits() {
        let row = |n: u64| read(&ours(&[("generation", from_count(n))]));
        let most = i64::MAX.unsigned_abs();
        assert_eq!(row(most).unwrap().generation, most);
        assert_eq!(row(most + 1), Err("generation"));
        assert_eq!(row(u64::MAX), Err("generation"));
    }
}
