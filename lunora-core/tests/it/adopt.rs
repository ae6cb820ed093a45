//! What somebody else does to rows and secrets while we look after them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        Destination, DestinationId, Edit, EventKind, KeyInput, Leg, OutputType, SecretName,
        SecretRef, SecretVersion, StatusKind, Wanted,
    },
    port::{
        ErrorKind, Expect, Forget, History, OutputRouter, Page, PageRequest, PortError, Repo,
        RepoExt, Revision, SecretStore, Versioned, Which,
    },
    service::{Cause, DestinationPatch, LegEdit, Ports, Reconciler, Scope, Start},
};
use lunora_testkit::{fault::FaultPlan, memory::MemoryDestinationRepo, sample, world::World};

use crate::support::Peculiar;

fn key_of(n: u64) -> SecretName {
    SecretName::StreamKey(sample::destination_id(n), Leg::Primary)
}

/// What an old client does: it keeps another text under the name, and tells nobody.
async fn keep(world: &World, n: u64, text: &str) {
    let text = SecretString::from(text);
    world.secrets.keep(&key_of(n), &text).await.unwrap();
}

/// The key that output `n` was told.
fn told(world: &World, n: u64) -> String {
    let specs = world.router.specs();
    let spec = specs.iter().find(|it| it.id == sample::output_id(n));
    let key = spec.unwrap().target.stream_name().unwrap();
    key.expose_secret().to_owned()
}

#[tokio::test]
async fn rule_23_a_key_that_somebody_else_changed_is_told_to_that_output_alone() {
    for history in [History::Cuts, History::Stays] {
        let world = World::with_history(&FaultPlan::none(), history);
        let world = world.with_running(3).await;
        keep(&world, 2, "another").await;

        let adopted = world.reconciler.adopt_changed_secrets().await.unwrap();

        assert_eq!(adopted, [sample::destination_id(2)]);
        assert_eq!(told(&world, 2), "another");
        for n in [1, 3] {
            assert_eq!(told(&world, n), format!("key-{n}"));
            assert_eq!(world.router.interruptions(&sample::output_id(n)), 0);
        }
        assert_eq!(world.row(2).await.generation, 2, "what is wanted changed");
        let events = world.events_of(Some(&sample::destination_id(2))).await;
        let adoptions = events.iter().filter(|it| **it == EventKind::KeyAdopted);
        assert_eq!(adoptions.count(), 1);
        assert!(
            world
                .reconciler
                .adopt_changed_secrets()
                .await
                .unwrap()
                .is_empty(),
            "it is told once"
        );
    }
}

#[tokio::test]
async fn rule_23_a_change_that_is_told_of_is_read_at_once() {
    let world = World::default().with_running(2).await;
    keep(&world, 2, "another").await;
    let id = sample::destination_id(2);
    world.reconciler.secret_changed(&id).await.unwrap();
    assert_eq!(told(&world, 2), "another");
    assert_eq!(world.router.interruptions(&sample::output_id(1)), 0);
}

#[tokio::test]
async fn rule_23_the_slow_pass_reads_no_secret_that_did_not_change() {
    let plan = FaultPlan::none();
    let world = World::new(&plan).with_running(3).await;
    plan.forget_calls();
    world.reconciler.adopt_changed_secrets().await.unwrap();
    let read = |calls: &[&str]| {
        calls
            .iter()
            .filter(|it| **it == "SecretStore::reveal")
            .count()
    };
    assert_eq!(read(&plan.calls()), 0);

    keep(&world, 2, "another").await;
    world.reconciler.adopt_changed_secrets().await.unwrap();
    assert_ne!(read(&plan.calls()), 0, "this one did");
}

#[tokio::test]
async fn rule_23_the_same_text_kept_again_changes_no_output_and_no_generation() {
    let world = World::default().with_running(1).await;
    keep(&world, 1, "key-1").await;
    world.reconciler.adopt_changed_secrets().await.unwrap();
    assert_eq!(world.router.interruptions(&sample::output_id(1)), 0);
    assert_eq!(world.row(1).await.generation, 1);
    let events = world.events_of(Some(&sample::destination_id(1))).await;
    assert!(!events.contains(&EventKind::KeyAdopted));
}

