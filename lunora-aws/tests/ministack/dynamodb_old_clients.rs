//! Old clients write while we do, at every moment of what we do (rule 16).
//!
//! They write single attributes, or whole rows as they know them, and ask nothing.
//! Of what they write to other attributes than ours, nothing is lost; of ours,
//! nothing is half done; and where both write the same, we start again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use lunora_aws::dynamodb::DynamoDbDestinationRepo;
use lunora_core::{
    domain::{Destination, DestinationId, Endpoint, Leg, SecretRef, SecretVersion, Wanted},
    port::{ErrorKind, Expect, PortError, Repo as _, RepoExt as _, Revision},
};
use lunora_testkit::sample::{self, CANARY};
use proptest::{collection, prelude::*, sample::select, test_runner::TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::{support::Stack, wire::Wire};

type Item = HashMap<String, AttributeValue>;

const KEY: &str = "destination_id";
const OWN_REVISION: &str = "lunora_revision";

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn is_ours(attribute: &str) -> bool {
    let ours = [
        "lunora_",
        "url_tail",
        "stream_key_version",
        "stream_key_digest",
    ];
    let ours = ours.iter().any(|it| attribute.contains(it));
    ours || attribute == "wanted" || attribute == "generation"
}

/// What an old client does.
#[derive(Clone, Debug)]
enum Old {
    /// Sets one attribute.
    Set(&'static str, AttributeValue),
    /// Puts the row as it knows it: without what is ours.
    PutWhole,
    /// Removes the row.
    Remove,
    /// It is no old client: another one of ours stores the row as it is, once more.
    Lunora,
}

fn old() -> impl Strategy<Value = Old> {
    let nested = AttributeValue::M(HashMap::from([
        ("state".to_owned(), s("RUNNING")),
        ("pipelines".to_owned(), AttributeValue::L(vec![s("0")])),
    ]));
    let canary = format!("rtmp://old.example/app/{CANARY}");
    let sets = vec![
        Old::Set("name", s("by an old client")),
        Old::Set("name", s("original")),
        Old::Set("platform", s("YouTube")),
        Old::Set("enabled", AttributeValue::Bool(false)),
        Old::Set("enabled", s("true")),
        Old::Set("enabled", s("maybe")),
        Old::Set("rtmp_url", s("rtmp://old.example/app")),
        Old::Set("rtmp_url", s(&canary)),
        Old::Set("rtmp_url", s("http://old.example")),
        Old::Set("stream_key_param", AttributeValue::Null(true)),
        Old::Set("stream_key_param", s("/elsewhere/stream_key")),
        Old::Set("preset_id", s("youtube_1080p")),
        Old::Set("streaming_status", s("streaming")),
        Old::Set("updated_at", s("2024-03-01T11:00:00.000Z")),
        Old::Set("channel_status", nested),
        Old::Set("nobody_knows", AttributeValue::Ss(vec!["a".to_owned()])),
    ];
    prop_oneof![
        14 => select(sets),
        1 => Just(Old::PutWhole),
        1 => Just(Old::Remove),
        1 => Just(Old::Lunora),
    ]
}

/// What we change, each by itself or together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ours {
    Rename,
    Run,
    Disable,
    Url,
    Key,
    Failover,
    Stamp,
}

impl Ours {
    const ALL: [Self; 7] = [
        Self::Rename,
        Self::Run,
        Self::Disable,
        Self::Url,
        Self::Key,
        Self::Failover,
        Self::Stamp,
    ];

    fn apply(self, row: &mut Destination) {
        let leg = row.primary.take();
        let reference = SecretRef {
            version: SecretVersion(9),
            digest: sample::hash_key().digest([&b"nine"[..]]),
        };
        let leg = match (self, leg) {
            (Self::Url, Some(leg)) => Some(Endpoint {
                url: "rtmp://ours.example/app".parse().unwrap(),
                tail: None,
                key: leg.key,
            }),
            (Self::Url | Self::Key, None) => Some(Endpoint {
                url: "rtmp://ours.example/app".parse().unwrap(),
                tail: None,
                key: None,
            }),
            (Self::Key, Some(leg)) => Some(Endpoint {
                key: Some(reference),
                ..leg
            }),
            (_, leg) => leg,
        };
        row.primary = leg;
        match self {
            Self::Rename => row.name = "by us".parse().unwrap(),
            Self::Run => {
                row.wanted = Wanted::Running;
                row.generation += 1;
                row.started_at = Some(sample::time());
            }
            Self::Disable => row.enabled = false,
            Self::Url | Self::Key => {}
            Self::Failover => row.active_leg = Leg::Backup,
            Self::Stamp => row.updated_at = sample::time(),
        }
    }
}

/// The fields of a row that are guarded each by itself, as texts.
fn fields(row: &Destination) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("name", row.name.to_string()),
        ("platform", row.platform.to_string()),
        ("preset_id", format!("{:?}", row.preset_id)),
        ("enabled", row.enabled.to_string()),
        ("wanted", format!("{:?}", row.wanted)),
        ("output_type", row.output_type.to_string()),
        ("primary", format!("{:?}", row.primary)),
        ("backup", format!("{:?}", row.backup)),
        ("failover_enabled", row.failover_enabled.to_string()),
        ("current_active_url", row.active_leg.to_string()),
        ("generation", row.generation.to_string()),
        ("streaming_started_at", format!("{:?}", row.started_at)),
        ("created_at", row.created_at.to_string()),
        ("updated_at", row.updated_at.to_string()),
    ])
}

