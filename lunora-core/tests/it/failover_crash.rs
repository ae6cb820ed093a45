//! Failover with a fault, a crash, or another worker at every call.

use std::sync::Arc;

use lunora_core::{
    domain::{BackupMode, Edit, KeyInput, Leg, SwitchCause},
    plan::failover::Limits,
    port::Repo as _,
    service::{
        Cause, DestinationPatch, Destinations, FailOverTo, Failover, LegEdit, Reconciler, Scope,
        WriteLease,
    },
};
use lunora_testkit::{
    clock::Sequence,
    fault::FaultPlan,
    sample,
    settled::Scene,
    sweep::{Run, sweep, sweep_crashes},
    world::World,
};
use proptest::prelude::*;

use crate::failover::{failed_over, id, leg_on, refuse, world_under};

/// What holds once everything is over: no output is orphaned or doubled, and row and history
/// agree.
async fn check_settled(world: &World, run: Run) {
    let scene = Scene {
        destinations: &world.destinations,
        secrets: &world.secrets,
        router: &world.router,
        clock: &world.clock,
        worker: &world.worker(),
    };
    scene.assert_settled(run).await;
    if run.succeeded {
        let history = world.failovers.get(&id(1)).await.unwrap().unwrap().value;
        assert_eq!(history.pending, None, "{run}");
        assert_eq!(history.flips.len(), 1, "{run}");
        assert_eq!(world.row(1).await.active_leg, Leg::Backup, "{run}");
        assert_eq!(leg_on(world), [Leg::Backup], "{run}");
        assert_eq!(
            world.router.interruptions(&sample::output_id(2)),
            0,
            "{run}"
        );
    }
}

async fn failing(plan: FaultPlan) -> World {
    let world = world_under(&plan, BackupMode::Standby).await;
    refuse(&world, Leg::Primary, 3);
    world
}

#[tokio::test]
async fn rule_28_a_failover_converges_after_any_one_fault_or_crash() {
    let tick = async |world: &World| {
        // As after a restart: nothing is remembered.
        let failover = Failover::new(world.worker(), Limits::default());
        // What was begun before a crash is finished by the next tick.
        failover.tick().await?;
        failover.tick().await.map(drop)
    };
    let told = async |world: &World, run: Run| {
        check_settled(world, run).await;
        if run.succeeded {
            // At most the one call to the log of events was lost, or made twice by a crash.
            assert!(failed_over(world).await.len() <= 2, "{run}");
        }
    };
    sweep(failing, tick, told).await;
    sweep_crashes(failing, tick, told).await;
}

#[tokio::test]
async fn rule_28_a_failover_by_hand_can_be_repeated_after_any_one_fault() {
    let by_hand = async |world: &World| {
        world
            .service
            .fail_over(&id(1), FailOverTo::Backup)
            .await
            .map(drop)
    };
    let check = async |world: &World, run: Run| {
        check_settled(world, run).await;
        if run.succeeded {
            let history = world.failovers.get(&id(1)).await.unwrap().unwrap().value;
            assert_eq!(history.pinned, Some(Leg::Backup), "{run}");
        }
    };
    sweep(failing, by_hand, check).await;
    sweep_crashes(failing, by_hand, check).await;
}

#[tokio::test]
async fn rule_28_what_was_begun_by_hand_is_finished_by_the_next_tick() {
    let plan = FaultPlan::none();
    let calls = {
        let world = failing(plan.clone()).await;
        plan.forget_calls();
        world
            .service
            .fail_over(&id(1), FailOverTo::Backup)
            .await
            .unwrap();
        plan.calls().len()
    };
    for call in 0..calls {
        let plan = FaultPlan::none();
        let world = failing(plan.clone()).await;
        // Nothing goes on by itself here, and what a person began is brought to its end.
        let mut row = world.destinations.get(&id(1)).await.unwrap().unwrap();
        row.value.failover_enabled = false;
        let expect = lunora_core::port::Expect::Revision(row.revision);
        world.destinations.put(&row.value, expect).await.unwrap();
        plan.forget_calls();
        plan.crash_at(call, lunora_testkit::fault::Fault::After);
        drop(world.service.fail_over(&id(1), FailOverTo::Backup).await);
        plan.clear();
        let failover = Failover::new(world.worker(), Limits::default());
        failover.tick().await.unwrap();
        world.pass().await;

        let history = world
            .failovers
            .get(&id(1))
            .await
            .unwrap()
            .map(|it| it.value);
        let pinned = history.as_ref().and_then(|it| it.pinned);
        let leg = pinned.unwrap_or(Leg::Primary);
        assert_eq!(world.row(1).await.active_leg, leg, "call {call}");
        assert_eq!(leg_on(&world), [leg], "call {call}");
        assert_eq!(history.and_then(|it| it.pending), None, "call {call}");
    }
}

