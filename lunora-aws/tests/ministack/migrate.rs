//! The migration adds what is missing and nothing else, and can be undone.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use lunora_aws::{
    TableName,
    migrate::{
        BackupPolicy, Because, Doing, MigrateError, MigrationId, MigrationReport, MigrationState,
        Migrator, Pace, TableKind,
    },
};
use lunora_core::port::{Clock, IdSource};
use lunora_testkit::{
    clock::{ManualClock, Sequence},
    sample,
};

use crate::{
    support::Stack,
    tap::{Lost, Tap},
};

pub(crate) type Row = BTreeMap<String, AttributeValue>;
/// Every row of the four tables, as DynamoDB has it.
pub(crate) type Dump = BTreeMap<String, Row>;

/// What must be seen in no report and no error.
pub(crate) const CANARY: &str = "canary-live-key-0123";

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn map<const N: usize>(pairs: [(&str, AttributeValue); N]) -> AttributeValue {
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    AttributeValue::M(pairs.collect())
}

fn row<const N: usize>(id: (&str, &str), pairs: [(&str, AttributeValue); N]) -> Row {
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    pairs.chain([(id.0.to_owned(), s(id.1))]).collect()
}

fn destination<const N: usize>(id: &str, pairs: [(&str, AttributeValue); N]) -> Row {
    row(("destination_id", id), pairs)
}

/// As the old system and its odd relatives wrote them.
fn old_destinations() -> Vec<Row> {
    vec![
        // Complete.
        destination(
            "dest_1700000000001_aaaaaaaaa",
            [
                ("name", s("Channel one")),
                ("platform", s("youtube")),
                ("rtmp_url", s("rtmp://a.example/live2")),
                (
                    "stream_key_param",
                    s("/lunora-player/streaming/destinations/x/stream_key"),
                ),
                ("preset_id", s("preset_old_yt")),
                ("enabled", AttributeValue::Bool(true)),
                ("streaming_status", s("streaming")),
                ("streaming_started_at", s("2024-03-01T10:00:00.000Z")),
                ("medialive_action_name", s("start-1")),
                ("channel_status", s("RUNNING")),
                ("last_channel_sync", s("2024-03-01T10:01:00.000Z")),
                ("created_at", s("2024-02-01T10:00:00.000Z")),
                ("updated_at", s("2024-03-01T10:00:00.000Z")),
            ],
        ),
        // As little as there can be.
        destination("dest_1700000000002_bbbbbbbbb", []),
        // One that has no output.
        destination(
            "dest_1700000000003_ccccccccc",
            [
                ("name", s("Viewers")),
                ("platform", s("hls")),
                ("rtmp_url", null()),
            ],
        ),
        // Attributes that nobody knows, of every type, and a key in the URL.
        destination(
            "dest_1700000000004_ddddddddd",
            [
                ("name", s("Odd")),
                (
                    "rtmp_url",
                    s(&format!("rtmp://b.example/app/{CANARY}?k={CANARY}")),
                ),
                (
                    "tags",
                    AttributeValue::Ss(vec!["one".to_owned(), "two".to_owned()]),
                ),
                (
                    "sizes",
                    AttributeValue::Ns(vec!["1".to_owned(), "22".to_owned()]),
                ),
                ("blob", AttributeValue::B(Blob::new([0, 1, 254]))),
                (
                    "nested",
                    map([("list", AttributeValue::L(vec![null(), n("7")]))]),
                ),
                ("generation", n("12345678901234567")),
            ],
        ),
        // Somebody wrote NULL, which is not missing.
        destination(
            "dest_1700000000005_eeeeeeeee",
            [
                ("name", s("Nulls")),
                ("output_type", null()),
                ("current_active_url", null()),
            ],
        ),
        // One has all three already, and one has one.
        destination(
            "legacy-6",
            [
                ("name", s("Done")),
                ("output_type", s("medialive")),
                ("failover_enabled", AttributeValue::Bool(true)),
                ("current_active_url", s("backup")),
            ],
        ),
        destination(
            "legacy-7",
            [
                ("name", s("Half")),
                ("failover_enabled", AttributeValue::Bool(true)),
            ],
        ),
        // It cannot be read, and is nobody's to complete.
        destination("legacy-8", [("name", s("Broken")), ("enabled", s(CANARY))]),
        destination("not an id", [("name", s("Strange"))]),
    ]
}

fn null() -> AttributeValue {
    AttributeValue::Null(true)
}

/// A twin of one of the seven, and one whose id is taken by something else.
fn old_presets() -> Vec<Row> {
    let picture = |resolution| {
        map([
            ("resolution", s(resolution)),
            ("framerate", n("30")),
            ("bitrate", n("6000000")),
        ])
    };
    vec![
        row(
            ("preset_id", "preset_old_yt"),
            [
                ("name", s("YouTube HD")),
                ("platform", s("youtube")),
                ("type", s("platform_specific")),
                ("video", picture("1920x1080")),
            ],
        ),
        row(
            ("preset_id", "twitch_720p"),
            [
                ("name", s("Mine")),
                ("type", s("generic")),
                ("video", picture("640x360")),
            ],
        ),
    ]
}

