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
    domain::{Edit, KeyInput, OutputId},
    port::{DestinationRepoExt, OutputRouter},
    service::{Cause, DestinationPatch, Destinations, LegEdit, Scope, Start},
};
use lunora_testkit::{clock::Sequence, fault::FaultPlan, sample, world::World};
use proptest::prelude::*;

/// What somebody does to one of the destinations from 4 on; 1 to 3 are wanted throughout.
#[derive(Clone, Debug)]
enum Act {
    Start(u64),
    Stop(u64),
    Rekey(u64, u8),
    Remove(u64),
    Create,
    Pass,
}

fn act() -> impl Strategy<Value = Act> {
    let n = 4..10_u64;
    prop_oneof![
        n.clone().prop_map(Act::Start),
        n.clone().prop_map(Act::Stop),
        (n.clone(), any::<u8>()).prop_map(|(n, key)| Act::Rekey(n, key)),
        n.prop_map(Act::Remove),
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
        Act::Create => {
            let n = next_id.fetch_add(1, Ordering::Relaxed);
            let new = lunora_testkit::world::new_destination(n, Start::Now);
            drop(service.create(id(n), new).await);
        }
        Act::Pass => {
            let pass = world.worker().reconcile(Scope::All, Cause::Routine).await;
            drop(pass);
        }
    }
}

/// A service with a worker of its own, as in a second process.
fn second_process(world: &World) -> Destinations {
    let ids = Arc::new(Sequence::default());
    Destinations::new(world.ports.clone(), ids, world.worker())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rule_17_of_two_edits_of_one_generation_one_is_stored_with_its_own_key(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = FaultPlan::none();
            let world = World::new(&plan).with_running(1).await;
            plan.interleave(seed);
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
            let (one, two, gone) = tokio::join!(
                edit(world.service.clone(), "one"),
                edit(second_process(&world), "two"),
                remove(second_process(&world)),
            );
            assert_eq!([one, two, gone].iter().filter(|it| **it).count(), 1);

            // Every key is read again, now and an hour later.
            for _ in 0..2 {
                world.router.detach(&world.on()).await;
                world.pass().await;
                let specs = world.router.specs();
                assert_eq!(specs.len(), usize::from(!gone), "what was refused did nothing");
                for spec in specs {
                    let key = spec.target.key.as_secret().expose_secret().to_owned();
                    assert_eq!(key, format!("key-of-{}", spec.target.url.app()));
                }
                world.clock.advance(std::time::Duration::from_secs(3600));
            }
            let names = world.secrets.names();
            assert_eq!(names.len(), usize::from(!gone), "{names:?}");
        });
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
            let world = World::new(&plan).with_running(6).await;
            plan.interleave(seed);
            let (first, second) = (world.service.clone(), second_process(&world));
            let next_id = AtomicU64::new(7);
            let run = async |service: Destinations, acts: Vec<Act>| {
                for act in &acts {
                    perform(&world, &service, &next_id, act).await;
                }
            };
            tokio::join!(run(first, one), run(second, other));

            for n in 1..=3 {
                let output = sample::output_id(n);
                assert_eq!(world.router.interruptions(&output), 0, "{output} went off");
            }
            // All end in the same place: what the rows say.
            world.pass().await;
            world.pass().await;
            let rows = world.destinations.list_all().await.unwrap();
            let running = rows.iter().map(|row| &row.value).filter(|row| row.is_running());
            let running: BTreeSet<OutputId> = running
                .map(|row| OutputId {
                    destination: row.id.clone(),
                    leg: row.active_leg,
                })
                .collect();
            assert_eq!(world.on().into_iter().collect::<BTreeSet<_>>(), running);
        });
    }
}
