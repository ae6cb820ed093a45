//! Two workers, a bad network and a slow store, by chance.

use std::{collections::BTreeSet, env, fmt, time::Duration};

use lunora_core::{
    domain::{DestinationId, Edit, KeyInput},
    service::{DestinationPatch, LegEdit, Start},
};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes},
    sample,
    world::new_destination,
};
use proptest::prelude::*;

use crate::{
    cloud::{Cloud, Process, Repeats, Weather, is_whole_proof, pass},
    support::name_of,
};

/// What somebody asks of one worker.
#[derive(Clone, Debug)]
enum Act {
    Create,
    Start(u64),
    Stop(u64),
    EditUrl(u64, u8),
    EditKey(u64, u8),
    SwitchEnabled(u64, Enabled),
    Remove(u64),
    Retry(u64),
    Pass,
    Wait(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enabled {
    Yes,
    No,
}

/// Those that somebody changes; 1 to 3 are live throughout, and nobody changes them.
fn changed() -> impl Strategy<Value = u64> {
    4..=7_u64
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Create),
        3 => changed().prop_map(Act::Start),
        3 => changed().prop_map(Act::Stop),
        3 => (changed(), 0..4_u8).prop_map(|(n, host)| Act::EditUrl(n, host)),
        2 => (changed(), 0..3_u8).prop_map(|(n, key)| Act::EditKey(n, key)),
        1 => changed().prop_map(|n| Act::SwitchEnabled(n, Enabled::No)),
        1 => changed().prop_map(|n| Act::SwitchEnabled(n, Enabled::Yes)),
        1 => changed().prop_map(Act::Remove),
        1 => changed().prop_map(Act::Retry),
        3 => Just(Act::Pass),
        1 => (0..20_000_u64).prop_map(Act::Wait),
    ]
}

async fn perform(process: &Process, act: &Act) {
    let id = sample::destination_id;
    let service = &process.service;
    let edit = async |n: u64, url: Edit<&str>, key: KeyInput| {
        let primary = LegEdit::parse(url, key).unwrap();
        let patch = DestinationPatch {
            primary,
            ..DestinationPatch::default()
        };
        drop(service.update(&id(n), &patch, None).await);
    };
    // What fails is tried again by nobody: the passes have to put it right.
    match act {
        Act::Create => {
            let new = service.mint_id();
            drop(service.create(new, new_destination(8, Start::Now)).await);
        }
        Act::Start(n) => drop(service.start(&id(*n)).await),
        Act::Stop(n) => drop(service.stop(&id(*n)).await),
        Act::EditUrl(n, host) => {
            // The first is where destination 1 pushes to.
            let url = format!("rtmp://127.9.0.{}:1935/edited-{n}", host + 1);
            edit(*n, Edit::Set(&url), KeyInput::Omitted).await;
        }
        Act::EditKey(n, key) => {
            let key = KeyInput::from_text(&format!("edited-{n}-{key}")).unwrap();
            edit(*n, Edit::Keep, key).await;
        }
        Act::SwitchEnabled(n, enabled) => {
            let patch = DestinationPatch {
                enabled: Some(*enabled == Enabled::Yes),
                ..DestinationPatch::default()
            };
            drop(service.update(&id(*n), &patch, None).await);
        }
        Act::Remove(n) => drop(service.remove(&id(*n), None).await),
        Act::Retry(n) => drop(service.retry(&id(*n)).await),
        Act::Pass => {
            let cause = lunora_core::service::Cause::Routine;
            let scope = lunora_core::service::Scope::All;
            drop(process.reconciler.reconcile(scope, cause).await);
        }
        Act::Wait(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
    }
}

/// Up to what is left of a lease when it was checked, less what the SDK may take.
fn delay() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => Just(0), 4 => 1..50_u64, 2 => 500..2_000_u64, 1 => 4_000..5_000_u64
    ]
    .prop_map(Duration::from_millis)
}

