//! A dry run says what then happens: over generated worlds and changes.

use std::sync::Arc;

use jiff::SignedDuration;
use lunora_core::{
    domain::{
        BackupMode, Destination, DestinationId, Edit, EventSeq, KeyInput, Leg, OutputId, Switch,
    },
    plan::Step,
    port::{
        ControlStore as _, EventLog as _, Lease, OutputRouter as _, RepoExt as _,
        RouterCapabilities,
    },
    service::{
        Cause, Change, DestinationError, DestinationPatch, Destinations, Effect, FailOverTo,
        Foresight, Gap, LegEdit, NewDestination, Reconciler, Scope, Start, WriteLease,
    },
};
use lunora_testkit::{
    clock::Sequence,
    fault::FaultPlan,
    sample,
    world::{World, leg_edit, new_destination},
};
use proptest::prelude::*;

/// A destination of a generated world.
#[derive(Clone, Copy, Debug)]
struct Made {
    start: Start,
    backup: Option<BackupMode>,
    by_backup: bool,
    enabled: bool,
    /// Its outputs are gone, as after a restart of a router.
    is_lost: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Create(Start, Option<BackupMode>),
    Rename(u64),
    NewUrl(u64, u64),
    NewKey(u64),
    NoKey(u64),
    NewBackup(u64, u64),
    NewBackupKey(u64),
    NoBackupKey(u64),
    Mode(u64, BackupMode),
    Enabled(u64, bool),
    NoBackup(u64),
    Remove(u64),
    Start(u64),
    Stop(u64),
    FailOver(u64, FailOverTo),
}

fn id(n: u64) -> DestinationId {
    sample::destination_id(n)
}

fn mode() -> impl Strategy<Value = BackupMode> {
    prop::sample::select(BackupMode::ALL)
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![3 => Just(Start::Now), 1 => Just(Start::Later)]
}

