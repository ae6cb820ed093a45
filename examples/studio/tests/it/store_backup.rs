//! A backup of a database that is in use.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use lunora_core::{
    domain::{EventSeq, SecretName},
    port::{EventLog as _, RepoExt as _, SecretStore as _},
};
use lunora_studio::store::{BackupError, KeyState, Store};
use lunora_testkit::sample;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::store_data::{Data, mode, revealed, run, set_mode, told};

/// A new folder that holds the backup as its database.
fn restored(backup: &std::path::Path) -> Data {
    let data = Data::new();
    fs::create_dir(data.path()).unwrap();
    fs::copy(backup, data.file("studio.db")).unwrap();
    data
}

#[test]
fn a_backup_holds_everything_and_the_key_brings_the_secrets() {
    let data = Data::new();
    let elsewhere = TempDir::new().unwrap();
    let to = elsewhere.path().join("backup.db");
    let store = data.open();
    run(store.destinations().create(&sample::destination(1))).unwrap();
    run(store.events().append(&sample::new_event(1))).unwrap();
    run(store
        .secrets()
        .keep(&SecretName::PublishKey, &sample::secret(1)))
    .unwrap();

    Store::backup(data.path(), &to).unwrap();

    assert_eq!(mode(&to), 0o600);
    let left: Vec<_> = fs::read_dir(elsewhere.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");

    let copy = restored(&to);
    let opened = copy.open();
    assert_eq!(opened.key_state(), KeyState::Missing);
    let stored = run(opened.destinations().list_all()).unwrap();
    assert_eq!(stored, run(store.destinations().list_all()).unwrap());
    let events = run(opened.events().read(EventSeq(0), 10)).unwrap();
    assert_eq!(events[0].event, sample::new_event(1));
    drop(opened);

    fs::copy(data.file("studio.key"), copy.file("studio.key")).unwrap();
    set_mode(&copy.file("studio.key"), 0o600);
    let text = revealed(&copy.open(), &SecretName::PublishKey).unwrap();
    assert_eq!(text.unwrap(), "secret-1");
}

#[test]
fn a_backup_under_writes_is_one_moment_of_the_database() {
    let data = Data::new();
    let elsewhere = TempDir::new().unwrap();
    let store = data.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                run(store.events().append(&sample::new_event(n))).unwrap();
                run(store.destinations().create(&sample::destination(n))).unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for n in 0..5 {
            let to = elsewhere.path().join(format!("{n}.db"));
            Store::backup(data.path(), &to).unwrap();

            let copy = restored(&to).open();
            let destinations = run(copy.destinations().list_all()).unwrap().len() as u64;
            let EventSeq(events) = run(copy.events().last()).unwrap();
            assert!([destinations, destinations + 1].contains(&events));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_does_not_overwrite() {
    let data = Data::new();
    drop(data.open());
    let to = data.file("taken");
    fs::write(&to, "precious").unwrap();

    let refused = Store::backup(data.path(), &to).unwrap_err();

    assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    assert!(told(&refused).contains("give another name"));
    assert_eq!(fs::read(&to).unwrap(), b"precious");
}

#[test]
fn what_a_stopped_backup_left_is_no_obstacle() {
    let data = Data::new();
    drop(data.open());
    fs::write(data.file("backup.unfinished"), "half").unwrap();

    Store::backup(data.path(), &data.file("backup")).unwrap();

    assert!(!data.file("backup.unfinished").exists());
    let copy = Connection::open(data.file("backup")).unwrap();
    let whole: String = copy
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

#[test]
fn a_backup_that_cannot_be_made_says_what_to_do() {
    let data = Data::new();
    let refused = Store::backup(data.path(), &data.file("b")).unwrap_err();
    assert!(told(&refused).contains("give the data folder of a studio"));
    assert!(!data.path().exists());

    drop(data.open());
    let nowhere = data.file("nowhere").join("backup");
    let refused = Store::backup(data.path(), &nowhere).unwrap_err();
    assert!(told(&refused).contains("give a place that this user can write"));
}
