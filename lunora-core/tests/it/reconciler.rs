use std::time::Duration;

use jiff::SignedDuration;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        EventKind, FaultCode, Leg, OutputState, OutputType, SecretName, Severity, StatusKind,
        Switch,
    },
    port::{
        Clock, ControlStore, Expect, Forget, OutputRouter, Pause, Repo, RepoExt,
        RouterCapabilities, SecretStore,
    },
    service::{Cause, DestinationPatch, Scope, Start},
};
use lunora_testkit::{
    fault::{Fault, FaultPlan},
    sample,
    world::{World, leg_edit},
};

#[tokio::test]
async fn rule_9_many_outputs_without_a_row_are_held_until_an_admin_lets_them_go() {
    let world = World::default().with_running(3).await;
    for n in 1..=3 {
        let id = sample::destination_id(n);
        let row = world.destinations.get(&id).await.unwrap().unwrap();
        world.destinations.remove(&id, &row.revision).await.unwrap();
    }

    let report = world.pass().await;
    assert_eq!((report.held, world.on().len()), (3, 3), "nothing is done");
    let snapshot = world.reconciler.look().await.unwrap();
    assert_eq!(snapshot.held, 3);
    world.pass().await;
    let held = EventKind::MassDetachHeld { outputs: 3, of: 3 };
    assert_eq!(
        world.events_of(None).await,
        [held],
        "it is told once, and not by every pass"
    );

    world.reconciler.release_held().await.unwrap();
    assert_eq!(world.on(), []);
    assert_eq!(world.secrets.names(), []);
}

#[tokio::test]
async fn rule_9_one_of_many_whose_row_is_gone_is_detached_after_a_strong_read() {
    let world = World::default().with_running(5).await;
    let id = sample::destination_id(5);
    let row = world.destinations.get(&id).await.unwrap().unwrap();
    world.destinations.remove(&id, &row.revision).await.unwrap();

    assert_eq!(world.pass().await.held, 0);
    assert!(!world.on().contains(&sample::output_id(5)));
    let events = world.events_of(Some(&id)).await;
    assert_eq!(events.last(), Some(&EventKind::RemovalFinished));
    let name = SecretName::StreamKey(id, Leg::Primary);
    assert!(
        !world.secrets.names().contains(&name),
        "its key is forgotten"
    );
}

#[tokio::test]
async fn rule_13_a_row_of_another_way_is_shown_and_left_alone() {
    let world = World::default().with_running(1).await;
    let mut row = sample::destination(2);
    row.output_type = OutputType::MediaLive;
    world.destinations.create(&row).await.unwrap();

    assert_eq!(world.pass().await.done, []);
    assert_eq!(world.on(), [sample::output_id(1)]);
    let status = world.status(2).await;
    assert_eq!(
        status.kind,
        StatusKind::Unconfirmed,
        "nothing is known of it"
    );
}

#[tokio::test]
async fn rule_15_a_pause_keeps_outputs_as_they_are_and_ends_by_itself() {
    let world = World::default().with_running(1).await;
    let until = world.clock.now() + SignedDuration::from_mins(10);
    let pause = Some(Pause { until });
    world.control.set_pause(pause).await.unwrap();

    world.create(2, Start::Now).await.unwrap();
    world.router.detach(&[sample::output_id(1)]).await;
    assert!(world.pass().await.paused);
    assert_eq!(world.on(), []);

    world.clock.advance(Duration::from_secs(601));
    assert!(!world.pass().await.paused);
    assert_eq!(world.on().len(), 2);
}

#[tokio::test]
async fn rule_29_a_manual_stop_wins_over_a_pause_and_ends_that_one_alone() {
    let world = World::default().with_running(3).await;
    let until = world.clock.now() + SignedDuration::from_mins(10);
    let pause = Some(Pause { until });
    world.control.set_pause(pause).await.unwrap();

    let id = sample::destination_id;
    world.service.stop(&id(1)).await.unwrap();
    world.service.remove(&id(2), None).await.unwrap();
    assert_eq!(world.on(), [sample::output_id(3)]);
    world.service.start(&id(1)).await.unwrap();
    assert_eq!(world.on(), [sample::output_id(3)]);
    assert_eq!(world.router.interruptions(&sample::output_id(3)), 0);
}