fn made() -> impl Strategy<Value = Made> {
    let rarely = || prop::bool::weighted(0.15);
    let backup = prop::option::of(mode());
    (start(), backup, any::<bool>(), rarely(), rarely()).prop_map(
        |(start, backup, by_backup, is_disabled, is_lost)| Made {
            start,
            backup,
            by_backup,
            enabled: !is_disabled,
            is_lost,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let n = || 1..7_u64;
    let to = prop::sample::select(vec![
        FailOverTo::Primary,
        FailOverTo::Backup,
        FailOverTo::Release,
    ]);
    prop_oneof![
        (start(), prop::option::of(mode())).prop_map(|(start, mode)| Act::Create(start, mode)),
        n().prop_map(Act::Rename),
        (n(), 1..9_u64).prop_map(|(n, url)| Act::NewUrl(n, url)),
        n().prop_map(Act::NewKey),
        n().prop_map(Act::NoKey),
        (n(), prop_oneof![1..9_u64, 101..109_u64]).prop_map(|(n, url)| Act::NewBackup(n, url)),
        n().prop_map(Act::NewBackupKey),
        n().prop_map(Act::NoBackupKey),
        (n(), mode()).prop_map(|(n, mode)| Act::Mode(n, mode)),
        (n(), any::<bool>()).prop_map(|(n, enabled)| Act::Enabled(n, enabled)),
        n().prop_map(Act::NoBackup),
        n().prop_map(Act::Remove),
        n().prop_map(Act::Start),
        n().prop_map(Act::Stop),
        (n(), to).prop_map(|(n, to)| Act::FailOver(n, to)),
    ]
}

fn new(n: u64, start: Start, backup: Option<BackupMode>) -> NewDestination {
    NewDestination {
        backup: backup.map_or_else(LegEdit::default, |_| leg_edit(n + 100)),
        backup_mode: backup.unwrap_or_default(),
        ..new_destination(n, start)
    }
}

/// A world in which everything is as it is wanted, but for what was lost just now.
async fn world(all: &[Made], outputs_max: usize) -> World {
    let capabilities = RouterCapabilities::rtmp(outputs_max);
    let world = World::with_capabilities(&FaultPlan::none(), capabilities);
    for (n, made) in (1..).zip(all) {
        world
            .service
            .create(id(n), new(n, made.start, made.backup))
            .await
            .unwrap();
        if made.by_backup && made.backup.is_some() {
            world
                .service
                .fail_over(&id(n), FailOverTo::Backup)
                .await
                .unwrap();
        }
        if !made.enabled {
            let patch = DestinationPatch {
                enabled: Some(false),
                ..DestinationPatch::default()
            };
            world.service.update(&id(n), &patch, None).await.unwrap();
        }
    }
    world.pass().await;
    for (n, _) in (1..).zip(all).filter(|(_, made)| made.is_lost) {
        let outputs = Leg::ALL.map(|leg| OutputId {
            destination: id(n),
            leg,
        });
        world.router.detach(&outputs).await;
    }
    world
}

/// What a change is made of, for as long as it is asked about.
enum Args {
    Create(DestinationId, NewDestination),
    Update(DestinationId, DestinationPatch),
    Remove(DestinationId),
    Start(DestinationId),
    Stop(DestinationId),
    FailOver(DestinationId, FailOverTo),
}

impl Args {
    fn of(act: &Act) -> Self {
        let patch = DestinationPatch::default;
        let new_key = || {
            let key = KeyInput::from_text("another-key").unwrap();
            LegEdit::parse(Edit::Keep, key).unwrap()
        };
        let no_key = || LegEdit::parse(Edit::Keep, KeyInput::Removed).unwrap();
        match act {
            Act::Create(start, backup) => Self::Create(id(9), new(9, *start, *backup)),
            Act::Rename(n) => {
                let name = Some("renamed".parse().unwrap());
                Self::Update(id(*n), DestinationPatch { name, ..patch() })
            }
            Act::NewUrl(n, of) => {
                // Maybe that of another one.
                let primary = leg_edit(*of);
                Self::Update(id(*n), DestinationPatch { primary, ..patch() })
            }
            Act::NewKey(n) => {
                let primary = new_key();
                Self::Update(id(*n), DestinationPatch { primary, ..patch() })
            }
            Act::NoKey(n) => {
                let primary = no_key();
                Self::Update(id(*n), DestinationPatch { primary, ..patch() })
            }
            Act::NewBackup(n, of) => {
                // Maybe a primary, its own or that of another one.
                let backup = leg_edit(*of);
                Self::Update(id(*n), DestinationPatch { backup, ..patch() })
            }
            Act::NewBackupKey(n) => {
                let backup = new_key();
                Self::Update(id(*n), DestinationPatch { backup, ..patch() })
            }
            Act::NoBackupKey(n) => {
                let backup = no_key();
                Self::Update(id(*n), DestinationPatch { backup, ..patch() })
            }
            Act::Mode(n, mode) => {
                let backup_mode = Some(*mode);
                Self::Update(
                    id(*n),
                    DestinationPatch {
                        backup_mode,
                        ..patch()
                    },
                )
            }
            Act::Enabled(n, enabled) => {
                let enabled = Some(*enabled);
                Self::Update(id(*n), DestinationPatch { enabled, ..patch() })
            }
            Act::NoBackup(n) => {
                let backup = LegEdit::parse(Edit::Clear, KeyInput::Omitted).unwrap();
                Self::Update(id(*n), DestinationPatch { backup, ..patch() })
            }
            Act::Remove(n) => Self::Remove(id(*n)),
            Act::Start(n) => Self::Start(id(*n)),
            Act::Stop(n) => Self::Stop(id(*n)),
            Act::FailOver(n, to) => Self::FailOver(id(*n), *to),
        }
    }

    fn id(&self) -> &DestinationId {
        match self {
            Self::Create(id, _)
            | Self::Update(id, _)
            | Self::Remove(id)
            | Self::Start(id)
            | Self::Stop(id)
            | Self::FailOver(id, _) => id,
        }
    }

    fn change(&self) -> Change<'_> {
        match self {
            Self::Create(id, new) => Change::Create(id, new),
            Self::Update(id, patch) => Change::Update(id, patch, None),
            Self::Remove(id) => Change::Remove(id, None),
            Self::Start(id) => Change::Start(id),
            Self::Stop(id) => Change::Stop(id),
            Self::FailOver(id, to) => Change::FailOver(id, *to),
        }
    }

    async fn make(&self, service: &Destinations) -> Result<(), DestinationError> {
        match self {
            Self::Create(id, new) => service.create(id.clone(), new.clone()).await.map(drop),
            Self::Update(id, patch) => service.update(id, patch, None).await.map(drop),
            Self::Remove(id) => service.remove(id, None).await,
            Self::Start(id) => service.start(id).await.map(drop),
            Self::Stop(id) => service.stop(id).await.map(drop),
            Self::FailOver(id, to) => service.fail_over(id, *to).await.map(drop),
        }
    }
}

/// A service that stores what is wanted, and whose worker never has its turn: another has the
/// lease.
async fn idle_service(world: &World) -> Destinations {
    let name: lunora_core::domain::LeaseName = "router-writes".parse().unwrap();
    let at = sample::time();
    let lent = Lease {
        holder: "other".parse().unwrap(),
        at,
        until: at + SignedDuration::from_hours(1),
    };
    world.control.acquire(&name, &lent).await.unwrap();
    let lease = WriteLease::new(
        Arc::clone(&world.ports.control),
        Arc::clone(&world.ports.clock),
        name,
        "mine".parse().unwrap(),
    );
    let ours = lunora_core::domain::OutputType::Relay;
    let worker = Reconciler::new(world.ports.clone(), ours, sample::hash_key());
    let worker = Arc::new(worker.under_lease(Arc::new(lease)));
    let ids = Arc::new(Sequence::default());
    Destinations::new(world.ports.clone(), ids, worker)
}

/// Everything that a change could leave a trace in.
async fn everything(world: &World) -> (Vec<Destination>, String) {
    let rows = world.destinations.list_all().await.unwrap();
    let rows = rows.into_iter().map(|it| it.value).collect();
    let histories = world.failovers.list_all().await.unwrap();
    let removals = world.control.removals().await.unwrap();
    let names = world.secrets.names();
    let last: EventSeq = world.events.last().await.unwrap();
    let specs: Vec<_> = world
        .router
        .specs()
        .into_iter()
        .map(|it| (it.id, it.switch, it.fingerprint))
        .collect();
    let rest = format!("{histories:?} {removals:?} {names:?} {last:?} {specs:?}");
    (rows, rest)
}

fn on(world: &World) -> usize {
    let specs = world.router.specs().into_iter();
    specs.filter(|it| it.switch == Switch::On).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_dry_run_changes_nothing_and_says_what_the_change_then_does(
        all in prop::collection::vec(made(), 0..6),
        outputs_max in prop_oneof![1 => 0..4_usize, 2 => 4..20_usize],
        act in act(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = world(&all, outputs_max).await;
            let args = Args::of(&act);
            let service = idle_service(&world).await;
            let before = everything(&world).await;
            let was_on = on(&world);

            let foreseen = service.foresee(args.change()).await;
            prop_assert_eq!(&everything(&world).await, &before, "it changed something");

            let made = args.make(&service).await;
            let foreseen = match (foreseen, made) {
                (Ok(foreseen), Ok(())) => foreseen,
                (Err(foreseen), Err(made)) => {
                    prop_assert_eq!(foreseen.to_string(), made.to_string());
                    return Ok(());
                }
                (foreseen, made) => {
                    return Err(TestCaseError::fail(format!("{foreseen:?}, and then {made:?}")));
                }
            };
            let rows: Vec<Destination> = everything(&world).await.0;
            let changed_rows = rows != before.0;
            if foreseen.effect == Effect::AlreadySo {
                prop_assert!(!changed_rows, "{foreseen:?}");
            }
            let scope = Scope::One(args.id().clone());
            let report = world.worker().reconcile(scope, Cause::Asked).await.unwrap();

            prop_assert!(report.failed.is_empty(), "{:?}", report.failed);
            let sorted = |steps: &[Step]| {
                let mut steps: Vec<String> = steps.iter().map(|it| format!("{it:?}")).collect();
                steps.sort();
                steps
            };
            prop_assert_eq!(sorted(&foreseen.steps), sorted(&report.done));
            prop_assert_eq!(&foreseen.refused, &report.refused);
            prop_assert!(foreseen.untouched <= was_on);
            Ok(())
        })?;
    }
}