/// Longer than a lease, too.
fn read() -> impl Strategy<Value = Duration> {
    prop_oneof![10 => Just(0), 3 => 1..100_u64, 1 => 10_000..40_000_u64]
        .prop_map(Duration::from_millis)
}

fn weather() -> impl Strategy<Value = Weather> {
    let repeats = prop_oneof![3 => Just(Repeats::Yes), 1 => Just(Repeats::No)];
    let delays = prop::collection::vec(delay(), 0..30);
    let reads = prop::collection::vec(read(), 0..20);
    (delays, reads, repeats).prop_map(|(delays, reads, repeats)| Weather {
        delays,
        reads,
        repeats,
    })
}

fn fault() -> impl Strategy<Value = (usize, Fault)> {
    let fault = prop_oneof![
        3 => Just(Fault::RequestLost),
        3 => Just(Fault::ReplyLost),
        1 => Just(Fault::Status(429)),
        1 => Just(Fault::Status(500)),
        1 => Just(Fault::Status(503)),
        1 => (1..20_000_u64).prop_map(|ms| Fault::Slow(Duration::from_millis(ms))),
    ];
    (0..60_usize, fault)
}

/// What one worker does, and when it is killed, if it is.
#[derive(Clone, Debug)]
struct Life {
    acts: Vec<Act>,
    weather: Weather,
    killed_at_ms: Option<u64>,
}

fn life() -> impl Strategy<Value = Life> {
    let acts = prop::collection::vec(act(), 1..8);
    let killed_at_ms = prop_oneof![3 => Just(None), 1 => (0..60_000_u64).prop_map(Some)];
    (acts, weather(), killed_at_ms).prop_map(|(acts, weather, killed_at_ms)| Life {
        acts,
        weather,
        killed_at_ms,
    })
}

#[derive(Clone, Debug)]
struct Schedule {
    modes: Modes,
    lives: [Life; 2],
    faults: Vec<(usize, Fault)>,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let modes = prop::sample::select(Modes::all());
    let faults = prop::collection::vec(fault(), 0..6);
    (modes, [life(), life()], faults).prop_map(|(modes, lives, faults)| Schedule {
        modes,
        lives,
        faults,
    })
}

async fn live(cloud: &Cloud, name: &str, life: &Life) {
    let process = cloud.process_in(name, life.weather.clone());
    let acts = async {
        for act in &life.acts {
            perform(&process, act).await;
        }
    };
    match life.killed_at_ms {
        None => acts.await,
        Some(ms) => {
            let killed = tokio::time::timeout(Duration::from_millis(ms), acts).await;
            drop(killed);
        }
    }
}

async fn play(schedule: &Schedule) {
    let cloud = Cloud::new(schedule.modes, 3, 3);
    for n in 1..=6 {
        cloud.store_running(n).await;
    }
    pass(&cloud.process("set-up")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    cloud.simulator.forget_calls();
    for (index, fault) in &schedule.faults {
        cloud.simulator.fault(Matcher::next().after(*index), *fault);
    }

    let [one, two] = &schedule.lives;
    tokio::join!(live(&cloud, "one", one), live(&cloud, "two", two));
    cloud.assert_settled(schedule).await;

    let written: BTreeSet<String> = cloud.written().into_iter().collect();
    for n in 1..=3 {
        let id: DestinationId = sample::destination_id(n);
        assert_eq!(cloud.interruptions(&id), 0, "{schedule}: {id} went off");
        let name = name_of(&sample::output_id(n));
        assert!(
            !written.contains(&name),
            "{schedule}: {name} was written to"
        );
    }
}

fn cases() -> u32 {
    let asked = env::var("LUNORA_SCHEDULES").ok();
    let asked = asked.and_then(|text| text.parse().ok());
    asked.unwrap_or(if is_whole_proof() { 3_000 } else { 100 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn property_5_under_no_schedule_is_anything_lost_doubled_orphaned_or_disturbed(
        schedule in schedule(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(&schedule));
    }
}
