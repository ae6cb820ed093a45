//! A relay on loopback, and what to ask of it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use lunora_core::{
    domain::{
        FaultCode, Fingerprint, HashKey, Leg, OutputHealth, OutputId, OutputSpec, OutputState,
        PushTarget, StreamKey, Switch,
    },
    port::OutputRouter,
};
use lunora_relay::{
    DialPolicy, Failover, Idle, Ingest, Relay, RelayConfig, RelayRouter, Resolver,
    sink::{Keep, Publish, Sink, SinkConfig},
};
use lunora_testkit::clock::ManualClock;
use tokio::{sync::watch, time::timeout};

use super::{Encoder, log};

pub(crate) const PUBLISH_KEY: &str = "entry-77a1c9-canary";
/// Longer than anything here takes; it only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(40);

/// Knows `localhost` and no other name, and asks nobody.
#[derive(Debug)]
struct Names;

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match name {
            "localhost" => Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]),
            // What a name means that leads a caller astray.
            "metadata.test" => Ok(vec![SocketAddr::from(([169, 254, 169, 254], port))]),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A running relay.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) relay: Relay,
    pub(crate) router: RelayRouter,
}

impl Stage {
    pub(crate) fn start(idle: Idle) -> Self {
        Self::trusting(idle, None)
    }

    /// With an authority of its own.
    pub(crate) fn trusting(idle: Idle, certificates: Option<Vec<u8>>) -> Self {
        Self::with(Self::config(idle, certificates))
    }

    pub(crate) fn with(config: RelayConfig) -> Self {
        log::keep();
        let relay = Relay::start(config).unwrap();
        let router = relay.router();
        Self { relay, router }
    }

    pub(crate) fn config(idle: Idle, certificates: Option<Vec<u8>>) -> RelayConfig {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let publish_key = PUBLISH_KEY.into();
        RelayConfig {
            ingest: Some(Ingest {
                address,
                publish_key,
            }),
            srt: None,
            idle,
            failover: Failover::default(),
            hls: None,
            outputs_max: 40,
            policy: DialPolicy::Local,
            resolver: Arc::new(Names),
            certificates,
            clock: Arc::new(ManualClock::default()),
        }
    }

    pub(crate) async fn encoder(&self) -> Encoder {
        Encoder::publish(self.address(), PUBLISH_KEY).await.unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.ingest_address().unwrap()
    }

    /// Adds or changes the output of destination `n`.
    pub(crate) async fn push(&self, n: u64, url: &str, key: &str) -> OutputId {
        self.switch(n, url, key, Switch::On).await
    }

    pub(crate) async fn switch(&self, n: u64, url: &str, key: &str, switch: Switch) -> OutputId {
        let spec = spec(n, url, key, switch);
        self.router
            .apply(std::slice::from_ref(&spec))
            .await
            .remove(0)
            .unwrap();
        spec.id
    }

    pub(crate) async fn detach(&self, id: &OutputId) {
        self.router
            .detach(std::slice::from_ref(id))
            .await
            .remove(0)
            .unwrap();
    }

    pub(crate) async fn retry(&self, id: &OutputId) {
        self.router
            .retry(std::slice::from_ref(id))
            .await
            .remove(0)
            .unwrap();
    }

    pub(crate) async fn health(&self, id: &OutputId) -> OutputHealth {
        let observed = self.router.observe().await.unwrap();
        observed
            .into_iter()
            .find(|output| output.id == *id)
            .unwrap()
            .health
    }

    /// Waits until an output is in this state.
    pub(crate) async fn until_state(&self, id: &OutputId, state: OutputState) -> OutputHealth {
        self.until_health(id, |health| health.state == state).await
    }

    /// Waits until an output shows this fault.
    pub(crate) async fn until_fault(&self, id: &OutputId, code: FaultCode) -> OutputHealth {
        let shows = |health: &OutputHealth| health.fault.as_ref().is_some_and(|it| it.code == code);
        self.until_health(id, shows).await
    }

    pub(crate) async fn until_health(
        &self,
        id: &OutputId,
        is_it: impl Fn(&OutputHealth) -> bool + Send + Sync,
    ) -> OutputHealth {
        let mut changes = self.relay.changes();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let health = self.health(id).await;
                if is_it(&health) {
                    return health;
                }
                changes.changed().await.unwrap();
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(health) => health,
            Err(_) => panic!("still {:?}", self.health(id).await),
        }
    }
}

pub(crate) fn spec(n: u64, url: &str, key: &str, switch: Switch) -> OutputSpec {
    let hash_key = HashKey::new([1; 32]);
    let id = OutputId {
        destination: format!("dest-{n}").parse().unwrap(),
        leg: Leg::Primary,
    };
    let fingerprint = Fingerprint(hash_key.digest([url.as_bytes(), key.as_bytes()]));
    let key = StreamKey::new(key).unwrap();
    let target = PushTarget {
        url: url.parse().unwrap(),
        tail: None,
        key: Some(key),
    };
    OutputSpec {
        id,
        target,
        switch,
        fingerprint,
    }
}

/// A sink on loopback that keeps every message.
pub(crate) async fn sink() -> Sink {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = SinkConfig {
        keep: Keep::Messages,
        ..SinkConfig::new(address)
    };
    Sink::start(config).await.unwrap()
}

/// Waits until a sink has a publish with this key that is as wanted; of several, the newest counts.
pub(crate) async fn until(
    sink: &Sink,
    key: &str,
    is_it: impl Fn(&Publish) -> bool + Send + Sync,
) -> Publish {
    let mut changes: watch::Receiver<u64> = sink.changes();
    let newest = || {
        sink.publishes()
            .into_iter()
            .rfind(|publish| publish.is_for(key))
    };
    let waiting = async {
        loop {
            changes.borrow_and_update();
            if let Some(publish) = newest().filter(|publish| is_it(publish)) {
                return publish;
            }
            changes.changed().await.unwrap();
        }
    };
    match timeout(PATIENCE, waiting).await {
        Ok(publish) => publish,
        Err(_) => panic!(
            "still {:?}",
            newest().map(|publish| (publish.facts, publish.end))
        ),
    }
}
