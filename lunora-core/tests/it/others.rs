//! What other clients do to rows and parameters in bad moments.

use std::{sync::Arc, time::Duration};

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        ChangeId, Destination, DestinationId, Edit, FaultCode, KeyInput, Leftover, Leg, OutputType,
        Removal, RemovalCause, SecretName, SecretRef, Severity, Wanted,
    },
    port::{
        Clock, ControlStore, Expect, History, OutputRouter, Repo, RepoExt, SecretStore, Versioned,
        Which,
    },
    service::{
        Cause, DestinationError, DestinationPatch, LegEdit, Ports, Reconciler, Scope, Start,
        StopOutcome, WriteLease,
    },
};
use lunora_testkit::{fault::FaultPlan, sample, world::World};

use crate::support::Peculiar;

fn id(n: u64) -> DestinationId {
    sample::destination_id(n)
}

fn key_of(n: u64, leg: Leg) -> SecretName {
    SecretName::StreamKey(id(n), leg)
}

/// Changes a row as another client does: without counting its generation up.
async fn rewrite(world: &World, n: u64, change: impl FnOnce(&mut Destination)) {
    let stored = world.destinations.get(&id(n)).await.unwrap();
    let Versioned {
        mut value,
        revision,
    } = stored.unwrap();
    change(&mut value);
    let expect = Expect::Revision(revision);
    world.destinations.put(&value, expect).await.unwrap();
}

/// Puts a whole row, as an old client does.
async fn put(world: &World, n: u64) {
    let mut row = sample::destination(n);
    (row.generation, row.wanted) = (0, Wanted::Stopped);
    row.output_type = OutputType::MediaLive;
    world.destinations.create(&row).await.unwrap();
}

async fn lose_row(world: &World, n: u64) {
    let row = world.destinations.get(&id(n)).await.unwrap().unwrap();
    world
        .destinations
        .remove(&id(n), &row.revision)
        .await
        .unwrap();
}

fn removal(world: &World, n: u64, cause: RemovalCause, generation: u64) -> Removal {
    Removal {
        destination: id(n),
        cause,
        generation,
        recorded_at: world.clock.now(),
        leftovers: Vec::new(),
    }
}

async fn latest(world: &World, name: &SecretName) -> Option<String> {
    let latest = world.secrets.reveal(name, Which::Latest).await.unwrap();
    latest.map(|latest| latest.text.expose_secret().to_owned())
}

#[tokio::test]
async fn rule_9_a_row_that_came_back_is_not_deleted_for_having_been_absent() {
    let world = World::default().with_running(1).await;
    lose_row(&world, 1).await;
    let absent = removal(&world, 1, RemovalCause::Absent, 0);
    world.control.record_removal(&absent).await.unwrap();
    put(&world, 1).await;

    world.pass().await;

    assert!(world.destinations.get(&id(1)).await.unwrap().is_some());
    assert!(latest(&world, &key_of(1, Leg::Primary)).await.is_some());
    assert_eq!(world.control.removals().await.unwrap(), []);
}

#[tokio::test]
async fn rule_12_what_was_deleted_goes_off_although_an_old_client_makes_a_row_of_it() {
    let world = World::default().with_running(2).await;
    let generation = world.row(1).await.generation;
    let deleted = removal(&world, 1, RemovalCause::Deleted, generation);
    world.control.record_removal(&deleted).await.unwrap();
    lose_row(&world, 1).await;
    put(&world, 1).await;

    world.pass().await;

    assert_eq!(world.on(), [sample::output_id(2)]);
    assert!(
        world.destinations.get(&id(1)).await.unwrap().is_some(),
        "the row is theirs"
    );
    assert!(
        latest(&world, &key_of(1, Leg::Primary)).await.is_some(),
        "and so is its key"
    );
    assert_eq!(world.control.removals().await.unwrap(), []);
}

#[tokio::test]
async fn rule_8_what_goes_on_under_a_row_of_another_way_is_told_and_can_be_stopped() {
    let world = World::default().with_running(2).await;
    rewrite(&world, 1, |row| {
        (row.generation, row.wanted) = (0, Wanted::Stopped);
        row.output_type = OutputType::MediaLive;
    })
    .await;

    world.pass().await;
    assert_eq!(world.on().len(), 2, "it is not taken away");
    let status = world.status(1).await;
    assert_eq!(status.severity, Severity::ActionNeeded);
    assert_eq!(status.fault.map(|it| it.code), Some(FaultCode::Internal));

    // Another one to the same place with the same key is not pushed beside it (rule 5).
    let mut twin = lunora_testkit::world::new_destination(1, Start::Now);
    twin.name = "twin".parse().unwrap();
    world.service.create(id(9), twin).await.unwrap();
    assert!(!world.on().contains(&sample::output_id(9)));

    let stopped = world.service.stop(&id(1)).await.unwrap();
    assert!(matches!(stopped, StopOutcome::Stopped(_)));
    assert!(!world.on().contains(&sample::output_id(1)));
    let again = world.service.stop(&id(1)).await;
    assert!(matches!(again, Err(DestinationError::Foreign { .. })));
    world.pass().await;
    assert!(world.on().contains(&sample::output_id(9)), "now it may");
    assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
}

#[tokio::test]
async fn rule_1_what_is_not_enabled_has_no_output_whatever_its_way_says() {
    let world = World::default().with_running(2).await;
    rewrite(&world, 1, |row| {
        row.output_type = OutputType::MediaLive;
        row.enabled = false;
    })
    .await;
    world.pass().await;
    assert_eq!(world.on(), [sample::output_id(2)]);
}