/// Twins of all of the seven but one.
fn most_presets() -> Vec<Row> {
    let seeds = [
        ("generic", None, "1280x720", "30"),
        ("generic", None, "1920x1080", "30"),
        ("platform_specific", Some("youtube"), "1920x1080", "30"),
        ("platform_specific", Some("youtube"), "1280x720", "30"),
        ("platform_specific", Some("twitch"), "1920x1080", "60"),
        ("platform_specific", Some("twitch"), "1280x720", "30"),
    ];
    let row =
        |(at, (kind, platform, resolution, framerate)): (usize, (&str, Option<&str>, _, _))| {
            let video = map([("resolution", s(resolution)), ("framerate", n(framerate))]);
            let id = format!("preset_{at}");
            let mut row = row(("preset_id", &id), [("type", s(kind)), ("video", video)]);
            row.extend(platform.map(|platform| ("platform".to_owned(), s(platform))));
            row
        };
    seeds.into_iter().enumerate().map(row).collect()
}

/// Old tables with old rows in them, and time that stands still.
pub(crate) struct Old {
    pub(crate) stack: Stack,
    clock: ManualClock,
    ids: Sequence,
}

impl Old {
    pub(crate) async fn set_up() -> Self {
        Self::with(old_destinations(), old_presets()).await
    }

    /// Three destinations that lack something and one preset that does: each kind of
    /// call is there, and a test can try every one of them.
    async fn small() -> Self {
        let mut rows = old_destinations();
        rows.retain(|row| {
            row["destination_id"]
                .as_s()
                .unwrap()
                .ends_with(['a', 'e', '7'])
        });
        Self::with(rows, most_presets()).await
    }

    async fn with(destinations: Vec<Row>, presets: Vec<Row>) -> Self {
        let stack = Stack::set_up().await;
        let tables = &stack.config.tables;
        let client = stack.dynamodb();
        for row in destinations {
            put(&client, &tables.destinations, row).await;
        }
        for row in presets {
            put(&client, &tables.presets, row).await;
        }
        let session = [("start_time", s("2024-03-01T10:00:00.000Z"))];
        put(
            &client,
            &tables.sessions,
            row(("session_id", "session_1"), session),
        )
        .await;
        let source = [("name", s("Studio")), ("protocol", s("SRT"))];
        put(
            &client,
            &tables.sources,
            row(("source_id", "source_1"), source),
        )
        .await;
        Self {
            stack,
            clock: ManualClock::default(),
            ids: Sequence::default(),
        }
    }

    fn migrator(&self) -> Migrator {
        self.migrator_over(&self.stack.sdk)
    }

    fn migrator_over(&self, sdk: &SdkConfig) -> Migrator {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let ids: Arc<dyn IdSource> = Arc::new(self.ids.clone());
        let mut pace = Pace::default();
        pace.rows_per_second = NonZeroU32::new(100_000).unwrap();
        pace.first_wait = Duration::from_millis(5);
        Migrator::new(Client::new(sdk), &self.stack.config, clock, ids).at_pace(pace)
    }

    pub(crate) async fn dump(&self) -> Dump {
        dump(&self.stack).await
    }

    async fn apply(&self) -> MigrationReport {
        let migrator = self.migrator();
        migrator
            .apply(&BackupPolicy::Required, &mut |_| ())
            .await
            .unwrap()
    }

    /// What is stored of one destination.
    async fn destination(&self, id: &str) -> Row {
        self.dump().await[&format!("destinations {id}")].clone()
    }

    /// What an old client does: one attribute, without a question.
    async fn write(&self, id: &str, name: &str, value: AttributeValue) {
        write(&self.stack, id, name, value).await;
    }
}

async fn put(client: &Client, table: &TableName, row: Row) {
    let row: HashMap<_, _> = row.into_iter().collect();
    let call = client.put_item().table_name(table.as_str());
    call.set_item(Some(row)).send().await.unwrap();
}

async fn write(stack: &Stack, id: &str, name: &str, value: AttributeValue) {
    let call = stack.dynamodb().update_item();
    let call = call.table_name(stack.config.tables.destinations.as_str());
    let call = call
        .key("destination_id", s(id))
        .update_expression("SET #n = :v");
    let call = call.expression_attribute_names("#n", name);
    call.expression_attribute_values(":v", value)
        .send()
        .await
        .unwrap();
}

async fn dump(stack: &Stack) -> Dump {
    let tables = &stack.config.tables;
    let mut dump = Dump::new();
    for (kind, table, key) in [
        ("destinations", &tables.destinations, "destination_id"),
        ("presets", &tables.presets, "preset_id"),
        ("sessions", &tables.sessions, "session_id"),
        ("sources", &tables.sources, "source_id"),
    ] {
        let scan = stack
            .dynamodb()
            .scan()
            .table_name(table.as_str())
            .consistent_read(true);
        for item in scan.send().await.unwrap().items.unwrap() {
            let id = item[key].as_s().unwrap().clone();
            dump.insert(format!("{kind} {id}"), item.into_iter().collect());
        }
    }
    dump
}

