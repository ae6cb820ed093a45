//! Rows as the old system and its clients left them: what they read as, and what
//! an edit of one thing makes of them.
//!
//! Each file of `golden` has a row as it is `stored`, in DynamoDB's own JSON; what
//! it `reads` as; which secrets it `reveals`; and for every edit, by its name here,
//! the attributes that are different afterwards. All others are as they were. It
//! reads as it was written, but for what `reads_after` has under that name.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf, sync::Arc};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use lunora_aws::dynamodb::{DynamoDbDestinationRepo, InlineSecrets};
use lunora_core::{
    ExposeSecret,
    domain::{
        Destination, Edit, Endpoint, KeyInput, Leg, OutputType, Platform, Preset, Priority,
        PushAddress, SecretName, SecretRef, SecretVersion, Session, SessionStatus, Source,
        SourceCheck, SourceHealth, Wanted,
    },
    port::{
        ErrorKind, Expect, PageRequest, Record, Repo, RepoExt as _, SecretStore as _, Versioned,
        Which,
    },
};
use lunora_testkit::{
    memory::MemorySecretStore,
    sample::{self, CANARY},
};
use serde_json::{Map, Value};

use crate::support::Stack;

type Item = std::collections::HashMap<String, AttributeValue>;

const OWN_REVISION: &str = "lunora_revision";

/// One test for each file, and one that no file was forgotten.
macro_rules! golden {
    ($($name:ident)*) => {
        $(#[tokio::test]
        #[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
        async fn $name() {
            Golden::load(stringify!($name)).check().await;
        })*

        #[test]
        fn every_file_is_tested() {
            let files = fs::read_dir(folder()).unwrap();
            let name = |file: fs::DirEntry| file.path().file_stem()?.to_str().map(str::to_owned);
            let mut files: Vec<_> = files.filter_map(|file| name(file.unwrap())).collect();
            files.sort();
            let mut tested = vec![$(stringify!($name)),*];
            tested.sort_unstable();
            assert_eq!(files, tested);
        }
    };
}

golden! {
    destination_complete
    destination_minimal
    destination_odd
    destination_wrong_types
    destination_inline_key
    destination_inline_tail
    destination_inline_both
    destination_url_garbage
    destination_url_userinfo
    destination_url_spaces
    destination_ours
    destination_ours_new_url
    destination_ours_key_gone
    source_complete
    source_minimal
    source_odd
    preset_complete
    preset_minimal
    preset_odd
    session_complete
    session_minimal
    session_odd
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ministack/golden")
}

struct Golden(Map<String, Value>);

