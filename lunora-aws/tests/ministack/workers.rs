//! The services over DynamoDB and the Parameter Store: a fault at every request
//! on the wire, and two workers with a lease.

use std::sync::Arc;

use aws_config::{SdkConfig, retry::RetryConfig};
use lunora_aws::{
    dynamodb::{
        DynamoDbControlStore, DynamoDbDestinationRepo, DynamoDbEventLog, DynamoDbFailoverRepo,
        InlineSecrets,
    },
    ssm::SsmSecretStore,
};
use lunora_core::{
    domain::{Edit, KeyInput, OutputType},
    port::{Clock, RouterCapabilities},
    service::{
        Cause, DestinationError, DestinationPatch, Destinations, LegEdit, Ports, Reconciler, Scope,
        Start, WriteLease,
    },
};
use lunora_testkit::{
    clock::{ManualClock, Sequence},
    memory::MemoryOutputRouter,
    sample,
    settled::Scene,
    world::new_destination,
};

use crate::{
    support::Stack,
    wire::{Lost, Wire},
};

/// What becomes of the requests of a scenario.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// One is lost.
    One(usize, Lost),
    /// The reply to one is lost, and no later one arrives: the process died there.
    Crash(usize),
}

impl Mishap {
    fn plan(self, wire: &Wire) {
        match self {
            Self::One(index, lost) => wire.lose(index, lost),
            Self::Crash(index) => {
                wire.lose(index, Lost::Reply);
                wire.end_at(index);
            }
        }
    }
}

/// The services over the adapters, and the adapters without any mishap.
#[derive(Debug)]
struct World {
    wire: Wire,
    ports: Ports,
    bare: Ports,
    router: MemoryOutputRouter,
    clock: ManualClock,
    service: Destinations,
}

fn ports(
    stack: &Stack,
    sdk: &SdkConfig,
    router: &MemoryOutputRouter,
    clock: &ManualClock,
) -> Ports {
    let (tables, prefix) = (&stack.config.tables, &stack.config.parameter_prefix);
    let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let destinations = DynamoDbDestinationRepo::new(
        dynamodb.clone(),
        tables.destinations.clone(),
        prefix.clone(),
        sample::hash_key(),
    );
    let parameters = aws_sdk_ssm::Client::new(sdk);
    let parameters = SsmSecretStore::new(parameters, prefix.clone(), Arc::clone(&clock));
    let secrets = InlineSecrets::new(Arc::new(parameters), &destinations, &stack.sources());
    Ports {
        destinations: Arc::new(destinations),
        secrets: Arc::new(secrets),
        router: Arc::new(router.clone()),
        events: Arc::new(DynamoDbEventLog::new(
            dynamodb.clone(),
            tables.control.clone(),
        )),
        control: Arc::new(DynamoDbControlStore::new(
            dynamodb.clone(),
            tables.control.clone(),
        )),
        failovers: Arc::new(DynamoDbFailoverRepo::new(
            dynamodb,
            tables.control.clone(),
            sample::hash_key(),
        )),
        clock,
    }
}

fn worker(ports: &Ports, name: &str) -> Arc<Reconciler> {
    let worker = Reconciler::new(ports.clone(), OutputType::Relay, sample::hash_key());
    let lease = WriteLease::new(
        Arc::clone(&ports.control),
        Arc::clone(&ports.clock),
        "router-writes".parse().unwrap(),
        name.parse().unwrap(),
    );
    Arc::new(worker.under_lease(Arc::new(lease)))
}

impl World {
    async fn set_up(retry: RetryConfig) -> Self {
        let stack = Stack::set_up().await;
        let clock = ManualClock::default();
        let capabilities = RouterCapabilities::rtmp(50);
        let router = MemoryOutputRouter::new(capabilities).with_clock(clock.clone());
        let (wire, lossy) = Wire::on(&stack.sdk);
        let lossy = lossy.into_builder().retry_config(retry).build();
        let lossy = ports(&stack, &lossy, &router, &clock);
        let ids = Arc::new(Sequence::default());
        let service = Destinations::new(lossy.clone(), ids, worker(&lossy, "first"));
        Self {
            wire,
            bare: ports(&stack, &stack.sdk, &router, &clock),
            ports: lossy,
            router,
            clock,
            service,
        }
    }

    async fn create(&self, n: u64, start: Start) -> Result<(), DestinationError> {
        let new = new_destination(n, start);
        let created = self.service.create(sample::destination_id(n), new).await;
        created.map(drop)
    }

    async fn assert_settled(&self, run: &str) {
        // The lease of a worker that died is over by then.
        self.clock.advance(std::time::Duration::from_secs(60));
        let worker = worker(&self.bare, "looker");
        let scene = Scene {
            destinations: &*self.bare.destinations,
            secrets: &*self.bare.secrets,
            router: &self.router,
            clock: &self.clock,
            worker: &worker,
        };
        scene.assert_settled(run).await;
    }
}

