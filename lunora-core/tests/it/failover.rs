//! Failover of destinations, by itself and by hand (rule 28), in virtual time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use lunora_core::{
    domain::{
        Aspect, BackupMode, Check, DestinationId, Edit, EventKind, Fault, FaultClass, FaultCode,
        Finding, KeyInput, Leg, Outcome, OutputHealth, OutputId, OutputState, PushTarget,
        StatusKind, SwitchCause, Wanted,
    },
    plan::failover::Limits,
    port::{Clock as _, Depth, DestinationProbe, History, PortError, Repo as _},
    service::{
        DestinationError, DestinationPatch, FailOverOutcome, FailOverTo, Failover, LegEdit,
        NewDestination, NextStep, Start,
    },
};
use lunora_testkit::{
    fault::FaultPlan,
    sample,
    world::{World, leg_edit, new_destination},
};

pub(crate) fn id(n: u64) -> DestinationId {
    sample::destination_id(n)
}

pub(crate) fn output(n: u64, leg: Leg) -> OutputId {
    OutputId {
        destination: id(n),
        leg,
    }
}

/// Destination `n`, whose backup is another place and takes over by itself.
fn with_backup(n: u64, backup_mode: BackupMode) -> NewDestination {
    NewDestination {
        backup: leg_edit(n + 100),
        failover_enabled: true,
        backup_mode,
        ..new_destination(n, Start::Now)
    }
}

pub(crate) async fn world(backup_mode: BackupMode) -> World {
    world_under(&FaultPlan::none(), backup_mode).await
}

/// Destination 1 is live by its primary; 2 is another one, without a backup.
pub(crate) async fn world_under(plan: &FaultPlan, backup_mode: BackupMode) -> World {
    let world = World::with_history(plan, History::Cuts);
    let created = world.service.create(id(1), with_backup(1, backup_mode));
    created.await.unwrap();
    world.create(2, Start::Now).await.unwrap();
    world.pass().await;
    world
}

pub(crate) fn failover(world: &World) -> Failover {
    Failover::new(Arc::clone(&world.reconciler), Limits::default())
}

/// The far end of a leg refuses, for the `count`th time.
pub(crate) fn refuse(world: &World, leg: Leg, count: u32) {
    let now = world.clock.now();
    let mut health = OutputHealth::new(OutputState::Reconnecting, now);
    let class = FaultClass::Transient;
    let mut fault = Fault::new(FaultCode::Refused, class, "refused", now);
    fault.count = count;
    health.fault = Some(fault.clone());
    health.last_fault = Some(fault);
    world.router.set_health(&output(1, leg), health);
}

pub(crate) fn pass_seconds(world: &World, seconds: u64) {
    world.clock.advance(Duration::from_secs(seconds));
}

pub(crate) async fn failed_over(world: &World) -> Vec<(Leg, SwitchCause, String)> {
    let events = world.events_of(Some(&id(1))).await.into_iter();
    let told = events.filter_map(|kind| match kind {
        EventKind::DestinationFailedOver {
            from,
            to,
            cause,
            reason,
        } => {
            assert_ne!(from, to);
            Some((to, cause, reason.to_string()))
        }
        _ => None,
    });
    told.collect()
}

pub(crate) fn leg_on(world: &World) -> Vec<Leg> {
    let on = world.on().into_iter();
    on.filter(|it| it.destination == id(1))
        .map(|it| it.leg)
        .collect()
}

/// Says of every place what it is told to, and notes how deep it was asked to look.
#[derive(Debug, Default)]
pub(crate) struct Told {
    is_bad: Mutex<bool>,
    asked: Mutex<Vec<Depth>>,
}

#[async_trait]
impl DestinationProbe for Told {
    async fn probe(&self, _: &PushTarget, depth: Depth) -> Result<Finding, PortError> {
        self.asked.lock().unwrap().push(depth);
        let at = sample::time();
        let fault = Fault::new(FaultCode::Refused, FaultClass::Transient, "refused", at);
        let outcome = match *self.is_bad.lock().unwrap() {
            true => Outcome::Failed(fault),
            false => Outcome::Passed,
        };
        let aspect = Aspect::Connect;
        Ok(Finding {
            at,
            checks: vec![Check { aspect, outcome }],
            media: None,
        })
    }
}

