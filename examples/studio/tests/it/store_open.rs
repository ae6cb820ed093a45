//! What opening a data folder makes, and what it refuses.

use std::{fs, os::unix::process::CommandExt as _, path::PathBuf, time::Duration};

use lunora_core::{
    ExposeSecret as _,
    domain::{Leg, Removal, SecretName, SecretRef},
    port::{ControlStore as _, RepoExt as _, SecretStore as _, Which},
};
use lunora_studio::store::{KeySource, KeyState, OpenError, Store};
use lunora_testkit::{clock::ManualClock, sample};
use tempfile::TempDir;

use crate::store_data::{Data, mode, process, run, set_mode, take_a_step_back, told};

#[test]
fn a_new_folder_is_for_its_owner_alone() {
    let data = Data::new();
    let store = data.open();
    run(store.destinations().create(&sample::destination(1))).unwrap();

    assert_eq!(mode(data.path()), 0o700);
    let files = data.files();
    assert!(5 <= files.len(), "{files:?}");
    for (path, _) in files {
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
}

#[test]
fn an_empty_file_becomes_a_database() {
    let data = Data::new();
    fs::create_dir(data.path()).unwrap();
    fs::write(data.file("studio.db"), "").unwrap();

    let store = data.open();

    assert_eq!(store.key_state(), KeyState::Fresh);
    run(store.destinations().create(&sample::destination(1))).unwrap();
    let all = "SELECT what, applied_at FROM migration WHERE version = 1";
    let (what, at): (String, String) = data
        .sql()
        .query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert!(what.contains("destinations"), "{what}");
    assert_eq!(at, "2026-01-02T03:04:05.000000000Z");
}

#[test]
fn the_step_to_versions_of_secrets_keeps_what_is_there_and_so_does_its_undo() {
    let data = Data::new();
    let store = data.open();
    let name = |n| SecretName::StreamKey(sample::destination_id(n), Leg::Primary);
    let keep = |n, m| run(store.secrets().keep(&name(n), &sample::secret(m))).unwrap();
    // A row refers to the middle one of three, and nothing to the others.
    let [_, referred, _] = [1, 2, 3].map(|m| keep(1, m));
    let [_, last] = [4, 5].map(|m| keep(2, m));
    let mut row = sample::destination(1);
    let key = SecretRef::new(referred, &sample::secret(2), &store.hash_key());
    row.primary.as_mut().unwrap().key = Some(key);
    row.generation = 7;
    run(store.destinations().create(&row)).unwrap();
    let (deleted, unfinished) = (sample::removal(1), sample::unfinished(2, 0));
    for removal in [&sample::unfinished(1, 0), &deleted, &unfinished] {
        run(store.control().record_removal(removal)).unwrap();
    }
    drop(store);

    assert_eq!([(); 3].map(|()| take_a_step_back(&data)), [4, 3, 2]);
    let causes = "SELECT group_concat(cause) FROM (SELECT * FROM removal ORDER BY destination)";
    let causes: String = data.sql().query_row(causes, [], |row| row.get(0)).unwrap();
    assert_eq!(causes, "deleted,create_unfinished");

    let store = data.open();
    for (n, version, m) in [(1, referred, 2), (2, last, 5)] {
        for which in [Which::Latest, Which::Version(version)] {
            let found = run(store.secrets().reveal(&name(n), which));
            let found = found.unwrap().unwrap();
            assert_eq!(found.version, version);
            let text = sample::secret(m);
            assert_eq!(found.text.expose_secret(), text.expose_secret());
        }
    }
    let later = run(store.secrets().keep(&name(1), &sample::secret(6))).unwrap();
    assert!(last < later);
    // What a removal meant was the row that is there, if there is one.
    let expected = [(deleted, 7), (unfinished, 0)];
    let expected = expected.map(|(removal, generation)| Removal {
        generation,
        ..removal
    });
    assert_eq!(run(store.control().removals()).unwrap(), expected);
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let data = Data::new();
    let store = data.open();
    let created = run(store.destinations().create(&sample::destination(1))).unwrap();
    drop(store);

    let stored = run(data.open().destinations().list_all()).unwrap();

    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].value, sample::destination(1));
    assert_eq!(stored[0].revision, created);
}

