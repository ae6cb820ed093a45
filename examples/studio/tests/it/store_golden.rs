//! Folders as earlier programs left them.

use std::{collections::BTreeMap, fs};

use lunora_core::{
    domain::{
        BackupMode, Destination, DestinationId, Endpoint, EventKind, EventSeq, Fault, FaultClass,
        FaultCode, Label, Leftover, Leg, NewEvent, OutputType, Platform, ProgramKind, Removal,
        RemovalCause, SecretName, SecretRef, SecretVersion, Severity, StatusKind, Wanted,
    },
    port::{
        Claim, ControlStore as _, EventLog as _, Pause, RepoExt as _, Revision, SecretStore as _,
    },
};
use lunora_studio::store::{KeyState, Store};
use lunora_testkit::sample;
use rusqlite::{Connection, types::Value};

use crate::store_data::{Data, revealed, run, set_mode, take_a_step_back};

/// What the last program of schema 2 left.
fn schema_2() -> Data {
    let data = Data::new();
    fs::create_dir(data.path()).unwrap();
    let written = include_str!("golden/schema_2.sql");
    data.sql().execute_batch(written).unwrap();
    fs::write(data.file("studio.key"), [7; 32]).unwrap();
    set_mode(&data.file("studio.key"), 0o600);
    data
}

fn id(n: u64) -> DestinationId {
    sample::destination_id(n)
}

fn key(leg: Leg) -> SecretName {
    SecretName::StreamKey(id(1), leg)
}

fn tail() -> SecretName {
    SecretName::UrlTail(id(1), Leg::Primary)
}

/// What that program wrote, in the order in which it is listed.
fn destinations(store: &Store) -> [Destination; 3] {
    // As `sample::destination` was when the folder was made.
    let as_then = |n: u64| {
        let mut row = sample::destination(n);
        let url = format!("rtmp://127.0.0.1:9/app-{n}");
        row.primary.as_mut().unwrap().url = url.parse().unwrap();
        row
    };
    let refer = |version, n| {
        let (version, text) = (SecretVersion(version), sample::secret(n));
        Some(SecretRef::new(version, &text, &store.hash_key()))
    };
    let one = Destination {
        platform: Platform::YouTube,
        preset_id: Some("generic_1080p".parse().unwrap()),
        primary: Some(Endpoint {
            url: "rtmps://a.rtmps.youtube.com/live2".parse().unwrap(),
            tail: refer(3, 3),
            key: refer(2, 2),
        }),
        backup: Some(Endpoint {
            url: "rtmp://b.rtmp.youtube.com/live2".parse().unwrap(),
            tail: None,
            key: refer(4, 4),
        }),
        failover_enabled: true,
        active_leg: Leg::Backup,
        started_at: Some(sample::time()),
        generation: 7,
        ..sample::destination(1)
    };
    let three = Destination {
        platform: Platform::Hls,
        primary: None,
        enabled: false,
        wanted: Wanted::Stopped,
        output_type: OutputType::MediaLive,
        ..sample::destination(3)
    };
    [one, as_then(2), three]
}

fn events() -> [NewEvent; 3] {
    let (code, class) = (FaultCode::Dns, FaultClass::Transient);
    let event = |destination, kind| NewEvent {
        at: sample::time(),
        destination,
        by: None,
        kind,
    };
    let name = sample::destination(1).name;
    let status = EventKind::StatusChanged {
        from: None,
        to: StatusKind::Reconnecting,
        severity: Severity::SelfHealing,
        fault: Some(Fault::new(code, class, "no such host", sample::time())),
        last_fault: None,
    };
    let program = ProgramKind::Encoder;
    [
        event(Some(id(1)), EventKind::DestinationCreated { name }),
        event(Some(id(1)), status),
        event(None, EventKind::ProgramChanged { program }),
    ]
}

fn removals() -> [Removal; 3] {
    let unfinished = |n| sample::unfinished(n, 0);
    [unfinished(3), sample::removal(4), unfinished(4)]
}

#[test]
fn rule_19_a_folder_of_schema_2_opens_with_all_that_is_in_it() {
    let data = schema_2();
    let store = data.open();

    assert_eq!(store.key_state(), KeyState::Fits);
    let stored = run(store.destinations().list_all()).unwrap();
    let revisions = [2, 3, 4].map(Revision::from_token);
    for ((stored, value), revision) in stored.iter().zip(destinations(&store)).zip(revisions) {
        assert_eq!((&stored.value, &stored.revision), (&value, &revision));
    }
    assert_eq!(stored.len(), 3);

    let kept = [
        (key(Leg::Primary), 2),
        (tail(), 3),
        (key(Leg::Backup), 5),
        (SecretName::PublishKey, 6),
    ];
    for (name, n) in &kept {
        let text = revealed(&store, name).unwrap();
        assert_eq!(text, Some(format!("secret-{n}")), "{name}");
    }
    let versions: BTreeMap<_, _> = kept.map(|(name, n)| (name, SecretVersion(n))).into();
    assert_eq!(run(store.secrets().versions()).unwrap(), versions);

    let read = run(store.events().read(EventSeq(0), 100)).unwrap();
    let read: Vec<_> = read.into_iter().map(|it| (it.seq, it.event)).collect();
    let expected = (1..).map(EventSeq).zip(events());
    assert_eq!(read, expected.collect::<Vec<_>>());

    let control = store.control();
    let mut removed = run(control.removals()).unwrap();
    removed.sort_by_key(|it| (it.destination.clone(), it.cause));
    assert_eq!(removed, removals());
    let until = sample::time();
    assert_eq!(run(control.pause()).unwrap(), Some(Pause { until }));
    for n in [1, 2] {
        let stands = Claim {
            answer: (n == 1).then(|| sample::answer(1)),
            ..sample::claim(n)
        };
        let other = sample::claim(9);
        let told = run(control.claim(&sample::idempotency_key(n), &other)).unwrap();
        assert_eq!(told, stands);
    }
}

