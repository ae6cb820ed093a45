//! Rule 24: keys are encrypted at rest, and a lost key file is never a crash.

use std::fs;

use lunora_core::{
    SecretString,
    domain::{Leg, SecretName},
    port::{ErrorKind, Forget, PortError, RepoExt as _, SecretStore as _, Which},
};
use lunora_studio::store::{KeyProblem, KeySource, KeyState, OpenError, Store};
use lunora_testkit::{
    clock::ManualClock,
    sample::{self, CANARY},
};

use crate::store_data::{Data, mode, once_free, revealed, run, set_mode, told};

fn name(n: u64) -> SecretName {
    SecretName::StreamKey(sample::destination_id(n), Leg::Primary)
}

fn keep(store: &Store, n: u64, text: &str) -> Result<(), PortError> {
    run(store.secrets().keep(&name(n), &SecretString::from(text))).map(drop)
}

/// A folder with destination 1 and its key, closed.
fn used() -> Data {
    let data = Data::new();
    let store = data.open();
    run(store.destinations().create(&sample::destination(1))).unwrap();
    keep(&store, 1, CANARY).unwrap();
    drop(store);
    data
}

fn reset(data: &Data) -> lunora_studio::store::KeyReset {
    let reset = || Store::reset_keys(data.path(), &KeySource::KeyFile, &ManualClock::default());
    once_free(reset).unwrap()
}

#[test]
fn a_new_folder_gets_a_key_that_then_fits() {
    let data = Data::new();
    let store = data.open();
    assert_eq!(store.key_state(), KeyState::Fresh);
    assert_eq!(store.key_problem(), None);
    let hashed = store.hash_key().digest([&b"text"[..]]);
    drop(store);
    let key = fs::read(data.file("studio.key")).unwrap();
    assert_eq!(key.len(), 32);
    assert_eq!(mode(&data.file("studio.key")), 0o600);

    let store = data.open();

    assert_eq!(store.key_state(), KeyState::Fits);
    assert_eq!(store.hash_key().digest([&b"text"[..]]), hashed);
    assert_eq!(fs::read(data.file("studio.key")).unwrap(), key);
}

#[test]
fn no_secret_is_in_a_file_in_the_clear() {
    let data = Data::new();
    let store = data.open();
    for round in 0..3 {
        for n in 0..50 {
            keep(&store, n, &format!("{CANARY}-{round}-{n}")).unwrap();
        }
        run(store.secrets().forget(&name(round), Forget::All)).unwrap();
    }
    let searched = |files: Vec<(std::path::PathBuf, Vec<u8>)>, wal: bool| {
        assert_eq!(
            wal,
            files
                .iter()
                .any(|(path, _)| path.ends_with("studio.db-wal"))
        );
        for (path, bytes) in files {
            let mut windows = bytes.windows(CANARY.len());
            assert!(!windows.any(|it| it == CANARY.as_bytes()), "{path:?}");
        }
    };

    searched(data.files(), true);
    assert_eq!(
        revealed(&store, &name(7)).unwrap().unwrap(),
        format!("{CANARY}-2-7")
    );
    drop(store);
    searched(data.files(), false);
}

#[test]
fn no_secret_is_printed() {
    let data = used();
    let key = fs::read(data.file("studio.key")).unwrap();
    let store = data.open();
    let printed = format!("{store:?} {:?} {:?}", store.secrets(), store.hash_key());
    assert!(!printed.contains(CANARY), "{printed}");
    assert!(!printed.contains(&format!("{key:?}")), "{printed}");
}

#[test]
fn the_same_text_is_never_stored_alike() {
    let data = Data::new();
    let store = data.open();
    let mut seen = Vec::new();
    for n in [1, 2, 1] {
        keep(&store, n, "text").unwrap();
        let of = "SELECT nonce, ciphertext FROM secret ORDER BY version DESC LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?]);
        let [nonce, ciphertext]: [Vec<u8>; 2] = data.sql().query_row(of, [], read).unwrap();
        seen.extend([nonce, ciphertext]);
    }
    for (n, one) in seen.iter().enumerate() {
        assert!(!seen[..n].contains(one));
    }
}