/// What has to be there after a migration of the old rows.
fn completed(id: &MigrationId, old: &Dump, presets: &[String], after: &Dump) -> Dump {
    let mut expected = old.clone();
    let marker = ("lunora_migration".to_owned(), s(id.as_str()));
    let mut add = |id: &str, pairs: &[(&str, AttributeValue)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        if let Some(row) = expected.get_mut(&format!("destinations {id}")) {
            row.extend(pairs.chain([marker.clone()]));
        }
    };
    let output_type = ("output_type", s("medialive"));
    let failover = ("failover_enabled", AttributeValue::Bool(false));
    let active = ("current_active_url", s("primary"));
    let all = [output_type.clone(), failover.clone(), active.clone()];
    add("dest_1700000000001_aaaaaaaaa", &all);
    add("dest_1700000000002_bbbbbbbbb", &all);
    add("dest_1700000000003_ccccccccc", &all);
    add("dest_1700000000004_ddddddddd", &all);
    add("dest_1700000000005_eeeeeeeee", &[failover]);
    add("legacy-7", &[output_type, active]);
    for preset in presets {
        let key = format!("presets {preset}");
        assert_eq!(after[&key]["lunora_migration"], marker.1);
        expected.insert(key.clone(), after[&key].clone());
    }
    expected
}

const ADDED_PRESETS: [&str; 5] = [
    "generic_1080p",
    "generic_720p",
    "linkedin_720p",
    "twitch_1080p60",
    "youtube_720p",
];

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_dry_run_tells_what_would_be_added_and_writes_nothing() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);

    let plan = old.migrator_over(&sdk).plan(&mut |_| ()).await.unwrap();

    assert_eq!(plan.problems, []);
    let rows: Vec<_> = plan
        .rows
        .iter()
        .map(|it| (it.id.as_str(), it.attributes.len()))
        .collect();
    assert_eq!(
        rows,
        [
            ("dest_1700000000001_aaaaaaaaa", 3),
            ("dest_1700000000002_bbbbbbbbb", 3),
            ("dest_1700000000003_ccccccccc", 3),
            ("dest_1700000000004_ddddddddd", 3),
            ("dest_1700000000005_eeeeeeeee", 1),
            ("legacy-7", 2),
        ]
    );
    assert_eq!(plan.presets, ADDED_PRESETS);
    assert_eq!(plan.presets_taken, ["twitch_720p"]);
    let unreadable: Vec<_> = plan.unreadable.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(unreadable, ["legacy-8", "not an id"]);
    let counts: Vec<_> = plan
        .tables
        .iter()
        .map(|it| it.tally.map(|it| it.rows))
        .collect();
    assert_eq!(counts, [Some(9), Some(2), Some(1), Some(1), None]);
    assert!(plan.has_work() && plan.leaves_something());
    assert!(!format!("{plan:?}{}", serde_json::to_string(&plan).unwrap()).contains(CANARY));
    assert_eq!(old.dump().await, before);
    tap.assert_only_reads();
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn exactly_what_is_missing_is_added_and_a_second_time_nothing() {
    let old = Old::set_up().await;
    let before = old.dump().await;

    let report = old.apply().await;

    let after = old.dump().await;
    assert_eq!(report.presets, ADDED_PRESETS);
    let id = report.id.as_ref().unwrap();
    assert_eq!(after, completed(id, &before, &report.presets, &after));
    assert_eq!(report.rows.len(), 6);
    assert!(
        report
            .proof
            .iter()
            .all(|it| it.holds() && it.by_others.is_none()),
        "{report:?}"
    );
    assert!(report.leaves_something());
    let backups = old.stack.dynamodb().list_backups().send().await.unwrap();
    let made: Vec<_> = backups
        .backup_summaries()
        .iter()
        .filter_map(|it| it.backup_arn())
        .collect();
    assert_eq!(made.len(), 2);
    assert!(
        report
            .backups
            .values()
            .all(|arn| made.contains(&arn.as_str()))
    );
    assert!(!format!("{report:?}{}", serde_json::to_string(&report).unwrap()).contains(CANARY));

    // The presets are those that our own repository reads back.
    let presets = lunora_core::port::RepoExt::survey(&old.stack.presets())
        .await
        .unwrap();
    let seeds = lunora_core::domain::Preset::seeds(sample::time());
    for seed in seeds
        .iter()
        .filter(|it| ADDED_PRESETS.contains(&it.id.as_str()))
    {
        assert!(
            presets.items.iter().any(|it| it.value == *seed),
            "{}",
            seed.id
        );
    }

    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let again = old.migrator_over(&sdk);
    let again = again
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await
        .unwrap();
    assert_eq!(again.id, None);
    tap.assert_only_reads();
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn undoing_leaves_every_row_as_it_was_and_can_be_repeated() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let id = old.apply().await.id.unwrap();

    let report = old.migrator().undo(&id, &mut |_| ()).await.unwrap();

    assert_eq!(old.dump().await, before);
    assert_eq!(report.rows.len(), 6);
    assert_eq!(report.presets, ADDED_PRESETS);
    assert_eq!(report.left, []);
    assert!(
        report
            .tables
            .iter()
            .all(|it| it.is_same() && it.before.is_some()),
        "{report:?}"
    );
    assert!(!format!("{report:?}{}", serde_json::to_string(&report).unwrap()).contains(CANARY));

    // A later migration is not undone with an earlier one.
    let second = old.apply().await.id.unwrap();
    let after = old.dump().await;
    let again = old.migrator().undo(&id, &mut |_| ()).await.unwrap();
    assert!(again.was_undone && again.rows.is_empty());
    assert_eq!(old.dump().await, after);
    let all = old.migrator().list().await.unwrap();
    let states: Vec<_> = all.iter().map(|it| (&it.id, it.state)).collect();
    let mut expected = [
        (&id, MigrationState::Undone),
        (&second, MigrationState::Applied),
    ];
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(states, expected);
}

