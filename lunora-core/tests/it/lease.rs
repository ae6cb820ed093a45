//! One worker at a time makes router writes (rule 10).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use lunora_core::{
    domain::{Destination, DestinationId, ObservedOutput, OutputId, OutputSpec, OutputType},
    port::{
        Clock, ControlStore, ErrorKind, Expect, Lease, OutputRouter, Page, PageRequest, PortError,
        Repo, Revision, RouterCapabilities, Versioned,
    },
    service::{Cause, Destinations, Ports, Reconciler, Scope, Start, WriteLease},
};
use lunora_testkit::{
    clock::{ManualClock, Sequence},
    fault::FaultPlan,
    memory::{MemoryDestinationRepo, MemoryOutputRouter},
    sample,
    world::{World, new_destination},
};
use proptest::prelude::*;

const LEASE: &str = "router-writes";

/// The lease, as the worker of that name asks for it.
fn lease(ports: &Ports, name: &str) -> WriteLease {
    WriteLease::new(
        Arc::clone(&ports.control),
        Arc::clone(&ports.clock),
        LEASE.parse().unwrap(),
        name.parse().unwrap(),
    )
}

/// A worker of that name, which works under the lease.
fn worker(ports: &Ports, name: &str) -> Arc<Reconciler> {
    let worker = Reconciler::new(ports.clone(), OutputType::Relay, sample::hash_key());
    Arc::new(worker.under_lease(Arc::new(lease(ports, name))))
}

fn service(ports: &Ports, name: &str) -> Destinations {
    let ids = Arc::new(Sequence::default());
    Destinations::new(ports.clone(), ids, worker(ports, name))
}

async fn lend(world: &World, name: &str, length: SignedDuration) {
    let now = world.clock.now();
    let lease = Lease {
        holder: name.parse().unwrap(),
        at: now,
        until: now + length,
    };
    let lent = world.control.acquire(&LEASE.parse().unwrap(), &lease).await;
    assert_eq!(lent.unwrap(), lease);
}

#[tokio::test]
async fn rule_10_a_pass_does_nothing_while_another_worker_has_the_lease() {
    let world = World::default();
    lend(&world, "other", SignedDuration::from_secs(30)).await;
    let service = service(&world.ports, "mine");
    let created = service.create(sample::destination_id(1), new_destination(1, Start::Now));
    created.await.unwrap();
    assert_eq!(
        world.on(),
        [],
        "it is stored, and the other worker makes it so"
    );

    let mine = worker(&world.ports, "mine");
    let report = mine.reconcile(Scope::All, Cause::Routine).await.unwrap();
    assert_eq!(report.elsewhere, Some("other".parse().unwrap()));
    assert_eq!(world.on(), []);

    world.clock.advance(Duration::from_secs(30));
    let report = mine.reconcile(Scope::All, Cause::Routine).await.unwrap();
    assert_eq!(report.elsewhere, None, "its time is over");
    assert_eq!(world.on(), [sample::output_id(1)]);
}

#[tokio::test]
async fn rule_10_a_retry_and_the_end_of_an_output_wait_for_the_lease_too() {
    let world = World::default().with_running(2).await;
    let [one, two] = [1, 2].map(sample::destination_id);
    let row = world.destinations.get(&two).await.unwrap().unwrap();
    let mut taken_over = row.value;
    taken_over.output_type = OutputType::MediaLive;
    let expect = Expect::Revision(row.revision);
    world.destinations.put(&taken_over, expect).await.unwrap();
    let mine = service(&world.ports, "mine");
    lend(&world, "other", SignedDuration::from_secs(30)).await;

    let refused = [
        mine.retry(&one).await.err().map(|error| error.to_string()),
        mine.stop(&two).await.err().map(|error| error.to_string()),
    ];
    for refused in refused {
        let refused = refused.unwrap();
        assert!(refused.contains("unavailable"), "{refused}");
    }
    assert_eq!(world.on().len(), 2);

    world.clock.advance(Duration::from_secs(30));
    mine.retry(&one).await.unwrap();
    mine.stop(&two).await.unwrap();
    assert_eq!(world.on(), [sample::output_id(1)]);
}