#[tokio::test]
async fn rule_29_a_manual_stop_ends_its_output_although_nothing_can_be_observed() {
    let plan = FaultPlan::none();
    let world = World::new(&plan).with_running(2).await;
    plan.forget_calls();
    world
        .service
        .stop(&sample::destination_id(1))
        .await
        .unwrap();
    let calls = plan.calls();
    let look = calls.iter().position(|it| *it == "OutputRouter::observe");
    let world = World::new(&plan).with_running(2).await;
    plan.forget_calls();
    plan.fail_at(look.unwrap(), Fault::Before);

    world
        .service
        .stop(&sample::destination_id(1))
        .await
        .unwrap();
    plan.clear();
    assert_eq!(world.on(), [sample::output_id(2)]);
    assert_eq!(world.router.specs().len(), 2, "it keeps its place");
    assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
}

#[tokio::test]
async fn rule_15_what_a_routine_pass_mends_is_told_as_drift() {
    let world = World::default().with_running(1).await;
    world.pass().await;
    assert_eq!(world.events_of(None).await, [], "nothing was to mend");

    world.router.detach(&[sample::output_id(1)]).await;
    world.pass().await;
    assert_eq!(
        world.events_of(None).await,
        [EventKind::DriftRepaired { outputs: 1 }]
    );
    assert_eq!(world.on().len(), 1);
}

#[tokio::test]
async fn rule_23_an_output_is_told_the_version_that_its_row_refers_to() {
    let world = World::default().with_running(1).await;
    let name = SecretName::StreamKey(sample::destination_id(1), Leg::Primary);
    let text = SecretString::from("kept-for-a-change-that-was-refused");
    world.secrets.keep(&name, &text).await.unwrap();

    world.router.detach(&[sample::output_id(1)]).await;
    world.pass().await;
    let key = world.router.specs().remove(0).target.key.unwrap();
    assert_eq!(key.as_secret().expose_secret(), "key-1");
}

