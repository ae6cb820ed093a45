//! Processes that come and go over stores in memory and the simulator, with a
//! network between that delays, loses and repeats.

use std::{
    collections::BTreeMap,
    env, fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_mediaconnect::Client;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use lunora_aws::{
    FlowArn,
    mediaconnect::{EvidenceStore, FlowPool, FlowRouter, MemoryEvidence},
};
use lunora_core::{
    ExposeSecret,
    domain::{Destination, DestinationId, Endpoint, Leg, OutputId, OutputType, SecretName, Switch},
    plan::wish,
    port::{
        Clock, DestinationRepo, Expect, History, OutputRouter, Page, PageRequest, PortError, Repo,
        RepoExt, Revision, SecretStore, Versioned, Which,
    },
    service::{Cause, Destinations, PassReport, Ports, Reconciler, Scope, WriteLease},
};
use lunora_testkit::{
    aws::{Modes, OutputStatus, SeenOutput, Simulator},
    clock::{Sequence, VirtualClock},
    memory::{
        MemoryControlStore, MemoryDestinationRepo, MemoryEventLog, MemoryFailoverRepo,
        MemorySecretStore,
    },
    sample,
};

use crate::{
    simulated,
    support::{budget, deployment, name_of, sdk_config},
};

/// What all processes share.
pub(crate) struct Cloud {
    pub(crate) simulator: Simulator,
    pub(crate) clock: VirtualClock,
    /// The head first.
    pub(crate) flows: Vec<FlowArn>,
    pub(crate) outputs_per_flow: usize,
    pub(crate) evidence: Arc<MemoryEvidence>,
    pub(crate) destinations: MemoryDestinationRepo,
    pub(crate) secrets: MemorySecretStore,
    pub(crate) control: MemoryControlStore,
    failovers: MemoryFailoverRepo,
    pub(crate) events: MemoryEventLog,
    ids: Sequence,
}

/// One process: a client, a router, a lease and the services.
pub(crate) struct Process {
    pub(crate) service: Destinations,
    pub(crate) reconciler: Arc<Reconciler>,
}

/// How a process gets on with the rest of the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// How long its requests are on their way, one after the other; at once after that.
    pub(crate) delays: Vec<Duration>,
    /// How long its reads of rows take, likewise.
    pub(crate) reads: Vec<Duration>,
    /// Whether the SDK repeats what fails.
    pub(crate) repeats: Repeats,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Repeats {
    #[default]
    Yes,
    No,
}

impl Cloud {
    /// So many running flows, and nothing wanted yet. Time is paused.
    pub(crate) fn new(modes: Modes, flows: usize, outputs_per_flow: usize) -> Self {
        let clock = VirtualClock::default();
        let simulator = Simulator::new(Arc::new(clock), modes);
        let flows = (0..flows).map(|n| simulator.running_flow(&format!("flow-{n}")));
        let flows: Vec<FlowArn> = flows.map(|arn| arn.parse().unwrap()).collect();
        simulator.forget_calls();
        Self {
            simulator,
            clock,
            flows,
            outputs_per_flow,
            evidence: Arc::default(),
            destinations: MemoryDestinationRepo::default(),
            // As the Parameter Store, which cannot forget one version.
            secrets: MemorySecretStore::with_history(History::Stays),
            control: MemoryControlStore::default(),
            failovers: MemoryFailoverRepo::default(),
            events: MemoryEventLog::default(),
            ids: Sequence::default(),
        }
    }

    pub(crate) fn process(&self, name: &str) -> Process {
        self.process_in(name, Weather::default())
    }

    pub(crate) fn process_in(&self, name: &str, weather: Weather) -> Process {
        let destinations = Sluggish {
            inner: self.destinations.clone(),
            takes: Mutex::new(weather.reads.clone()),
        };
        self.process_over(name, weather, Arc::new(destinations))
    }

    /// A process that reads its rows elsewhere.
    pub(crate) fn process_over(
        &self,
        name: &str,
        weather: Weather,
        destinations: Arc<dyn DestinationRepo>,
    ) -> Process {
        let clock: Arc<dyn Clock> = Arc::new(self.clock);
        let lease = WriteLease::new(
            Arc::new(self.control.clone()),
            Arc::clone(&clock),
            "router-writes".parse().unwrap(),
            name.parse().unwrap(),
        );
        let lease = Arc::new(lease);
        let router = self.router(&weather).under_lease(Arc::clone(&lease));
        let router = Arc::new(router);
        let ports = Ports {
            destinations,
            secrets: Arc::new(self.secrets.clone()),
            router: Arc::clone(&router) as Arc<dyn OutputRouter>,
            events: Arc::new(self.events.clone()),
            control: Arc::new(self.control.clone()),
            failovers: Arc::new(self.failovers.clone()),
            clock,
        };
        let reconciler =
            Reconciler::new(ports.clone(), OutputType::MediaConnect, sample::hash_key());
        let reconciler = Arc::new(reconciler.under_lease(lease));
        let ids = Arc::new(self.ids.clone());
        Process {
            service: Destinations::new(ports, ids, Arc::clone(&reconciler)),
            reconciler,
        }
    }

    /// Stores a destination that is to run, and tells nobody.
    pub(crate) async fn store_running(&self, n: u64) {
        let row = Destination {
            output_type: OutputType::MediaConnect,
            ..sample::destination(n)
        };
        assert!(row.is_running());
        let name = SecretName::StreamKey(row.id.clone(), Leg::Primary);
        let key = sample::stream_key(n);
        self.secrets.keep(&name, key.as_secret()).await.unwrap();
        self.destinations.create(&row).await.unwrap();
    }

    /// Keeps another key, as a client does that knows nothing of us.
    pub(crate) async fn keep_key(&self, n: u64, text: &str) {
        let name = SecretName::StreamKey(sample::destination_id(n), Leg::Primary);
        self.secrets.keep(&name, &text.into()).await.unwrap();
    }

    fn router(&self, weather: &Weather) -> FlowRouter {
        let (head, children) = self.flows.split_first().unwrap();
        let pool = FlowPool::new(head.clone(), children.to_vec(), self.outputs_per_flow).unwrap();
        let retry = match weather.repeats {
            Repeats::Yes => RetryConfig::standard().with_max_attempts(4),
            Repeats::No => RetryConfig::disabled(),
        };
        // As `lunora_aws::sdk_config` has them.
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(10))
            .build();
        let network = Network {
            simulator: self.simulator.clone(),
            delays: Arc::new(Mutex::new(weather.delays.clone())),
        };
        let sdk = sdk_config(&self.simulator).into_builder();
        let sdk = sdk.http_client(network).retry_config(retry);
        let sdk = sdk.timeout_config(timeouts).build();
        FlowRouter::new(
            Client::new(&sdk),
            pool,
            deployment(),
            budget(self.clock),
            Arc::new(self.clock),
            Arc::clone(&self.evidence) as Arc<dyn EvidenceStore>,
        )
    }

    /// How often something was taken away from viewers of a destination.
    pub(crate) fn interruptions(&self, id: &DestinationId) -> u32 {
        let name = name_of(&primary(id));
        let flows = self.flows.iter();
        flows
            .map(|flow| self.simulator.interruptions(flow.as_str(), &name))
            .sum()
    }

    /// The names of the outputs that anybody wrote to since the log of calls was forgotten.
    pub(crate) fn written(&self) -> Vec<String> {
        let calls = self.simulator.calls().into_iter();
        let mut written: Vec<String> = calls
            .filter(|call| call.is_write)
            .flat_map(|call| call.items)
            .collect();
        written.sort();
        written.dedup();
        written
    }

    /// Asserts what holds whatever happened, once the processes that were left have
    /// lost the lease: nothing is orphaned, lost or doubled, and nothing is left to do.
    pub(crate) async fn assert_settled(&self, run: &(dyn fmt::Display + Sync)) {
        self.simulator.clear_faults();
        tokio::time::sleep(Duration::from_secs(31)).await;
        let last = self.process("last");
        pass(&last).await;
        let again = pass(&last).await;
        assert!(
            again.done.is_empty(),
            "{run}: a second pass finds work: {again:?}"
        );
        self.assert_as_wanted(&again, run).await;

        // Long after, a change that stopped half way has left nothing either.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        pass(&last).await;
        last.reconciler.adopt_changed_secrets().await.unwrap();
        let again = pass(&last).await;
        self.assert_as_wanted(&again, run).await;
        let violations = self.simulator.violations();
        assert!(violations.is_empty(), "{run}: {violations:#?}");
        let doubles = self.simulator.doubles();
        assert!(doubles.is_empty(), "{run}: {doubles:#?}");
    }

    async fn assert_as_wanted(&self, pass: &PassReport, run: &(dyn fmt::Display + Sync)) {
        let mut on: BTreeMap<String, SeenOutput> = BTreeMap::new();
        for output in self.simulator.outputs() {
            if output.status == OutputStatus::Enabled {
                let name = output.name.clone();
                let double = on.insert(name.clone(), output);
                assert!(double.is_none(), "{run}: {name} is on twice");
            }
        }
        for row in self.destinations.list_all().await.unwrap() {
            let wish = wish(&row.value, &OutputType::MediaConnect, &sample::hash_key());
            let Some(wished) = wish.outputs().find(|it| it.switch == Switch::On) else {
                continue;
            };
            let id = wished.id.clone();
            let endpoint = row.value.endpoint(id.leg).unwrap();
            let output = on.remove(&name_of(&id));
            let failed = pass.failed.iter().any(|it| it.output == id);
            if failed || pass.refused.contains_key(&id) {
                // It stays as it was, if it was there at all: an edit that finds no room
                // takes nothing away.
                self.assert_has_no_room(&id, endpoint, run);
                continue;
            }
            let Some(output) = output else {
                panic!("{run}: {id} is lost: {pass:?}");
            };
            self.assert_is(&id, endpoint, &output, run).await;
        }
        assert!(on.is_empty(), "{run}: orphaned: {on:?}");
    }

    /// That an output is what the row says, as MediaConnect has it.
    async fn assert_is(
        &self,
        id: &OutputId,
        endpoint: &Endpoint,
        output: &SeenOutput,
        run: &(dyn fmt::Display + Sync),
    ) {
        let url = &endpoint.url;
        assert_eq!(
            output.host.as_deref(),
            Some(url.host().to_string().as_str()),
            "{run}: {id}"
        );
        assert_eq!(output.port, Some(url.port()), "{run}: {id}");
        let name = SecretName::StreamKey(id.destination.clone(), id.leg);
        let which = Which::Version(endpoint.key.unwrap().version);
        let key = self
            .secrets
            .reveal(&name, which)
            .await
            .unwrap()
            .unwrap()
            .text;
        let told = output.stream_name.as_ref().map(|it| it.expose_secret());
        assert!(
            told == Some(key.expose_secret()),
            "{run}: {id} has another key"
        );
    }

    /// That no flow could have taken an output beside what is there.
    fn assert_has_no_room(
        &self,
        id: &OutputId,
        endpoint: &Endpoint,
        run: &(dyn fmt::Display + Sync),
    ) {
        let outputs = self.simulator.outputs();
        for flow in &self.flows {
            let its = || outputs.iter().filter(|it| it.flow == flow.as_str());
            let host = endpoint.url.host().to_string();
            let place = (Some(host.as_str()), Some(endpoint.url.port()));
            let others = || its().filter(|it| it.name != name_of(id));
            let same_place = others().any(|it| (it.host.as_deref(), it.port) == place);
            let full = self.outputs_per_flow <= its().count();
            assert!(
                full || same_place,
                "{run}: {id} is lost, and {flow} has room"
            );
        }
    }
}

