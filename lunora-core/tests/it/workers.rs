//! Several workers at once, mixed at every call: property 5.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lunora_core::{
    ExposeSecret,
    domain::{BackupMode, Edit, KeyInput, Leg, OutputId, OutputType, SecretName},
    plan::wish,
    port::{History, IdSource, OutputRouter, RepoExt, SecretStore, Which},
    service::{
        Cause, DestinationPatch, Destinations, FailOverTo, LegEdit, NewDestination, Scope, Start,
    },
};
use lunora_testkit::{
    clock::Sequence,
    fault::FaultPlan,
    sample,
    world::{World, leg_edit, new_destination},
};
use proptest::prelude::*;

/// What somebody does to one of the destinations from 4 on; 1 to 3 are wanted throughout, and
/// 3 is hot, so that both of its legs are, whichever is in use.
#[derive(Clone, Debug)]
enum Act {
    Start(u64),
    Stop(u64),
    Rekey(u64, u8),
    Remove(u64),
    Create,
    FailOver(u64, FailOverTo),
    Mode(u64, BackupMode),
    Pass,
}

fn act() -> impl Strategy<Value = Act> {
    let n = 4..10_u64;
    let mode = prop::sample::select(BackupMode::ALL);
    let to = prop::sample::select(vec![
        FailOverTo::Primary,
        FailOverTo::Backup,
        FailOverTo::Release,
    ]);
    prop_oneof![
        n.clone().prop_map(Act::Start),
        n.clone().prop_map(Act::Stop),
        (n.clone(), any::<u8>()).prop_map(|(n, key)| Act::Rekey(n, key)),
        n.clone().prop_map(Act::Remove),
        (3..10_u64, to).prop_map(|(n, to)| Act::FailOver(n, to)),
        (n, mode).prop_map(|(n, mode)| Act::Mode(n, mode)),
        Just(Act::Create),
        Just(Act::Pass),
    ]
}

/// Does it; that something is gone, or was changed meanwhile, is no failure.
async fn perform(world: &World, service: &Destinations, next_id: &AtomicU64, act: &Act) {
    let id = sample::destination_id;
    match act {
        Act::Start(n) => drop(service.start(&id(*n)).await),
        Act::Stop(n) => drop(service.stop(&id(*n)).await),
        Act::Rekey(n, key) => {
            let key = KeyInput::from_text(&format!("key-{n}-{key}")).unwrap();
            let patch = DestinationPatch {
                primary: LegEdit::parse(Edit::Keep, key).unwrap(),
                ..DestinationPatch::default()
            };
            drop(service.update(&id(*n), &patch, None).await);
        }
        Act::Remove(n) => drop(service.remove(&id(*n), None).await),
        Act::FailOver(n, to) => drop(service.fail_over(&id(*n), *to).await),
        Act::Mode(n, mode) => {
            let patch = DestinationPatch {
                backup_mode: Some(*mode),
                ..DestinationPatch::default()
            };
            drop(service.update(&id(*n), &patch, None).await);
        }
        Act::Create => {
            let n = next_id.fetch_add(1, Ordering::Relaxed);
            let new = new_destination(n, Start::Now);
            drop(service.create(id(n), new).await);
        }
        Act::Pass => {
            let pass = world.worker().reconcile(Scope::All, Cause::Routine).await;
            drop(pass);
        }
    }
}

/// A service with a worker of its own, as in a second process, which mints other ids.
fn second_process(world: &World, ids: &Sequence) -> Destinations {
    for _ in 0..1000 {
        ids.mint();
    }
    let ids = Arc::new(ids.clone());
    Destinations::new(world.ports.clone(), ids, world.worker())
}