fn differing(one: &Destination, other: &Destination) -> BTreeSet<&'static str> {
    let (one, other) = (fields(one), fields(other));
    let differ = one.into_iter().filter(|(name, text)| other[name] != *text);
    differ.map(|(name, _)| name).collect()
}

fn without_stamp(mut fields: BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    fields.remove("updated_at");
    fields
}

/// Whether an attribute belongs to a field.
fn belongs(attribute: &str, field: &str) -> bool {
    match field {
        "primary" => {
            !attribute.starts_with("backup_")
                && ["rtmp_url", "url_tail", "stream_key"]
                    .iter()
                    .any(|it| attribute.starts_with(it))
        }
        "backup" => attribute.starts_with("backup_"),
        field => attribute == field,
    }
}

fn initial(n: u8, id: &str) -> Item {
    let old = [
        (KEY, s(id)),
        ("name", s("original")),
        ("platform", s("youtube")),
        ("rtmp_url", s("rtmp://original.example/app")),
        (
            "stream_key_param",
            s("/lunora-player/streaming/destinations/x/stream_key"),
        ),
        ("enabled", AttributeValue::Bool(true)),
        ("output_type", s("mediaconnect")),
        ("streaming_status", s("ready")),
        ("created_at", s("2024-03-01T09:00:00.000Z")),
        ("updated_at", s("2024-03-01T10:00:00.000Z")),
        ("mediaconnect_output_arn", s("arn:aws:mediaconnect:x")),
    ];
    let mut item: Item = old.map(|(name, value)| (name.to_owned(), value)).into();
    match n {
        0 => {}
        1 => {
            let url = s(&format!("rtmp://original.example/app/{CANARY}"));
            item.insert("rtmp_url".to_owned(), url);
            item.insert("stream_key_param".to_owned(), AttributeValue::Null(true));
        }
        2 => {
            let url = s(&format!("rtmp://original.example/app/{CANARY}"));
            item.insert("rtmp_url".to_owned(), url);
        }
        3 => {
            let ours = s("0123456789abcdef0123456789abcdef");
            item.insert(OWN_REVISION.to_owned(), ours);
            item.insert("wanted".to_owned(), s("stopped"));
            item.insert("generation".to_owned(), AttributeValue::N("7".to_owned()));
        }
        _ => item.retain(|name, _| name == KEY),
    }
    item
}

/// One row, what is done to it, and how our writes found and left it.
#[derive(Clone)]
struct Scene {
    client: Client,
    table: String,
    id: DestinationId,
    /// Before which of our calls an old client does what.
    schedule: Arc<Mutex<Vec<(usize, Old)>>>,
    writes: Arc<Mutex<Vec<Written>>>,
}

/// The row before and after one of our calls that write.
#[derive(Clone, Debug, Default)]
struct Written {
    before: Option<Item>,
    after: Option<Item>,
}

impl Scene {
    async fn raw(&self) -> Option<Item> {
        let get = self.client.get_item().table_name(&self.table);
        let get = get.key(KEY, s(self.id.as_str())).consistent_read(true);
        get.send().await.unwrap().item
    }

