//! A pass that has so much time and no more, and the next one that goes on (rule 10).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::SignedDuration;
use lunora_core::{
    domain::{ObservedOutput, OutputId, OutputSpec, OutputType},
    port::{OutputRouter, PortError, RouterCapabilities},
    service::{Cause, PassReport, Ports, Reconciler, Scope},
};
use lunora_testkit::{
    clock::ManualClock, fault::FaultPlan, memory::MemoryOutputRouter, sample, world::World,
};

/// A router whose calls take time.
#[derive(Debug)]
struct Slow {
    inner: MemoryOutputRouter,
    clock: ManualClock,
    takes: Duration,
}

#[async_trait]
impl OutputRouter for Slow {
    fn capabilities(&self) -> RouterCapabilities {
        self.inner.capabilities()
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        self.inner.observe().await
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        self.clock.advance(self.takes);
        self.inner.apply(specs).await
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.clock.advance(self.takes);
        self.inner.detach(ids).await
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.inner.retry(ids).await
    }
}

/// A world of so many running destinations of which none is pushed yet, and a
/// worker whose pass has 10 s.
async fn nothing_pushed(running: u64, takes: Duration) -> (World, Reconciler) {
    let capabilities = RouterCapabilities::rtmp(200);
    let world = World::with_capabilities(&FaultPlan::none(), capabilities);
    let world = world.with_running(running).await;
    world.router.detach(&world.on()).await;
    let router = Slow {
        inner: world.router.clone(),
        clock: world.clock.clone(),
        takes,
    };
    let ports = Ports {
        router: Arc::new(router),
        ..world.ports.clone()
    };
    let worker = Reconciler::new(ports, OutputType::Relay, sample::hash_key());
    let worker = worker.with_time_box(SignedDuration::from_secs(10));
    (world, worker)
}

async fn pass(worker: &Reconciler) -> PassReport {
    let pass = worker.reconcile(Scope::All, Cause::Routine).await;
    pass.unwrap()
}

#[tokio::test]
async fn rule_10_what_a_pass_has_no_time_for_the_next_one_does() {
    let (world, worker) = nothing_pushed(120, Duration::from_secs(6)).await;

    let first = pass(&worker).await;
    assert_eq!((first.done.len(), first.unfinished), (100, 20));
    assert_eq!(world.on().len(), 100);

    let second = pass(&worker).await;
    assert_eq!((second.done.len(), second.unfinished), (20, 0));
    assert_eq!(world.on().len(), 120);
}

#[tokio::test]
async fn rule_10_every_pass_gets_on_however_slow_the_router_is() {
    let (world, worker) = nothing_pushed(120, Duration::from_secs(60)).await;

    for (on, unfinished) in [(50, 70), (100, 20), (120, 0)] {
        let report = pass(&worker).await;
        assert_eq!((world.on().len(), report.unfinished), (on, unfinished));
    }
}
