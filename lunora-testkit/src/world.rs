//! Everything that the services need, in memory, under one fault plan.

use std::sync::Arc;

use lunora_core::{
    domain::{
        BackupMode, Destination, DestinationId, EventKind, EventSeq, Leg, OutputId, OutputType,
        Status, Switch,
    },
    port::{EventLog as _, History, Repo as _, RouterCapabilities},
    service::{
        Cause, DestinationError, Destinations, LegEdit, NewDestination, PassReport, Ports,
        Reconciler, Scope, Start,
    },
};

use crate::{
    clock::{ManualClock, Sequence},
    fault::{FaultPlan, Faulty},
    memory::{
        MemoryControlStore, MemoryDestinationRepo, MemoryEventLog, MemoryFailoverRepo,
        MemoryOutputRouter, MemorySecretStore,
    },
    sample,
};

/// The services over in-memory adapters. The adapters in here are the bare ones:
/// looking at them is no call that a fault plan counts.
#[derive(Clone, Debug)]
pub struct World {
    /// What is wanted.
    pub destinations: MemoryDestinationRepo,
    /// The stream keys.
    pub secrets: MemorySecretStore,
    /// The outputs.
    pub router: MemoryOutputRouter,
    /// What happened.
    pub events: MemoryEventLog,
    /// Removals, the pause, idempotency keys.
    pub control: MemoryControlStore,
    /// Which legs are used, and why.
    pub failovers: MemoryFailoverRepo,
    /// The time, which stands until it is moved.
    pub clock: ManualClock,
    /// The ports that the services were given.
    pub ports: Ports,
    /// Makes it so.
    pub reconciler: Arc<Reconciler>,
    /// Changes what is wanted.
    pub service: Destinations,
}

impl Default for World {
    fn default() -> Self {
        Self::new(&FaultPlan::none())
    }
}

impl World {
    /// An empty world with room for 50 outputs.
    #[must_use]
    pub fn new(plan: &FaultPlan) -> Self {
        Self::with_capabilities(plan, RouterCapabilities::rtmp(50))
    }

    /// An empty world whose router can do no more than this.
    #[must_use]
    pub fn with_capabilities(plan: &FaultPlan, capabilities: RouterCapabilities) -> Self {
        Self::over(plan, capabilities, MemorySecretStore::default())
    }

    /// An empty world whose single versions of secrets can be forgotten, or not.
    #[must_use]
    pub fn with_history(plan: &FaultPlan, history: History) -> Self {
        let secrets = MemorySecretStore::with_history(history);
        Self::over(plan, RouterCapabilities::rtmp(50), secrets)
    }

    fn over(
        plan: &FaultPlan,
        capabilities: RouterCapabilities,
        secrets: MemorySecretStore,
    ) -> Self {
        let clock = ManualClock::default();
        let destinations = MemoryDestinationRepo::default();
        let router = MemoryOutputRouter::new(capabilities).with_clock(clock.clone());
        let events = MemoryEventLog::default();
        let control = MemoryControlStore::default();
        let failovers = MemoryFailoverRepo::default();
        let ports = Ports {
            destinations: Arc::new(Faulty::new(destinations.clone(), plan)),
            secrets: Arc::new(Faulty::new(secrets.clone(), plan)),
            router: Arc::new(Faulty::new(router.clone(), plan)),
            events: Arc::new(Faulty::new(events.clone(), plan)),
            control: Arc::new(Faulty::new(control.clone(), plan)),
            failovers: Arc::new(Faulty::new(failovers.clone(), plan)),
            clock: Arc::new(clock.clone()),
        };
        let reconciler = worker(&ports);
        let ids = Arc::new(Sequence::default());
        let service = Destinations::new(ports.clone(), ids, Arc::clone(&reconciler));
        Self {
            destinations,
            secrets,
            router,
            events,
            control,
            failovers,
            clock,
            ports,
            reconciler,
            service,
        }
    }

    /// Another worker over the same ports, as in a second process or after a restart.
    #[must_use]
    pub fn worker(&self) -> Arc<Reconciler> {
        worker(&self.ports)
    }

    /// Makes one pass over everything.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub async fn pass(&self) -> PassReport {
        let pass = self.reconciler.reconcile(Scope::All, Cause::Routine).await;
        pass.unwrap()
    }

    /// Creates [`destination`](sample::destination) `n`.
    pub async fn create(&self, n: u64, start: Start) -> Result<(), DestinationError> {
        let id = sample::destination_id(n);
        self.service.create(id, new_destination(n, start)).await?;
        Ok(())
    }

    /// Creates and starts [`destination`](sample::destination)s 1 to `n`.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn with_running(self, n: u64) -> Self {
        for n in 1..=n {
            self.create(n, Start::Now).await.unwrap();
        }
        self
    }

    /// The row of destination `n`.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub async fn row(&self, n: u64) -> Destination {
        let row = self.destinations.get(&sample::destination_id(n)).await;
        row.unwrap().unwrap().value
    }

    /// The ids of the outputs that are on.
    #[must_use]
    pub fn on(&self) -> Vec<OutputId> {
        let specs = self.router.specs().into_iter();
        let on = specs.filter(|spec| spec.switch == Switch::On);
        on.map(|spec| spec.id).collect()
    }

    /// What destination `n` shows.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub async fn status(&self, n: u64) -> Status {
        let snapshot = self.reconciler.look().await.unwrap();
        snapshot.entries[&sample::destination_id(n)].status.clone()
    }

    /// Everything that happened to one destination, or to none.
    ///
    /// # Panics
    ///
    /// Never: reading the log in memory does not fail.
    pub async fn events_of(&self, id: Option<&DestinationId>) -> Vec<EventKind> {
        let events = self.events.read(EventSeq(0), 10_000).await.unwrap();
        let events = events.into_iter().map(|event| event.event);
        let of = events.filter(|event| event.destination.as_ref() == id);
        of.map(|event| event.kind).collect()
    }
}

fn worker(ports: &Ports) -> Arc<Reconciler> {
    let (ours, hash_key) = (OutputType::Relay, sample::hash_key());
    Arc::new(Reconciler::new(ports.clone(), ours, hash_key))
}

/// What [`destination`](sample::destination) `n` is made of.
#[must_use]
pub fn new_destination(n: u64, start: Start) -> NewDestination {
    let row = sample::destination(n);
    NewDestination {
        name: row.name,
        platform: row.platform,
        primary: leg_edit(n),
        backup: LegEdit::default(),
        preset_id: None,
        enabled: true,
        failover_enabled: false,
        backup_mode: BackupMode::default(),
        start,
    }
}

/// Sets the [`endpoint`](sample::endpoint) of destination `n`.
#[must_use]
pub fn leg_edit(n: u64) -> LegEdit {
    use lunora_core::domain::Edit;

    let endpoint = sample::destination(n).endpoint(Leg::Primary).cloned();
    LegEdit {
        url: endpoint.map_or(Edit::Keep, |it| Edit::Set(it.url)),
        tail: Edit::Clear,
        key: Edit::Set(sample::stream_key(n)),
    }
}