impl Golden {
    fn load(name: &str) -> Self {
        let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    fn map(&self, name: &str) -> Map<String, Value> {
        let map = self
            .0
            .get(name)
            .cloned()
            .unwrap_or(Value::Object(Map::new()));
        map.as_object().unwrap().clone()
    }

    fn stored(&self) -> Item {
        let attributes = self.map("stored");
        attributes
            .iter()
            .map(|(name, value)| (name.clone(), from_json(value)))
            .collect()
    }

    async fn check(&self) {
        let stack = Stack::set_up().await;
        let tables = &stack.config.tables;
        let destinations = DynamoDbDestinationRepo::new(
            stack.dynamodb(),
            tables.destinations.clone(),
            // As it stands in the rows.
            "/lunora-player/streaming".parse().unwrap(),
            sample::hash_key(),
        );
        match self.0["kind"].as_str().unwrap() {
            "destination" => {
                let row = Row::new(&stack, tables.destinations.as_str(), "destination_id", self);
                self.edit(&row, &destinations, shown_destination, edit_destination)
                    .await;
                let id = row.id.parse().unwrap();
                self.reveal(&stack, SecretName::all_of(&id)).await;
            }
            "source" => {
                let row = Row::new(&stack, tables.sources.as_str(), "source_id", self);
                self.edit(&row, &stack.sources(), shown_source, edit_source)
                    .await;
                let id = row.id.parse().unwrap();
                self.reveal(&stack, SecretName::all_of_source(&id)).await;
            }
            "preset" => {
                let row = Row::new(&stack, tables.presets.as_str(), "preset_id", self);
                self.edit(&row, &stack.presets(), shown_preset, edit_preset)
                    .await;
            }
            "session" => {
                let row = Row::new(&stack, tables.sessions.as_str(), "session_id", self);
                self.edit(&row, &stack.sessions(), shown_session, edit_session)
                    .await;
            }
            kind => panic!("{kind}"),
        }
    }

    /// Reads, edits one thing, and compares all of the row, once for each edit.
    async fn edit<R: Record>(
        &self,
        row: &Row<'_>,
        repo: &dyn Repo<R>,
        shown: fn(&R) -> BTreeMap<&'static str, String>,
        edit: fn(&mut R, &str),
    ) where
        R::Id: std::str::FromStr<Err: fmt::Debug>,
    {
        let id: R::Id = row.id.parse().unwrap();
        let expected = self.map("reads");
        let expected: BTreeMap<&str, &str> = expected
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        for (name, changes) in &self.map("edits") {
            let before = self.stored();
            row.put(before.clone()).await;
            let read = repo.get(&id).await.unwrap().unwrap();
            let found = shown(&read.value);
            let found = found.iter().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
            assert!(!format!("{repo:?} {read:?}").contains(CANARY));
            let listed = repo.list_all().await.unwrap();
            assert_eq!(listed, std::slice::from_ref(&read));

            let mut value = read.value;
            edit(&mut value, name);
            let expect = Expect::Revision(read.revision);
            let revision = repo.put(&value, expect).await.unwrap();
            assert!(!format!("{revision:?}").contains(CANARY));

            let mut after = row.get().await;
            let own = after.remove(OWN_REVISION).unwrap();
            assert_eq!(own.as_s().unwrap().len(), 32);
            assert_ne!(before.get(OWN_REVISION), Some(&own));
            let mut expected = before;
            expected.remove(OWN_REVISION);
            for (name, change) in changes.as_object().unwrap() {
                match change {
                    Value::Null => expected.remove(name),
                    change => expected.insert(name.clone(), from_json(change)),
                };
            }
            assert_eq!(sorted(&after), sorted(&expected), "{name}");
            let written = Versioned { value, revision };
            let read = repo.get(&id).await.unwrap().unwrap();
            let Some(others) = self.map("reads_after").remove(name) else {
                assert_eq!(read, written, "{name}");
                continue;
            };
            let mut expected = shown(&written.value);
            for (name, text) in &mut expected {
                if let Some(other) = others.get(name) {
                    other.as_str().unwrap().clone_into(text);
                }
            }
            assert_eq!(shown(&read.value), expected, "{name}");
        }
    }

    /// Every secret that stands in the row is revealed, and no other.
    async fn reveal<const N: usize>(&self, stack: &Stack, names: [SecretName; N]) {
        let inner = Arc::new(MemorySecretStore::default());
        let secrets = InlineSecrets::new(inner, &stack.destinations(), &stack.sources());
        // The last edit may have taken them away.
        let tables = &stack.config.tables;
        let (table, key) = match self.0["kind"].as_str() {
            Some("source") => (&tables.sources, "source_id"),
            _ => (&tables.destinations, "destination_id"),
        };
        Row::new(stack, table.as_str(), key, self)
            .put(self.stored())
            .await;
        let expected = self.map("reveals");
        for name in names {
            let path = name.to_string();
            let expected = expected.get(path.rsplit('/').next().unwrap());
            for which in [Which::Latest, Which::Version(SecretVersion::UNREAD)] {
                let revealed = secrets.reveal(&name, which).await.unwrap();
                let text = revealed.as_ref().map(|it| it.text.expose_secret());
                assert_eq!(text, expected.and_then(Value::as_str), "{name}");
                assert!(!format!("{secrets:?} {revealed:?}").contains(CANARY));
            }
            // What the row refers to is that text.
            let reference = match &name {
                SecretName::StreamKey(id, _) | SecretName::UrlTail(id, _) => {
                    let row = stack.destinations().get(id).await.unwrap().unwrap();
                    row.value.refers_to(&name)
                }
                SecretName::SourceUrl(id)
                | SecretName::SourceStreamId(id)
                | SecretName::SourcePassphrase(id) => {
                    let row = stack.sources().get(id).await.unwrap().unwrap();
                    row.value.refers_to(&name)
                }
                SecretName::PublishKey => None,
            };
            if let Some(text) = expected.and_then(Value::as_str) {
                let reference = reference.unwrap();
                assert!(
                    reference.is_unread() && reference.is_of(&text.into(), &sample::hash_key())
                );
            }
        }
    }
}

/// A row, past the adapter.
struct Row<'a> {
    stack: &'a Stack,
    table: &'a str,
    key: &'static str,
    id: String,
}