#[tokio::test]
async fn rule_29_what_was_begun_and_not_done_is_dropped_after_a_stop() {
    let plan = FaultPlan::none();
    let world = failing(plan.clone()).await;
    let failover = Failover::new(world.worker(), Limits::default());
    plan.forget_calls();
    failover.tick().await.unwrap();
    let put = plan
        .calls()
        .iter()
        .rposition(|call| *call == "DestinationRepo::put");
    let put = put.unwrap_or_else(|| panic!("{:?}", plan.calls()));

    let plan = FaultPlan::none();
    let world = failing(plan.clone()).await;
    let failover = Failover::new(world.worker(), Limits::default());
    plan.forget_calls();
    plan.crash_at(put, lunora_testkit::fault::Fault::Before);
    failover.tick().await.unwrap_err();
    plan.clear();
    let history = async || world.failovers.get(&id(1)).await.unwrap().unwrap().value;
    assert!(history().await.pending.is_some());
    // Without its key it stops by itself (rule 22), and the leg in use is of no use any more.
    let patch = DestinationPatch {
        primary: LegEdit::parse(Edit::Keep, KeyInput::Removed).unwrap(),
        ..DestinationPatch::default()
    };
    world.service.update(&id(1), &patch, None).await.unwrap();
    failover.tick().await.unwrap();

    assert_eq!(world.row(1).await.active_leg, Leg::Primary);
    assert_eq!(history().await.pending, None);
    assert_eq!(failed_over(&world).await, []);
}

/// A worker of that name under the lease, with its services.
fn process(world: &World, name: &str) -> (Failover, Destinations) {
    let lease = WriteLease::new(
        Arc::clone(&world.ports.control),
        Arc::clone(&world.ports.clock),
        "router-writes".parse().unwrap(),
        name.parse().unwrap(),
    );
    let ours = lunora_core::domain::OutputType::Relay;
    let worker = Reconciler::new(world.ports.clone(), ours, sample::hash_key());
    let worker = Arc::new(worker.under_lease(Arc::new(lease)));
    let ids = Arc::new(Sequence::default());
    let service = Destinations::new(world.ports.clone(), ids, Arc::clone(&worker));
    (Failover::new(worker, Limits::default()), service)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rule_10_of_two_workers_one_flips_and_somebody_who_chooses_wins(
        seed in any::<u64>(),
        chosen in prop::option::of(prop::sample::select(vec![
            FailOverTo::Primary, FailOverTo::Backup,
        ])),
        stops in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = FaultPlan::none();
            let world = failing(plan.clone()).await;
            let (one, two) = (process(&world, "one"), process(&world, "two"));
            let (_, people) = process(&world, "three");
            plan.interleave(seed);
            let choose = async {
                if let Some(to) = chosen {
                    people.fail_over(&id(1), to).await.unwrap();
                }
                if stops {
                    people.stop(&id(1)).await.unwrap();
                }
            };
            let ticks = async |failover: &Failover| {
                for _ in 0..3 {
                    failover.tick().await.unwrap();
                }
            };
            tokio::join!(ticks(&one.0), ticks(&two.0), choose);
            for _ in 0..3 {
                one.0.tick().await.unwrap();
            }
            let pass = one.0.tick().await.unwrap();
            assert_eq!(pass, [], "it is over");
            world.reconciler.reconcile(Scope::All, Cause::Routine).await.unwrap();

            let history = world.failovers.get(&id(1)).await.unwrap().map(|it| it.value);
            let leg = world.row(1).await.active_leg;
            let expected = match chosen {
                Some(FailOverTo::Primary) => Some(Leg::Primary),
                Some(FailOverTo::Backup) => Some(Leg::Backup),
                _ if stops => None,
                _ => Some(Leg::Backup),
            };
            if let Some(expected) = expected {
                assert_eq!(leg, expected);
            }
            assert_eq!(history.as_ref().and_then(|it| it.pending.clone()), None);
            assert_eq!(leg_on(&world), if stops { vec![] } else { vec![leg] });
            let flips = history.map(|it| it.flips).unwrap_or_default();
            let automatic = flips.iter().filter(|it| it.cause == SwitchCause::Automatic);
            assert!(automatic.count() <= 1, "{flips:?}");
            assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
        });
    }
}