#[tokio::test]
async fn rule_28_when_the_primary_is_killed_the_backup_is_live_and_the_events_say_why() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    assert_eq!(failover.tick().await.unwrap(), []);
    assert_eq!(leg_on(&world), [Leg::Primary]);

    refuse(&world, Leg::Primary, 3);
    let made = failover.tick().await.unwrap();

    assert_eq!(made.len(), 1);
    assert_eq!(leg_on(&world), [Leg::Backup], "one of the two is pushed");
    world.status(1).await;
    let status = world.status(1).await;
    assert_eq!(
        (status.kind, status.leg),
        (StatusKind::FailedOver, Leg::Backup)
    );
    let last_fault = status.last_fault.unwrap();
    assert_eq!(last_fault.code, FaultCode::Refused, "it shows why");
    let reason = "the one in use failed 3 times in a row: refused".to_owned();
    let told = failed_over(&world).await;
    assert_eq!(told, [(Leg::Backup, SwitchCause::Automatic, reason)]);
    assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
}

#[tokio::test]
async fn rule_28_a_primary_without_progress_is_left_after_a_while() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    refuse(&world, Leg::Primary, 1);
    pass_seconds(&world, 14);
    assert_eq!(failover.tick().await.unwrap(), []);
    pass_seconds(&world, 1);
    assert_eq!(failover.tick().await.unwrap().len(), 1);
}

#[tokio::test]
async fn rule_28_a_leg_that_comes_and_goes_is_left_as_one_that_is_gone() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    for round in 1..=3 {
        assert_eq!(leg_on(&world), [Leg::Primary], "round {round}");
        pass_seconds(&world, 5);
        refuse(&world, Leg::Primary, 1);
        failover.tick().await.unwrap();
        if round < 3 {
            let live = OutputHealth::new(OutputState::Live, world.clock.now());
            world.router.set_health(&output(1, Leg::Primary), live);
            failover.tick().await.unwrap();
        }
    }
    assert_eq!(leg_on(&world), [Leg::Backup]);
}

#[tokio::test]
async fn rule_28_nothing_is_left_because_nothing_comes_in() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    let waits = OutputHealth::new(OutputState::WaitingForSource, world.clock.now());
    world.router.set_health(&output(1, Leg::Primary), waits);
    pass_seconds(&world, 3600);
    assert_eq!(failover.tick().await.unwrap(), []);
}

#[tokio::test]
async fn rule_28_the_primary_is_gone_back_to_when_tests_found_it_good_for_a_while() {
    let world = world(BackupMode::Standby).await;
    let probe = Arc::new(Told::default());
    *probe.is_bad.lock().unwrap() = true;
    let failover = failover(&world).with_probe(Arc::clone(&probe) as Arc<dyn DestinationProbe>);
    failover.probe().await.unwrap();
    assert!(
        probe.asked.lock().unwrap().is_empty(),
        "what is pushed is not tested"
    );
    refuse(&world, Leg::Primary, 3);
    failover.tick().await.unwrap();
    assert_eq!(leg_on(&world), [Leg::Backup]);

    let second = async || {
        pass_seconds(&world, 1);
        failover.probe().await.unwrap();
        failover.tick().await.unwrap();
    };
    for _ in 0..120 {
        second().await;
        assert_eq!(leg_on(&world), [Leg::Backup], "the primary is still bad");
    }
    *probe.is_bad.lock().unwrap() = false;
    let mut seconds = 0;
    while leg_on(&world) == [Leg::Backup] {
        second().await;
        seconds += 1;
        assert!(seconds < 100, "it never goes back");
    }

    assert!(60 <= seconds, "it was good for {seconds} s alone");
    assert_eq!(leg_on(&world), [Leg::Primary]);
    let told = failed_over(&world).await.pop().unwrap();
    assert_eq!((told.0, told.1), (Leg::Primary, SwitchCause::Automatic));
    assert!(
        told.2.starts_with("the preferred one has been good for"),
        "{}",
        told.2
    );
    let asked = probe.asked.lock().unwrap();
    assert!(
        asked.iter().all(|depth| *depth == Depth::Connect),
        "{asked:?}"
    );
    assert!(
        asked.len() <= 12,
        "every 20 s, not every second: {}",
        asked.len()
    );
}