impl<'a> Row<'a> {
    fn new(stack: &'a Stack, table: &'a str, key: &'static str, golden: &Golden) -> Self {
        let id = golden.stored()[key].as_s().unwrap().clone();
        Self {
            stack,
            table,
            key,
            id,
        }
    }

    async fn put(&self, item: Item) {
        let put = self.stack.dynamodb().put_item().table_name(self.table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    async fn get(&self) -> Item {
        let id = AttributeValue::S(self.id.clone());
        let get = self.stack.dynamodb().get_item().table_name(self.table);
        let get = get.key(self.key, id).consistent_read(true);
        get.send().await.unwrap().item.unwrap()
    }
}

/// As it is compared: members of a set have no order.
fn sorted(item: &Item) -> BTreeMap<String, AttributeValue> {
    let set = |value: &AttributeValue| match value {
        AttributeValue::Ss(set) => {
            let mut set = set.clone();
            set.sort();
            AttributeValue::Ss(set)
        }
        AttributeValue::Ns(set) => {
            let mut set = set.clone();
            set.sort();
            AttributeValue::Ns(set)
        }
        AttributeValue::Bs(set) => {
            let mut set = set.clone();
            set.sort_by(|one, other| one.as_ref().cmp(other.as_ref()));
            AttributeValue::Bs(set)
        }
        other => other.clone(),
    };
    item.iter()
        .map(|(name, value)| (name.clone(), set(value)))
        .collect()
}

/// Reads DynamoDB's own JSON.
fn from_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let texts = || value.as_array().unwrap().iter().map(text).collect();
    let blob = |value: &Value| Blob::new(aws_smithy_types::base64::decode(text(value)).unwrap());
    match kind.as_str() {
        "S" => AttributeValue::S(text(value)),
        "N" => AttributeValue::N(text(value)),
        "B" => AttributeValue::B(blob(value)),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(true),
        "SS" => AttributeValue::Ss(texts()),
        "NS" => AttributeValue::Ns(texts()),
        "BS" => AttributeValue::Bs(value.as_array().unwrap().iter().map(blob).collect()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(from_json).collect()),
        "M" => {
            let entries = value.as_object().unwrap().iter();
            AttributeValue::M(entries.map(|(k, v)| (k.clone(), from_json(v))).collect())
        }
        kind => panic!("{kind}"),
    }
}

fn or_none(value: Option<impl fmt::Display>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn version(reference: SecretRef) -> String {
    match reference.version {
        SecretVersion::UNREAD => "unread".to_owned(),
        SecretVersion(version) => version.to_string(),
    }
}

fn shown_leg(leg: Option<&Endpoint>) -> String {
    let Some(leg) = leg else {
        return "none".to_owned();
    };
    let tail = leg.tail.map(|tail| format!(", tail {}", version(tail)));
    let key = leg.key.map(|key| format!(", key {}", version(key)));
    format!(
        "{}{}{}",
        leg.url,
        tail.unwrap_or_default(),
        key.unwrap_or_default()
    )
}

fn shown_destination(row: &Destination) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("name", row.name.to_string()),
        ("platform", row.platform.to_string()),
        ("preset", or_none(row.preset_id.as_ref())),
        ("enabled", row.enabled.to_string()),
        ("wanted", format!("{:?}", row.wanted).to_lowercase()),
        ("output_type", row.output_type.to_string()),
        ("primary", shown_leg(row.endpoint(Leg::Primary))),
        ("backup", shown_leg(row.endpoint(Leg::Backup))),
        ("failover_enabled", row.failover_enabled.to_string()),
        ("active_leg", row.active_leg.to_string()),
        ("generation", row.generation.to_string()),
        ("started_at", or_none(row.started_at)),
        ("created_at", row.created_at.to_string()),
        ("updated_at", row.updated_at.to_string()),
    ])
}