#[tokio::test]
async fn rule_23_a_key_that_was_deleted_and_kept_again_under_the_same_version_is_noticed() {
    let world = World::with_history(&FaultPlan::none(), History::Stays);
    let world = world.with_running(2).await;
    world.secrets.forget(&key_of(1), Forget::All).await.unwrap();
    keep(&world, 1, "another").await;
    // The version says nothing; but what is read next is not what the row says.
    world.router.detach(&[sample::output_id(1)]).await;
    world.pass().await;
    assert_eq!(told(&world, 1), "another");
    let key = world.row(1).await.primary.unwrap().key.unwrap();
    assert!(
        key.is_of(&"another".into(), &sample::hash_key()),
        "the row says so"
    );
}

#[tokio::test]
async fn a_key_that_nobody_has_read_yet_is_read_by_the_first_pass() {
    let world = World::default().with_running(1).await;
    for n in [2, 3] {
        let mut row = sample::destination(n);
        let unread = SecretRef::unread(&key_of(n), &sample::hash_key());
        row.primary.as_mut().unwrap().key = Some(unread);
        row.wanted = if n == 2 {
            Wanted::Running
        } else {
            Wanted::Stopped
        };
        world.destinations.create(&row).await.unwrap();
        keep(&world, n, &format!("key-{n}")).await;
    }

    world.pass().await;

    assert_eq!(told(&world, 2), "key-2");
    assert_eq!(world.on().len(), 2, "3 was not told to run");
    for n in [2, 3] {
        let endpoint = world.row(n).await.primary.unwrap();
        assert!(!endpoint.key.unwrap().is_unread());
        assert!(
            endpoint
                .key
                .unwrap()
                .is_of(&format!("key-{n}").into(), &sample::hash_key())
        );
    }
    assert_eq!(world.router.interruptions(&sample::output_id(1)), 0);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_stops_no_other_destination() {
    let world = World::default();
    for n in [1, 2] {
        let mut row = sample::destination(n);
        let unread = SecretRef::unread(&key_of(n), &sample::hash_key());
        row.primary.as_mut().unwrap().key = Some(unread);
        world.destinations.create(&row).await.unwrap();
        keep(&world, n, &format!("key-{n}")).await;
    }
    let ports = Ports {
        // It lets nobody read the key of destination 1.
        secrets: Arc::new(Peculiar::new(&world.secrets, |name, which| {
            if *name == key_of(1) {
                return Err(PortError::new(ErrorKind::Denied, "reveal secret", name));
            }
            Ok(which)
        })),
        ..world.ports.clone()
    };
    let worker = Reconciler::new(ports, OutputType::Relay, sample::hash_key());

    let report = worker.reconcile(Scope::All, Cause::Routine).await.unwrap();

    assert_eq!(world.on(), [sample::output_id(2)]);
    assert!(
        report
            .failed
            .iter()
            .any(|it| it.output == sample::output_id(1))
    );
    keep(&world, 2, "another").await;
    worker.adopt_changed_secrets().await.unwrap_err();
    assert_eq!(
        told(&world, 2),
        "another",
        "and neither does it stop the slow pass"
    );
}

#[tokio::test]
async fn rule_23_a_store_that_tells_its_newest_write_late_brings_no_old_key_back() {
    let world = World::with_history(&FaultPlan::none(), History::Stays);
    let world = world.with_running(1).await;
    let patch = DestinationPatch {
        primary: LegEdit::parse(Edit::Keep, KeyInput::from_text("another").unwrap()).unwrap(),
        ..DestinationPatch::default()
    };
    let id = sample::destination_id(1);
    world.service.update(&id, &patch, None).await.unwrap();
    let ports = Ports {
        secrets: Arc::new(Peculiar::new(&world.secrets, |_, which| match which {
            Which::Latest => Ok(Which::Version(SecretVersion(1))),
            which @ Which::Version(_) => Ok(which),
        })),
        ..world.ports.clone()
    };
    let worker = Reconciler::new(ports, OutputType::Relay, sample::hash_key());

    assert!(worker.adopt_changed_secrets().await.unwrap().is_empty());
    assert_eq!(told(&world, 1), "another");
}

#[tokio::test]
async fn a_key_that_nobody_has_read_is_no_duplicate_of_another() {
    let keys = [1, 2].map(|n| SecretRef::unread(&key_of(n), &sample::hash_key()));
    assert_ne!(keys[0].digest, keys[1].digest);
}

#[tokio::test]
async fn rule_9_a_row_that_cannot_be_read_is_there_and_its_output_is_left_alone() {
    let world = World::default().with_running(6).await;
    let id = sample::destination_id(2);
    let row = world.destinations.get(&id).await.unwrap().unwrap();
    world.destinations.remove(&id, &row.revision).await.unwrap();
    world
        .destinations
        .plant_unreadable(&id, "its enabled is a list");

    let report = world.pass().await;

    assert_eq!(
        (report.held, report.done.len(), world.on().len()),
        (0, 0, 6)
    );
    let snapshot = world.reconciler.look().await.unwrap();
    assert_eq!(snapshot.unreadable.len(), 1);
    assert_eq!(snapshot.unreadable[0].id, id.to_string());
    world.create(7, Start::Now).await.unwrap();
    assert_eq!(world.on().len(), 7, "the others go on");
    assert_eq!(world.status(1).await.kind, StatusKind::Live);
}

/// Another client, which writes rows without counting their generations up: it
/// changes its mind between our listing and our strong read.
#[derive(Debug)]
struct Meddled {
    inner: MemoryDestinationRepo,
    is_armed: AtomicBool,
}

impl Meddled {
    async fn meddle(&self) {
        if self.is_armed.swap(false, Ordering::Relaxed) {
            let id = sample::destination_id(1);
            let Versioned {
                mut value,
                revision,
            } = self.inner.get(&id).await.unwrap().unwrap();
            (value.wanted, value.enabled) = (Wanted::Running, true);
            let expect = Expect::Revision(revision);
            self.inner.put(&value, expect).await.unwrap();
        }
    }
}

#[async_trait]
impl Repo<Destination> for Meddled {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        self.inner.get(id).await
    }

    async fn put(&self, value: &Destination, expect: Expect) -> Result<Revision, PortError> {
        self.inner.put(value, expect).await
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        self.inner.remove(id, revision).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        let listed = self.inner.list(page).await;
        self.meddle().await;
        listed
    }
}

#[tokio::test]
async fn rule_8_what_another_client_wants_again_is_not_taken_away() {
    let stopped: fn(&mut Destination) = |row| row.wanted = Wanted::Stopped;
    let taken_over_and_disabled: fn(&mut Destination) = |row| {
        row.output_type = OutputType::MediaLive;
        row.enabled = false;
    };
    for change in [stopped, taken_over_and_disabled] {
        let world = World::default().with_running(1).await;
        let row = world.destinations.get(&sample::destination_id(1)).await;
        let Versioned {
            mut value,
            revision,
        } = row.unwrap().unwrap();
        change(&mut value);
        let expect = Expect::Revision(revision);
        world.destinations.put(&value, expect).await.unwrap();

        let meddled = Meddled {
            inner: world.destinations.clone(),
            is_armed: AtomicBool::new(true),
        };
        let ports = Ports {
            destinations: Arc::new(meddled),
            ..world.ports.clone()
        };
        let worker = Reconciler::new(ports, OutputType::Relay, sample::hash_key());
        worker.reconcile(Scope::All, Cause::Routine).await.unwrap();

        assert_eq!(world.router.interruptions(&sample::output_id(1)), 0);
        assert_eq!(world.on(), [sample::output_id(1)]);
    }
}
