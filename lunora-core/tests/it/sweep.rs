//! Every use case that writes, with a fault and with a crash at every call that
//! it makes: nothing is orphaned, lost or doubled, and it can be repeated.

use lunora_core::{
    ExposeSecret,
    domain::{BackupMode, DestinationId, Edit, KeyInput, OutputId, SecretName, Wanted},
    port::{History, OutputRouter, Repo},
    service::{DestinationError, DestinationPatch, LegEdit, NewDestination, Start},
};
use lunora_testkit::{
    fault::FaultPlan,
    sample,
    settled::Scene,
    sweep::{Run, sweep, sweep_crashes},
    world::{World, leg_edit, new_destination},
};

/// What holds whatever happened, once another worker has made its passes.
async fn check_world(world: &World, run: Run) {
    let scene = Scene {
        destinations: &world.destinations,
        secrets: &world.secrets,
        router: &world.router,
        clock: &world.clock,
        worker: &world.worker(),
    };
    scene.assert_settled(run).await;
}

#[expect(
    clippy::future_not_send,
    reason = "each test polls it on its own thread"
)]
async fn sweep_both<E: std::fmt::Debug>(
    world: impl AsyncFn(FaultPlan, History) -> World,
    scenario: impl AsyncFn(&World) -> Result<(), E>,
    check: impl AsyncFn(&World, Run),
) {
    let both = async |world: &World, run: Run| {
        check_world(world, run).await;
        if run.succeeded {
            check(world, run).await;
        }
    };
    for history in [History::Cuts, History::Stays] {
        let world = async |plan: FaultPlan| world(plan, history).await;
        sweep(world, &scenario, &both).await;
        sweep_crashes(world, &scenario, &both).await;
    }
}

/// Three destinations: 1 and 2 run, 3 is stopped.
async fn three(plan: FaultPlan, history: History) -> World {
    let world = World::with_history(&plan, history).with_running(2).await;
    world.create(3, Start::Later).await.unwrap();
    world
}

fn id(n: u64) -> DestinationId {
    sample::destination_id(n)
}

fn undisturbed(world: &World, siblings: &[u64], run: Run) {
    for n in siblings {
        let output = sample::output_id(*n);
        assert_eq!(
            world.router.interruptions(&output),
            0,
            "{run}, {output} was disturbed"
        );
    }
}

#[tokio::test]
async fn a_create_can_be_repeated_after_any_one_fault() {
    let scenario = async |world: &World| world.create(9, Start::Later).await;
    sweep_both(three, scenario, async |world: &World, run: Run| {
        assert_eq!(world.row(9).await.wanted, Wanted::Stopped, "{run}");
        undisturbed(world, &[1, 2], run);
    })
    .await;
}