/// Each output is told the key that was given together with its URL.
fn assert_own_keys(world: &World) {
    for spec in world.router.specs() {
        let key = spec
            .target
            .stream_name()
            .unwrap()
            .expose_secret()
            .to_owned();
        let own = match spec.target.url.app() {
            "app-1" => "key-1".to_owned(),
            word => format!("key-of-{word}"),
        };
        assert_eq!(key, own);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rule_17_of_two_edits_of_one_generation_one_is_stored_with_its_own_key(
        seed in any::<u64>(),
        history in prop::sample::select(vec![History::Cuts, History::Stays]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = FaultPlan::none();
            let world = World::with_history(&plan, history).with_running(1).await;
            plan.interleave(seed);
            let ids = Sequence::default();
            let id = sample::destination_id(1);
            let edit = async |service: Destinations, word: &str| {
                let key = KeyInput::from_text(&format!("key-of-{word}")).unwrap();
                let url = format!("rtmp://127.0.0.1:9/{word}");
                let patch = DestinationPatch {
                    primary: LegEdit::parse(Edit::Set(&url), key).unwrap(),
                    ..DestinationPatch::default()
                };
                service.update(&id, &patch, Some(1)).await.is_ok()
            };
            let remove = async |service: Destinations| service.remove(&id, Some(1)).await.is_ok();
            // Meanwhile somebody looks for keys that others changed: there are none.
            let slow_pass = async {
                for _ in 0..4 {
                    drop(world.worker().adopt_changed_secrets().await);
                    assert_own_keys(&world);
                }
            };
            let (one, two, gone, ()) = tokio::join!(
                edit(world.service.clone(), "one"),
                edit(second_process(&world, &ids), "two"),
                remove(second_process(&world, &ids)),
                slow_pass,
            );
            assert_eq!([one, two, gone].iter().filter(|it| **it).count(), 1);

            // Every key is read again, now and an hour later; and what was refused is
            // not taken for a key that somebody else kept.
            for _ in 0..2 {
                world.reconciler.adopt_changed_secrets().await.unwrap();
                world.router.detach(&world.on()).await;
                world.pass().await;
                let specs = world.router.specs();
                assert_eq!(specs.len(), usize::from(!gone), "what was refused did nothing");
                assert_own_keys(&world);
                world.clock.advance(std::time::Duration::from_secs(3600));
            }
            let names = world.secrets.names();
            assert_eq!(names.len(), usize::from(!gone), "{names:?}");
        });
    }

    #[test]
    fn rule_23_no_key_of_a_refused_edit_is_taken_for_one_that_somebody_else_kept(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = FaultPlan::none();
            let world = World::with_history(&plan, History::Stays).with_running(1).await;
            let (id, ids) = (sample::destination_id(1), Sequence::default());
            // Somebody else kept the same text again, so there is always a version to look at.
            let name = SecretName::StreamKey(id.clone(), Leg::Primary);
            let text = sample::stream_key(1).as_secret().clone();
            world.secrets.keep(&name, &text).await.unwrap();
            plan.interleave(seed);
            let edit = async |service: Destinations, word: &str, generation: Option<u64>| {
                let key = KeyInput::from_text(&format!("key-of-{word}")).unwrap();
                let url = format!("rtmp://127.0.0.1:9/{word}");
                let patch = DestinationPatch {
                    primary: LegEdit::parse(Edit::Set(&url), key).unwrap(),
                    ..DestinationPatch::default()
                };
                drop(service.update(&id, &patch, generation).await);
            };
            let slow_pass = async {
                for _ in 0..6 {
                    drop(world.worker().adopt_changed_secrets().await);
                    assert_own_keys(&world);
                }
            };
            tokio::join!(
                edit(second_process(&world, &ids), "one", Some(1)),
                edit(second_process(&world, &ids), "two", Some(1)),
                edit(second_process(&world, &ids), "three", None),
                edit(second_process(&world, &ids), "four", None),
                slow_pass,
            );
            world.clock.advance(std::time::Duration::from_secs(3600));
            world.pass().await;
            world.reconciler.adopt_changed_secrets().await.unwrap();
            assert_own_keys(&world);
            let row = world.row(1).await;
            let latest = world.secrets.reveal(&name, Which::Latest).await.unwrap().unwrap();
            let referred = row.refers_to(&name).unwrap();
            prop_assert!(referred.is_of(&latest.text, &sample::hash_key()));
            Ok(())
        })?;
    }

    #[test]
    fn property_5_under_no_interleaving_does_what_is_wanted_throughout_go_off(
        one in proptest::collection::vec(act(), 1..8),
        other in proptest::collection::vec(act(), 1..8),
        seed in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = FaultPlan::none();
            let world = World::new(&plan).with_running(2).await;
            for n in 3..=6 {
                let new = NewDestination {
                    backup: leg_edit(n + 100),
                    backup_mode: if n < 5 { BackupMode::Hot } else { BackupMode::Standby },
                    ..new_destination(n, Start::Now)
                };
                world.service.create(sample::destination_id(n), new).await.unwrap();
            }
            plan.interleave(seed);
            let ids = Sequence::default();
            let (first, second) = (world.service.clone(), second_process(&world, &ids));
            let next_id = AtomicU64::new(7);
            let run = async |service: Destinations, acts: Vec<Act>| {
                for act in &acts {
                    perform(&world, &service, &next_id, act).await;
                }
            };
            tokio::join!(run(first, one), run(second, other));

            let backup = sample::destination(3).output(Leg::Backup);
            for output in [1, 2, 3].map(sample::output_id).into_iter().chain([backup]) {
                assert_eq!(world.router.interruptions(&output), 0, "{output} went off");
            }
            // All end in the same place: what the rows say.
            world.pass().await;
            world.pass().await;
            let rows = world.destinations.list_all().await.unwrap();
            let running = rows.iter().map(|row| &row.value).filter(|row| row.is_running());
            let wished = |row| wish(row, &OutputType::Relay, &sample::hash_key());
            let running: BTreeSet<OutputId> = running
                .flat_map(|row| wished(row).outputs().map(|it| it.id.clone()).collect::<Vec<_>>())
                .collect();
            assert_eq!(world.on().into_iter().collect::<BTreeSet<_>>(), running);
        });
    }
}