    async fn put(&self, item: Item) {
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    async fn act(&self, old: Old) {
        match old {
            Old::Set(name, value) => {
                // Old clients read a row before they write to it, and make none by this.
                if self.raw().await.is_none() {
                    return;
                }
                let update = self.client.update_item().table_name(&self.table);
                let update = update.key(KEY, s(self.id.as_str()));
                let update = update.update_expression("SET #a = :a");
                let update = update.expression_attribute_names("#a", name);
                let update = update.expression_attribute_values(":a", value);
                update.send().await.unwrap();
            }
            Old::PutWhole => {
                if let Some(mut item) = self.raw().await {
                    item.retain(|name, _| !is_ours(name));
                    self.put(item).await;
                }
            }
            Old::Lunora => {
                let (table, prefix) = (self.table.parse().unwrap(), "/another/prefix");
                let client = self.client.clone();
                let (prefix, hash_key) = (prefix.parse().unwrap(), sample::hash_key());
                let repo = DynamoDbDestinationRepo::new(client, table, prefix, hash_key);
                if let Ok(Some(read)) = repo.get(&self.id).await {
                    let expect = Expect::Revision(read.revision);
                    repo.put(&read.value, expect).await.unwrap();
                }
            }
            Old::Remove => {
                let delete = self.client.delete_item().table_name(&self.table);
                let delete = delete.key(KEY, s(self.id.as_str()));
                delete.send().await.unwrap();
            }
        }
    }

    /// Everything that is due before that call.
    async fn due(&self, number: usize) {
        let due: Vec<Old> = {
            let mut schedule = self.schedule.lock().unwrap();
            let (due, later) = mem::take(&mut *schedule)
                .into_iter()
                .partition::<Vec<_>, _>(|(at, _)| *at <= number);
            *schedule = later;
            due.into_iter().map(|(_, old)| old).collect()
        };
        for old in due {
            self.act(old).await;
        }
    }

    fn watch(&self, wire: &Wire) {
        let scene = self.clone();
        wire.before(move |number, name| {
            let (scene, writes) = (scene.clone(), name != "GetItem");
            async move {
                scene.due(number).await;
                if writes {
                    let before = scene.raw().await;
                    let written = Written {
                        before,
                        after: None,
                    };
                    scene.writes.lock().unwrap().push(written);
                }
            }
        });
        let scene = self.clone();
        wire.after(move |_, name| {
            let (scene, writes) = (scene.clone(), name != "GetItem");
            async move {
                if writes {
                    let after = scene.raw().await;
                    scene.writes.lock().unwrap().last_mut().unwrap().after = after;
                }
            }
        });
    }

    /// Those of our calls that changed something.
    fn effects(&self) -> Vec<Written> {
        let writes = self.writes.lock().unwrap().clone();
        writes
            .into_iter()
            .filter(|it| it.before != it.after)
            .collect()
    }
}

/// Two tables with nothing in them, and a runtime for as long as they are used.
struct Stage {
    runtime: Runtime,
    stack: Stack,
    count: AtomicU64,
}

/// Reads a row as it was stored at some time.
const SCRATCH: &str = "lunora-scratch";

impl Stage {
    fn set_up() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let stack = runtime.block_on(async {
            let stack = Stack::set_up().await;
            stack.create_table(SCRATCH, &[KEY]).await;
            stack
        });
        Self {
            runtime,
            stack,
            count: AtomicU64::new(0),
        }
    }

    fn scene(&self, schedule: Vec<(usize, Old)>) -> Scene {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        Scene {
            client: self.stack.dynamodb(),
            table: self.stack.config.tables.destinations.to_string(),
            id: format!("dest_1709287200000_{n}").parse().unwrap(),
            schedule: Arc::new(Mutex::new(schedule)),
            writes: Arc::default(),
        }
    }

    fn repo(&self, sdk: &aws_config::SdkConfig, table: &str) -> DynamoDbDestinationRepo {
        let (table, prefix) = (table.parse().unwrap(), "/lunora-player/streaming");
        let client = Client::new(sdk);
        DynamoDbDestinationRepo::new(client, table, prefix.parse().unwrap(), sample::hash_key())
    }

    /// What a row reads as, `None` if it cannot be read.
    async fn read(&self, item: &Item) -> Option<Destination> {
        let client = self.stack.dynamodb();
        let put = client.put_item().table_name(SCRATCH);
        put.set_item(Some(item.clone())).send().await.unwrap();
        let id = item[KEY].as_s().unwrap().parse().unwrap();
        let read = self.repo(&self.stack.sdk, SCRATCH).get(&id).await;
        read.ok().map(|read| read.unwrap().value)
    }

