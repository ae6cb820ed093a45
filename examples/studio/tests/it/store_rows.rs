//! Rows that somebody else wrote, and rows that cannot be read.

use std::collections::BTreeMap;

use lunora_core::{
    domain::{
        Destination, EventSeq, FailoverHistory, Leg, Preset, SecretName, Session, Source, Token,
    },
    port::{
        ControlStore as _, ErrorKind, EventLog as _, Expect, PageRequest, PortError, Repo,
        RepoExt as _, SecretStore as _, Which,
    },
};
use lunora_studio::store::{SqliteEventLog, Store};
use lunora_testkit::sample::{self, Sample};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use crate::store_data::{Data, run, told};

#[test]
fn rule_16_a_column_that_is_not_known_survives_an_update() {
    let data = Data::new();
    let store = data.open();
    let created = run(store.destinations().create(&sample::destination(1))).unwrap();
    let theirs =
        "ALTER TABLE destination ADD COLUMN mood TEXT; UPDATE destination SET mood = 'sunny'";
    data.sql().execute_batch(theirs).unwrap();

    let mut changed = sample::destination(1);
    changed.name = "renamed".parse().unwrap();
    run(store
        .destinations()
        .put(&changed, Expect::Revision(created)))
    .unwrap();

    let stored = run(store.destinations().get(&changed.id)).unwrap().unwrap();
    assert_eq!(stored.value, changed);
    let mood = "SELECT mood FROM destination";
    let mood: String = data.sql().query_row(mood, [], |row| row.get(0)).unwrap();
    assert_eq!(mood, "sunny");
}

#[test]
fn rule_16_a_field_that_is_not_known_survives_an_update_as_it_was_written() {
    let data = Data::new();
    let store = data.open();
    let created = run(store.sources().create(&sample::source(1))).unwrap();
    let theirs = r#"UPDATE record SET value = substr(value, 1, length(value) - 1) ||
        ', "mood": {"now": [1.50, 123456789012345678901234567890]}}' WHERE id = 'src-1'"#;
    data.sql().execute(theirs, []).unwrap();

    let mut changed = sample::source(1);
    changed.name = "renamed".parse().unwrap();
    changed.host = None;
    changed.last_check = None;
    let second = run(store.sources().put(&changed, Expect::Revision(created))).unwrap();
    run(store.sources().put(&changed, Expect::Revision(second))).unwrap();

    let stored = run(store.sources().get(&changed.id)).unwrap().unwrap();
    assert_eq!(stored.value, changed);
    let raw = "SELECT value FROM record WHERE id = 'src-1'";
    let raw: String = data.sql().query_row(raw, [], |row| row.get(0)).unwrap();
    let mood = r#""mood":{"now": [1.50, 123456789012345678901234567890]}"#;
    assert!(raw.contains(mood), "{raw}");
}

#[test]
fn an_update_leaves_nothing_of_what_is_known_behind() {
    let data = Data::new();
    let store = data.open();
    run(async {
        write_one_over_the_other::<Destination>(&*store.destinations()).await;
        write_one_over_the_other::<Source>(&*store.sources()).await;
        write_one_over_the_other::<Preset>(&*store.presets()).await;
        write_one_over_the_other::<Session>(&*store.sessions()).await;
        write_one_over_the_other::<Token>(&*store.tokens()).await;
        write_one_over_the_other::<FailoverHistory>(&*store.failovers()).await;
    });
}

async fn write_one_over_the_other<R: Sample>(repo: &dyn Repo<R>) {
    let mut runner = TestRunner::deterministic();
    let mut draw = || R::any().new_tree(&mut runner).unwrap().current();
    let mut expect = Expect::Absent;
    for _ in 0..50 {
        let value = draw().with_id("the-one");
        let revision = repo.put(&value, expect).await.unwrap();
        let stored = repo.get(value.id()).await.unwrap().unwrap();
        assert_eq!(stored.value, value);
        expect = Expect::Revision(revision);
    }
}