#[tokio::test]
async fn rule_23_a_key_that_came_during_an_unfinished_change_is_not_overwritten() {
    for history in [History::Cuts, History::Stays] {
        let world = World::with_history(&FaultPlan::none(), history);
        let world = world.with_running(1).await;
        // It died right after its record.
        let name = key_of(1, Leg::Primary);
        let refers = world.row(1).await.refers_to(&name).unwrap();
        let mut change = removal(&world, 1, RemovalCause::ChangeUnfinished(ChangeId(7)), 1);
        change.leftovers = vec![Leftover {
            name: name.clone(),
            digests: vec![refers.digest],
        }];
        world.control.record_removal(&change).await.unwrap();
        let theirs = SecretString::from("theirs");
        world.secrets.keep(&name, &theirs).await.unwrap();

        world.clock.advance(Duration::from_secs(3600));
        world.pass().await;
        assert_eq!(latest(&world, &name).await.as_deref(), Some("theirs"));
        world.reconciler.adopt_changed_secrets().await.unwrap();
        let specs = world.router.specs();
        assert_eq!(
            specs[0].target.stream_name().unwrap().expose_secret(),
            "theirs"
        );
    }
}

#[tokio::test]
async fn rule_23_two_changes_that_died_do_not_wait_for_each_other() {
    let world = World::with_history(&FaultPlan::none(), History::Stays);
    let world = world.with_running(1).await;
    let name = key_of(1, Leg::Primary);
    for (id, text) in [(7, "one"), (8, "two")] {
        let text = SecretString::from(text);
        let version = world.secrets.keep(&name, &text).await.unwrap();
        let digest = SecretRef::new(version, &text, &sample::hash_key()).digest;
        let mut change = removal(&world, 1, RemovalCause::ChangeUnfinished(ChangeId(id)), 1);
        change.leftovers = vec![Leftover {
            name: name.clone(),
            digests: vec![digest],
        }];
        world.control.record_removal(&change).await.unwrap();
    }

    world.clock.advance(Duration::from_secs(3600));
    world.pass().await;

    assert_eq!(world.control.removals().await.unwrap(), []);
    assert_eq!(latest(&world, &name).await.as_deref(), Some("key-1"));
}

#[tokio::test]
async fn an_edit_of_one_leg_that_is_cut_off_leaves_the_parameter_of_the_other() {
    for history in [History::Cuts, History::Stays] {
        let plan = FaultPlan::none();
        let world = World::with_history(&plan, history);
        // A row whose URL nobody can push to has a key all the same, which no leg refers to.
        let mut row = sample::destination(1);
        (row.primary, row.wanted) = (None, Wanted::Stopped);
        world.destinations.create(&row).await.unwrap();
        let theirs = key_of(1, Leg::Primary);
        let text = SecretString::from("theirs");
        world.secrets.keep(&theirs, &text).await.unwrap();
        let url = Edit::Set("rtmp://127.0.0.1:9/backup");
        let key = KeyInput::from_text("ours").unwrap();
        let patch = DestinationPatch {
            backup: LegEdit::parse(url, key).unwrap(),
            ..DestinationPatch::default()
        };
        plan.forget_calls();
        world.service.update(&id(1), &patch, None).await.unwrap();
        for index in 0..plan.calls().len() {
            plan.forget_calls();
            plan.crash_at(index, lunora_testkit::fault::Fault::After);
            drop(world.service.update(&id(1), &patch, None).await);
            plan.clear();
            world.clock.advance(Duration::from_secs(3600));
            world
                .worker()
                .reconcile(Scope::All, Cause::Routine)
                .await
                .unwrap();
            assert_eq!(latest(&world, &theirs).await.as_deref(), Some("theirs"));
        }
    }
}

#[tokio::test]
async fn rule_10_a_pass_over_many_outputs_takes_longer_than_a_lease_and_comes_to_its_end() {
    let world = World::default().with_running(40).await;
    world.router.detach(&world.on()).await;
    let clock = world.clock.clone();
    let ports = Ports {
        secrets: Arc::new(Peculiar::new(&world.secrets, move |_, which| {
            clock.advance(Duration::from_secs(4));
            Ok(which)
        })),
        ..world.ports.clone()
    };
    let worker = Reconciler::new(ports, OutputType::Relay, sample::hash_key());
    let lease = WriteLease::new(
        Arc::clone(&world.ports.control),
        Arc::clone(&world.ports.clock),
        "lease".parse().unwrap(),
        "worker".parse().unwrap(),
    );
    let worker = worker.under_lease(Arc::new(lease));
    worker.reconcile(Scope::All, Cause::Asked).await.unwrap();
    assert_eq!(world.on().len(), 40);
}

#[tokio::test]
async fn rule_21_a_url_whose_hidden_part_is_gone_is_not_pushed_to_without_it() {
    let world = World::default();
    let mut row = sample::destination(1);
    row.primary.as_mut().unwrap().url = "rtmp://127.0.0.1:9/app/***".parse().unwrap();
    let key = sample::stream_key(1);
    let name = key_of(1, Leg::Primary);
    world.secrets.keep(&name, key.as_secret()).await.unwrap();
    world.destinations.create(&row).await.unwrap();

    world.pass().await;

    assert_eq!(world.on(), []);
    let status = world.status(1).await;
    assert_eq!(status.fault.map(|it| it.code), Some(FaultCode::Invalid));
}

#[tokio::test]
async fn a_generation_that_cannot_count_on_stops_nobody() {
    let world = World::default().with_running(1).await;
    rewrite(&world, 1, |row| row.generation = u64::MAX).await;
    world.service.stop(&id(1)).await.unwrap();
    assert_eq!(world.on(), []);
}
