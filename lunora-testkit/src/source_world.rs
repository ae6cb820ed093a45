//! Everything that the service of sources needs, in memory, under one fault plan.

use std::{num::NonZeroU32, sync::Arc};

use lunora_core::{
    domain::{Edit, EventKind, EventSeq, HealthCheck, InputClass, Protocol, Source, SourceId},
    port::{EventLog as _, History, Repo as _},
    service::{AddressEdit, NewSource, SourceEntry, SourceError, SourcePorts, Sources, TickReport},
};

use crate::{
    clock::{ManualClock, Sequence},
    fault::{FaultPlan, Faulty},
    memory::{
        MemoryEventLog, MemoryIngestController, MemorySecretStore, MemorySourceProbe,
        MemorySourceRepo,
    },
    sample,
    world::World,
};

/// The service of sources over in-memory adapters. The adapters in here are the bare
/// ones: looking at them is no call that a fault plan counts.
#[derive(Clone, Debug)]
pub struct SourceWorld {
    /// What is wanted.
    pub sources: MemorySourceRepo,
    /// The secrets.
    pub secrets: MemorySecretStore,
    /// What takes sources in.
    pub ingests: MemoryIngestController,
    /// What happened.
    pub events: MemoryEventLog,
    /// The time, which stands until it is moved.
    pub clock: ManualClock,
    /// The ports that the service was given.
    pub ports: SourcePorts,
    /// What is tested.
    pub service: Sources,
}

impl Default for SourceWorld {
    fn default() -> Self {
        Self::new(&FaultPlan::none(), History::Cuts)
    }
}

impl SourceWorld {
    /// An empty world whose single versions of secrets can be forgotten, or not.
    #[must_use]
    pub fn new(plan: &FaultPlan, history: History) -> Self {
        let secrets = MemorySecretStore::with_history(history);
        let (events, clock) = (MemoryEventLog::default(), ManualClock::default());
        Self::over(plan, secrets, events, clock)
    }

    /// One that shares secrets, events and time with a world of destinations.
    #[must_use]
    pub fn beside(world: &World, plan: &FaultPlan) -> Self {
        let (secrets, events) = (world.secrets.clone(), world.events.clone());
        Self::over(plan, secrets, events, world.clock.clone())
    }

    fn over(
        plan: &FaultPlan,
        secrets: MemorySecretStore,
        events: MemoryEventLog,
        clock: ManualClock,
    ) -> Self {
        let sources = MemorySourceRepo::default();
        let ingests = MemoryIngestController::default().with_clock(clock.clone());
        let probe = MemorySourceProbe::over(ingests.clone());
        let ports = SourcePorts {
            sources: Arc::new(Faulty::new(sources.clone(), plan)),
            secrets: Arc::new(Faulty::new(secrets.clone(), plan)),
            ingests: Arc::new(Faulty::new(ingests.clone(), plan)),
            probe: Arc::new(Faulty::new(probe, plan)),
            events: Arc::new(Faulty::new(events.clone(), plan)),
            clock: Arc::new(clock.clone()),
        };
        let service = worker(&ports);
        Self {
            sources,
            secrets,
            ingests,
            events,
            clock,
            ports,
            service,
        }
    }

    /// Another worker over the same ports, as in a second process or after a restart.
    #[must_use]
    pub fn worker(&self) -> Sources {
        worker(&self.ports)
    }

    /// Creates source `n`: an encoder publishes to us by RTMP.
    pub async fn create(&self, n: u64) -> Result<SourceEntry, SourceError> {
        self.service
            .create(sample::source_id(n), new_source(n))
            .await
    }

    /// Creates sources 1 to `n`, the first of which is the primary.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn with_sources(self, n: u64) -> Self {
        for n in 1..=n {
            self.create(n).await.unwrap();
        }
        self
    }

    /// The row of source `n`.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub async fn row(&self, n: u64) -> Source {
        let row = self.sources.get(&sample::source_id(n)).await;
        row.unwrap().unwrap().value
    }

    /// Ticks once.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub async fn tick(&self) -> TickReport {
        self.service.tick().await.unwrap()
    }

    /// The ids of what is taken in.
    #[must_use]
    pub fn taken_in(&self) -> Vec<SourceId> {
        self.ingests.specs().into_iter().map(|it| it.id).collect()
    }

    /// Everything that happened.
    ///
    /// # Panics
    ///
    /// Never: reading the log in memory does not fail.
    pub async fn happened(&self) -> Vec<EventKind> {
        let events = self.events.read(EventSeq(0), 10_000).await.unwrap();
        events.into_iter().map(|it| it.event.kind).collect()
    }
}

fn worker(ports: &SourcePorts) -> Sources {
    Sources::new(
        ports.clone(),
        Arc::new(Sequence::default()),
        sample::hash_key(),
    )
}

/// What source `n` is made of: an encoder publishes to us by RTMP, with the name
/// [`publish_name`](sample::publish_name) `n`; of priority `n`, and looked at every 10 s.
///
/// # Panics
///
/// If `n` is no priority.
#[must_use]
pub fn new_source(n: u64) -> NewSource {
    use lunora_core::ExposeSecret as _;

    let name = sample::publish_name(n);
    NewSource {
        name: format!("source {n}").parse().unwrap(),
        protocol: Protocol::Rtmp,
        address: AddressEdit {
            stream_id: Edit::Set(name.expose_secret().parse().unwrap()),
            ..AddressEdit::default()
        },
        encryption: None,
        priority: sample::priority(n.try_into().unwrap()),
        enabled: true,
        health_check: HealthCheck {
            enabled: true,
            interval_seconds: NonZeroU32::new(10).unwrap(),
        },
        input_class: InputClass::SinglePipeline,
    }
}
