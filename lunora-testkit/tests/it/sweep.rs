use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use lunora_core::{
    domain::{Leg, SecretName},
    port::{ErrorKind, Expect, PortError, Repo, RepoExt, SecretStore, Versioned},
};
use lunora_testkit::{
    fault::{FaultPlan, Faulty},
    memory::{MemoryDestinationRepo, MemorySecretStore},
    sample,
    sweep::{Run, sweep, sweep_crashes},
};

struct World {
    rows: Faulty<MemoryDestinationRepo>,
    secrets: Faulty<MemorySecretStore>,
    kept: MemorySecretStore,
    stored: MemoryDestinationRepo,
}

async fn world(plan: FaultPlan) -> World {
    let kept = MemorySecretStore::default();
    let stored = MemoryDestinationRepo::default();
    World {
        rows: Faulty::new(stored.clone(), &plan),
        secrets: Faulty::new(kept.clone(), &plan),
        kept,
        stored,
    }
}

fn key() -> SecretName {
    SecretName::StreamKey(sample::destination_id(1), Leg::Primary)
}

async fn keep_key(world: &World) -> Result<(), PortError> {
    let kept = world.secrets.keep(&key(), &sample::secret(1)).await;
    kept.map(|_| ())
}

/// A create that can be repeated: an equal row is the one of an earlier try.
async fn put_row(world: &World) -> Result<(), PortError> {
    let destination = sample::destination(1);
    let created = world.rows.put(&destination, Expect::Absent).await;
    match created {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let stored: Option<Versioned<_>> = world.rows.get(&destination.id).await?;
            stored
                .filter(|it| it.value == destination)
                .map(|_| ())
                .ok_or(error)
        }
        created => created.map(|_| ()),
    }
}

async fn key_before_row(world: &World) -> Result<(), PortError> {
    keep_key(world).await?;
    put_row(world).await
}

async fn row_before_key(world: &World) -> Result<(), PortError> {
    put_row(world).await?;
    keep_key(world).await
}

async fn no_row_lacks_its_key(world: &World, run: Run) {
    let rows = world.stored.list_all().await.expect("a listing");
    let has_key = world.kept.names().contains(&key());
    assert!(rows.is_empty() || has_key, "{run}, a row has no key");
}

fn message(test: impl Future<Output = ()>) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test)));
    let panic = outcome.err()?;
    panic.downcast_ref::<String>().cloned()
}

#[test]
fn what_holds_at_every_call_passes() {
    assert_eq!(
        message(sweep(world, key_before_row, no_row_lacks_its_key)),
        None
    );
    let crashes = sweep_crashes(world, key_before_row, no_row_lacks_its_key);
    assert_eq!(message(crashes), None);
}

#[test]
fn the_call_at_which_it_breaks_is_named() {
    assert_eq!(
        message(sweep(world, row_before_key, no_row_lacks_its_key)).as_deref(),
        Some("with the reply lost to DestinationRepo::put (call 0), a row has no key")
    );
    assert_eq!(
        message(sweep_crashes(world, row_before_key, no_row_lacks_its_key)).as_deref(),
        Some("with a crash after DestinationRepo::put (call 0), a row has no key")
    );
}

#[test]
fn a_scenario_that_cannot_be_repeated_fails() {
    let create = async |world: &World| {
        let created = world.rows.create(&sample::destination(1)).await;
        created.map(|_| ())
    };
    let message = message(sweep(world, create, async |_, _| ()));
    let message = message.expect("a panic");
    assert!(message.contains("a retry fails"), "{message}");
}

#[test]
fn every_call_is_swept_before_and_after() {
    let runs = Mutex::new(Vec::new());
    let note = async |_: &World, run: Run| {
        let mut runs = runs.lock().expect("no poison");
        runs.push((run.to_string(), run.succeeded));
    };
    assert_eq!(message(sweep(world, key_before_row, note)), None);

    let expected = [
        ("without a fault", true),
        ("with the request lost of SecretStore::keep (call 0)", false),
        ("with the request lost of SecretStore::keep (call 0)", true),
        ("with the reply lost to SecretStore::keep (call 0)", false),
        ("with the reply lost to SecretStore::keep (call 0)", true),
        (
            "with the request lost of DestinationRepo::put (call 1)",
            false,
        ),
        (
            "with the request lost of DestinationRepo::put (call 1)",
            true,
        ),
        (
            "with the reply lost to DestinationRepo::put (call 1)",
            false,
        ),
        ("with the reply lost to DestinationRepo::put (call 1)", true),
    ];
    let expected = expected.map(|(run, succeeded)| (run.to_owned(), succeeded));
    assert_eq!(*runs.lock().expect("no poison"), expected);
}
