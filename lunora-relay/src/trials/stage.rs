//! A relay that plays the test stream, names that mean what a test wants, and who watches.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use lunora_core::{
    domain::{
        Fault, Fingerprint, HashKey, Leg, OutputHealth, OutputId, OutputSpec, OutputState,
        PushTarget, StreamKey, Switch,
    },
    port::OutputRouter as _,
};
use lunora_testkit::clock::VirtualClock;
use tokio::time::{Instant, sleep};

use crate::{
    DialPolicy, Failover, Idle, Relay, RelayConfig, RelayRouter, Resolver,
    lock::lock,
    sink::{Behaviour, Identity, Sink, SinkConfig},
};

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    At(IpAddr),
    Nowhere,
    Never,
}

/// Knows every name, as this machine unless it was told otherwise, and when it was asked for each.
#[derive(Debug, Default)]
pub(super) struct Book {
    answers: Mutex<BTreeMap<String, Answer>>,
    asked: Mutex<Vec<(String, Instant)>>,
}

impl Book {
    pub(super) fn set(&self, name: &str, answer: Answer) {
        lock(&self.answers).insert(name.to_owned(), answer);
    }

    /// When a name was asked for: once for every try.
    pub(super) fn tries(&self, name: &str) -> Vec<Instant> {
        let asked = lock(&self.asked);
        let tries = asked.iter().filter(|(it, _)| it == name);
        tries.map(|(_, at)| *at).collect()
    }

    pub(super) fn forget_tries(&self) {
        lock(&self.asked).clear();
    }
}

#[async_trait]
impl Resolver for Book {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        lock(&self.asked).push((name.to_owned(), Instant::now()));
        let answer = lock(&self.answers).get(name).copied();
        match answer.unwrap_or(Answer::At(Ipv4Addr::LOCALHOST.into())) {
            Answer::At(address) => Ok(vec![SocketAddr::new(address, port)]),
            Answer::Nowhere => Err(io::ErrorKind::NotFound.into()),
            Answer::Never => std::future::pending().await,
        }
    }
}

/// A running relay.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) relay: Relay,
    pub(super) router: RelayRouter,
    pub(super) book: Arc<Book>,
}

impl Stage {
    pub(super) fn start() -> Self {
        Self::trusting(None)
    }

    pub(super) fn trusting(certificates: Option<Vec<u8>>) -> Self {
        let book = Arc::<Book>::default();
        let config = RelayConfig {
            ingest: None,
            srt: None,
            idle: Idle::Demo,
            failover: Failover::default(),
            hls: None,
            outputs_max: 200,
            policy: DialPolicy::Local,
            resolver: Arc::clone(&book) as _,
            certificates,
            clock: Arc::new(VirtualClock::default()),
        };
        let relay = Relay::start_here(config).unwrap();
        let router = relay.router();
        Self {
            relay,
            router,
            book,
        }
    }

    pub(super) async fn push(&self, specs: &[OutputSpec]) {
        for result in self.router.apply(specs).await {
            result.unwrap();
        }
    }

    pub(super) async fn health(&self, spec: &OutputSpec) -> OutputHealth {
        let observed = self.router.observe().await.unwrap();
        let found = observed.into_iter().find(|it| it.id == spec.id);
        found.unwrap().health
    }

    /// Waits until an output is in this state, and returns how long that took.
    pub(super) async fn until(&self, spec: &OutputSpec, state: OutputState) -> Duration {
        let begun = Instant::now();
        while self.health(spec).await.state != state {
            assert!(
                begun.elapsed() < Duration::from_secs(300),
                "still {:?}",
                self.health(spec).await
            );
            sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// Watches all outputs for a while.
    pub(super) async fn watch(&self, time: Duration) -> Story {
        let mut story = Story::default();
        let mut changes = self.relay.changes();
        let end = sleep(time);
        tokio::pin!(end);
        loop {
            for output in self.router.observe().await.unwrap() {
                story.take(output.id, &output.health);
            }
            tokio::select! {
                changed = changes.changed() => changed.unwrap(),
                () = &mut end => return story,
            }
        }
    }
}

/// What ended each try of each output, and when.
#[derive(Debug, Default)]
pub(super) struct Story(BTreeMap<OutputId, Vec<(Instant, Fault)>>);

impl Story {
    fn take(&mut self, id: OutputId, health: &OutputHealth) {
        let is_down = matches!(
            health.state,
            OutputState::Reconnecting | OutputState::Failed
        );
        let Some(fault) = health.fault.clone().filter(|_| is_down) else {
            return;
        };
        let faults = self.0.entry(id).or_default();
        let is_new = |(_, last): &(_, Fault)| (last.at, last.count) != (fault.at, fault.count);
        if faults.last().is_none_or(is_new) {
            faults.push((Instant::now(), fault));
        }
    }

    pub(super) fn faults(&self, spec: &OutputSpec) -> &[(Instant, Fault)] {
        self.0.get(&spec.id).map_or(&[], Vec::as_slice)
    }

    /// How long was waited between the end of each try and the next.
    pub(super) fn waits(&self, spec: &OutputSpec, tries: &[Instant]) -> Vec<Duration> {
        let faults = self.faults(spec).iter();
        let waits = faults.filter_map(|(failed, _)| {
            let next = tries.iter().find(|next| failed < *next)?;
            Some(*next - *failed)
        });
        waits.collect()
    }
}

/// Pushes destination `n` to this URL, with a key of its own.
pub(super) fn spec(n: usize, url: &str, switch: Switch) -> OutputSpec {
    let key = format!("canary-{n}");
    let id = OutputId {
        destination: format!("dest-{n}").parse().unwrap(),
        leg: Leg::Primary,
    };
    OutputSpec {
        id,
        fingerprint: Fingerprint(HashKey::new([1; 32]).digest([url.as_bytes(), key.as_bytes()])),
        target: PushTarget {
            url: url.parse().unwrap(),
            tail: None,
            key: Some(StreamKey::new(&key).unwrap()),
        },
        switch,
    }
}

pub(super) async fn sink(behaviour: Behaviour) -> Sink {
    secure_sink(behaviour, None).await
}

pub(super) async fn secure_sink(behaviour: Behaviour, identity: Option<Identity>) -> Sink {
    let sink = Sink::start(SinkConfig {
        identity,
        ..SinkConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    });
    let sink = sink.await.unwrap();
    sink.behave(behaviour);
    sink
}

pub(super) fn rejecting(code: &str, description: &str) -> Behaviour {
    let (code, description) = (code.to_owned(), description.to_owned());
    Behaviour::Reject { code, description }
}