#[tokio::test]
async fn rule_12_a_deletion_that_was_refused_deletes_nothing_later() {
    let world = World::default().with_running(1).await;
    // The row was changed between the record and the deletion.
    let mut removal = sample::removal(1);
    removal.generation = world.row(1).await.generation - 1;
    world.control.record_removal(&removal).await.unwrap();

    world.pass().await;
    assert_eq!(world.on(), [sample::output_id(1)]);
    assert_eq!(world.control.removals().await.unwrap(), []);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_keeps_no_other_destination_waiting() {
    let plan = FaultPlan::none();
    let world = World::new(&plan).with_running(3).await;
    world.router.detach(&world.on()).await;
    plan.forget_calls();
    world
        .worker()
        .reconcile(Scope::All, Cause::Asked)
        .await
        .unwrap();
    let calls = plan.calls();
    let reveal = calls.iter().position(|call| *call == "SecretStore::reveal");
    world.router.detach(&world.on()).await;

    plan.forget_calls();
    plan.fail_at(reveal.unwrap(), Fault::Before);
    world
        .reconciler
        .reconcile(Scope::All, Cause::Asked)
        .await
        .unwrap();
    plan.clear();
    assert_eq!(world.on().len(), 2);
    let status = world.status(1).await;
    assert_eq!(status.kind, StatusKind::Reconnecting, "it says so");
    world.pass().await;
    assert_eq!(world.on().len(), 3);
    let status = world.status(1).await;
    assert_eq!(status.fault, None);
    assert_eq!(status.last_fault.unwrap().code, FaultCode::Provider);
}

#[tokio::test]
async fn rule_24_while_no_key_can_be_read_every_destination_that_has_one_says_so() {
    let world = World::default();
    world.create(1, Start::Later).await.unwrap();
    world
        .reconciler
        .keys_are_unreadable("the key file is missing");
    let status = world.status(1).await;
    assert_eq!(status.severity, Severity::ActionNeeded);
    assert_eq!(
        status.fault.unwrap().text.as_str(),
        "the key file is missing"
    );
}

#[tokio::test]
async fn a_destination_whose_key_is_lost_says_so_and_can_still_be_stopped() {
    let world = World::default().with_running(1).await;
    let id = sample::destination_id(1);
    let name = SecretName::StreamKey(id.clone(), Leg::Primary);
    world.secrets.forget(&name, Forget::All).await.unwrap();
    world.service.stop(&id).await.unwrap();
    assert_eq!(world.on(), [], "a manual stop always wins");

    world.service.start(&id).await.unwrap();
    let status = world.status(1).await;
    assert_eq!(status.kind, StatusKind::Failed);
    assert_eq!(status.severity, Severity::ActionNeeded);
    assert_eq!(status.fault.unwrap().code, FaultCode::Invalid);

    // As its text says: set it again, even to what it was.
    let patch = DestinationPatch {
        primary: leg_edit(1),
        ..DestinationPatch::default()
    };
    world.service.update(&id, &patch, None).await.unwrap();
    assert_eq!(world.on(), [sample::output_id(1)]);
}

#[tokio::test]
async fn a_router_that_refuses_is_shown_until_it_takes_the_step() {
    let plan = FaultPlan::none();
    let world = World::new(&plan);
    world.create(1, Start::Later).await.unwrap();
    plan.forget_calls();
    world
        .service
        .start(&sample::destination_id(1))
        .await
        .unwrap();
    let apply = plan
        .calls()
        .iter()
        .position(|call| *call == "OutputRouter::apply");
    world
        .service
        .stop(&sample::destination_id(1))
        .await
        .unwrap();
    world.router.detach(&[sample::output_id(1)]).await;

    plan.forget_calls();
    plan.fail_at(apply.unwrap(), Fault::Before);
    world
        .service
        .start(&sample::destination_id(1))
        .await
        .unwrap();
    let status = world.status(1).await;
    assert_eq!(status.kind, StatusKind::Reconnecting);
    assert_eq!(status.fault.unwrap().code, FaultCode::Provider);

    plan.clear();
    world.pass().await;
    let status = world.status(1).await;
    assert_eq!((status.kind, status.fault), (StatusKind::Live, None));
}

#[tokio::test]
async fn rule_6_what_does_not_fit_carries_quota_and_nothing_live_moves() {
    let world = World::with_capabilities(&FaultPlan::none(), RouterCapabilities::rtmp(2));
    let world = world.with_running(3).await;
    assert_eq!(world.on(), [sample::output_id(1), sample::output_id(2)]);
    let status = world.status(3).await;
    assert_eq!(status.kind, StatusKind::Failed);
    assert_eq!(status.fault.unwrap().code, FaultCode::Quota);

    world
        .service
        .stop(&sample::destination_id(1))
        .await
        .unwrap();
    world
        .service
        .retry(&sample::destination_id(3))
        .await
        .unwrap();
    assert_eq!(world.on(), [sample::output_id(2), sample::output_id(3)]);
    assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
}

#[tokio::test]
async fn rule_20_a_poll_is_answered_from_a_snapshot_of_at_most_five_seconds() {
    let plan = FaultPlan::none();
    let world = World::new(&plan).with_running(1).await;
    world.reconciler.look().await.unwrap();

    plan.forget_calls();
    world.clock.advance(Duration::from_secs(5));
    world.reconciler.snapshot().await.unwrap();
    assert_eq!(plan.calls(), [""; 0]);
    world.clock.advance(Duration::from_secs(1));
    world.reconciler.snapshot().await.unwrap();
    assert_ne!(plan.calls(), [""; 0]);
}

#[tokio::test]
async fn a_status_change_is_told_once() {
    let world = World::default().with_running(1).await;
    let kinds = async || {
        let events = world.events_of(Some(&sample::destination_id(1))).await;
        let to = events.into_iter().filter_map(|event| match event {
            EventKind::StatusChanged { to, .. } => Some(to),
            _ => None,
        });
        to.collect::<Vec<_>>()
    };
    for _ in 0..3 {
        world.reconciler.look().await.unwrap();
    }
    assert_eq!(kinds().await, [StatusKind::Connecting, StatusKind::Live]);

    let mut health = world.router.observe().await.unwrap().remove(0).health;
    health.state = OutputState::Reconnecting;
    world.router.set_health(&sample::output_id(1), health);
    for _ in 0..3 {
        world.reconciler.look().await.unwrap();
    }
    assert_eq!(kinds().await.last(), Some(&StatusKind::Reconnecting));
    assert_eq!(kinds().await.len(), 3);
}

#[tokio::test]
async fn rule_8_a_row_that_changed_since_it_was_read_is_planned_again() {
    // The row says running when the pass lists it, and stopped when it asks again.
    let world = World::default().with_running(1).await;
    let stored = world.destinations.get(&sample::destination_id(1)).await;
    let stored = stored.unwrap().unwrap();
    let mut row = stored.value;
    row.wanted = lunora_core::domain::Wanted::Stopped;
    row.generation += 1;
    let expect = Expect::Revision(stored.revision);
    world.destinations.put(&row, expect).await.unwrap();

    let scope = Scope::One(row.id.clone());
    world
        .reconciler
        .reconcile(scope, Cause::Asked)
        .await
        .unwrap();
    let specs = world.router.specs();
    assert_eq!(specs[0].switch, Switch::Off, "it is off and keeps its slot");
}