/// What every edit here refers to.
fn third() -> SecretRef {
    SecretRef {
        version: SecretVersion(3),
        digest: "00112233445566778899aabbccddeeff".parse().unwrap(),
    }
}

fn edit_destination(row: &mut Destination, edit: &str) {
    let primary = row.primary.clone();
    let key = primary.as_ref().and_then(|leg| leg.key);
    match edit {
        "nothing" => {}
        "rename" => row.name = "renamed".parse().unwrap(),
        "run" => {
            row.wanted = Wanted::Running;
            row.started_at = Some(sample::time());
            row.generation += 1;
            row.updated_at = sample::time();
        }
        "disable" => row.enabled = false,
        "twitch" => row.platform = Platform::Twitch,
        "ours" => row.output_type = OutputType::MediaConnect,
        "failover" => {
            row.failover_enabled = true;
            row.active_leg = Leg::Backup;
        }
        "new_url" => {
            let url = "rtmp://new.example/app".parse().unwrap();
            row.primary = Some(Endpoint {
                url,
                tail: None,
                key,
            });
        }
        "new_host" => {
            row.primary.as_mut().unwrap().url = match primary.unwrap().tail {
                Some(_) => "rtmp://new.example/app/***".parse().unwrap(),
                None => "rtmp://new.example/app".parse().unwrap(),
            };
        }
        "new_tail" => {
            let parsed = PushAddress::parse("rtmp://new.example/app/x", KeyInput::Masked).unwrap();
            assert!(matches!(parsed.tail, Edit::Set(_)));
            let leg = row.primary.as_mut().unwrap();
            (leg.url, leg.tail) = (parsed.url, Some(third()));
        }
        "new_key" => row.primary.as_mut().unwrap().key = Some(third()),
        "no_key" => row.primary.as_mut().unwrap().key = None,
        "no_url" => row.primary = None,
        "backup" => {
            row.backup = Some(Endpoint {
                url: "rtmps://b.rtmps.youtube.com:443/live2?backup=1"
                    .parse()
                    .unwrap(),
                tail: None,
                key: Some(third()),
            });
        }
        edit => panic!("{edit}"),
    }
}

fn shown_source(row: &Source) -> BTreeMap<&'static str, String> {
    let check = row.health_check;
    let every = format!("{} every {} s", check.enabled, check.interval_seconds);
    let found = row
        .last_check
        .map(|it| format!("{} at {}", it.health, it.at));
    let input = (
        or_none(row.medialive_input.as_ref()),
        or_none(row.input_security_group.as_ref()),
    );
    BTreeMap::from([
        ("name", row.name.to_string()),
        ("protocol", row.protocol.to_string()),
        ("url", or_none(row.connection_url.map(version))),
        ("stream_id", or_none(row.stream_id.map(version))),
        ("passphrase", or_none(row.passphrase.map(version))),
        ("encryption", row.encryption.to_string()),
        ("host", or_none(row.host.as_ref())),
        ("port", or_none(row.port)),
        ("priority", row.priority.0.to_string()),
        ("enabled", row.enabled.to_string()),
        ("health_check", every),
        ("last_check", or_none(found)),
        ("attempts", row.connection_attempts.to_string()),
        (
            "input",
            format!("{} in {}, {}", input.0, input.1, row.input_class),
        ),
        ("generation", row.generation.to_string()),
        ("created_at", row.created_at.to_string()),
        ("updated_at", row.updated_at.to_string()),
    ])
}