#[test]
fn a_number_with_a_fraction_is_read_back_to_its_last_bit() {
    let data = Data::new();
    let repo = data.open().presets();
    let awkward = (1..=60).map(|n| 60_000.0 / 1_001.0 / f64::from(n));
    run(async {
        for (n, framerate) in (0..).zip(awkward) {
            let mut preset = sample::preset(n);
            preset.video.framerate = Some(framerate);
            repo.create(&preset).await.unwrap();
            let stored = repo.get(&preset.id).await.unwrap().unwrap();
            assert_eq!(stored.value.video.framerate, Some(framerate));
        }
    });
}

#[test]
fn kinds_that_share_a_table_do_not_share_ids() {
    let data = Data::new();
    let store = data.open();
    let id = "the-one";
    run(async {
        let value = sample::source(1).with_id(id);
        let revision = store.sources().create(&value).await.unwrap();
        let other = sample::session(1).with_id(id);
        store.sessions().create(&other).await.unwrap();

        store.sources().remove(&value.id, &revision).await.unwrap();

        assert_eq!(store.sources().list_all().await.unwrap(), []);
        let stored = store.sessions().list_all().await.unwrap();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].value, other);
    });
}

#[test]
fn a_listing_of_one_kind_does_not_go_on_from_the_token_of_another() {
    let data = Data::new();
    let store = data.open();
    let page = |after| PageRequest { limit: 1, after };
    run(async {
        for n in 1..=2 {
            store.sources().create(&sample::source(n)).await.unwrap();
        }
        let token = store.sources().list(page(None)).await.unwrap().next;
        assert!(token.is_some());
        let refused = store.sessions().list(page(token)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_secret_whose_name_is_not_known_is_left_alone() {
    let data = Data::new();
    let store = data.open();
    let kept = run(store.secrets().keep(&secret(), &sample::secret(1))).unwrap();
    let theirs = "INSERT INTO secret SELECT 'sinks/s-1/token', 99, nonce, ciphertext FROM secret;
                  INSERT INTO secret SELECT CAST(x'ff' AS TEXT), 98, nonce, ciphertext FROM secret
                  WHERE version < 90";
    data.sql().execute_batch(theirs).unwrap();

    let versions = run(store.secrets().versions()).unwrap();

    assert_eq!(versions, BTreeMap::from([(secret(), kept)]));
    let count = "SELECT count(*) FROM secret";
    assert_eq!(data.sql().query_row(count, [], |row| row.get(0)), Ok(3));
}

#[test]
fn attributes_can_be_read_with_the_sqlite3_tool() {
    let data = Data::new();
    let store = data.open();
    run(store.destinations().create(&sample::destination(1))).unwrap();
    let row = "SELECT name || ' ' || wanted || ' ' || enabled || ' ' || primary_url || ' ' ||
               primary_key_version || ' ' || created_at FROM destination WHERE id = 'dest-1'";
    let row: String = data.sql().query_row(row, [], |row| row.get(0)).unwrap();
    let expected =
        "destination 1 running 1 rtmp://127.9.0.1:1935/app-1 1 2026-01-02T03:04:05.000000000Z";
    assert_eq!(row, expected);
}

#[test]
fn a_value_that_cannot_be_read_says_where_it_is() {
    #[rustfmt::skip]
    let cases = [
        ("destination", "wanted", "'sideways'"),
        ("destination", "primary_url", "'http://nowhere'"),
        ("destination", "name", "''"),
        ("destination", "created_at", "'yesterday'"),
        ("destination", "preset_id", "'no id'"),
        ("destination", "active_leg", "'third'"),
        ("destination", "primary_key_digest", "'zz'"),
        ("destination", "primary_key_digest", "NULL"),
        ("destination", "primary_key_version", "NULL"),
        ("secret", "nonce", "x'00'"),
        ("secret", "ciphertext", "x'0011'"),
        ("event", "kind", "'{\"type\":7}'"),
        ("event", "at", "'later'"),
        ("event", "destination", "'no id'"),
        ("event", "by", "''"),
        ("removal", "cause", "'boredom'"),
        ("removal", "recorded_at", "'before'"),
        ("removal", "leftovers", "'[{}]'"),
        ("pause", "until", "'forever'"),
        ("claim", "request", "'zz'"),
        ("lease", "holder", "'no id'"),
        ("lease", "until", "'for ever'"),
        ("record", "value", "'{}'"),
    ];
    for (table, column, value) in cases {
        let data = Data::new();
        let store = data.open();
        run(write_one_of_each(&store)).unwrap();
        let change = format!("UPDATE {table} SET \"{column}\" = {value}");
        data.sql().execute(&change, []).unwrap();

        let refused = run(read_each(&store)).unwrap_err();

        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{change}");
        let (told, key) = (told(&refused), key_in(table));
        let place = format!("cannot read table {table}, key {key}, column {column}");
        assert!(told.contains(&place), "{change}: {told}");
    }
}

fn key_in(table: &str) -> &'static str {
    match table {
        "secret" => "destinations/dest-1/stream_key",
        "event" | "pause" => "1",
        "claim" => "request-1",
        "lease" => "lease-1",
        "record" => "src-1",
        _ => "dest-1",
    }
}

fn secret() -> SecretName {
    SecretName::StreamKey(sample::destination_id(1), Leg::Primary)
}

async fn write_one_of_each(store: &Store) -> Result<(), PortError> {
    store.destinations().create(&sample::destination(1)).await?;
    store.sources().create(&sample::source(1)).await?;
    store.secrets().keep(&secret(), &sample::secret(1)).await?;
    store.events().append(&sample::new_event(1)).await?;
    let until = sample::time();
    let control = store.control();
    control.record_removal(&sample::removal(1)).await?;
    control
        .set_pause(Some(lunora_core::port::Pause { until }))
        .await?;
    control
        .claim(&sample::idempotency_key(1), &sample::claim(1))
        .await?;
    let lease = sample::lease(1, 0);
    control.acquire(&sample::lease_name(1), &lease).await?;
    Ok(())
}

async fn read_each(store: &Store) -> Result<(), PortError> {
    let id = sample::destination_id(1);
    store.destinations().get(&id).await?;
    store.sources().get(&sample::source_id(1)).await?;
    store.secrets().reveal(&secret(), Which::Latest).await?;
    store.events().read(EventSeq(0), 10).await?;
    let control = store.control();
    control.removals().await?;
    control.pause().await?;
    control
        .claim(&sample::idempotency_key(1), &sample::claim(1))
        .await?;
    let asked = sample::lease(2, 0);
    control.acquire(&sample::lease_name(1), &asked).await?;
    Ok(())
}

#[test]
fn the_newest_events_are_kept() {
    let data = Data::new();
    let store = data.open();
    run(store.events().append(&sample::new_event(1))).unwrap();
    let kept = i64::try_from(SqliteEventLog::KEPT).unwrap();
    let copies = "WITH RECURSIVE n (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
                  INSERT INTO event (at, destination, kind) SELECT at, destination, kind FROM n, event";
    data.sql().execute(copies, [kept]).unwrap();

    let place = run(store.events().append(&sample::new_event(2))).unwrap();

    assert_eq!(place, EventSeq(SqliteEventLog::KEPT + 1));
    let events = run(store.events().read(EventSeq(0), u32::MAX)).unwrap();
    assert_eq!(events.len() as u64, SqliteEventLog::KEPT);
    assert_eq!(events[0].seq, EventSeq(2));
    assert_eq!(events.last().unwrap().event, sample::new_event(2));
}

#[test]
fn places_and_revisions_count_on_after_a_restart() {
    let data = Data::new();
    let store = data.open();
    let place = run(store.events().append(&sample::new_event(1))).unwrap();
    let destination = sample::destination(1);
    let first = run(store.destinations().create(&destination)).unwrap();
    run(store.destinations().remove(&destination.id, &first)).unwrap();
    drop(store);

    let store = data.open();
    // It is there already, so this returns at once.
    run(store.events().wait(EventSeq(0))).unwrap();
    let later = run(store.events().append(&sample::new_event(2))).unwrap();
    let second = run(store.destinations().create(&destination)).unwrap();

    assert!(place < later);
    assert_ne!(first, second);
    let stale = Expect::Revision(first);
    let refused = run(store.destinations().put(&destination, stale)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}