/// Whether everything is to be tried, as `scripts/prove` does, and not what a
/// change is most likely to break.
pub(crate) fn is_whole_proof() -> bool {
    env::var_os("LUNORA_WHOLE_PROOF").is_some()
}

pub(crate) fn primary(id: &DestinationId) -> OutputId {
    OutputId {
        destination: id.clone(),
        leg: Leg::Primary,
    }
}

/// Makes one pass, again if another process had the lease.
pub(crate) async fn pass(process: &Process) -> PassReport {
    loop {
        let pass = process
            .reconciler
            .reconcile(Scope::All, Cause::Routine)
            .await;
        let report = pass.unwrap();
        if report.elsewhere.is_none() {
            return report;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Carries requests, each after a while. One that nobody waits for any more arrives
/// all the same.
#[derive(Clone, Debug)]
struct Network {
    simulator: Simulator,
    delays: Arc<Mutex<Vec<Duration>>>,
}

impl HttpClient for Network {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let delay = self.delays.lock().unwrap().pop().unwrap_or_default();
        let simulator = self.simulator.clone();
        let carried = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            simulated::carry(&simulator, &request, |_, body| body).await
        });
        HttpConnectorFuture::new(async move {
            let carried = carried.await;
            carried.unwrap_or_else(|_| Err(ConnectorError::io("the process is gone".into())))
        })
    }
}

/// Rows that take a while to read.
#[derive(Debug)]
struct Sluggish {
    inner: MemoryDestinationRepo,
    takes: Mutex<Vec<Duration>>,
}

impl Sluggish {
    async fn wait(&self) {
        let wait = self.takes.lock().unwrap().pop();
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
    }
}

#[async_trait]
impl Repo<Destination> for Sluggish {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        self.wait().await;
        self.inner.get(id).await
    }

    async fn put(&self, value: &Destination, expect: Expect) -> Result<Revision, PortError> {
        self.inner.put(value, expect).await
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        self.inner.remove(id, revision).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        self.wait().await;
        self.inner.list(page).await
    }
}