fn edit_source(row: &mut Source, edit: &str) {
    match edit {
        "nothing" => {}
        "rename" => row.name = "renamed".parse().unwrap(),
        "new_url" => row.connection_url = Some(third()),
        "no_stream_id" => row.stream_id = None,
        "passphrase" => row.passphrase = Some(third()),
        "failed" => {
            row.last_check = Some(SourceCheck {
                health: SourceHealth::Failed,
                at: sample::time(),
            });
            row.connection_attempts += 1;
        }
        "priority" => {
            row.priority = Priority::PRIMARY;
            row.generation += 1;
        }
        edit => panic!("{edit}"),
    }
}

fn shown_preset(row: &Preset) -> BTreeMap<&'static str, String> {
    let (video, audio, settings) = (&row.video, &row.audio, &row.platform_settings);
    let video = [
        or_dash(video.codec.as_ref()),
        or_dash(video.resolution),
        or_dash(video.framerate),
        or_dash(video.bitrate),
        or_dash(video.profile.as_ref()),
        or_dash(video.level.as_ref()),
        or_dash(video.gop_size),
        or_dash(video.rate_control.as_ref()),
    ];
    let audio = [
        or_dash(audio.codec.as_ref()),
        or_dash(audio.bitrate),
        or_dash(audio.sample_rate),
        or_dash(audio.channels),
        or_dash(audio.coding_mode.as_ref()),
    ];
    let settings = [
        or_dash(settings.max_bitrate),
        or_dash(settings.recommended_keyframe),
        or_dash(settings.low_latency),
        or_dash(settings.adaptive_bitrate),
    ];
    BTreeMap::from([
        ("name", row.name.to_string()),
        ("platform", or_none(row.platform.as_ref())),
        ("kind", row.kind.to_string()),
        ("video", video.join(" ")),
        ("audio", audio.join(" ")),
        ("settings", settings.join(" ")),
        ("description", or_none(row.description.as_ref())),
        ("default", row.is_default.to_string()),
        ("active", row.is_active.to_string()),
        ("created_by", or_none(row.created_by.as_ref())),
        ("created_at", row.created_at.to_string()),
        ("updated_at", row.updated_at.to_string()),
    ])
}

fn edit_preset(row: &mut Preset, edit: &str) {
    match edit {
        "nothing" => {}
        "rename" => row.name = "renamed".parse().unwrap(),
        "bitrate" => row.video.bitrate = Some(7_000_000),
        "no_level" => row.video.level = None,
        "latency" => row.platform_settings.low_latency = Some(true),
        "retire" => (row.is_default, row.is_active) = (false, false),
        edit => panic!("{edit}"),
    }
}

fn shown_session(row: &Session) -> BTreeMap<&'static str, String> {
    let destinations: Vec<&str> = row.destinations.iter().map(|id| id.as_str()).collect();
    BTreeMap::from([
        ("started_at", row.started_at.to_string()),
        ("ended_at", or_none(row.ended_at)),
        ("status", row.status.to_string()),
        ("destinations", destinations.join(" ")),
        ("errors", row.errors.join(" / ")),
    ])
}

fn edit_session(row: &mut Session, edit: &str) {
    match edit {
        "nothing" => {}
        "end" => {
            row.ended_at = Some(sample::time());
            row.status = SessionStatus::Stopped;
        }
        "join" => row.destinations.push(sample::destination_id(9)),
        "error" => row.errors.push("it broke".to_owned()),
        edit => panic!("{edit}"),
    }
}

