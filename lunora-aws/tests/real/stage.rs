//! A deployment over a simulated flow, with a relay behind it and an encoder before it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_mediaconnect::{
    Client,
    config::{Credentials, SharedCredentialsProvider},
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use jiff::{SignedDuration, Timestamp};
use lunora_aws::{
    Budget, FlowArn, Worker,
    mediaconnect::{EvidenceStore, FlowControl, FlowPool, FlowRouter, MemoryEvidence},
};
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        BackupMode, DestinationId, EventKind, EventSeq, Fault, OutputType, Progress, StatusKind,
    },
    port::{Clock, EventLog, OutputRouter},
    service::{
        DestinationPatch, Destinations, Entry, LegEdit, NewDestination, Ports, Reconciler, Start,
    },
};
use lunora_relay::{DialPolicy, Idle, Ingest, OnAir, Relay, RelayConfig, SystemResolver};
use lunora_testkit::{
    aws::{Event, Modes, REGION, SeenOutput, Simulator, Timing},
    clock::Sequence,
    memory::{
        MemoryControlStore, MemoryDestinationRepo, MemoryEventLog, MemoryFailoverRepo,
        MemorySecretStore,
    },
    real::{
        machine::{PATIENCE, look, until},
        media::{Clip, publish, size},
        nginx::Nginx,
        process::{Running, attempt},
        secrets::Secrets,
    },
    sample,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

const DEPLOYMENT: &str = "real";

/// How long AWS takes for what it does by itself; see [`Stage::start`].
fn timing() -> Timing {
    Timing {
        // EventBridge tells whole seconds, and what an output does in the second in which it
        // was changed is not taken for evidence, for it may have come before the change.
        output_connect: Duration::from_millis(1_100),
        ..Timing::each(Duration::from_millis(200))
    }
}

/// The services over a flow, all of it running.
///
/// When it ends, no request was other than AWS's model says, no two outputs ever pushed to
/// one place with one key, and no stream key is in a log, an event or a reply.
#[derive(Debug)]
pub(crate) struct Stage {
    runtime: Runtime,
    simulator: Simulator,
    relay: Relay,
    events: MemoryEventLog,
    reconciler: Arc<Reconciler>,
    service: Destinations,
    pub(crate) control: FlowControl,
    pub(crate) flow: FlowArn,
    endpoint: SocketAddr,
    publish_key: SecretString,
    secrets: Secrets,
}

impl Stage {
    /// Starts everything but the encoder.
    pub(crate) fn start() -> Self {
        // Before anything has said a word.
        let _ = crate::log::log();
        let mut secrets = Secrets::default();
        let publish_key = SecretString::from(secrets.mint());
        let runtime = Runtime::new().unwrap();
        let _in_it = runtime.enter();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let relay = relay(&publish_key, &clock);
        let simulator = Simulator::with_timing(Arc::clone(&clock), Modes::default(), timing());
        let flow: FlowArn = simulator.running_flow("main").parse().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.unwrap();
        let endpoint = listener.local_addr().unwrap();
        runtime.spawn(simulator.clone().serve(listener));
        runtime.spawn(simulator.clone().bridge(Arc::new(relay.router())));

        let client = Client::new(&sdk_config(endpoint));
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        let budget = Arc::new(Budget::new(Arc::clone(&clock), sleep.clone()));
        let evidence: Arc<dyn EvidenceStore> = Arc::new(MemoryEvidence::default());
        let router = FlowRouter::new(
            client.clone(),
            FlowPool::new(flow.clone(), vec![], FlowPool::OUTPUTS_PER_FLOW_MAX).unwrap(),
            DEPLOYMENT.parse().unwrap(),
            Arc::clone(&budget),
            Arc::clone(&clock),
            Arc::clone(&evidence),
        );
        let events = MemoryEventLog::default();
        let ports = Ports {
            destinations: Arc::new(MemoryDestinationRepo::default()),
            secrets: Arc::new(MemorySecretStore::default()),
            router: Arc::new(router),
            events: Arc::new(events.clone()),
            control: Arc::new(MemoryControlStore::default()),
            failovers: Arc::new(MemoryFailoverRepo::default()),
            clock: Arc::clone(&clock),
        };
        let ours = OutputType::MediaConnect;
        let reconciler = Reconciler::new(ports.clone(), ours, sample::hash_key());
        let reconciler = Arc::new(reconciler);
        let prefix = "/lunora".parse().unwrap();
        let worker = Worker::new(Arc::clone(&reconciler), evidence, prefix, clock, sleep);
        runtime.spawn(deliver(simulator.clone(), worker));
        let ids = Arc::new(Sequence::default());
        Self {
            service: Destinations::new(ports, ids, Arc::clone(&reconciler)),
            control: FlowControl::new(client, budget),
            runtime,
            simulator,
            relay,
            events,
            reconciler,
            flow,
            endpoint,
            publish_key,
            secrets,
        }
    }

    /// Publishes a clip to the relay, and returns once it is on air.
    pub(crate) fn publish(&self, clip: &Clip) -> (Running, PathBuf) {
        let address = self.relay.ingest_address().unwrap();
        let key = self.publish_key.expose_secret();
        let url = format!("rtmp://{address}/live/{key}");
        let file = clip.file();
        let encoder = publish(&file, &url);
        until("the encoder is on air", || {
            (self.relay.program().on_air == OnAir::Encoder).then_some(())
        });
        (encoder, file)
    }

    /// A stream key that is seen nowhere.
    pub(crate) fn mint_key(&mut self) -> String {
        self.secrets.mint()
    }

    /// Waits for the outcome of a call.
    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// Creates a destination that goes live at once.
    pub(crate) fn add_live(&self, name: &str, url: &str) -> DestinationId {
        let id = self.service.mint_id();
        let new = NewDestination {
            name: name.parse().unwrap(),
            platform: "custom".parse().unwrap(),
            primary: leg(url),
            backup: LegEdit::default(),
            preset_id: None,
            enabled: true,
            failover_enabled: false,
            backup_mode: BackupMode::Standby,
            start: Start::Now,
        };
        let changed = self.wait(self.service.create(id.clone(), new)).unwrap();
        // Nobody can know so soon.
        assert_ne!(changed.entry.status.kind, StatusKind::Live, "{name}");
        id
    }

    /// Changes a destination that is live, and what it pushes with it.
    pub(crate) fn edit(&self, id: &DestinationId, patch: &DestinationPatch) {
        let changed = self.wait(self.service.update(id, patch, None)).unwrap();
        assert_ne!(changed.entry.status.kind, StatusKind::Live, "{id}");
    }

    pub(crate) fn stop(&self, id: &DestinationId) {
        self.wait(self.service.stop(id)).unwrap();
    }

    pub(crate) fn restart(&self, id: &DestinationId) {
        self.wait(self.service.start(id)).unwrap();
    }

    pub(crate) fn remove(&self, id: &DestinationId) {
        self.wait(self.service.remove(id, None)).unwrap();
    }

    /// A destination, if it is there.
    pub(crate) fn find(&self, id: &DestinationId) -> Option<Entry> {
        let snapshot = self.wait(self.reconciler.look()).unwrap();
        snapshot.entries.get(id).cloned()
    }

    /// Waits until a destination shows that, and returns what is wrong with it.
    pub(crate) fn is(&self, id: &DestinationId, kind: StatusKind) -> Option<Fault> {
        let mut last = None;
        let found = look(PATIENCE, || {
            last = Some(self.find(id)?.status);
            last.clone().filter(|status| status.kind == kind)
        });
        let found = found.unwrap_or_else(|| panic!("{id} is not {kind} but {last:?}"));
        found.fault
    }

    /// Waits until a destination is live. By then its far end has accepted the publish, and
    /// has media (rule 3).
    pub(crate) fn is_live(&self, id: &DestinationId, nginx: &Nginx, key: &str, times: usize) {
        self.is(id, StatusKind::Live);
        let recordings = nginx.recordings(key);
        assert_eq!(recordings.len(), times, "{id} was called live");
        let size = size(&recordings[times - 1]);
        assert!(1_000 < size, "{id} was called live after {size} bytes");
    }

    /// What a destination has shown so far, from the first to the last.
    pub(crate) fn shown(&self, id: &DestinationId) -> Vec<StatusKind> {
        let events = self.wait(self.events.read(EventSeq(0), 10_000)).unwrap();
        let events = events.into_iter().map(|event| event.event);
        let of = events.filter(|event| event.destination.as_ref() == Some(id));
        let kinds = of.filter_map(|event| match event.kind {
            EventKind::StatusChanged { to, .. } => Some(to),
            _ => None,
        });
        let mut kinds: Vec<_> = kinds.collect();
        // One that changed in its severity alone stays the same one.
        kinds.dedup();
        kinds
    }

    /// The output of a destination as the simulator has it.
    pub(crate) fn output(&self, id: &DestinationId) -> Option<SeenOutput> {
        let name = format!("lunora-{DEPLOYMENT}-{id}-primary");
        let outputs = self.simulator.outputs().into_iter();
        outputs.into_iter().find(|output| output.name == name)
    }

    /// How often that output was disabled, changed or removed while it was on.
    pub(crate) fn interruptions(&self, id: &DestinationId) -> u32 {
        let name = format!("lunora-{DEPLOYMENT}-{id}-primary");
        self.simulator.interruptions(self.flow.as_str(), &name)
    }

    /// What the relay, which pushes for the simulator, says that it moved.
    pub(crate) fn moved(&self, id: &DestinationId) -> Progress {
        let arn = self.output(id).unwrap().arn;
        // As the bridge calls it.
        let whose = arn.split(':').nth(6).unwrap();
        let router = self.relay.router();
        let observed = self.wait(router.observe()).unwrap();
        let mut observed = observed.into_iter();
        let output = observed.find(|it| it.id.destination.as_str() == whose);
        output.unwrap().health.progress
    }

    /// Requires that all was as AWS would have it, and that no secret was seen, not in what
    /// the encoder said either.
    pub(crate) fn ends_well(self, encoder: &Running) {
        assert_eq!(self.simulator.violations(), Vec::<String>::new());
        assert_eq!(self.simulator.doubles(), []);
        let events = self.wait(self.events.read(EventSeq(0), 10_000)).unwrap();
        let all = self.wait(self.reconciler.look()).unwrap();
        let secrets = &self.secrets;
        for about in ["calls", "events", "outputs", "violations"] {
            let url = format!("http://{}/_simulator/{about}", self.endpoint);
            let mut curl = std::process::Command::new("curl");
            let (text, complaint) = attempt(curl.args(["-sSf", &url]), "");
            assert_eq!(complaint, "", "{about}");
            secrets.are_not_in(about, text.as_bytes());
        }
        secrets.are_not_in("the events", format!("{events:?}").as_bytes());
        secrets.are_not_in("what is shown", format!("{all:?} {self:?}").as_bytes());
        let said = [encoder.out(), encoder.err()].concat().join("\n");
        secrets.are_not_in("what the encoder said", said.as_bytes());
        self.wait(self.relay.shutdown());
        let log = crate::log::log().text();
        // The log works: it has the calls that hold no secret.
        assert!(log.contains("TRACE") && log.contains("RemoveFlowOutput"));
        secrets.are_not_in("the log", log.as_bytes());
    }
}

/// Reads a push URL whose last part is the key.
pub(crate) fn leg(url: &str) -> LegEdit {
    use lunora_core::domain::{Edit, KeyInput};

    LegEdit::parse(Edit::Set(url), KeyInput::Omitted).unwrap()
}

fn relay(publish_key: &SecretString, clock: &Arc<dyn Clock>) -> Relay {
    let config = RelayConfig {
        ingest: Some(Ingest {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            publish_key: publish_key.clone(),
        }),
        idle: Idle::Nothing,
        outputs_max: 50,
        policy: DialPolicy::Local,
        resolver: Arc::new(SystemResolver),
        certificates: None,
        clock: Arc::clone(clock),
    };
    Relay::start(config).unwrap()
}

fn sdk_config(endpoint: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("key", "not-a-secret", None, None, "simulator");
    // Not `lunora_aws::sdk_config`, which would look for real credentials.
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{endpoint}"))
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}

/// Hands the worker what EventBridge would: each event soon after it happened, and the
/// timer, which here ticks each second, so that routine passes run between the changes.
async fn deliver(simulator: Simulator, worker: Worker) {
    const EVERY: Duration = Duration::from_millis(50);
    for turn in 0_u32.. {
        for event in simulator.take_events() {
            hand(&worker, &event_bridge(&event)).await;
        }
        if turn % 20 == 0 {
            let tick = json!({"source": "aws.events", "detail-type": "Scheduled Event"});
            hand(&worker, &tick).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn hand(worker: &Worker, event: &Value) {
    let until = SystemClock.now() + SignedDuration::from_secs(30);
    let handled = worker.handle(event.to_string().as_bytes(), until).await;
    handled.unwrap();
}

fn event_bridge(event: &Event) -> Value {
    json!({
        "version": "0",
        "source": event.source,
        "detail-type": event.detail_type,
        "time": Timestamp::from_second(event.time.as_second()).unwrap().to_string(),
        "resources": event.resources,
        "detail": event.detail,
    })
}

/// The time of this machine.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "ffmpeg takes its time from it, too"
        )]
        let now = Timestamp::now();
        // Whole milliseconds, by the contract of `Clock`.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap()
    }
}