/// Runs the scenario beside destination 1, which runs, with each of its requests
/// lost in turn: once the request, once the reply, and once the process with it.
async fn sweep(scenario: impl AsyncFn(&World) -> Result<(), DestinationError>) {
    let set_up = async |retry| {
        let world = World::set_up(retry).await;
        world.create(1, Start::Now).await.unwrap();
        world
    };
    let world = set_up(RetryConfig::disabled()).await;
    world.wire.forget();
    scenario(&world).await.unwrap();
    let requests = world.wire.calls().len();
    assert!(5 < requests, "{requests} requests: what is swept here?");
    world.assert_settled("without a fault").await;

    // A crash before a request is one after the request before it.
    let mishaps = (0..requests).flat_map(|index| {
        [
            Mishap::One(index, Lost::Request),
            Mishap::One(index, Lost::Reply),
            Mishap::Crash(index),
        ]
    });
    for mishap in mishaps {
        let run = format!("{mishap:?} of {requests}");
        let world = set_up(RetryConfig::disabled()).await;
        world.wire.forget();
        mishap.plan(&world.wire);
        let outcome = scenario(&world).await;
        world.wire.forget();
        if outcome.is_err() {
            // As somebody would who was told of it, when the lease of the dead one is over.
            world.clock.advance(std::time::Duration::from_secs(60));
            let again = scenario(&world).await;
            assert!(again.is_ok(), "{run}, then {again:?}");
        }
        world.assert_settled(&run).await;
        assert_eq!(
            world.router.interruptions(&sample::output_id(9)),
            0,
            "{run}, a newcomer was disturbed"
        );
    }

    // The SDK sends again what it has no reply to: nobody notices.
    let retry = RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1));
    for index in (0..requests).step_by(2) {
        let world = set_up(retry.clone()).await;
        let mishap = Mishap::One(index, Lost::Reply);
        world.wire.forget();
        mishap.plan(&world.wire);
        let outcome = scenario(&world).await;
        world.wire.forget();
        assert!(outcome.is_ok(), "{mishap:?} with retries, then {outcome:?}");
        world
            .assert_settled(&format!("{mishap:?} with retries"))
            .await;
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn a_create_that_starts_survives_the_loss_of_any_request() {
    run(sweep(async |world: &World| {
        world.create(9, Start::Now).await
    }));
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn an_edit_of_url_and_key_survives_the_loss_of_any_request() {
    run(sweep(async |world: &World| {
        let key = KeyInput::from_text("another-key").unwrap();
        let url = Edit::Set("rtmp://127.0.0.1:9/other?token=t");
        let patch = DestinationPatch {
            primary: LegEdit::parse(url, key).unwrap(),
            ..DestinationPatch::default()
        };
        let id = sample::destination_id(1);
        world.service.update(&id, &patch, None).await.map(drop)
    }));
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn rule_12_a_removal_survives_the_loss_of_any_request() {
    run(sweep(async |world: &World| {
        let id = sample::destination_id(1);
        match world.service.remove(&id, None).await {
            // A repetition after the reply was lost.
            Err(DestinationError::NotFound { .. }) => Ok(()),
            outcome => outcome,
        }
    }));
}

#[test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
fn rule_10_two_workers_with_a_lease_double_nothing_and_lose_nothing() {
    run(async {
        for round in 0..5_u64 {
            let world = World::set_up(RetryConfig::standard()).await;
            let second = {
                let ids = Sequence::default();
                for _ in 0..1000 {
                    lunora_core::port::IdSource::mint(&ids);
                }
                let worker = worker(&world.ports, "second");
                Destinations::new(world.ports.clone(), Arc::new(ids), worker)
            };
            let work = async |service: &Destinations, first: u64| {
                for n in first..first + 4 {
                    let new = new_destination(n, Start::Now);
                    let id = sample::destination_id(n);
                    service.create(id, new).await.unwrap();
                }
                let id = sample::destination_id(first);
                service.stop(&id).await.unwrap();
                let id = sample::destination_id(first + 1);
                service.remove(&id, None).await.unwrap();
            };
            let passes = async {
                for _ in 0..6 {
                    let worker = worker(&world.ports, "third");
                    drop(worker.reconcile(Scope::All, Cause::Routine).await);
                }
            };
            tokio::join!(work(&world.service, 1), work(&second, 11), passes);
            world.assert_settled(&format!("round {round}")).await;
            for n in [3, 4, 13, 14] {
                let output = sample::output_id(n);
                assert_eq!(world.router.interruptions(&output), 0, "{output} went off");
            }
        }
    });
}