/// Runs until it is done, or until its process dies.
async fn until_death<T>(work: impl Future<Output = T>, tap: &Tap) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = tap.ended() => None,
    }
}

/// After two minutes nobody waits for a process that died.
const DEAD: Duration = Duration::from_secs(121);

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn after_a_crash_at_any_call_it_goes_on_and_can_be_undone() {
    for lost in [Lost::Request, Lost::Reply] {
        let mut call = 0;
        loop {
            let old = Old::small().await;
            let before = old.dump().await;
            let (tap, sdk) = Tap::on(&old.stack.sdk);
            tap.end_at(call, lost);
            let first = old.migrator_over(&sdk);
            let policy = BackupPolicy::Required;
            let done = until_death(first.apply(&policy, &mut |_| ()), &tap).await;
            old.clock.advance(DEAD);

            let report = old.apply().await;
            let after = old.dump().await;
            let presets = ["linkedin_720p".to_owned()];
            let all = old.migrator().list().await.unwrap();
            assert_eq!(all.len(), 1, "{lost:?} {call}");
            assert_eq!(
                after,
                completed(&all[0].id, &before, &presets, &after),
                "{lost:?} {call}"
            );
            assert!(
                report.proof.iter().all(|it| it.holds()),
                "{lost:?} {call}: {report:?}"
            );
            assert_eq!(all[0].state, MigrationState::Applied, "{lost:?} {call}");
            assert_eq!(all[0].backups.len(), 2, "{lost:?} {call}");
            let backups = old.stack.dynamodb().list_backups().send().await.unwrap();
            assert_eq!(backups.backup_summaries().len(), 2, "{lost:?} {call}");

            let undone = old.migrator().undo(&all[0].id, &mut |_| ()).await.unwrap();
            assert_eq!(undone.left, [], "{lost:?} {call}");
            assert!(
                undone.tables.iter().all(|it| it.is_same()),
                "{lost:?} {call}"
            );
            assert_eq!(old.dump().await, before, "{lost:?} {call}");
            if done.is_some() {
                break;
            }
            call += 1;
        }
        // Five tables are looked at, four read twice, two backed up; each row takes two
        // calls, each preset too.
        assert!(5 + 2 * 4 + 2 * 3 + 4 * 2 < call, "{call}");
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_crashed_halfway_can_be_undone_at_once() {
    for lost in [Lost::Request, Lost::Reply] {
        // In steps, because the test before has every call.
        for call in (7..50).step_by(4) {
            let old = Old::small().await;
            let before = old.dump().await;
            let (tap, sdk) = Tap::on(&old.stack.sdk);
            tap.end_at(call, lost);
            let first = old.migrator_over(&sdk);
            let policy = BackupPolicy::Required;
            until_death(first.apply(&policy, &mut |_| ()), &tap).await;
            old.clock.advance(DEAD);

            let plan = old.migrator().plan(&mut |_| ()).await.unwrap();
            let all = old.migrator().list().await.unwrap();
            let id = plan.unfinished.map(|it| it.id);
            let Some(id) = id.or_else(|| all.first().map(|it| it.id.clone())) else {
                assert_eq!(old.dump().await, before);
                continue;
            };
            old.migrator().undo(&id, &mut |_| ()).await.unwrap();

            assert_eq!(old.dump().await, before, "{lost:?} {call}");
            let plan = old.migrator().plan(&mut |_| ()).await.unwrap();
            assert_eq!(plan.unfinished, None, "{lost:?} {call}");
            assert_eq!(plan.rows.len(), 3);
        }
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn after_a_crash_at_any_call_an_undoing_goes_on() {
    for lost in [Lost::Request, Lost::Reply] {
        let mut call = 0;
        loop {
            let old = Old::small().await;
            let before = old.dump().await;
            let id = old.apply().await.id.unwrap();
            let (tap, sdk) = Tap::on(&old.stack.sdk);
            tap.end_at(call, lost);
            let first = old.migrator_over(&sdk);
            let done = until_death(first.undo(&id, &mut |_| ()), &tap).await;
            if done.is_none() {
                let plan = old.migrator().plan(&mut |_| ()).await.unwrap();
                if let Some(unfinished) = plan.unfinished {
                    assert_eq!(unfinished.doing, Doing::Undoing);
                    old.clock.advance(DEAD);
                    let refused = old.migrator();
                    let refused = refused.apply(&BackupPolicy::Required, &mut |_| ()).await;
                    assert!(
                        matches!(refused, Err(MigrateError::Unfinished(_))),
                        "{refused:?}"
                    );
                }
            }
            old.clock.advance(DEAD);

            let report = old.migrator().undo(&id, &mut |_| ()).await.unwrap();

            assert_eq!(report.left, [], "{lost:?} {call}");
            assert!(
                report.tables.iter().all(|it| it.is_same()),
                "{lost:?} {call}"
            );
            assert_eq!(old.dump().await, before, "{lost:?} {call}");
            let plan = old.migrator().plan(&mut |_| ()).await.unwrap();
            assert_eq!(plan.unfinished, None, "{lost:?} {call}");
            if done.is_some() {
                break;
            }
            call += 1;
        }
        assert!(5 + 4 + 4 < call, "{call}");
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_old_clients_write_meanwhile_survives_and_is_told() {
    let old = Old::set_up().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let table = old.stack.config.tables.destinations.clone();
    let (one, two) = (
        "dest_1700000000001_aaaaaaaaa",
        "dest_1700000000002_bbbbbbbbb",
    );
    let stack = old.stack.clone();
    tap.before("UpdateItem", table.as_str(), async move {
        // Just before ours: to the same row, to one that was done, a new one, and one that goes.
        write(&stack, one, "streaming_status", s("ready")).await;
        write(&stack, two, "name", s(CANARY)).await;
        put(
            &stack.dynamodb(),
            &stack.config.tables.destinations,
            destination("new-one", []),
        )
        .await;
        let gone = stack.dynamodb().delete_item();
        let gone = gone.table_name(stack.config.tables.destinations.as_str());
        gone.key("destination_id", s("legacy-7"))
            .send()
            .await
            .unwrap();
    });
    let migrator = old.migrator_over(&sdk);

    let report = migrator
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await
        .unwrap();

    let row = old.destination(one).await;
    assert_eq!(row["streaming_status"], s("ready"));
    assert_eq!(row["output_type"], s("medialive"));
    assert_eq!(old.destination(two).await["name"], s(CANARY));
    assert!(!old.dump().await.contains_key("destinations legacy-7"));
    let proof = report
        .proof
        .iter()
        .find(|it| it.table == TableKind::Destinations)
        .unwrap();
    assert!(!proof.holds());
    assert_eq!(proof.by_others.changed, [one, two]);
    assert_eq!(proof.by_others.added, ["new-one"]);
    assert_eq!(proof.by_others.gone, ["legacy-7"]);
    assert!(
        report
            .proof
            .iter()
            .filter(|it| it.table != TableKind::Destinations)
            .all(|it| it.holds())
    );
    assert!(!format!("{report:?}").contains(CANARY));

    // What they wrote stays when ours is undone; the row that is gone is not made again.
    let before_undo = old.dump().await;
    let report = migrator
        .undo(&report.id.unwrap(), &mut |_| ())
        .await
        .unwrap();
    let after = old.dump().await;
    assert_eq!(report.left, []);
    assert!(!after.contains_key("destinations legacy-7"));
    assert_eq!(
        after["destinations new-one"],
        before_undo["destinations new-one"]
    );
    assert_eq!(after[&format!("destinations {two}")]["name"], s(CANARY));
    assert!(!report.tables[0].is_same());
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn an_attribute_that_somebody_else_adds_first_is_theirs() {
    let old = Old::set_up().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let table = old.stack.config.tables.destinations.clone();
    let one = "dest_1700000000001_aaaaaaaaa";
    let stack = old.stack.clone();
    tap.before("UpdateItem", table.as_str(), async move {
        write(&stack, one, "output_type", s("medialive")).await;
        write(&stack, one, "current_active_url", null()).await;
    });
    let migrator = old.migrator_over(&sdk);

    let report = migrator
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await
        .unwrap();

    let change = report.rows.iter().find(|it| it.id == one).unwrap();
    assert_eq!(change.attributes, ["failover_enabled"]);
    assert_eq!(old.destination(one).await["current_active_url"], null());
    let report = migrator
        .undo(&report.id.unwrap(), &mut |_| ())
        .await
        .unwrap();
    let row = old.destination(one).await;
    assert_eq!(row["output_type"], s("medialive"));
    assert_eq!(row["current_active_url"], null());
    assert!(!row.contains_key("failover_enabled"));
    assert_eq!(report.left, []);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_was_changed_or_is_used_since_is_left_and_told() {
    let old = Old::set_up().await;
    let id = old.apply().await.id.unwrap();
    let (one, two) = (
        "dest_1700000000001_aaaaaaaaa",
        "dest_1700000000002_bbbbbbbbb",
    );
    old.write(one, "output_type", s("mediaconnect")).await;
    old.write(two, "preset_id", s("generic_1080p")).await;
    let tables = &old.stack.config.tables;
    let call = old
        .stack
        .dynamodb()
        .update_item()
        .table_name(tables.presets.as_str());
    let call = call
        .key("preset_id", s("generic_720p"))
        .update_expression("SET note = :v");
    call.expression_attribute_values(":v", s("mine"))
        .send()
        .await
        .unwrap();

    let report = old.migrator().undo(&id, &mut |_| ()).await.unwrap();

    let left: Vec<_> = report
        .left
        .iter()
        .map(|it| (it.id.as_str(), it.attributes.as_slice(), it.because))
        .collect();
    let output_type = ["output_type".to_owned()];
    assert_eq!(
        left,
        [
            (one, &output_type[..], Because::Changed),
            ("generic_1080p", &[], Because::InUse),
            ("generic_720p", &[], Because::Changed),
        ]
    );
    let row = old.destination(one).await;
    assert_eq!(row["output_type"], s("mediaconnect"));
    assert!(!row.contains_key("failover_enabled"));
    let rows = old.dump().await;
    assert!(
        rows.contains_key("presets generic_1080p") && rows.contains_key("presets generic_720p")
    );
    assert!(!rows.contains_key("presets linkedin_720p"));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn without_a_backup_nothing_is_changed_unless_somebody_answers_for_it() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    tap.refuse("CreateBackup", "AccessDeniedException", 100);
    let migrator = old.migrator_over(&sdk);

    let refused = migrator.apply(&BackupPolicy::Required, &mut |_| ()).await;

    assert!(
        matches!(refused, Err(MigrateError::NoBackup { .. })),
        "{refused:?}"
    );
    assert_eq!(old.dump().await, before);
    let responsible = "Ada".parse().unwrap();
    let skip = BackupPolicy::Skip { responsible };
    // Another process goes on, and need not wait for one that ended properly.
    let migrator = old.migrator();
    let report = migrator.apply(&skip, &mut |_| ()).await.unwrap();
    assert!(report.resumed && report.backups.is_empty());
    assert_eq!(report.without_backup_says.as_deref(), Some("Ada"));
    let entry = &migrator.list().await.unwrap()[0];
    assert_eq!(entry.without_backup_says.as_deref(), Some("Ada"));
    migrator
        .undo(&report.id.unwrap(), &mut |_| ())
        .await
        .unwrap();
    assert_eq!(old.dump().await, before);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn throttling_only_takes_time() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    // More than the three attempts of the SDK, at every kind of call.
    for call in [
        "Scan",
        "GetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
    ] {
        tap.refuse(call, "ProvisionedThroughputExceededException", 7);
    }
    let migrator = old.migrator_over(&sdk);

    let report = migrator
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await
        .unwrap();
    migrator
        .undo(&report.id.unwrap(), &mut |_| ())
        .await
        .unwrap();

    assert_eq!(old.dump().await, before);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_table_that_is_missing_or_another_is_told_with_what_to_do() {
    let old = Old::set_up().await;
    let client = old.stack.dynamodb();
    let tables = old.stack.config.tables.clone();
    client
        .delete_table()
        .table_name(tables.control.as_str())
        .send()
        .await
        .unwrap();

    let plan = old.migrator().plan(&mut |_| ()).await.unwrap();

    let [problem] = &plan.problems[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(problem.kind, TableKind::Control);
    assert!(
        problem
            .to_string()
            .contains("pk (S, hash) and sk (S, range)"),
        "{problem}"
    );
    // The rest is told all the same.
    assert_eq!(plan.rows.len(), 6);
    let before = old.dump().await;
    let refused = old
        .migrator()
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await;
    assert!(
        matches!(refused, Err(MigrateError::NotReady(_))),
        "{refused:?}"
    );
    assert_eq!(old.dump().await, before);

    // A table with another key is not ours, whatever it is called.
    old.stack
        .create_table(tables.control.as_str(), &["id"])
        .await;
    let plan = old.migrator().plan(&mut |_| ()).await.unwrap();
    assert!(
        plan.problems[0]
            .to_string()
            .contains("another key than pk and sk"),
        "{plan:?}"
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn one_process_at_a_time_migrates() {
    let old = Old::set_up().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    tap.end_at(30, Lost::Request);
    let first = old.migrator_over(&sdk);
    until_death(first.apply(&BackupPolicy::Required, &mut |_| ()), &tap).await;

    let busy = old
        .migrator()
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await;
    let Err(MigrateError::Busy(unfinished)) = busy else {
        panic!("{busy:?}")
    };
    let busy = old.migrator().undo(&unfinished.id, &mut |_| ()).await;
    assert!(matches!(busy, Err(MigrateError::Busy(_))), "{busy:?}");

    old.clock.advance(DEAD);
    let report = old.apply().await;
    assert!(report.resumed);
    assert_eq!(report.id, Some(unfinished.id));
    let unknown: MigrationId = "20260301T100000-00000000".parse().unwrap();
    let refused = old.migrator().undo(&unknown, &mut |_| ()).await;
    assert!(
        matches!(refused, Err(MigrateError::Unknown(_))),
        "{refused:?}"
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn who_slept_through_its_turn_stops() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let table = old.stack.config.tables.destinations.clone();
    let (clock, other) = (old.clock.clone(), old.migrator());
    tap.before("UpdateItem", table.as_str(), async move {
        // Ours is on its way to AWS for two minutes, and another takes over meanwhile.
        clock.advance(DEAD);
        other
            .apply(&BackupPolicy::Required, &mut |_| ())
            .await
            .unwrap();
    });

    let late = old
        .migrator_over(&sdk)
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await;

    assert!(matches!(late, Err(MigrateError::TurnLost)), "{late:?}");
    let after = old.dump().await;
    let all = old.migrator().list().await.unwrap();
    assert_eq!(all.len(), 1);
    let presets = ADDED_PRESETS.map(str::to_owned);
    assert_eq!(after, completed(&all[0].id, &before, &presets, &after));
    old.migrator().undo(&all[0].id, &mut |_| ()).await.unwrap();
    assert_eq!(old.dump().await, before);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_write_that_arrives_after_the_undoing_is_undone_by_another_one() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let table = old.stack.config.tables.destinations.clone();
    let (clock, other) = (old.clock.clone(), old.migrator());
    tap.before("UpdateItem", table.as_str(), async move {
        // The first row is on its way to AWS for two minutes, and another undoes all meanwhile.
        clock.advance(DEAD);
        let id = other.list().await.unwrap()[0].id.clone();
        let report = other.undo(&id, &mut |_| ()).await.unwrap();
        assert!(report.rows.is_empty() && !report.leaves_something());
    });

    let late = old
        .migrator_over(&sdk)
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await;

    assert!(matches!(late, Err(MigrateError::TurnLost)), "{late:?}");
    let all = old.migrator().list().await.unwrap();
    assert_eq!(all[0].state, MigrationState::Undone);
    assert_ne!(old.dump().await, before);
    let again = old.migrator().undo(&all[0].id, &mut |_| ()).await.unwrap();
    assert!(again.was_undone && again.rows.len() == 1, "{again:?}");
    assert!(!again.leaves_something(), "{again:?}");
    assert_eq!(old.dump().await, before);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn of_two_who_apply_at_once_one_does_it_and_the_other_claims_nothing() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let control = old.stack.config.tables.control.clone();
    let other = old.migrator();
    tap.before("PutItem", control.as_str(), async move {
        // Both looked before; the other one has the turn first.
        let report = other.apply(&BackupPolicy::Required, &mut |_| ()).await;
        assert_eq!(report.unwrap().rows.len(), 6);
    });

    let second = old.migrator_over(&sdk);
    let second = second.apply(&BackupPolicy::Required, &mut |_| ()).await;

    let second = second.unwrap();
    assert_eq!((second.id, second.rows), (None, vec![]));
    assert_eq!(second.presets, [""; 0]);
    let all = old.migrator().list().await.unwrap();
    let [first] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        old.migrator().plan(&mut |_| ()).await.unwrap().unfinished,
        None
    );
    old.migrator().undo(&first.id, &mut |_| ()).await.unwrap();
    assert_eq!(old.dump().await, before);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_write_whose_reply_was_lost_is_known_as_ours_whatever_others_made_of_it() {
    let old = Old::set_up().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let table = old.stack.config.tables.destinations.clone();
    let one = "dest_1700000000001_aaaaaaaaa";
    let (stack, other) = (old.stack.clone(), old.migrator());
    tap.before("UpdateItem", table.as_str(), async move {
        // The first attempt arrived, an old client wrote, and this is the second attempt.
        let id = other.list().await.unwrap()[0].id.clone();
        for (name, value) in [
            ("failover_enabled", AttributeValue::Bool(false)),
            ("current_active_url", s("primary")),
            ("lunora_migration", s(id.as_str())),
            ("output_type", s("mediaconnect")),
        ] {
            write(&stack, one, name, value).await;
        }
    });

    let report = old
        .migrator_over(&sdk)
        .apply(&BackupPolicy::Required, &mut |_| ())
        .await
        .unwrap();

    assert_eq!(report.rows.len(), 6);
    let proof = &report.proof[0];
    assert!(!proof.holds() && report.leaves_something());
    assert_eq!(proof.by_others.changed, [one]);
    let id = report.id.unwrap();
    let report = old.migrator().undo(&id, &mut |_| ()).await.unwrap();
    let left: Vec<_> = report.left.iter().map(|it| (&*it.id, it.because)).collect();
    assert_eq!(left, [(one, Because::Changed)]);
    assert_eq!(report.left[0].attributes, ["output_type"]);
    let row = old.destination(one).await;
    assert_eq!(row["output_type"], s("mediaconnect"));
    for name in ["failover_enabled", "current_active_url", "lunora_migration"] {
        assert!(!row.contains_key(name), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn the_same_value_from_somebody_else_is_theirs_also_when_our_process_dies_just_then() {
    let old = Old::set_up().await;
    let before = old.dump().await;
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let table = old.stack.config.tables.destinations.clone();
    let one = "dest_1700000000001_aaaaaaaaa";
    let (stack, end) = (old.stack.clone(), tap.clone());
    tap.before("UpdateItem", table.as_str(), async move {
        // What is about to be added is recorded; it is added by somebody else, and the
        // process dies before it can take the record back.
        write(&stack, one, "output_type", s("medialive")).await;
        end.end_at(0, Lost::Request);
    });
    let first = old.migrator_over(&sdk);
    let died = until_death(first.apply(&BackupPolicy::Required, &mut |_| ()), &tap).await;
    assert!(died.is_none());
    old.clock.advance(DEAD);

    let id = old.migrator().list().await.unwrap()[0].id.clone();
    let report = old.migrator().undo(&id, &mut |_| ()).await.unwrap();

    let mut expected = before;
    let row = expected.get_mut(&format!("destinations {one}")).unwrap();
    row.insert("output_type".to_owned(), s("medialive"));
    assert_eq!(old.dump().await, expected);
    let left: Vec<_> = report.left.iter().map(|it| (&*it.id, it.because)).collect();
    assert_eq!(left, [(one, Because::Unmarked)]);
    assert_eq!(report.left[0].attributes, ["output_type"]);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_row_that_an_old_client_wrote_whole_is_the_old_clients() {
    let old = Old::set_up().await;
    let id = old.apply().await.id.unwrap();
    let one = "dest_1700000000001_aaaaaaaaa";
    let mut row = old.destination(one).await;
    row.remove("lunora_migration");
    row.remove("current_active_url");
    let table = &old.stack.config.tables.destinations;
    put(&old.stack.dynamodb(), table, row.clone()).await;

    let report = old.migrator().undo(&id, &mut |_| ()).await.unwrap();

    assert_eq!(old.destination(one).await, row);
    let left: Vec<_> = report.left.iter().map(|it| (&*it.id, it.because)).collect();
    assert_eq!(left, [(one, Because::Unmarked)]);
    assert_eq!(
        report.left[0].attributes,
        ["failover_enabled", "output_type"]
    );
    assert_eq!(report.rows.len(), 5);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_somebody_removed_again_is_not_added_again() {
    let old = Old::set_up().await;
    old.apply().await;
    let tables = &old.stack.config.tables;
    let gone = old.stack.dynamodb().delete_item();
    let gone = gone.table_name(tables.presets.as_str());
    gone.key("preset_id", s("linkedin_720p"))
        .send()
        .await
        .unwrap();
    let call = old.stack.dynamodb().update_item();
    let call = call.table_name(tables.destinations.as_str());
    call.key("destination_id", s("dest_1700000000001_aaaaaaaaa"))
        .update_expression("REMOVE output_type")
        .send()
        .await
        .unwrap();

    let plan = old.migrator().plan(&mut |_| ()).await.unwrap();

    assert!(!plan.has_work(), "{plan:?}");
    assert_eq!(old.apply().await.id, None);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_preset_that_somebody_takes_up_while_it_is_removed_stays() {
    let old = Old::set_up().await;
    let id = old.apply().await.id.unwrap();
    let (tap, sdk) = Tap::on(&old.stack.sdk);
    let tables = old.stack.config.tables.clone();
    let stack = old.stack.clone();
    tap.before("DeleteItem", tables.presets.as_str(), async move {
        // The first one is about to go: it gets a note, and the last one a destination.
        let call = stack.dynamodb().update_item();
        let call = call.table_name(stack.config.tables.presets.as_str());
        let call = call.key("preset_id", s("generic_1080p"));
        let call = call.update_expression("SET note = :v");
        let call = call.expression_attribute_values(":v", s("mine"));
        call.send().await.unwrap();
        write(&stack, "legacy-7", "preset_id", s("youtube_720p")).await;
    });

    let undone = old.migrator_over(&sdk);
    let undone = undone.undo(&id, &mut |_| ()).await.unwrap();

    let left: Vec<_> = undone.left.iter().map(|it| (&*it.id, it.because)).collect();
    assert_eq!(
        left,
        [
            ("generic_1080p", Because::Changed),
            ("youtube_720p", Because::InUse)
        ]
    );
    let rows = old.dump().await;
    assert_eq!(rows["presets generic_1080p"]["note"], s("mine"));
    assert!(rows.contains_key("presets youtube_720p"));
    assert!(!rows.contains_key("presets linkedin_720p"));
}