#[tokio::test]
async fn rule_28_a_hot_primary_is_gone_back_to_by_what_it_moves_and_no_output_is_touched() {
    let world = world(BackupMode::Hot).await;
    assert_eq!(leg_on(&world), [Leg::Primary, Leg::Backup]);
    let failover = failover(&world);
    refuse(&world, Leg::Primary, 3);
    failover.tick().await.unwrap();
    let status = world.status(1).await;
    assert_eq!(
        (status.kind, status.leg),
        (StatusKind::FailedOver, Leg::Backup)
    );

    let live = OutputHealth::new(OutputState::Live, world.clock.now());
    world.router.set_health(&output(1, Leg::Primary), live);
    pass_seconds(&world, 59);
    world.status(1).await;
    assert_eq!(failover.tick().await.unwrap(), []);
    pass_seconds(&world, 1);
    assert_eq!(failover.tick().await.unwrap().len(), 1);

    assert_eq!(world.status(1).await.kind, StatusKind::Live);
    assert_eq!(leg_on(&world), [Leg::Primary, Leg::Backup]);
    for leg in Leg::ALL {
        assert_eq!(world.router.interruptions(&output(1, leg)), 0, "{leg}");
    }
}

#[tokio::test]
async fn rule_28_what_is_pinned_stays_though_it_fails_and_is_decided_for_again_once_released() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    let done = world.service.fail_over(&id(1), FailOverTo::Backup).await;
    assert!(matches!(done, Ok(FailOverOutcome::Done(_))));
    assert_eq!(leg_on(&world), [Leg::Backup]);

    refuse(&world, Leg::Backup, 99);
    for _ in 0..100 {
        pass_seconds(&world, 10);
        assert_eq!(failover.tick().await.unwrap(), []);
    }
    let why = failover.explain(&id(1)).await.unwrap();
    assert_eq!(
        (why.pinned, why.next),
        (Some(Leg::Backup), NextStep::Pinned)
    );

    world
        .service
        .fail_over(&id(1), FailOverTo::Release)
        .await
        .unwrap();
    assert_eq!(
        leg_on(&world),
        [Leg::Backup],
        "a release changes nothing at once"
    );
    failover.tick().await.unwrap();
    assert_eq!(leg_on(&world), [Leg::Primary]);
    let causes: Vec<_> = failed_over(&world)
        .await
        .into_iter()
        .map(|it| it.1)
        .collect();
    assert_eq!(causes, [SwitchCause::Manual, SwitchCause::Automatic]);
    let events = world.events_of(Some(&id(1))).await;
    assert!(events.contains(&EventKind::FailoverReleased));
}

#[tokio::test]
async fn rule_28_by_hand_it_works_without_automatic_failover_and_says_what_a_leg_lacks() {
    let world = world(BackupMode::Standby).await;
    let refused = world.service.fail_over(&id(2), FailOverTo::Backup).await;
    let Err(DestinationError::Invalid { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("`backup_rtmp_url`"), "{reason}");
    assert_eq!(world.failovers.get(&id(2)).await.unwrap(), None);

    let patch = DestinationPatch {
        failover_enabled: Some(false),
        ..DestinationPatch::default()
    };
    world.service.update(&id(1), &patch, None).await.unwrap();
    let generation = world.row(1).await.generation;
    for _ in 0..2 {
        world
            .service
            .fail_over(&id(1), FailOverTo::Backup)
            .await
            .unwrap();
    }
    assert_eq!(leg_on(&world), [Leg::Backup]);
    assert_eq!(
        failed_over(&world).await.len(),
        1,
        "the second call found it so"
    );
    assert_eq!(world.row(1).await.generation, generation);
    let pinned = world.service.fail_over(&id(1), FailOverTo::Backup).await;
    assert!(matches!(pinned, Ok(FailOverOutcome::AlreadySo(_))));
}

#[tokio::test]
async fn rule_28_it_never_flips_more_than_the_limit_and_ends_where_it_may_go_on() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    let mut flips = Vec::new();
    // Both far ends refuse, for two hours.
    for _ in 0..(2 * 3600 / 5) {
        pass_seconds(&world, 5);
        let leg = world.row(1).await.active_leg;
        refuse(&world, leg, 3);
        for made in failover.tick().await.unwrap() {
            flips.push(made.flip.at);
        }
    }
    assert!(6 < flips.len());
    for first in &flips {
        let hour = |at: &&jiff::Timestamp| {
            first <= at && at.duration_since(*first) < jiff::SignedDuration::from_hours(1)
        };
        assert!(flips.iter().filter(hour).count() <= 6);
    }
}

#[tokio::test]
async fn rule_29_a_manual_stop_wins_over_failover() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    refuse(&world, Leg::Primary, 3);
    world.service.stop(&id(1)).await.unwrap();
    pass_seconds(&world, 3600);
    assert_eq!(failover.tick().await.unwrap(), []);
    assert_eq!(leg_on(&world), []);
}