#[test]
fn a_ciphertext_stands_for_its_own_name_and_version_alone() {
    let swaps = [
        "UPDATE secret SET version = version + 100",
        "UPDATE secret SET (version, nonce, ciphertext) =
         (SELECT version, nonce, ciphertext FROM secret WHERE name LIKE '%dest-2%')
         WHERE version = (SELECT max(version) FROM secret)",
        "UPDATE secret SET (nonce, ciphertext) =
         (SELECT nonce, ciphertext FROM secret ORDER BY version LIMIT 1)",
        "UPDATE secret SET ciphertext = x''",
    ];
    for swap in swaps {
        let data = used();
        let store = data.open();
        keep(&store, 2, "other").unwrap();
        keep(&store, 1, "later").unwrap();
        data.sql().execute(swap, []).unwrap();

        let refused = revealed(&store, &name(1)).unwrap_err();

        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{swap}");
        let told = told(&refused);
        let place = "table secret, key destinations/dest-1/stream_key, column ciphertext";
        assert!(told.contains(place), "{told}");
        assert!(!told.contains(CANARY));
    }
}

#[test]
fn what_is_forgotten_leaves_nothing_in_the_database() {
    let data = Data::new();
    let store = data.open();
    let mut sealed: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        keep(&store, 1, CANARY).unwrap();
        let last = "SELECT ciphertext FROM secret ORDER BY version DESC LIMIT 1";
        sealed.push(data.sql().query_row(last, [], |row| row.get(0)).unwrap());
    }
    let last = run(store.secrets().reveal(&name(1), Which::Latest));
    let before = Forget::Before(last.unwrap().unwrap().version);
    run(store.secrets().forget(&name(1), before)).unwrap();
    drop(store);

    let bytes = fs::read(data.file("studio.db")).unwrap();
    let there = |it: &Vec<u8>| bytes.windows(it.len()).any(|bytes| bytes == it);
    let there: Vec<bool> = sealed.iter().map(there).collect();

    assert_eq!(there, [false, false, true]);
}

#[test]
fn rule_24_a_lost_key_file_takes_the_secrets_alone() {
    let data = used();
    let (key_file, elsewhere) = (data.file("studio.key"), data.file("elsewhere"));
    fs::rename(&key_file, &elsewhere).unwrap();

    let store = data.open();
    assert_eq!(store.key_state(), KeyState::Missing);
    assert_locked(&store, "is missing; put it back");
    assert!(!key_file.exists(), "a new key was made");
    drop(store);

    fs::rename(&elsewhere, &key_file).unwrap();
    let store = data.open();
    assert_eq!(store.key_state(), KeyState::Fits);
    assert_eq!(revealed(&store, &name(1)).unwrap().unwrap(), CANARY);
}

#[test]
fn rule_24_a_wrong_key_file_takes_the_secrets_alone() {
    let data = used();
    let key_file = data.file("studio.key");
    let right = fs::read(&key_file).unwrap();
    for wrong in [&[7; 32][..], b"short", b"", &[7; 100]] {
        fs::write(&key_file, wrong).unwrap();

        let store = data.open();
        assert_eq!(store.key_state(), KeyState::DoesNotFit);
        assert_locked(&store, "is not the one of this database; put the right one");
        assert_eq!(fs::read(&key_file).unwrap(), wrong);
    }

    fs::write(&key_file, right).unwrap();
    assert_eq!(revealed(&data.open(), &name(1)).unwrap().unwrap(), CANARY);
}

/// Everything but the secrets works, and each refusal says what to do.
fn assert_locked(store: &Store, why: &str) {
    let problem = store.key_problem().unwrap();
    let told_by_all = [
        problem.clone(),
        source_of(&revealed(store, &name(1)).unwrap_err(), ErrorKind::Corrupt),
        source_of(&keep(store, 2, CANARY).unwrap_err(), ErrorKind::Denied),
        source_of(&keep(store, 1, CANARY).unwrap_err(), ErrorKind::Denied),
    ];
    for told in told_by_all {
        assert_eq!(told, *problem);
        let text = told.to_string();
        assert!(text.contains(why), "{text}");
        assert!(text.contains("studio keys reset"), "{text}");
    }
    assert_eq!(revealed(store, &name(3)).unwrap(), None);
    let versions = run(store.secrets().versions()).unwrap();
    assert_eq!(versions.into_keys().collect::<Vec<_>>(), [name(1)]);
    let stored = run(store.destinations().list_all()).unwrap();
    assert_eq!(stored.len(), 1);
}

fn source_of(error: &PortError, kind: ErrorKind) -> KeyProblem {
    assert_eq!(error.kind(), kind);
    assert!(!told(error).contains(CANARY));
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref::<KeyProblem>().unwrap().clone()
}