#[tokio::test]
async fn rule_2_a_create_that_starts_can_be_repeated_after_any_one_fault() {
    let scenario = async |world: &World| world.create(9, Start::Now).await;
    sweep_both(three, scenario, async |world: &World, run: Run| {
        assert!(world.on().contains(&sample::output_id(9)), "{run}");
        undisturbed(world, &[1, 2, 9], run);
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_url_and_key_can_be_repeated_after_any_one_fault() {
    let edit = async |world: &World| {
        let key = KeyInput::from_text("another-key").unwrap();
        let primary = LegEdit::parse(Edit::Set("rtmp://127.0.0.1:9/other?token=t"), key).unwrap();
        let patch = DestinationPatch {
            primary,
            ..DestinationPatch::default()
        };
        world.service.update(&id(1), &patch, None).await.map(drop)
    };
    let together = async |world: &World, run: Run| {
        // As after a restart of the relay: every key is read again.
        world.router.detach(&world.on()).await;
        check_world(world, run).await;
        let specs = world.router.specs();
        let target = &specs.iter().find(|spec| spec.id == sample::output_id(1));
        let target = &target.unwrap().target;
        let pair = (
            target.url.app(),
            target.stream_name().unwrap().expose_secret(),
        );
        assert!(
            [("app-1", "key-1"), ("other", "another-key")].contains(&pair),
            "{run}, a key is pushed to where it was not given for: {pair:?}"
        );
    };
    for history in [History::Cuts, History::Stays] {
        let three = async |plan: FaultPlan| three(plan, history).await;
        sweep(three, edit, together).await;
        sweep_crashes(three, edit, together).await;
    }
    sweep_both(three, edit, async |world: &World, run: Run| {
        assert!(world.on().contains(&sample::output_id(1)), "{run}");
        assert_eq!(
            world.row(1).await.primary.unwrap().url.to_string(),
            "rtmp://127.0.0.1:9/other/***"
        );
        undisturbed(world, &[2], run);
    })
    .await;
}

#[tokio::test]
async fn rule_22_a_removal_of_the_key_can_be_repeated_after_any_one_fault() {
    let edit = async |world: &World| {
        let primary = LegEdit::parse(Edit::Keep, KeyInput::Removed).unwrap();
        let patch = DestinationPatch {
            primary,
            ..DestinationPatch::default()
        };
        world.service.update(&id(1), &patch, None).await.map(drop)
    };
    sweep_both(three, edit, async |world: &World, run: Run| {
        assert_eq!(world.row(1).await.wanted, Wanted::Stopped, "{run}");
        let name = SecretName::StreamKey(id(1), lunora_core::domain::Leg::Primary);
        assert!(!world.secrets.names().contains(&name), "{run}");
        undisturbed(world, &[2], run);
    })
    .await;
}

#[tokio::test]
async fn rule_1_a_disable_can_be_repeated_after_any_one_fault() {
    let edit = async |world: &World| {
        let patch = DestinationPatch {
            enabled: Some(false),
            ..DestinationPatch::default()
        };
        world.service.update(&id(1), &patch, None).await.map(drop)
    };
    sweep_both(three, edit, async |world: &World, run: Run| {
        let specs = world.router.specs();
        let there = specs.iter().any(|spec| spec.id == sample::output_id(1));
        assert!(!there, "{run}, what is not enabled is detached");
        undisturbed(world, &[2], run);
    })
    .await;
}

#[tokio::test]
async fn rule_12_a_removal_can_be_repeated_after_any_one_fault() {
    let remove = async |world: &World| match world.service.remove(&id(1), None).await {
        // A repetition after the reply was lost.
        Err(DestinationError::NotFound { .. }) => Ok(()),
        outcome => outcome,
    };
    sweep_both(three, remove, async |world: &World, run: Run| {
        assert_eq!(world.destinations.get(&id(1)).await.unwrap(), None, "{run}");
        undisturbed(world, &[2], run);
    })
    .await;
}

#[tokio::test]
async fn a_start_can_be_repeated_after_any_one_fault() {
    let start = async |world: &World| world.service.start(&id(3)).await.map(drop);
    sweep_both(three, start, async |world: &World, run: Run| {
        assert!(world.on().contains(&sample::output_id(3)), "{run}");
        undisturbed(world, &[1, 2, 3], run);
    })
    .await;
}

#[tokio::test]
async fn a_stop_can_be_repeated_after_any_one_fault() {
    let stop = async |world: &World| world.service.stop(&id(1)).await.map(drop);
    sweep_both(three, stop, async |world: &World, run: Run| {
        assert!(!world.on().contains(&sample::output_id(1)), "{run}");
        undisturbed(world, &[2], run);
    })
    .await;
}

#[tokio::test]
async fn a_backup_that_becomes_hot_or_standby_can_be_repeated_after_any_one_fault() {
    for (from, to) in [
        (BackupMode::Standby, BackupMode::Hot),
        (BackupMode::Hot, BackupMode::Standby),
    ] {
        let world = async |plan: FaultPlan, history: History| {
            let world = World::with_history(&plan, history).with_running(1).await;
            let new = NewDestination {
                backup: leg_edit(104),
                backup_mode: from,
                ..new_destination(4, Start::Now)
            };
            world.service.create(id(4), new).await.unwrap();
            world
        };
        let edit = async |world: &World| {
            let patch = DestinationPatch {
                backup_mode: Some(to),
                ..DestinationPatch::default()
            };
            world.service.update(&id(4), &patch, None).await.map(drop)
        };
        sweep_both(world, edit, async |world: &World, run: Run| {
            let legs = world.on().into_iter().filter(|it| it.destination == id(4));
            let expected = if to == BackupMode::Hot { 2 } else { 1 };
            assert_eq!(legs.count(), expected, "{run}");
            undisturbed(world, &[1, 4], run);
        })
        .await;
    }
}

#[tokio::test]
async fn a_retry_can_be_repeated_after_any_one_fault() {
    let retry = async |world: &World| world.service.retry(&id(1)).await.map(drop);
    sweep_both(three, retry, async |world: &World, run: Run| {
        undisturbed(world, &[1, 2], run);
    })
    .await;
}

#[tokio::test]
async fn property_4_a_pass_over_lost_outputs_can_be_repeated_after_any_one_fault() {
    let world = async |plan: FaultPlan, history: History| {
        let world = three(plan, history).await;
        // As after a restart of the relay: nothing is there any more.
        let ids: Vec<OutputId> = world.on();
        world.router.detach(&ids).await;
        world
    };
    let pass = async |world: &World| {
        let scope = lunora_core::service::Scope::All;
        let cause = lunora_core::service::Cause::Asked;
        world.worker().reconcile(scope, cause).await.map(drop)
    };
    sweep_both(world, pass, async |world: &World, run: Run| {
        assert_eq!(world.on().len(), 2, "{run}");
    })
    .await;
}