#[tokio::test]
async fn rule_17_a_flip_makes_no_edit_of_a_producer_stale() {
    let world = world(BackupMode::Standby).await;
    let generation = world.row(1).await.generation;
    refuse(&world, Leg::Primary, 3);
    failover(&world).tick().await.unwrap();
    let patch = DestinationPatch {
        name: Some("renamed".parse().unwrap()),
        ..DestinationPatch::default()
    };
    let edited = world.service.update(&id(1), &patch, Some(generation)).await;
    assert!(edited.is_ok(), "{edited:?}");
    assert_eq!(world.row(1).await.active_leg, Leg::Backup);
}

#[tokio::test]
async fn rule_15_nothing_fails_over_while_reconciling_is_paused() {
    let world = world(BackupMode::Standby).await;
    let until = world.clock.now() + jiff::SignedDuration::from_mins(5);
    world.reconciler.pause(until).await.unwrap();
    refuse(&world, Leg::Primary, 3);
    assert_eq!(failover(&world).tick().await.unwrap(), []);
    assert_eq!(world.row(1).await.active_leg, Leg::Primary);
}

#[tokio::test]
async fn rule_5_a_backup_that_another_destination_pushes_to_does_not_take_over() {
    let world = world(BackupMode::Standby).await;
    // Destination 3 pushes to where the backup of 1 would.
    let new = NewDestination {
        primary: leg_edit(101),
        ..new_destination(3, Start::Now)
    };
    world.service.create(id(3), new).await.unwrap();
    let failover = failover(&world);
    refuse(&world, Leg::Primary, 9);
    pass_seconds(&world, 100);
    assert_eq!(failover.tick().await.unwrap(), []);
    let why = failover.explain(&id(1)).await.unwrap();
    assert_eq!(why.next, NextStep::NoOther);
    let by_hand = world.service.fail_over(&id(1), FailOverTo::Backup).await;
    assert!(matches!(by_hand, Err(DestinationError::Duplicate { .. })));
}

#[tokio::test]
async fn rule_5_both_legs_of_a_hot_destination_go_to_different_places() {
    let world = World::default();
    let same = NewDestination {
        backup: leg_edit(1),
        ..with_backup(1, BackupMode::Hot)
    };
    let refused = world.service.create(id(1), same).await;
    assert!(matches!(refused, Err(DestinationError::Invalid { .. })));

    // A declared backup differs in its query alone, and has the same key.
    let leg =
        |url: &str| LegEdit::parse(Edit::Set(url), KeyInput::from_text("k").unwrap()).unwrap();
    let declared = NewDestination {
        primary: leg("rtmp://127.0.0.1:9/live2"),
        backup: leg("rtmp://127.0.0.1:9/live2?backup=1"),
        ..with_backup(1, BackupMode::Hot)
    };
    world.service.create(id(1), declared).await.unwrap();
    assert_eq!(leg_on(&world), Leg::ALL);
}

#[tokio::test]
async fn a_hot_backup_goes_when_it_is_standby_again_and_the_leg_in_use_goes_on() {
    let world = world(BackupMode::Hot).await;
    let patch = DestinationPatch {
        backup_mode: Some(BackupMode::Standby),
        ..DestinationPatch::default()
    };
    world.service.update(&id(1), &patch, None).await.unwrap();
    assert_eq!(leg_on(&world), [Leg::Primary]);
    assert_eq!(world.router.interruptions(&sample::output_id(1)), 0);
    let specs = world.router.specs();
    assert!(!specs.iter().any(|it| it.id == output(1, Leg::Backup)));
}

#[tokio::test]
async fn who_takes_the_backup_away_that_is_in_use_goes_on_by_the_primary() {
    let world = world(BackupMode::Standby).await;
    refuse(&world, Leg::Primary, 3);
    failover(&world).tick().await.unwrap();
    let patch = DestinationPatch {
        backup: LegEdit::parse(Edit::Clear, KeyInput::Omitted).unwrap(),
        ..DestinationPatch::default()
    };
    world.service.update(&id(1), &patch, None).await.unwrap();
    assert_eq!(leg_on(&world), [Leg::Primary]);
    assert_eq!(world.row(1).await.wanted, Wanted::Running);
}

#[tokio::test]
async fn rule_12_the_history_of_a_destination_goes_with_it() {
    let world = world(BackupMode::Standby).await;
    world
        .service
        .fail_over(&id(1), FailOverTo::Backup)
        .await
        .unwrap();
    assert!(world.failovers.get(&id(1)).await.unwrap().is_some());
    world.service.remove(&id(1), None).await.unwrap();
    assert_eq!(world.failovers.get(&id(1)).await.unwrap(), None);
    assert_eq!(leg_on(&world), []);
}