#[test]
fn a_second_studio_is_refused_until_the_first_has_gone() {
    let data = Data::new();
    let store = data.open();
    let events = store.events();
    drop(store);
    // An adapter keeps the store open.
    let refusal = data.refusal();
    assert!(refusal.contains("in use by another studio"), "{refusal}");
    assert!(refusal.contains(&data.path().display().to_string()));

    drop(events);
    data.open();
}

#[test]
fn a_newer_schema_is_refused() {
    let data = Data::new();
    drop(data.open());
    data.sql().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(data.file("studio.db")).unwrap();

    let refusal = data.refusal();

    assert!(refusal.contains("has schema 99"), "{refusal}");
    assert!(refusal.contains("start the newer program"), "{refusal}");
    assert_eq!(fs::read(data.file("studio.db")).unwrap(), before);
}

#[test]
fn the_database_of_another_program_is_refused() {
    let data = Data::new();
    fs::create_dir(data.path()).unwrap();
    data.sql().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(data.try_open(), Err(OpenError::Foreign { .. })));

    fs::write(
        data.file("studio.db"),
        "no database at all, but text. ".repeat(100),
    )
    .unwrap();
    let refusal = data.refusal();
    assert!(
        refusal.contains("is not a database of the studio"),
        "{refusal}"
    );
}

#[test]
fn a_damaged_database_is_refused() {
    let data = Data::new();
    let store = data.open();
    for n in 0..200 {
        run(store.destinations().create(&sample::destination(n))).unwrap();
    }
    drop(store);
    let mut bytes = fs::read(data.file("studio.db")).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xA5);
    fs::write(data.file("studio.db"), bytes).unwrap();

    let refusal = data.refusal();

    let database = data.file("studio.db").display().to_string();
    let advice = format!("put a backup in its place, and remove {database}-wal and {database}-shm");
    assert!(refusal.contains(&advice), "{refusal}");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();

    let refusal = open_error(file.join("data"));

    assert!(refusal.contains("cannot write"), "{refusal}");
    assert!(refusal.contains("give a data folder"), "{refusal}");
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let root = TempDir::new().unwrap();
    set_mode(root.path(), 0o755);
    let folder = root.path().join("data");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o555);

    // Root can write anywhere, so it asks for a process of another user.
    let is_root = fs::write(folder.join("probe"), "").is_ok();
    let refusal = if is_root {
        let mut other = process("store_open::open_the_folder_of_another_user");
        other.env("LUNORA_FOLDER", &folder).uid(65_534).gid(65_534);
        let Ok(output) = other.output() else {
            skip("another user cannot run this program");
            return;
        };
        String::from_utf8(output.stdout).unwrap()
    } else {
        open_error(folder)
    };

    assert!(refusal.contains("cannot write"), "{refusal}");
    assert!(refusal.contains("give a data folder"), "{refusal}");
}

#[test]
#[ignore = "a process of the test above"]
fn open_the_folder_of_another_user() {
    let Some(folder) = std::env::var_os("LUNORA_FOLDER") else {
        return;
    };
    say(&open_error(folder.into()));
}

fn open_error(folder: PathBuf) -> String {
    let opened = Store::open(&folder, &KeySource::KeyFile, &ManualClock::default());
    told(&opened.unwrap_err())
}

#[expect(clippy::print_stderr, reason = "a test says what it did not check")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

#[expect(clippy::print_stdout, reason = "the other process reads it")]
fn say(text: &str) {
    println!("{text}");
}

#[test]
fn a_locked_database_holds_up_no_other_task() {
    let data = Data::new();
    let store = data.open();
    let other = data.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    run(async {
        let destinations = store.destinations();
        let destination = sample::destination(1);
        let mut put = Box::pin(destinations.create(&destination));
        let waited = tokio::time::timeout(Duration::from_millis(50), &mut put).await;
        assert!(waited.is_err(), "it went past the lock");

        other.execute_batch("ROLLBACK").unwrap();
        put.await.unwrap();
    });
}

#[test]
fn a_call_that_nobody_waits_for_any_more_is_carried_out() {
    let data = Data::new();
    let store = data.open();
    let destination = sample::destination(1);
    run(async {
        let destinations = store.destinations();
        let put = destinations.create(&destination);
        tokio::time::timeout(Duration::ZERO, put).await.ok();
    });

    let stored = run(store.destinations().list_all()).unwrap();

    assert_eq!(stored.len(), 1);
}