    fn run<S: Strategy>(strategy: S, test: impl AsyncFn(&Self, S::Value)) {
        let stage = Self::set_up();
        let config = ProptestConfig {
            cases: 60,
            max_shrink_iters: 500,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&strategy, |value| {
            stage.runtime.block_on(test(&stage, value));
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

fn schedule() -> impl Strategy<Value = Vec<(usize, Old)>> {
    collection::vec((0..7_usize, old()), 0..5)
}

fn ours() -> impl Strategy<Value = BTreeSet<Ours>> {
    collection::btree_set(select(Ours::ALL.to_vec()), 1..4)
}

fn kind<T>(outcome: &Result<T, PortError>) -> Option<ErrorKind> {
    outcome.as_ref().err().map(PortError::kind)
}

/// Nothing but these fields, and our mark, differs between the two rows.
fn assert_only(fields: &BTreeSet<&str>, before: &Item, after: &Item) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let allowed = name == OWN_REVISION || fields.iter().any(|field| belongs(name, field));
        let same = before.get(name) == after.get(name);
        assert!(
            allowed || same,
            "{name}: {:?} {:?}",
            before.get(name),
            after.get(name)
        );
    }
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn rule_16_a_change_loses_nothing_of_others_and_is_never_half_done() {
    let reply = prop::option::weighted(0.3, 1..5_usize);
    Stage::run(
        (0..5_u8, ours(), schedule(), reply),
        async |stage, (row, ours, schedule, lost)| {
            let scene = stage.scene(schedule);
            scene.put(initial(row, scene.id.as_str())).await;
            let (wire, sdk) = Wire::on(&stage.stack.sdk);
            scene.watch(&wire);
            let repo = stage.repo(&sdk, &scene.table);
            if let Some(lost) = lost {
                wire.lose_reply(lost);
            }

            let Ok(Some(read)) = repo.get(&scene.id).await else {
                return; // It was removed, or spoilt, before we began.
            };
            let own = scene
                .raw()
                .await
                .and_then(|raw| raw.get(OWN_REVISION).cloned());
            let mut wanted = read.value.clone();
            ours.iter().for_each(|ours| ours.apply(&mut wanted));
            let changed = differing(&read.value, &wanted);
            let outcome = repo.put(&wanted, Expect::Revision(read.revision)).await;

            let (effects, now) = (scene.effects(), scene.raw().await);
            // Whether others have changed what we change, at that time.
            let meets = async |raw: &Item| {
                let found = stage.read(raw).await;
                let theirs = found.map(|found| without_stamp(differing(&read.value, &found)));
                let same = theirs.is_some_and(|theirs| !theirs.is_disjoint(&changed));
                same || raw.get(OWN_REVISION) != own.as_ref()
            };
            for effect in &effects {
                let before = effect.before.as_ref().unwrap();
                let after = effect.after.as_ref().unwrap();
                assert!(!meets(before).await, "it wrote over another one");
                assert_only(&changed, before, after);
                // Others may have written what nobody can read, and that is not ours to mend.
                if let Some(found) = stage.read(before).await {
                    let left = stage.read(after).await.unwrap();
                    let (mut expected, wanted) = (fields(&found), fields(&wanted));
                    expected.extend(changed.iter().map(|name| (*name, wanted[name].clone())));
                    assert_eq!(fields(&left), expected, "it is half done");
                }
            }
            match kind(&outcome) {
                None => assert_eq!(effects.len(), 1),
                // Whoever is told so reads again; a reply that is lost may have been a yes.
                Some(_) if lost.is_some() && effects.len() == 1 => {}
                Some(ErrorKind::Conflict) => {
                    assert_eq!(effects.len(), 0);
                    if let Some(now) = &now {
                        assert!(meets(now).await, "it saw a conflict where there is none");
                    }
                }
                Some(ErrorKind::Corrupt) => {
                    assert_eq!(effects.len(), 0);
                    assert!(stage.read(now.as_ref().unwrap()).await.is_none());
                }
                Some(_) => panic!("{outcome:?}"),
            }
            assert!(!format!("{outcome:?}").contains(CANARY));

            // Old clients go on, and who starts again gets through.
            scene.due(usize::MAX).await;
            let Ok(Some(read)) = repo.get(&scene.id).await else {
                return;
            };
            let mut wanted = read.value;
            ours.iter().for_each(|ours| ours.apply(&mut wanted));
            repo.put(&wanted, Expect::Revision(read.revision))
                .await
                .unwrap();
            assert_eq!(repo.get(&scene.id).await.unwrap().unwrap().value, wanted);
        },
    );
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn rule_16_a_removal_takes_nothing_that_somebody_changed_since() {
    Stage::run((0..5_u8, schedule()), async |stage, (row, schedule)| {
        let scene = stage.scene(schedule);
        scene.put(initial(row, scene.id.as_str())).await;
        let (wire, sdk) = Wire::on(&stage.stack.sdk);
        scene.watch(&wire);
        let repo = stage.repo(&sdk, &scene.table);

        let Ok(Some(read)) = repo.get(&scene.id).await else {
            return;
        };
        let own = scene.raw().await;
        let own = own.and_then(|raw| raw.get(OWN_REVISION).cloned());
        let outcome = repo.remove(&scene.id, &read.revision).await;

        let (effects, now) = (scene.effects(), scene.raw().await);
        let meets = async |raw: &Item| {
            let found = stage.read(raw).await.unwrap();
            let theirs = without_stamp(differing(&read.value, &found));
            !theirs.is_empty() || raw.get(OWN_REVISION) != own.as_ref()
        };
        match kind(&outcome) {
            None => {
                assert_eq!(effects.len(), 1);
                assert_eq!(now, None);
                let before = effects[0].before.as_ref().unwrap();
                assert!(!meets(before).await, "it took what another one changed");
            }
            Some(ErrorKind::Conflict) => {
                assert_eq!(effects.len(), 0);
                if let Some(now) = &now {
                    assert!(meets(now).await, "it saw a conflict where there is none");
                }
            }
            Some(ErrorKind::Corrupt) => assert!(stage.read(now.as_ref().unwrap()).await.is_none()),
            Some(_) => panic!("{outcome:?}"),
        }
    });
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn rule_16_a_new_row_is_never_put_over_one_that_is_there() {
    Stage::run(
        (0..5_u8, 0..3_usize, prop::option::of(0..2_usize)),
        async |stage, (row, at, lost)| {
            let scene = stage.scene(Vec::new());
            let (wire, sdk) = Wire::on(&stage.stack.sdk);
            if let Some(lost) = lost {
                wire.lose_reply(lost);
            }
            let other = initial(row, scene.id.as_str());
            let (theirs, item) = (scene.clone(), other.clone());
            wire.before(move |number, _| {
                let (theirs, item) = (theirs.clone(), item.clone());
                async move {
                    if number == at && theirs.raw().await.is_none() {
                        theirs.put(item).await;
                    }
                }
            });
            let ours = Destination {
                id: scene.id.clone(),
                ..sample::destination(1)
            };

            let outcome = stage.repo(&sdk, &scene.table).create(&ours).await;

            let now = scene.raw().await.unwrap();
            match kind(&outcome) {
                None => assert_eq!(stage.read(&now).await.unwrap(), ours),
                Some(ErrorKind::Conflict) => assert_eq!(now, other),
                Some(_) => panic!("{outcome:?}"),
            }
            assert_eq!(outcome.is_ok(), at != 0);
        },
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn rule_16_who_goes_on_from_what_it_wrote_loses_nothing_of_others() {
    let stack = Stack::set_up().await;
    let repo = stack.destinations();
    let mut value = sample::destination(1);
    let mut revision = repo.create(&value).await.unwrap();
    let scene = Scene {
        client: stack.dynamodb(),
        table: stack.config.tables.destinations.to_string(),
        id: value.id.clone(),
        schedule: Arc::default(),
        writes: Arc::default(),
    };
    // We still hold the name that we read, and not what others make of it.
    scene.act(Old::Set("name", s("by an old client"))).await;
    for _ in 0..2 {
        value.generation += 1;
        revision = repo.put(&value, Expect::Revision(revision)).await.unwrap();
    }
    let stored = repo.get(&value.id).await.unwrap().unwrap().value;
    assert_eq!(stored.name.as_str(), "by an old client");
    assert_eq!(stored.generation, value.generation);

    // To write it ourselves, we have to look at it first.
    value.name = "by us".parse().unwrap();
    let outcome = repo.put(&value, Expect::Revision(revision)).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Conflict));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_write_whose_reply_is_lost_is_known_for_our_own() {
    let stack = Stack::set_up().await;
    let (wire, sdk) = Wire::on(&stack.sdk);
    let repo = DynamoDbDestinationRepo::new(
        Client::new(&sdk),
        stack.config.tables.destinations.clone(),
        stack.config.parameter_prefix.clone(),
        sample::hash_key(),
    );
    wire.lose_reply(0);
    let mut value = sample::destination(1);
    let mut revision: Revision = repo.create(&value).await.unwrap();
    assert_eq!(wire.calls(), ["PutItem", "PutItem", "GetItem"]);

    for n in 0..3 {
        value.generation += 1;
        let update = wire.calls().len() + 1;
        wire.lose_reply(update);
        revision = repo.put(&value, Expect::Revision(revision)).await.unwrap();
        let calls = wire.calls().split_off(update - 1);
        assert_eq!(
            calls,
            ["GetItem", "UpdateItem", "UpdateItem", "GetItem"],
            "{n}"
        );
    }
    let stored = repo.get(&value.id).await.unwrap().unwrap();
    assert_eq!((stored.value, stored.revision), (value, revision));
}