#[test]
fn a_lost_key_is_replaced_while_nothing_is_encrypted() {
    let data = Data::new();
    drop(data.open());
    fs::remove_file(data.file("studio.key")).unwrap();

    let store = data.open();

    assert_eq!(store.key_state(), KeyState::Fresh);
    keep(&store, 1, "text").unwrap();
    assert_eq!(revealed(&store, &name(1)).unwrap().unwrap(), "text");
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_what_to_run() {
    let data = used();
    let key_file = data.file("studio.key");
    for exposed in [0o640, 0o604, 0o660, 0o644] {
        set_mode(&key_file, exposed);
        let refusal = data.refusal();
        let run = format!("run `chmod 600 {}`", key_file.display());
        assert!(refusal.contains(&run), "{refusal}");
    }

    for private in [0o600, 0o400] {
        set_mode(&key_file, private);
        assert_eq!(data.open().key_state(), KeyState::Fits);
    }
}

#[test]
fn a_key_file_that_cannot_be_read_is_refused() {
    let data = used();
    fs::remove_file(data.file("studio.key")).unwrap();
    fs::create_dir(data.file("studio.key")).unwrap();
    set_mode(&data.file("studio.key"), 0o700);

    let refusal = data.refusal();

    assert!(refusal.contains("cannot use the key file"), "{refusal}");
}

#[test]
fn a_service_credential_is_used_and_never_written() {
    let data = Data::new();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    let credential = KeySource::Credential(elsewhere.path().to_owned());
    assert!(matches!(
        data.open_with(&credential),
        Err(OpenError::KeyInvalid { .. })
    ));
    fs::write(elsewhere.path(), [9; 32]).unwrap();
    // As systemd's access lists look.
    set_mode(elsewhere.path(), 0o440);

    let store = data.open_with(&credential).unwrap();
    keep(&store, 1, CANARY).unwrap();
    drop(store);

    let store = data.open_with(&credential).unwrap();
    assert_eq!(store.key_state(), KeyState::Fits);
    assert_eq!(revealed(&store, &name(1)).unwrap().unwrap(), CANARY);
    assert!(!data.file("studio.key").exists());
    drop(store);
    assert_eq!(data.open().key_state(), KeyState::Missing);
}

#[test]
fn a_credential_that_is_not_there_is_told() {
    let data = Data::new();
    let nowhere = KeySource::Credential(data.file("nowhere"));
    let refused = data.open_with(&nowhere).unwrap_err();
    assert!(matches!(refused, OpenError::KeyFile { .. }), "{refused}");
    assert!(!data.file("nowhere").exists());
}

#[test]
fn a_reset_forgets_the_secrets_and_nothing_else() {
    let data = used();
    // Its versions are one secret.
    let store = data.open();
    keep(&store, 1, CANARY).unwrap();
    let latest = run(store.secrets().reveal(&name(1), Which::Latest));
    let version = latest.unwrap().unwrap().version;
    drop(store);
    fs::write(data.file("studio.key"), [7; 32]).unwrap();

    let done = reset(&data);

    assert_eq!(done.secrets_forgotten, 1);
    let old = done.old_key_at.unwrap();
    assert_eq!(fs::read(&old).unwrap(), [7; 32]);
    let store = data.open();
    assert_eq!(store.key_state(), KeyState::Fits);
    assert_eq!(revealed(&store, &name(1)).unwrap(), None);
    assert_eq!(run(store.destinations().list_all()).unwrap().len(), 1);
    // The row still knows the old version, which must not come back with another text.
    let kept = run(store.secrets().keep(&name(1), &SecretString::from("new"))).unwrap();
    assert!(version < kept);
}

#[test]
fn a_reset_after_a_loss_makes_a_key_and_can_be_repeated() {
    let data = used();
    fs::remove_file(data.file("studio.key")).unwrap();

    let first = reset(&data);
    let second = reset(&data);
    let third = reset(&data);

    assert_eq!((first.secrets_forgotten, &first.old_key_at), (1, &None));
    assert_eq!(second.secrets_forgotten, 0);
    assert_ne!(second.old_key_at, third.old_key_at);
    assert_eq!(data.open().key_state(), KeyState::Fits);
}

#[test]
fn a_reset_that_stopped_half_way_can_be_run_again() {
    // The key was made, and the secrets were not forgotten yet.
    let data = used();
    fs::write(data.file("studio.key"), [7; 32]).unwrap();
    assert_eq!(data.open().key_state(), KeyState::DoesNotFit);

    assert_eq!(reset(&data).secrets_forgotten, 1);

    assert_eq!(data.open().key_state(), KeyState::Fits);
}

#[test]
fn a_reset_waits_for_the_studio_to_stop() {
    let data = used();
    let store = data.open();
    let refused = Store::reset_keys(data.path(), &KeySource::KeyFile, &ManualClock::default());
    assert!(matches!(refused, Err(OpenError::InUse { .. })));
    assert_eq!(revealed(&store, &name(1)).unwrap().unwrap(), CANARY);
}
