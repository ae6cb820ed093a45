//! What a new folder begins with.

use std::fs;

use lunora_core::{
    domain::Preset,
    port::{Clock as _, Expect, Repo as _, RepoExt as _},
};
use lunora_studio::store::Store;
use lunora_testkit::{clock::ManualClock, sample};

use crate::store_data::{Data, run, take_a_step_back};

fn presets(store: &Store) -> Vec<Preset> {
    let mut stored = run(store.presets().list_all()).unwrap();
    stored.sort_by(|one, other| one.value.id.cmp(&other.value.id));
    stored.into_iter().map(|it| it.value).collect()
}

fn seeds() -> Vec<Preset> {
    let mut seeds = Preset::seeds(ManualClock::default().now());
    seeds.sort_by(|one, other| one.id.cmp(&other.id));
    seeds
}

/// Removes one, changes one, adds one, and returns what is there then.
fn change(store: &Store) -> Vec<Preset> {
    run(async {
        let repo = store.presets();
        let seeds = repo.list_all().await.unwrap();
        let (gone, kept) = (&seeds[0], &seeds[1]);
        let id = &gone.value.id;
        repo.remove(id, &gone.revision).await.unwrap();
        let mut changed = kept.value.clone();
        changed.name = "changed".parse().unwrap();
        let expect = Expect::Revision(kept.revision.clone());
        repo.put(&changed, expect).await.unwrap();
        repo.create(&sample::preset(1)).await.unwrap();
    });
    presets(store)
}

#[test]
fn a_new_folder_has_the_seven_presets() {
    let data = Data::new();
    assert_eq!(presets(&data.open()), seeds());
}

#[test]
fn a_preset_that_was_deleted_does_not_come_back() {
    let data = Data::new();
    let store = data.open();
    let left = change(&store);
    assert_eq!(left.len(), 7);
    drop(store);
    assert_eq!(presets(&data.open()), left);

    let copy = Data::new();
    fs::create_dir(copy.path()).unwrap();
    Store::backup(data.path(), &copy.file("studio.db")).unwrap();
    assert_eq!(presets(&copy.open()), left);
}

#[test]
fn who_wants_them_back_gets_those_that_are_missing() {
    let data = Data::new();
    let store = data.open();
    let left = change(&store);
    drop(store);
    let sql = data.sql();
    sql.execute("DELETE FROM seeded WHERE what = 'presets'", [])
        .unwrap();
    let mut gone = seeds();
    gone.retain(|seed| left.iter().all(|it| it.id != seed.id));
    let [gone] = &gone[..] else {
        panic!("one was removed: {gone:?}");
    };
    // What has the id of one that is missing stays, even if it cannot be read.
    let other = "INSERT INTO record VALUES ('preset', ?1, 99, 'no JSON')";
    sql.execute(other, [gone.id.as_str()]).unwrap();
    drop(sql);
    let listing = run(data.open().presets().survey()).unwrap();
    assert_eq!((listing.items.len(), listing.unreadable.len()), (7, 1));

    // Whoever made the same one under another id has it already.
    let sql = data.sql();
    sql.execute("DELETE FROM record WHERE revision = 99", [])
        .unwrap();
    sql.execute("DELETE FROM seeded", []).unwrap();
    drop(sql);
    let twin = Preset {
        id: "mine".parse().unwrap(),
        ..gone.clone()
    };
    let json = serde_json::to_string(&twin).unwrap();
    let mine = "INSERT INTO record VALUES ('preset', 'mine', 98, ?1)";
    data.sql().execute(mine, [json]).unwrap();
    assert_eq!(presets(&data.open()).len(), 8);

    let sql = data.sql();
    sql.execute("DELETE FROM record WHERE id = 'mine'", [])
        .unwrap();
    sql.execute("DELETE FROM seeded", []).unwrap();
    drop(sql);
    let back = presets(&data.open());
    assert_eq!(back.len(), 8);
    assert!(left.iter().chain([gone]).all(|it| back.contains(it)));
}

#[test]
fn a_folder_that_an_older_program_used_meanwhile_has_them_again() {
    let data = Data::new();
    drop(data.open());
    assert_eq!([(); 2].map(|()| take_a_step_back(&data)), [4, 3]);
    assert_eq!(presets(&data.open()), seeds());
}
