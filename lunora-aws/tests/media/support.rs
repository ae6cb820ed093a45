//! The simulator behind the SDK, and a router in front of it.

use std::{fmt, sync::Arc, thread};

use aws_config::SdkConfig;
use aws_sdk_mediaconnect::Client;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use jiff::Timestamp;
use lunora_aws::{
    Budget, FlowArn,
    mediaconnect::{Deployment, Event, EvidenceStore, FlowPool, FlowRouter, MemoryEvidence},
};
use lunora_core::{
    domain::{ObservedOutput, OutputId, OutputSpec, Switch},
    port::{Clock, OutputRouter, PortError},
};
use lunora_testkit::{
    aws::{Modes, Request, SeenOutput, Simulator, Timing},
    clock::VirtualClock,
};
use serde_json::json;

use crate::simulated;

/// What an answer is made of on its way.
type Alter = dyn Fn(&Request, Vec<u8>) -> Vec<u8> + Send + Sync;

/// Hands requests of the SDK to a simulator in this process.
#[derive(Clone)]
pub(crate) struct Wire {
    simulator: Simulator,
    alter: Arc<Alter>,
}

impl Wire {
    pub(crate) fn to(simulator: &Simulator) -> Self {
        Self {
            simulator: simulator.clone(),
            alter: Arc::new(|_, body| body),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { simulator, alter } = self.clone();
        simulated::prove(&request);
        HttpConnectorFuture::new(async move {
            simulated::carry(&simulator, &request, |request, body| alter(request, body)).await
        })
    }
}

/// What clients are made from that talk to the simulator.
pub(crate) fn sdk_config(simulator: &Simulator) -> SdkConfig {
    simulated::sdk_config(Wire::to(simulator))
}

/// The same, whose answers are altered on their way.
pub(crate) fn sdk_config_with(
    simulator: &Simulator,
    alter: impl Fn(&Request, Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
) -> SdkConfig {
    let alter = Arc::new(alter);
    simulated::sdk_config(Wire {
        alter,
        ..Wire::to(simulator)
    })
}

/// A router over two flows that run, and all that it stands on. Time is paused: it
/// passes when everybody sleeps.
///
/// When it ends, no request was other than AWS's model says, and no two outputs ever
/// pushed to one place with one key.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) clock: VirtualClock,
    pub(crate) evidence: Arc<MemoryEvidence>,
    pub(crate) router: FlowRouter,
    /// The flows of the pool, the head first.
    pub(crate) flows: Vec<FlowArn>,
}

impl Stage {
    /// Two flows, with room for four outputs each.
    pub(crate) fn new(modes: Modes) -> Self {
        Self::with_room(modes, 4)
    }

    pub(crate) fn with_room(modes: Modes, outputs_per_flow: usize) -> Self {
        Self::with_timing(modes, Timing::default(), outputs_per_flow)
    }

    pub(crate) fn with_timing(modes: Modes, timing: Timing, outputs_per_flow: usize) -> Self {
        let clock = VirtualClock::default();
        let simulator = Simulator::with_timing(Arc::new(clock), modes, timing);
        let flows = ["head", "child"].map(|name| simulator.running_flow(name).parse().unwrap());
        let evidence = Arc::new(MemoryEvidence::default());
        let stage = Self {
            router: router(&simulator, clock, &flows, outputs_per_flow, &evidence),
            flows: flows.to_vec(),
            simulator,
            clock,
            evidence,
        };
        stage.simulator.forget_calls();
        stage
    }

    /// Another worker with the same pool, which remembers nothing.
    pub(crate) fn another_router(&self) -> FlowRouter {
        let flows = self.flows.as_slice().try_into().unwrap();
        router(&self.simulator, self.clock, flows, 4, &self.evidence)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&sdk_config(&self.simulator))
    }