/// Rows that cannot be read, each with the attribute to blame.
fn unreadable() -> Vec<(&'static str, Item, &'static str)> {
    let row = |attributes: &[(&str, AttributeValue)]| {
        let attributes = attributes.iter();
        attributes
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<Item>()
    };
    let canary = || AttributeValue::S(CANARY.to_owned());
    let ours = |name: &str, value: AttributeValue| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        row(&[
            ("output_type", text("mediaconnect")),
            ("wanted", text("running")),
            (name, value),
        ])
    };
    vec![
        (
            "dest_ours_without_intent",
            ours("wanted", AttributeValue::Null(true)),
            "wanted",
        ),
        (
            "dest_ours_url",
            ours("rtmp_url", AttributeValue::S(format!("http://a/{CANARY}"))),
            "rtmp_url",
        ),
        (
            "no id / at all",
            row(&[("name", canary())]),
            "destination_id",
        ),
        ("dest_enabled", row(&[("enabled", canary())]), "enabled"),
        ("dest_wanted", row(&[("wanted", canary())]), "wanted"),
        (
            "dest_generation",
            row(&[("generation", canary())]),
            "generation",
        ),
        (
            "dest_leg",
            row(&[("current_active_url", canary())]),
            "current_active_url",
        ),
        (
            "dest_failover",
            row(&[("failover_enabled", AttributeValue::L(vec![canary()]))]),
            "failover_enabled",
        ),
        (
            "dest_backup_mode",
            row(&[("backup_mode", canary())]),
            "backup_mode",
        ),
    ]
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_cannot_be_read_is_named_and_stops_nothing_else() {
    let stack = Stack::set_up().await;
    let (repo, client) = (stack.destinations(), stack.dynamodb());
    let table = stack.config.tables.destinations.as_str();
    for n in 1..=3 {
        repo.create(&sample::destination(n)).await.unwrap();
    }
    for (id, mut item, _) in unreadable() {
        item.insert(
            "destination_id".to_owned(),
            AttributeValue::S(id.to_owned()),
        );
        let put = client.put_item().table_name(table).set_item(Some(item));
        put.send().await.unwrap();
    }

    for limit in [1, 2, 100] {
        let (mut items, mut bad, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let page = repo.list(PageRequest { limit, after }).await.unwrap();
            assert!(page.items.len() + page.unreadable.len() <= limit as usize);
            items.extend(page.items.into_iter().map(|it| it.value.id));
            bad.extend(page.unreadable);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        items.sort();
        assert_eq!(items, [1, 2, 3].map(sample::destination_id));
        bad.sort_by(|one, other| one.id.cmp(&other.id));
        let mut expected = unreadable();
        expected.sort_by_key(|(id, ..)| *id);
        assert_eq!(bad.len(), expected.len());
        for (found, (id, _, attribute)) in bad.iter().zip(expected) {
            assert_eq!((found.noun, found.id.as_str()), ("destination", id));
            assert!(found.reason.contains(attribute), "{found}");
            assert!(!format!("{found} {found:?}").contains(CANARY));
        }
    }
    for (id, _, attribute) in unreadable() {
        let Ok(id) = id.parse() else { continue };
        let error = repo.get(&id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let source = std::error::Error::source(&error).unwrap().to_string();
        let told = format!("{error}: {source}");
        for part in [table, id.as_str(), attribute] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!format!("{told} {error:?}").contains(CANARY));
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_new_row_has_what_old_clients_want_to_see() {
    let stack = Stack::set_up().await;
    let bare = Destination {
        primary: None,
        ..sample::destination(1)
    };
    stack.destinations().create(&bare).await.unwrap();
    stack
        .destinations()
        .create(&sample::destination(2))
        .await
        .unwrap();

    let row = |n: u64| Row {
        stack: &stack,
        table: stack.config.tables.destinations.as_str(),
        key: "destination_id",
        id: sample::destination_id(n).to_string(),
    };
    let (bare, whole) = (row(1).get().await, row(2).get().await);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    assert_eq!(bare["streaming_status"], text("ready"));
    assert_eq!(bare["rtmp_url"], AttributeValue::Null(true));
    assert_eq!(bare["stream_key_param"], AttributeValue::Null(true));
    assert_eq!(bare["enabled"], AttributeValue::Bool(true));
    assert_eq!(whole["rtmp_url"], text("rtmp://127.9.0.2:1935/app-2"));
    let param = format!(
        "{}/destinations/dest-2/stream_key",
        stack.config.parameter_prefix
    );
    assert_eq!(whole["stream_key_param"], text(&param));
}