#[test]
fn what_counted_up_under_schema_2_counts_on() {
    let data = schema_2();
    let store = data.open();

    let revision = run(store.destinations().create(&sample::destination(4))).unwrap();
    let version = run(store.secrets().keep(&tail(), &sample::secret(7))).unwrap();
    let place = run(store.events().append(&sample::new_event(4))).unwrap();

    let number: u64 = revision.as_token().parse().unwrap();
    assert!(5 < number);
    assert!(SecretVersion(6) < version);
    assert_eq!(place, EventSeq(4));
}

/// All rows of the tables that somebody wrote to, and how the tables are made.
fn everything(sql: &Connection) -> BTreeMap<&'static str, Vec<Vec<Value>>> {
    let all = |query: &str| {
        let mut statement = sql.prepare(query).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|n| row.get(n)).collect();
        let rows = statement.query_map([], row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let tables = [
        "destination",
        "secret",
        "key_check",
        "event",
        "removal",
        "pause",
        "claim",
        "migration",
    ];
    let rows = tables.map(|table| (table, all(&format!("SELECT * FROM {table} ORDER BY 1, 2"))));
    let made = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    rows.into_iter().chain([("", all(made))]).collect()
}

#[test]
fn the_undo_of_step_3_leaves_what_schema_2_left() {
    let data = schema_2();
    let before = everything(&data.sql());
    drop(data.open());
    assert_ne!(everything(&data.sql()), before);

    assert_eq!(take_a_step_back(&data), 4);
    assert_eq!(take_a_step_back(&data), 3);

    assert_eq!(everything(&data.sql()), before);
}

#[test]
fn the_undo_of_step_3_keeps_the_last_unfinished_change_of_each_destination() {
    let data = Data::new();
    let store = data.open();
    let control = store.control();
    let at = |removal: Removal, seconds| Removal {
        recorded_at: removal.recorded_at + jiff::SignedDuration::from_secs(seconds),
        ..removal
    };
    let leaving = |removal| Removal {
        leftovers: vec![Leftover {
            name: key(Leg::Primary),
            digests: vec![sample::hash_key().digest([&b"new"[..]])],
        }],
        ..removal
    };
    let absent = Removal {
        cause: RemovalCause::Absent,
        ..sample::removal(3)
    };
    let all = [
        at(sample::unfinished(1, 9), 4),
        at(sample::unfinished(1, 3), 5),
        at(sample::unfinished(1, 0), 2),
        sample::removal(1),
        sample::unfinished(2, 1),
        leaving(sample::unfinished(2, 2)),
        absent,
    ];
    for removal in &all {
        run(control.record_removal(removal)).unwrap();
    }
    assert_eq!(run(control.removals()).unwrap().len(), 7);
    drop((control, store));

    take_a_step_back(&data);
    take_a_step_back(&data);

    let store = data.open();
    let mut left = run(store.control().removals()).unwrap();
    left.sort_by_key(|it| (it.destination.clone(), it.cause));
    let nameless = |n, seconds| at(sample::unfinished(n, 0), seconds);
    assert_eq!(left, [sample::removal(1), nameless(1, 5), nameless(2, 0)]);
}

#[test]
fn a_destination_of_schema_3_has_a_backup_that_is_standby() {
    let data = Data::new();
    let store = data.open();
    let hot = Destination {
        backup_mode: BackupMode::Hot,
        ..sample::destination(1)
    };
    run(store.destinations().create(&hot)).unwrap();
    drop(store);
    let before = everything(&data.sql());

    assert_eq!(take_a_step_back(&data), 4);
    assert_ne!(everything(&data.sql()), before);

    let store = data.open();
    let rows = run(store.destinations().list_all()).unwrap();
    assert_eq!(rows[0].value, sample::destination(1));
}

#[test]
fn who_did_it_is_told_of_what_happens_from_now_on() {
    let data = schema_2();
    let store = data.open();
    let by: Label = "Ada".parse().unwrap();
    let event = NewEvent {
        by: Some(by),
        ..sample::new_event(1)
    };
    run(store.events().append(&event)).unwrap();

    let read = run(store.events().read(EventSeq(3), 1)).unwrap();

    assert_eq!(read[0].event, event);
}

#[test]
fn an_event_that_a_newer_version_recorded_stands_in_its_place() {
    let data = Data::new();
    let store = data.open();
    for n in [1, 2, 3] {
        run(store.events().append(&sample::new_event(n))).unwrap();
    }
    drop(store);
    let newer = r#"UPDATE event SET kind = '{"type":"of_the_future","to":["x"]}' WHERE seq = 2"#;
    assert_eq!(data.sql().execute(newer, []).unwrap(), 1);

    let store = data.open();
    let read = run(store.events().read(EventSeq(0), 100)).unwrap();

    let unknown = NewEvent {
        kind: EventKind::Unknown,
        ..sample::new_event(2)
    };
    let expected = [sample::new_event(1), unknown, sample::new_event(3)];
    let expected = (1..).map(EventSeq).zip(expected);
    let read = read.into_iter().map(|it| (it.seq, it.event));
    assert_eq!(read.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