    pub(crate) async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        self.router.apply(specs).await
    }

    /// Applies what has to succeed.
    pub(crate) async fn applied(&self, specs: &[OutputSpec]) {
        for result in self.apply(specs).await {
            result.unwrap();
        }
    }

    pub(crate) async fn observed(&self) -> Vec<ObservedOutput> {
        self.router.observe().await.unwrap()
    }

    pub(crate) async fn observed_one(&self, id: &OutputId) -> ObservedOutput {
        let observed = self.observed().await;
        observed.into_iter().find(|it| it.id == *id).unwrap()
    }

    /// Whether an output does not send, be it kept or not.
    pub(crate) async fn is_off(&self, id: &OutputId) -> bool {
        let observed = self.observed().await;
        let its = observed.iter().find(|it| it.id == *id);
        its.is_none_or(|it| it.switch == Switch::Off)
    }

    /// What the simulator has of an output, wherever it is.
    pub(crate) fn seen(&self, id: &OutputId) -> Vec<SeenOutput> {
        let name = name_of(id);
        let outputs = self.simulator.outputs().into_iter();
        outputs.filter(|it| it.name == name).collect()
    }

    /// On which flow of the pool an output is; it is on one.
    pub(crate) fn flow_of(&self, id: &OutputId) -> usize {
        let seen = self.seen(id);
        assert_eq!(seen.len(), 1, "{seen:?}");
        let is_its = |flow: &FlowArn| flow.as_str() == seen[0].flow;
        self.flows.iter().position(is_its).unwrap()
    }

    /// The operations that were called since the last time.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        let calls = self.simulator.calls();
        self.simulator.forget_calls();
        calls.iter().map(|call| call.operation).collect()
    }

    /// How many calls since the last time could change something.
    pub(crate) fn writes(&self) -> usize {
        let calls = self.simulator.calls();
        self.simulator.forget_calls();
        calls.iter().filter(|call| call.is_write).count()
    }

    /// Delivers what EventBridge would have delivered by now.
    pub(crate) async fn deliver_events(&self) {
        for event in self.simulator.take_events() {
            let json = json!({
                "version": "0",
                "source": event.source,
                "detail-type": event.detail_type,
                "time": whole_seconds(event.time).to_string(),
                "resources": event.resources,
                "detail": event.detail,
            });
            if let Some(evidence) = Event::from_json(json.to_string().as_bytes()).unwrap() {
                self.evidence.note(&evidence).await.unwrap();
            }
        }
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The latency that MediaConnect shows of the first output.
    pub(crate) async fn shown_latency(&self) -> Option<i32> {
        let call = self.client().describe_flow();
        let reply = call.flow_arn(self.flows[0].as_str()).send().await.unwrap();
        let transport = reply.flow().unwrap().outputs()[0].transport().unwrap();
        transport.min_latency().or(transport.max_latency())
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let violations = self.simulator.violations();
        assert!(violations.is_empty(), "{violations:#?}");
        let doubles = self.simulator.doubles();
        assert!(doubles.is_empty(), "{doubles:#?}");
    }
}

pub(crate) fn deployment() -> Deployment {
    "test".parse().unwrap()
}

/// What an output is called on its flow.
pub(crate) fn name_of(id: &OutputId) -> String {
    format!("lunora-test-{}-{}", id.destination, id.leg)
}

pub(crate) fn budget(clock: VirtualClock) -> Arc<Budget> {
    let sleep = SharedAsyncSleep::new(TokioSleep::new());
    Arc::new(Budget::new(Arc::new(clock), sleep))
}

fn router(
    simulator: &Simulator,
    clock: VirtualClock,
    flows: &[FlowArn; 2],
    outputs_per_flow: usize,
    evidence: &Arc<MemoryEvidence>,
) -> FlowRouter {
    let [head, child] = flows.clone();
    let pool = FlowPool::new(head, vec![child], outputs_per_flow).unwrap();
    let clock_port: Arc<dyn Clock> = Arc::new(clock);
    FlowRouter::new(
        Client::new(&sdk_config(simulator)),
        pool,
        deployment(),
        budget(clock),
        clock_port,
        Arc::clone(evidence) as Arc<dyn EvidenceStore>,
    )
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap()
}
