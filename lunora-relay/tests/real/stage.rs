//! A relay that takes RTMP and SRT in, and pushes to nginx.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::id,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use lunora_core::{
    domain::{
        Encryption, Fingerprint, HashKey, IngestSpec, IngestWay, Leg, ObservedIngest, OutputId,
        OutputSpec, Priority, Protocol, PushTarget, SourceId, StreamKey, Switch,
    },
    port::{IngestController, OutputRouter},
};
use lunora_relay::{
    DialPolicy, Failover, Idle, Ingest, Origin, Relay, RelayConfig, SrtConfig, SrtService,
    SrtStatus, SystemResolver, WorkerCommand,
};
use lunora_testkit::{
    clock::ManualClock,
    real::machine::{PATIENCE, look, until},
};

pub(crate) const PUBLISH_KEY: &str = "entry-77a1c9-canary";

static STAGES: AtomicU32 = AtomicU32::new(0);

/// A source that comes by SRT, with a fingerprint of all that it is told.
pub(crate) fn source(name: &str, way: IngestWay, passphrase: Option<&str>) -> IngestSpec {
    let told = format!("{name}{way:?}{passphrase:?}");
    IngestSpec {
        id: format!("src-{name}").parse().unwrap(),
        protocol: Protocol::Srt,
        way,
        passphrase: passphrase.map(Into::into),
        encryption: passphrase.map_or(Encryption::None, |_| Encryption::Aes256),
        priority: Priority::PRIMARY,
        fingerprint: Fingerprint(HashKey::new([7; 32]).digest([told.as_bytes()])),
    }
}

/// A running relay, and a runtime to ask it on.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) relay: Relay,
    /// What stands in the command line of its worker and of no other.
    mark: String,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// With libsrt as this machine has it.
    pub(crate) fn start() -> Self {
        Self::with_library(None)
    }

    /// With this file as libsrt.
    pub(crate) fn with_library(library: Option<PathBuf>) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mark = format!("stage-{}-{}", id(), STAGES.fetch_add(1, Relaxed));
        let worker = WorkerCommand {
            program: PathBuf::from(env!("CARGO_BIN_EXE_lunora-srt-worker")),
            // It reads none.
            arguments: vec![mark.clone().into()],
        };
        let relay = Relay::start(RelayConfig {
            ingest: Some(Ingest {
                address,
                publish_key: PUBLISH_KEY.into(),
            }),
            srt: Some(SrtConfig {
                listen: address,
                worker,
                library,
            }),
            idle: Idle::Nothing,
            failover: Failover::default(),
            outputs_max: 10,
            policy: DialPolicy::Local,
            resolver: Arc::new(SystemResolver),
            certificates: None,
            clock: Arc::new(ManualClock::default()),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Self {
            relay: relay.unwrap(),
            mark,
            runtime: runtime.unwrap(),
        }
    }

    /// Where an encoder publishes by RTMP.
    pub(crate) fn rtmp(&self) -> String {
        let address = self.relay.ingest_address().unwrap();
        format!("rtmp://{address}/live/{PUBLISH_KEY}")
    }

    /// Where SRT comes in, once it does.
    pub(crate) fn srt(&self) -> SocketAddr {
        until("SRT is taken in", || match self.service() {
            SrtService::Running { listens, .. } => listens,
            _ => None,
        })
    }

    /// The process that takes SRT in.
    pub(crate) fn worker(&self) -> u32 {
        until("the worker runs", || {
            let processes = fs::read_dir("/proc").unwrap();
            let mut ids = processes.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
            ids.find(|id: &u32| {
                let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                let mut words = words.split(|byte| *byte == 0);
                words.any(|word| word == self.mark.as_bytes())
            })
        })
    }

    /// How the encoder of the relay fares, as far as it comes by SRT.
    pub(crate) fn encoder(&self) -> SrtStatus {
        self.relay.srt().unwrap().status(&Origin::Encoder).unwrap()
    }

    /// Takes exactly these sources in.
    pub(crate) fn take_in(&self, sources: &[IngestSpec]) {
        let ingests = self.relay.ingests();
        let applied = self.runtime.block_on(ingests.apply(sources));
        applied.into_iter().for_each(|result| result.unwrap());
    }

    /// Waits until a source is as wanted.
    pub(crate) fn sees(
        &self,
        id: &SourceId,
        what: &str,
        is_it: impl Fn(&ObservedIngest) -> bool,
    ) -> ObservedIngest {
        let ingests = self.relay.ingests();
        let mut seen = None;
        let found = look(PATIENCE, || {
            let observed = self.runtime.block_on(ingests.observe()).unwrap();
            seen = observed.into_iter().find(|it| it.id == *id);
            seen.clone().filter(&is_it)
        });
        let origin = Origin::Source(id.clone());
        let status = self.relay.srt().unwrap().status(&origin);
        found.unwrap_or_else(|| panic!("source {id} is not {what}, but {seen:?}, {status:?}"))
    }

    pub(crate) fn service(&self) -> SrtService {
        *self.relay.srt().unwrap().service().borrow()
    }

    /// Pushes to this URL, and returns what it takes to end that.
    pub(crate) fn push(&self, url: &str) -> OutputId {
        let (place, key) = url.rsplit_once('/').unwrap();
        let id = OutputId {
            destination: format!("dst-{key}").parse().unwrap(),
            leg: Leg::Primary,
        };
        let target = PushTarget {
            url: place.parse().unwrap(),
            tail: None,
            key: Some(StreamKey::new(key).unwrap()),
        };
        let spec = OutputSpec {
            id: id.clone(),
            fingerprint: Fingerprint(HashKey::new([7; 32]).digest([url.as_bytes()])),
            target,
            switch: Switch::On,
        };
        let router = self.relay.router();
        let applied = self.runtime.block_on(router.apply(&[spec]));
        applied.into_iter().for_each(|result| result.unwrap());
        id
    }

    /// Ends a push in good order.
    pub(crate) fn detach(&self, id: &OutputId) {
        let router = self.relay.router();
        let detached = self
            .runtime
            .block_on(router.detach(std::slice::from_ref(id)));
        detached.into_iter().for_each(|result| result.unwrap());
    }
}
