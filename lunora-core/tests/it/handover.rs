//! A key that goes from one destination to another (rule 5).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use lunora_core::{
    domain::{FaultCode, ObservedOutput, OutputId, OutputSpec, OutputType, SecretName, Switch},
    port::{
        ErrorKind, Expect, OutputRouter, PortError, Repo, RepoExt, RouterCapabilities, SecretStore,
    },
    service::{Cause, Ports, Reconciler, Scope},
};
use lunora_testkit::{memory::MemoryOutputRouter, sample, world::World};

/// A router that does not change destination 1 while it is told not to.
#[derive(Debug)]
struct Stubborn {
    inner: MemoryOutputRouter,
    refuses: Arc<AtomicBool>,
}

#[async_trait]
impl OutputRouter for Stubborn {
    fn capabilities(&self) -> RouterCapabilities {
        self.inner.capabilities()
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        self.inner.observe().await
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        let mut results = Vec::new();
        for spec in specs {
            if spec.id == sample::output_id(1) && self.refuses.load(Ordering::SeqCst) {
                let error = PortError::new(ErrorKind::Unavailable, "apply output", &spec.id);
                results.push(Err(error));
            } else {
                results.extend(self.inner.apply(std::slice::from_ref(spec)).await);
            }
        }
        results
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.inner.detach(ids).await
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.inner.retry(ids).await
    }
}

#[tokio::test]
async fn rule_5_a_key_is_not_pushed_with_by_its_next_owner_before_the_last_one_let_go() {
    let world = World::default().with_running(1).await;
    let refuses = Arc::new(AtomicBool::new(true));
    let router = Stubborn {
        inner: world.router.clone(),
        refuses: Arc::clone(&refuses),
    };
    let ports = Ports {
        router: Arc::new(router),
        ..world.ports.clone()
    };
    let worker = Reconciler::new(ports, OutputType::Relay, sample::hash_key());
    // Destination 1 gets another key, and destination 2 all that destination 1 had.
    let row = world
        .destinations
        .get(&sample::destination_id(1))
        .await
        .unwrap()
        .unwrap();
    let mut one = row.value;
    let mut two = sample::destination(2);
    two.primary.clone_from(&one.primary);
    for (row, n) in [(&mut one, 7), (&mut two, 1)] {
        let name = SecretName::StreamKey(row.id.clone(), row.active_leg);
        let key = sample::stream_key(n);
        let version = world.secrets.keep(&name, key.as_secret()).await.unwrap();
        let key =
            lunora_core::domain::SecretRef::new(version, key.as_secret(), &sample::hash_key());
        row.primary.as_mut().unwrap().key = Some(key);
    }
    let expect = Expect::Revision(row.revision);
    world.destinations.put(&one, expect).await.unwrap();
    world.destinations.create(&two).await.unwrap();
    let pass = async || worker.reconcile(Scope::All, Cause::Routine).await.unwrap();

    let report = pass().await;
    let on = world.router.specs();
    assert_eq!(on.len(), 1, "the last one has not let go: {report:?}");
    assert_eq!(report.failed.len(), 2);
    let waits = report
        .failed
        .iter()
        .find(|it| it.output == sample::output_id(2))
        .unwrap();
    assert_eq!(waits.error.fault(), Some(FaultCode::NameInUse));

    refuses.store(false, Ordering::SeqCst);
    pass().await;
    let on = world.router.specs();
    assert_eq!(on.iter().filter(|it| it.switch == Switch::On).count(), 2);
}
