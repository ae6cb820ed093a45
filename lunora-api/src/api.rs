use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post, put},
};
use jiff::Timestamp;
use lunora_core::{
    domain::{DestinationId, HashKey},
    port::{DestinationProbe, IdSource, IdempotencyKey, PortError},
    service::{Destinations, Entry, Failover, Ports, Reconciler, Snapshot, Sources},
};
use tokio::sync::{Semaphore, watch};

use crate::{
    Access, ProgramMonitor, access, body, destinations, dry_run, events, fallback, health,
    idempotency, problem::Problem, reconcile, request_log, sources, streaming_status,
};

/// What the API is made of.
#[derive(Clone, Debug)]
pub struct ApiParts {
    /// Changes what is wanted.
    pub destinations: Destinations,
    /// Makes it so, and tells how it fares.
    pub reconciler: Arc<Reconciler>,
    /// Decides which leg is used, and says why.
    pub failover: Arc<Failover>,
    /// What both work over.
    pub ports: Ports,
    /// Hashes requests, so that a repeated one is known.
    pub hash_key: HashKey,
    /// Names requests.
    pub ids: Arc<dyn IdSource>,
    /// Tells what comes in.
    pub program: Arc<dyn ProgramMonitor>,
    /// What `GET /api/health` says.
    pub service: Service,
    /// Who may call.
    pub access: Access,
    /// Changes and tells what comes in, where this deployment takes sources in.
    pub sources: Option<Sources>,
    /// Tests destinations, where this deployment can.
    pub destination_probe: Option<Arc<dyn DestinationProbe>>,
}

/// What answers.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How many tests of sources and destinations run at a time: each opens connections
/// to others.
const TESTS_MAX: usize = 4;

/// How long a test may take: more than any port promises.
const TEST_WITHIN: Duration = Duration::from_secs(20);

/// The HTTP API. A clone is the same API.
#[derive(Clone, Debug)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: ApiParts,
    // One fresh look at a time: all who wait for one take the same.
    looking: tokio::sync::Mutex<()>,
    subscribers: Arc<Semaphore>,
    tests: Semaphore,
    claims_in_flight: Mutex<BTreeSet<IdempotencyKey>>,
    closed: watch::Sender<bool>,
}

impl Api {
    /// Works over the given parts.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(Shared {
            parts,
            looking: tokio::sync::Mutex::default(),
            subscribers: Arc::new(Semaphore::new(events::SUBSCRIBERS_MAX)),
            tests: Semaphore::new(TESTS_MAX),
            claims_in_flight: Mutex::default(),
            closed: watch::Sender::default(),
        }))
    }

    /// The routes.
    pub fn into_router(self) -> Router {
        let routes = Router::new()
            .route("/api/health", get(health::show))
            .route(
                "/api/destinations",
                get(destinations::list::list).post(destinations::create::create),
            )
            .route(
                "/api/destinations/{id}",
                get(destinations::get::get)
                    .put(destinations::update::update)
                    .delete(destinations::remove::remove),
            )
            .route(
                "/api/destinations/{id}/start",
                post(destinations::start::start),
            )
            .route(
                "/api/destinations/{id}/stop",
                post(destinations::stop::stop),
            )
            .route(
                "/api/destinations/{id}/retry",
                post(destinations::retry::retry),
            )
            .route(
                "/api/destinations/{id}/failover",
                post(destinations::failover::fail_over),
            )
            .route("/api/destinations/{id}/why", get(destinations::why::why))
            .route(
                "/api/destinations/{id}/test",
                post(destinations::test::test),
            )
            .route(
                "/api/sources",
                get(sources::list::list).post(sources::create::create),
            )
            .route("/api/sources/health", get(sources::health::show))
            .route(
                "/api/sources/{id}",
                get(sources::get::get)
                    .put(sources::update::update)
                    .delete(sources::remove::remove),
            )
            .route("/api/sources/{id}/test", post(sources::test::test))
            .route(
                "/api/sources/{id}/activate",
                put(sources::activate::activate).delete(sources::activate::release),
            )
            .route("/api/streaming/status", get(streaming_status::show))
            .route("/api/events", get(events::follow))
            .route("/api/reconcile", get(reconcile::show::show))
            .route("/api/reconcile/pause", post(reconcile::pause::pause))
            .route("/api/reconcile/resume", post(reconcile::resume::resume))
            .route(
                "/api/reconcile/release-held",
                post(reconcile::release_held::release_held),
            )
            .fallback(fallback::not_found)
            .method_not_allowed_fallback(fallback::not_found);
        // The last layer sees a request first.
        routes
            .layer(from_fn_with_state(self.clone(), idempotency::answer_once))
            .layer(from_fn(dry_run::guard))
            .layer(DefaultBodyLimit::max(body::LEN_MAX))
            .layer(from_fn_with_state(self.clone(), access::guard))
            .layer(from_fn_with_state(self.clone(), request_log::trace))
            .with_state(self)
    }

    /// Ends every event stream, and refuses new ones, so that a server that
    /// waits for open connections can end.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    pub(crate) fn parts(&self) -> &ApiParts {
        &self.0.parts
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.parts.ports.clock.now()
    }

    pub(crate) fn subscribers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.subscribers)
    }

    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.0.closed.subscribe()
    }

    pub(crate) fn claims_in_flight(&self) -> &Mutex<BTreeSet<IdempotencyKey>> {
        &self.0.claims_in_flight
    }

    /// Runs a test, unless too many are under way.
    pub(crate) async fn tested<T>(&self, test: impl Future<Output = T>) -> Result<T, Problem> {
        let busy = |_| {
            let message = "Other tests are under way; try again in a moment";
            Problem::unavailable(message, Duration::from_secs(5))
        };
        let _turn = self.0.tests.try_acquire().map_err(busy)?;
        let late = |_| {
            let message = "The test did not end in time; try again, and look at the server's log";
            Problem::unavailable(message, Duration::from_secs(5))
        };
        tokio::time::timeout(TEST_WITHIN, test).await.map_err(late)
    }

    /// All destinations, as they were at most 5 s ago (rule 20).
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>, PortError> {
        let _turn = self.0.looking.lock().await;
        self.0.parts.reconciler.snapshot().await
    }

    /// All destinations, as they are.
    pub(crate) async fn look(&self) -> Result<Arc<Snapshot>, PortError> {
        let _turn = self.0.looking.lock().await;
        self.0.parts.reconciler.look().await
    }

    /// One destination as it is stored now, and what it shows.
    pub(crate) async fn entry(&self, id: &DestinationId) -> Result<Option<Entry>, PortError> {
        let Some(row) = self.0.parts.ports.destinations.get(id).await? else {
            return Ok(None);
        };
        let generation = row.value.generation;
        let is_current = |entry: &&Entry| generation <= entry.destination.value.generation;
        let _turn = self.0.looking.lock().await;
        let snapshot = self.0.parts.reconciler.snapshot().await?;
        if let Some(entry) = snapshot.entries.get(id).filter(is_current) {
            return Ok(Some(entry.clone()));
        }
        let snapshot = self.0.parts.reconciler.look().await?;
        Ok(snapshot.entries.get(id).cloned())
    }
}