#[tokio::test]
async fn rule_10_a_pass_gives_the_lease_back() {
    let world = World::default();
    for name in ["one", "two", "one"] {
        let worker = worker(&world.ports, name);
        let report = worker.reconcile(Scope::All, Cause::Routine).await.unwrap();
        assert_eq!(report.elsewhere, None);
    }
}

/// A table that takes its time: the listing of the rows takes so long.
#[derive(Debug)]
struct Slow {
    inner: MemoryDestinationRepo,
    clock: ManualClock,
    takes: Duration,
}

#[async_trait]
impl Repo<Destination> for Slow {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        self.inner.get(id).await
    }

    async fn put(&self, value: &Destination, expect: Expect) -> Result<Revision, PortError> {
        self.inner.put(value, expect).await
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        self.inner.remove(id, revision).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        self.clock.advance(self.takes);
        self.inner.list(page).await
    }
}

#[tokio::test]
async fn rule_10_a_pass_that_lost_the_lease_stops_before_its_next_write() {
    for (takes, writes) in [(1, 1), (20, 1), (31, 0)] {
        let world = World::default();
        let row = sample::destination(1);
        let key = sample::stream_key(1);
        let name = lunora_core::domain::SecretName::StreamKey(
            row.id.clone(),
            lunora_core::domain::Leg::Primary,
        );
        use lunora_core::port::{RepoExt, SecretStore};
        world.secrets.keep(&name, key.as_secret()).await.unwrap();
        world.destinations.create(&row).await.unwrap();
        let slow = Slow {
            inner: world.destinations.clone(),
            clock: world.clock.clone(),
            takes: Duration::from_secs(takes),
        };
        let ports = Ports {
            destinations: Arc::new(slow),
            ..world.ports.clone()
        };
        let pass = worker(&ports, "mine");
        let pass = pass.reconcile(Scope::All, Cause::Routine).await;
        assert_eq!(world.on().len(), writes, "a listing that takes {takes} s");
        let kind = pass.err().map(|error| error.kind());
        assert_eq!(kind, (writes == 0).then_some(ErrorKind::Conflict));
    }
}

/// Counts the writes that are under way.
#[derive(Debug)]
struct Counted {
    inner: MemoryOutputRouter,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Counted {
    async fn around<T>(&self, write: impl Future<Output = T> + Send) -> T {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let outcome = write.await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

#[async_trait]
impl OutputRouter for Counted {
    fn capabilities(&self) -> RouterCapabilities {
        self.inner.capabilities()
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        self.inner.observe().await
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        self.around(self.inner.apply(specs)).await
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.around(self.inner.detach(ids)).await
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.inner.retry(ids).await
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn rule_10_of_several_workers_one_at_a_time_makes_router_writes(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plan = FaultPlan::none();
            let world = World::new(&plan);
            let router = Arc::new(Counted {
                inner: world.router.clone(),
                under_way: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
            });
            let ports = Ports {
                router: Arc::clone(&router) as Arc<dyn OutputRouter>,
                ..world.ports.clone()
            };
            plan.interleave(seed);
            let work = async |name: &str, first: u64| {
                let service = service(&ports, name);
                for n in first..first + 3 {
                    let new = new_destination(n, Start::Now);
                    service.create(sample::destination_id(n), new).await.unwrap();
                }
                service.stop(&sample::destination_id(first)).await.unwrap();
            };
            tokio::join!(work("one", 1), work("two", 11), work("three", 21));
            assert_eq!(router.most.load(Ordering::SeqCst), 1);

            worker(&ports, "last").reconcile(Scope::All, Cause::Routine).await.unwrap();
            assert_eq!(world.on().len(), 6);
        });
    }
}
