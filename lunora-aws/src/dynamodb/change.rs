//! What a write of ours does to a row, decided without touching it.

use lunora_core::{domain::HashKey, port::Revision};

use super::{
    attribute::{BadAttribute, Item},
    revision::Knowledge,
    row::{Edits, Guard, Part, Row, Stored},
};

/// The change from what a caller knows of a row to what it wants the row to be.
pub(super) struct Change<'a, R: Row> {
    value: &'a R,
    known: &'a Knowledge,
    codec: &'a R::Codec,
    hash_key: &'a HashKey,
    /// The value as we would write it.
    wanted: Item,
    /// What is known to who holds the value.
    after: Knowledge,
}

/// Why nothing is written.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Somebody else changed what the caller wants to change.
    Conflict,
    /// What is stored cannot be read.
    Corrupt(BadAttribute),
    /// What is to be stored cannot stand beside what is there.
    Unstorable(Unstorable),
}

/// What is to be stored would not read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` would not read back as it is to be stored; give all of it, secrets included")]
pub(super) struct Unstorable {
    part: &'static str,
}

impl<'a, R: Row> Change<'a, R> {
    pub(super) fn new(
        value: &'a R,
        known: &'a Knowledge,
        codec: &'a R::Codec,
        hash_key: &'a HashKey,
    ) -> Self {
        let wanted = value.encode(codec);
        let after = Knowledge::of::<R>(None, value.id(), &wanted, hash_key);
        Self {
            value,
            known,
            codec,
            hash_key,
            wanted,
            after,
        }
    }

    /// The revision of the row after this change, as that write of ours.
    pub(super) fn result(&self, own: String) -> Revision {
        let parts = self.after.parts.clone();
        let own = Some(own);
        Knowledge { own, parts }.as_revision()
    }

    /// The parts that the caller changed.
    pub(super) fn parts(&self) -> impl Iterator<Item = &'static Part> {
        let hashes = self.after.parts.iter().zip(&self.known.parts);
        let parts = R::PARTS.iter().zip(hashes);
        let changed = parts.filter(|(_, (after, known))| after != known);
        changed.map(|(part, _)| part)
    }

    /// What has to be written over a stored row, so that the caller's changes take
    /// effect and nothing else does.
    pub(super) fn of(&self, raw: &Item) -> Result<Edits, Refusal> {
        let canonical = self.canonical(raw)?;
        if self.meets_another(&canonical) {
            return Err(Refusal::Conflict);
        }
        let stored = Stored {
            raw,
            canonical: &canonical,
            wanted: &self.wanted,
        };
        let edits = self
            .parts()
            .map(|part| self.value.edits(part, &stored, self.codec));
        let mut edits: Edits = edits.flatten().collect();
        edits.retain(|name, value| raw.get(*name) != value.as_ref());

        let mut after = raw.clone();
        apply(&edits, &mut after);
        let unstorable = |part| Refusal::Unstorable(Unstorable { part });
        let after = R::decode(self.value.id(), &after, self.codec);
        let after = after.map_err(|bad| unstorable(bad.attribute))?;
        let after = after.encode(self.codec);
        let over = self.value.over(raw, self.codec);
        let over = over.map(|value| value.encode(self.codec));
        let wanted = over.as_ref().unwrap_or(&self.wanted);
        let mut parts = R::PARTS.iter();
        match parts.find(|part| !self.is_right(part, &canonical, wanted, &after)) {
            None => Ok(edits),
            Some(part) => Err(unstorable(part.name())),
        }
    }

    /// A row as it would be if we had written it.
    fn canonical(&self, raw: &Item) -> Result<Item, Refusal> {
        let read = R::decode(self.value.id(), raw, self.codec).map_err(Refusal::Corrupt)?;
        Ok(read.encode(self.codec))
    }

    /// Whether somebody else changed a part that the caller changed as well (rule 16).
    fn meets_another(&self, canonical: &Item) -> bool {
        let now = Knowledge::of::<R>(None, self.value.id(), canonical, self.hash_key);
        let parts = R::PARTS.iter().enumerate();
        let mut guarded = parts.filter(|(_, part)| part.guard == Guard::Guarded);
        guarded.any(|(n, _)| {
            let (known, after) = (&self.known.parts[n], &self.after.parts[n]);
            after != known && now.parts[n] != *known
        })
    }

    /// Whether a part of the row will be as the caller wants it, or as it was.
    fn is_right(&self, part: &Part, before: &Item, wanted: &Item, after: &Item) -> bool {
        let changed = self.parts().any(|it| it.name() == part.name());
        let expected = if changed { wanted } else { before };
        let mut names = part.attributes.iter();
        names.all(|name| after.get(*name) == expected.get(*name))
    }
}

