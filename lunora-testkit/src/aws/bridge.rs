//! Real media behind the simulator: its `rtmp-push` outputs, pushed by a router.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        Edit, Fingerprint, HashKey, KeyInput, Leg, ObservedOutput, OutputId, OutputSpec,
        OutputState, PushAddress, PushTarget, StreamKey, Switch,
    },
    port::OutputRouter,
};

use super::{mediaconnect::HealthState, seen::SeenOutput, simulator::Simulator};

/// How often the router is asked how its outputs fare.
const EVERY: Duration = Duration::from_millis(200);

impl Simulator {
    /// Keeps a router pushing what the enabled `rtmp-push` outputs of running flows would,
    /// and takes their health from it; until it is dropped.
    pub async fn bridge(self, router: Arc<dyn OutputRouter>) {
        self.expect_reports();
        let mut revisions = self.revisions();
        let mut bridge = Bridge {
            simulator: self,
            router,
            pushed: BTreeMap::new(),
        };
        loop {
            bridge.sync().await;
            let changed = async {
                // It cannot fail: the bridge holds the simulator.
                let _ = revisions.changed().await;
            };
            let _ = tokio::time::timeout(EVERY, changed).await;
        }
    }
}

struct Bridge {
    simulator: Simulator,
    router: Arc<dyn OutputRouter>,
    // By the ARN of the output.
    pushed: BTreeMap<String, Push>,
}

#[derive(Clone)]
struct Push {
    spec: OutputSpec,
    generation: u64,
}

impl Bridge {
    async fn sync(&mut self) {
        let outputs = self.simulator.outputs().into_iter();
        let on = outputs.filter(|output| output.protocol == "rtmp-push" && output.is_on());
        // What a router could not push stays disconnected.
        let wanted: BTreeMap<_, _> = on
            .filter_map(|output| Some((output.arn.clone(), push(&output)?)))
            .collect();
        self.detach(&wanted).await;
        self.apply(&wanted).await;
        self.report().await;
    }

    async fn detach(&mut self, wanted: &BTreeMap<String, Push>) {
        let all = self.pushed.iter();
        let over = all.filter(|(arn, _)| !wanted.contains_key(*arn));
        let (arns, ids): (Vec<_>, Vec<_>) = over
            .map(|(arn, push)| (arn.clone(), push.spec.id.clone()))
            .unzip();
        if ids.is_empty() {
            return;
        }
        let results = self.router.detach(&ids).await;
        for (arn, result) in arns.iter().zip(results) {
            if result.is_ok() {
                self.pushed.remove(arn);
            }
        }
    }

    async fn apply(&mut self, wanted: &BTreeMap<String, Push>) {
        let is_new = |(arn, push): &(&String, &Push)| {
            let pushed = self.pushed.get(*arn);
            pushed.is_none_or(|pushed| pushed.spec.fingerprint != push.spec.fingerprint)
        };
        let new: Vec<_> = wanted.iter().filter(is_new).collect();
        let specs: Vec<_> = new.iter().map(|(_, push)| push.spec.clone()).collect();
        if specs.is_empty() {
            return;
        }
        let results = self.router.apply(&specs).await;
        for ((arn, push), result) in new.into_iter().zip(results) {
            if result.is_ok() {
                self.pushed.insert(arn.clone(), push.clone());
            }
        }
    }

    async fn report(&self) {
        let Ok(observed) = self.router.observe().await else {
            return;
        };
        for (arn, push) in &self.pushed {
            let is_it = |output: &&ObservedOutput| {
                output.id == push.spec.id && output.fingerprint == push.spec.fingerprint
            };
            if let Some(output) = observed.iter().find(is_it) {
                let health = health(output.health.state);
                self.simulator.report(arn, push.generation, health);
            }
        }
    }
}

const fn health(state: OutputState) -> HealthState {
    match state {
        OutputState::Live => HealthState::Sending,
        OutputState::WaitingForSource | OutputState::Unconfirmed => HealthState::Connected,
        OutputState::Off | OutputState::Stopping => HealthState::Idle,
        _ => HealthState::Disconnected,
    }
}

/// What the router is told about an output; `None` if that cannot be pushed.
fn push(output: &SeenOutput) -> Option<Push> {
    let target = target(output)?;
    // arn:aws:mediaconnect:REGION:ACCOUNT:output:ID:NAME
    let id = output.arn.split(':').nth(6)?;
    let id = OutputId {
        destination: id.parse().ok()?,
        leg: Leg::Primary,
    };
    // Nothing to hide it from: it never leaves the process.
    let hash_key = HashKey::new([0; 32]);
    let (url, key) = (target.tc_url(), output.stream_name.as_ref()?);
    let parts = [
        url.expose_secret().as_bytes(),
        key.expose_secret().as_bytes(),
        // One that was off for a moment begins again.
        &output.generation.to_be_bytes(),
    ];
    let fingerprint = Fingerprint(hash_key.digest(parts));
    let spec = OutputSpec {
        id,
        target,
        switch: Switch::On,
        fingerprint,
    };
    let generation = output.generation;
    Some(Push { spec, generation })
}

fn target(output: &SeenOutput) -> Option<PushTarget> {
    let scheme = if output.has_tls { "rtmps" } else { "rtmp" };
    let (host, port) = (output.host.as_deref()?, output.port?);
    let application = output.application.as_ref()?.expose_secret();
    let url = SecretString::from(format!("{scheme}://{host}:{port}/{application}"));
    let key = StreamKey::new(output.stream_name.as_ref()?.expose_secret()).ok()?;
    let key = KeyInput::Given(key);
    let address = PushAddress::parse(url.expose_secret(), key).ok()?;
    Some(PushTarget {
        url: address.url,
        tail: set(address.tail),
        key: set(address.key),
    })
}

fn set<T>(edit: Edit<T>) -> Option<T> {
    match edit {
        Edit::Set(value) => Some(value),
        Edit::Keep | Edit::Clear => None,
    }
}
