//! Rows that somebody else wrote, and rows that cannot be read.

use lunora_core::{
    domain::{EventSeq, Leg, SecretName},
    port::{
        ControlStore as _, DestinationRepo as _, DestinationRepoExt as _, ErrorKind, EventLog as _,
        Expect, PortError, SecretStore as _, Which,
    },
};
use lunora_studio::store::{SqliteEventLog, Store};
use lunora_testkit::sample;

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
fn attributes_can_be_read_with_the_sqlite3_tool() {
    let data = Data::new();
    let store = data.open();
    run(store.destinations().create(&sample::destination(1))).unwrap();
    let row = "SELECT name || ' ' || wanted || ' ' || enabled || ' ' || primary_url || ' ' ||
               primary_key_version || ' ' || created_at FROM destination WHERE id = 'dest-1'";
    let row: String = data.sql().query_row(row, [], |row| row.get(0)).unwrap();
    let expected =
        "destination 1 running 1 rtmp://127.0.0.1:9/app-1 1 2026-01-02T03:04:05.000000000Z";
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
        ("event", "kind", "'{\"type\":\"eclipse\"}'"),
        ("event", "at", "'later'"),
        ("event", "destination", "'no id'"),
        ("removal", "cause", "'boredom'"),
        ("removal", "recorded_at", "'before'"),
        ("pause", "until", "'forever'"),
        ("claim", "request", "'zz'"),
    ];
    for (table, column, value) in cases {
        let data = Data::new();
        let store = data.open();
        run(write_one_of_each(&store)).unwrap();
        let change = format!("UPDATE {table} SET {column} = {value}");
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
        _ => "dest-1",
    }
}

fn secret() -> SecretName {
    SecretName::StreamKey(sample::destination_id(1), Leg::Primary)
}

async fn write_one_of_each(store: &Store) -> Result<(), PortError> {
    store.destinations().create(&sample::destination(1)).await?;
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
    Ok(())
}

async fn read_each(store: &Store) -> Result<(), PortError> {
    store.destinations().list_all().await?;
    store.secrets().reveal(&secret(), Which::Latest).await?;
    store.events().read(EventSeq(0), 10).await?;
    let control = store.control();
    control.removals().await?;
    control.pause().await?;
    control
        .claim(&sample::idempotency_key(1), &sample::claim(1))
        .await?;
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