/// Makes the changes to a copy of a row, as DynamoDB will.
fn apply(edits: &Edits, item: &mut Item) {
    for (name, value) in edits {
        match value {
            Some(value) => item.insert((*name).to_owned(), value.clone()),
            None => item.remove(*name),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
    use lunora_core::domain::{
        Destination, FailoverHistory, Preset, SecretRef, Session, Source, Token,
    };
    use lunora_testkit::sample::{self, CANARY, Sample};
    use proptest::{collection, prelude::*, sample::select};

    use super::{super::destination_repo::DestinationCodec, *};

    /// A row that can be made for the tests.
    trait Tested: Row + Sample {
        fn codec() -> Self::Codec;
    }

    impl Tested for Destination {
        fn codec() -> DestinationCodec {
            DestinationCodec {
                prefix: "/lunora-player/streaming".parse().unwrap(),
                hash_key: sample::hash_key(),
            }
        }
    }

    macro_rules! tested {
        ($($record:ty)*) => {
            $(impl Tested for $record {
                fn codec() -> HashKey {
                    sample::hash_key()
                }
            })*
        };
    }

    tested!(Source Preset Session Token FailoverHistory);

    /// A promise of all codecs, once for each.
    macro_rules! promises {
        ($($promise:ident)*) => {
            promises! { @ [$($promise)*]
                destination: Destination, source: Source, preset: Preset,
                session: Session, token: Token, failover: FailoverHistory,
            }
        };
        (@ $promises:tt $($record:ident: $type:ty,)*) => {
            $(mod $record {
                use super::*;
                promises! { % $type, $promises }
            })*
        };
        (% $type:ty, [$($promise:ident)*]) => {
            $(#[test]
            fn $promise() {
                super::$promise::<$type>();
            })*
        };
    }

    promises! {
        every_value_reads_back_as_it_was_written
        whatever_is_stored_is_read_or_refused
        what_is_refused_and_what_is_known_tell_no_text
        a_change_is_all_that_changes
        nothing_is_written_over_what_another_client_changed
    }

    fn run<S: Strategy>(strategy: S, test: impl Fn(S::Value)) {
        let config = ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let outcome = prop::test_runner::TestRunner::new(config).run(&strategy, |value| {
            test(value);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Texts that mean something somewhere, and some that mean nothing.
    fn text() -> impl Strategy<Value = String> {
        let known = [
            "",
            " ",
            "true",
            "0",
            "1",
            "running",
            "stopped",
            "paused",
            "backup",
            "BACKUP",
            "youtube",
            "YouTube",
            "hls",
            "no word!",
            "mediaconnect",
            "MediaConnect",
            "SRT",
            "rtp-fec",
            "None",
            "AES-128",
            "STANDARD",
            "HEALTHY",
            "active",
            "generic",
            "1920x1080",
            "1920X1080",
            "6000000",
            "29.97",
            "1e300",
            "NaN",
            "-1",
            "2024-03-01T10:00:00Z",
            "2024-03-01T10:00:00.5",
            "1709287200123",
            "00000000000000000000000000000000",
            "rtmp://a.example/live2",
            "rtmp://a.example/live2/",
            "rtmp://a.example/live2/***",
            "rtmp://a.example/live2/***?backup=1",
            "rtmp://b.example/live2?backup=1",
            "RTMPS://A.example:443/app/instance/key?auth=1",
            "rtmp://a.example/app?token=t",
            "rtmp://b.example/live2?backup=1/key",
            "http://a.example/x",
            "srt://a.example:9000",
            "rtmp://user:pass@a.example/app",
            "/elsewhere/stream_key",
            "{}",
            "null",
        ];
        prop_oneof![
            4 => select(known.to_vec()).prop_map(str::to_owned),
            1 => ".{0,20}",
            1 => "rtmp://[a-c]/[a-c/?.=#]{0,12}",
        ]
    }

    fn value() -> impl Strategy<Value = AttributeValue> {
        let leaf = prop_oneof![
            6 => text().prop_map(AttributeValue::S),
            1 => any::<bool>().prop_map(AttributeValue::Bool),
            1 => Just(AttributeValue::Null(true)),
            1 => any::<i64>().prop_map(|n| AttributeValue::N(n.to_string())),
            1 => any::<f32>().prop_map(|n| AttributeValue::N(n.to_string())),
            1 => any::<Vec<u8>>().prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
            1 => collection::vec(text(), 1..4).prop_map(AttributeValue::Ss),
        ];
        let keys = [
            "codec",
            "resolution",
            "bitrate",
            "framerate",
            "channels",
            "low_latency",
            "max_bitrate",
            "destination_id",
            "id",
            "message",
            "nobody_knows",
        ];
        leaf.prop_recursive(3, 16, 4, move |inner| {
            let key = select(keys.to_vec()).prop_map(str::to_owned);
            prop_oneof![
                collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                collection::hash_map(key, inner, 0..4).prop_map(AttributeValue::M),
            ]
        })
    }

    /// Any row: one of ours, in which others have written whatever they liked.
    fn row<R: Tested>() -> impl Strategy<Value = (R::Id, Item)> {
        let mut names: Vec<&str> = R::PARTS
            .iter()
            .flat_map(|it| it.attributes)
            .copied()
            .collect();
        names.extend(["nobody_knows", "streaming_status"]);
        let writes = collection::hash_map(select(names), prop::option::of(value()), 0..12);
        (R::any(), any::<bool>(), writes).prop_map(|(ours, is_old, writes)| {
            let mut item = if is_old {
                Item::new()
            } else {
                ours.encode(&R::codec())
            };
            for (name, value) in writes {
                match value {
                    Some(value) => item.insert(name.to_owned(), value),
                    None => item.remove(name),
                };
            }
            (ours.id().clone(), item)
        })
    }

    fn knowledge<R: Tested>(value: &R) -> Knowledge {
        let canonical = value.encode(&R::codec());
        Knowledge::of::<R>(None, value.id(), &canonical, &sample::hash_key())
    }

    fn change<R: Tested, T>(
        known: &Knowledge,
        value: &R,
        look: impl FnOnce(&Change<'_, R>) -> T,
    ) -> T {
        let (codec, hash_key) = (R::codec(), sample::hash_key());
        look(&Change::new(value, known, &codec, &hash_key))
    }

    fn every_value_reads_back_as_it_was_written<R: Tested>() {
        run(R::any(), |value| {
            let item = value.encode(&R::codec());
            assert_eq!(R::decode(value.id(), &item, &R::codec()).unwrap(), value);
            let known = knowledge(&value);
            let revision = known.as_revision();
            assert_eq!(Knowledge::read::<R>(&revision), Some(known));
        });
    }

    fn whatever_is_stored_is_read_or_refused<R: Tested>() {
        run(row::<R>(), |(id, item)| {
            if let Ok(read) = R::decode(&id, &item, &R::codec()) {
                // What was read is a value like any other.
                let again = R::decode(&id, &read.encode(&R::codec()), &R::codec()).unwrap();
                assert_eq!(again, read);
                // Who changes nothing writes nothing.
                let known = knowledge(&read);
                let edits = change(&known, &read, |change| change.of(&item).unwrap());
                assert!(edits.is_empty(), "{edits:?}");
            }
        });
    }

    fn printed(it: impl fmt::Debug + fmt::Display) -> String {
        format!("{it} {it:?}")
    }

    fn what_is_refused_and_what_is_known_tell_no_text<R: Tested>() {
        let name = select(
            R::PARTS
                .iter()
                .flat_map(|it| it.attributes)
                .copied()
                .collect::<Vec<_>>(),
        );
        run((R::any(), name), |(value, name)| {
            for planted in [
                AttributeValue::S(CANARY.to_owned()),
                AttributeValue::S(format!("rtmp://a.example/app/{CANARY}/{CANARY}?{CANARY}")),
                AttributeValue::L(vec![AttributeValue::S(CANARY.to_owned())]),
            ] {
                let mut item = value.encode(&R::codec());
                item.insert(name.to_owned(), planted);
                match R::decode(value.id(), &item, &R::codec()) {
                    Err(bad) => assert!(!printed(bad).contains(CANARY)),
                    Ok(read) => {
                        let token = knowledge(&read).as_revision();
                        assert!(!token.as_token().contains(CANARY), "{token:?}");
                        // Names and the like are shown; secrets and their places are not.
                        let is_secret = ["url", "stream_key", "stream_id", "passphrase"];
                        if is_secret.iter().any(|secret| name.contains(secret)) {
                            assert!(!format!("{read:?}").contains(CANARY), "{name} {read:?}");
                        }
                    }
                }
            }
        });
    }

    /// The value with some of its parts from another one.
    fn mixed<R: Tested>(one: &R, other: &R, which: &[bool]) -> Option<R> {
        let (mut item, from) = (one.encode(&R::codec()), other.encode(&R::codec()));
        for (part, _) in R::PARTS.iter().zip(which).filter(|(_, taken)| **taken) {
            for name in part.attributes {
                match from.get(*name) {
                    Some(value) => item.insert((*name).to_owned(), value.clone()),
                    None => item.remove(*name),
                };
            }
        }
        R::decode(one.id(), &item, &R::codec()).ok()
    }

    fn which() -> impl Strategy<Value = Vec<bool>> {
        collection::vec(prop::bool::weighted(0.2), 30)
    }

    fn a_change_is_all_that_changes<R: Tested>() {
        run(
            (row::<R>(), R::any(), which()),
            |((id, item), other, which)| {
                let Ok(read) = R::decode(&id, &item, &R::codec()) else {
                    return;
                };
                let Some(wanted) = mixed(&read, &other, &which) else {
                    return;
                };
                let known = knowledge(&read);
                let (edits, parts) = change(&known, &wanted, |change| {
                    let parts: Vec<&str> = change
                        .parts()
                        .flat_map(|it| it.attributes)
                        .copied()
                        .collect();
                    (change.of(&item), parts)
                });
                let edits = match edits {
                    Ok(edits) => edits,
                    Err(Refusal::Unstorable(_)) => return,
                    Err(refusal) => panic!("{refusal:?}"),
                };
                for name in edits.keys() {
                    assert!(parts.contains(name), "{name} of {parts:?}");
                }
                let expected = wanted.over(&item, &R::codec()).unwrap_or(wanted);
                let mut after = item;
                apply(&edits, &mut after);
                assert_eq!(R::decode(&id, &after, &R::codec()).unwrap(), expected);
            },
        );
    }

    fn nothing_is_written_over_what_another_client_changed<R: Tested>() {
        run(
            (row::<R>(), row::<R>(), R::any(), which()),
            |(one, two, other, which)| {
                let ((id, item), (_, writes)) = (one, two);
                let Ok(read) = R::decode(&id, &item, &R::codec()) else {
                    return;
                };
                let Some(wanted) = mixed(&read, &other, &which) else {
                    return;
                };
                // What another client writes between our read and our write.
                let mut now = item;
                now.extend(writes.into_iter().take(2));
                let Ok(found) = R::decode(&id, &now, &R::codec()) else {
                    return;
                };
                let known = knowledge(&read);
                let edits = change(&known, &wanted, |change| change.of(&now));
                let changed = |one: &R, other: &R, part: &Part| {
                    let (one, other) = (one.encode(&R::codec()), other.encode(&R::codec()));
                    let mut names = part.attributes.iter();
                    names.any(|name| one.get(*name) != other.get(*name))
                };
                let guarded = R::PARTS.iter().filter(|it| it.guard == Guard::Guarded);
                let both =
                    |part: &&Part| changed(&read, &found, part) && changed(&read, &wanted, part);
                let meets = guarded.clone().any(|part| both(&part));
                assert_eq!(matches!(edits, Err(Refusal::Conflict)), meets, "{edits:?}");
                if let Ok(edits) = edits {
                    let over = wanted.over(&now, &R::codec());
                    let over = over.as_ref().unwrap_or(&wanted);
                    let mut after = now;
                    apply(&edits, &mut after);
                    let after = R::decode(&id, &after, &R::codec()).unwrap();
                    for part in R::PARTS {
                        let expected = if changed(&read, &wanted, part) {
                            over
                        } else {
                            &found
                        };
                        assert!(!changed(&after, expected, part), "{}", part.name());
                    }
                }
            },
        );
    }

    #[test]
    fn a_reference_that_is_of_nothing_here_reads_back_all_the_same() {
        let mut value = sample::destination(1);
        let unread = SecretRef {
            version: lunora_core::domain::SecretVersion::UNREAD,
            digest: sample::hash_key().digest([&b"x"[..]]),
        };
        let endpoint = value.primary.as_mut().unwrap();
        (endpoint.tail, endpoint.key) = (Some(unread), Some(unread));
        let item = value.encode(&Destination::codec());
        let read = Destination::decode(&value.id, &item, &Destination::codec());
        assert_eq!(read.unwrap(), value);
    }
}