async fn foreseen(world: &World, change: Change<'_>) -> Foresight {
    world.service.foresee(change).await.unwrap()
}

#[tokio::test]
async fn rule_7_the_gap_is_said_before_it_is_made() {
    let world = World::default();
    world
        .service
        .create(id(1), new(1, Start::Now, Some(BackupMode::Standby)))
        .await
        .unwrap();
    world
        .service
        .create(id(2), new(2, Start::Now, Some(BackupMode::Hot)))
        .await
        .unwrap();
    world.create(3, Start::Later).await.unwrap();
    world.pass().await;

    let rename = DestinationPatch {
        name: Some("renamed".parse().unwrap()),
        ..DestinationPatch::default()
    };
    let rekey = DestinationPatch {
        primary: LegEdit::parse(Edit::Keep, KeyInput::from_text("new").unwrap()).unwrap(),
        ..DestinationPatch::default()
    };
    let (one, two, three) = (&id(1), &id(2), &id(3));
    for (change, gap, steps) in [
        (Change::Update(one, &rename, None), Gap::None, 0),
        (Change::Update(one, &rekey, None), Gap::Reconnects, 1),
        (Change::FailOver(one, FailOverTo::Backup), Gap::Moves, 2),
        (Change::FailOver(two, FailOverTo::Backup), Gap::None, 0),
        (Change::FailOver(one, FailOverTo::Primary), Gap::None, 0),
        (Change::Start(three), Gap::Begins, 1),
        (Change::Stop(one), Gap::Ends, 1),
        (Change::Remove(two, None), Gap::Ends, 2),
    ] {
        let foreseen = foreseen(&world, change).await;
        assert_eq!(
            (foreseen.gap, foreseen.steps.len()),
            (gap, steps),
            "{change:?}"
        );
        assert_eq!(foreseen.effect, Effect::Changes, "{change:?}");
    }
    let already = foreseen(&world, Change::Start(one)).await;
    assert_eq!(
        (already.effect, already.gap),
        (Effect::AlreadySo, Gap::None)
    );
    assert_eq!(already.untouched, 3);
}

#[tokio::test]
async fn rule_15_what_a_pause_holds_is_not_foreseen_as_done() {
    let world = World::default().with_running(1).await;
    world.create(2, Start::Later).await.unwrap();
    let until = sample::time() + SignedDuration::from_mins(5);
    world.reconciler.pause(until).await.unwrap();

    let start = foreseen(&world, Change::Start(&id(2))).await;
    let stop = foreseen(&world, Change::Stop(&id(1))).await;

    assert_eq!((start.steps, start.paused_until), (vec![], Some(until)));
    assert_eq!(stop.steps, [Step::SwitchOff(sample::output_id(1))]);
}

#[tokio::test]
async fn rule_17_a_dry_run_of_a_generation_that_is_gone_is_stale() {
    let world = World::default().with_running(1).await;
    let patch = DestinationPatch::default();
    let stale = world
        .service
        .foresee(Change::Update(&id(1), &patch, Some(99)))
        .await;
    assert!(matches!(
        stale,
        Err(DestinationError::Stale { found: 1, .. })
    ));
    let stale = world
        .service
        .foresee(Change::Remove(&id(1), Some(99)))
        .await;
    assert!(matches!(stale, Err(DestinationError::Stale { .. })));
}
