//! What the outputs of the simulator make a router push, and what it says of them.

use std::{sync::Arc, time::Duration};

use lunora_core::{
    ExposeSecret,
    domain::{OutputHealth, OutputSpec, OutputState},
    port::{Clock, OutputRouter, RouterCapabilities},
};
use lunora_testkit::{
    aws::{Event, HealthState, Modes, Simulator},
    clock::VirtualClock,
    memory::MemoryOutputRouter,
};
use serde_json::{Value, json};

use crate::support::{request, rtmp, rtmps, with};

struct World {
    aws: Simulator,
    clock: VirtualClock,
    router: MemoryOutputRouter,
    flow: String,
}

impl World {
    fn new() -> Self {
        let clock = VirtualClock::default();
        let aws = Simulator::new(Arc::new(clock), Modes::default());
        let router = MemoryOutputRouter::new(RouterCapabilities::rtmp(50)).with_clock(clock);
        let flow = aws.running_flow("main");
        let behind: Arc<dyn OutputRouter> = Arc::new(router.clone());
        tokio::spawn(aws.clone().bridge(behind));
        Self {
            aws,
            clock,
            router,
            flow,
        }
    }

    fn call(&self, operation: &str, input: Value) {
        let input = with(json!({ "FlowArn": self.flow }), input);
        let answer = self.aws.answer(&request(operation, input));
        assert!(format!("{answer:?}").contains("HTTP 20"), "{answer:?}");
    }

    /// Adds outputs, and waits until all is quiet.
    async fn add(&self, outputs: &[Value]) {
        self.call("AddFlowOutputs", json!({ "outputs": outputs }));
        self.wait().await;
    }

    async fn update(&self, name: &str, change: Value) {
        let outputs = self.aws.outputs();
        let output = outputs.iter().find(|it| it.name == name).unwrap();
        self.call(
            "UpdateFlowOutput",
            with(json!({ "OutputArn": output.arn }), change),
        );
        self.wait().await;
    }

    async fn wait(&self) {
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    fn health(&self, name: &str) -> HealthState {
        let outputs = self.aws.outputs();
        outputs.iter().find(|it| it.name == name).unwrap().health
    }
}

fn states(events: &[Event]) -> Vec<Value> {
    let health = events
        .iter()
        .filter(|it| it.detail_type == "MediaConnect Output Health");
    health
        .map(|event| event.detail["current"]["state"].clone())
        .collect()
}

fn url_and_key(spec: &OutputSpec) -> (String, String) {
    let key = spec
        .target
        .stream_name()
        .unwrap()
        .expose_secret()
        .to_owned();
    (spec.target.tc_url().expose_secret().to_owned(), key)
}

#[tokio::test(start_paused = true)]
async fn what_is_enabled_on_a_running_flow_is_pushed() {
    let world = World::new();
    let off = with(rtmp("off"), json!({ "outputStatus": "DISABLED" }));
    let srt = json!({
        "name": "srt", "protocol": "srt-caller", "destination": "192.0.2.1", "port": 5001,
    });
    let mut token = rtmps("b");
    token["rtmpPushSettings"]["applicationName"] = json!("live/token?backup=1");
    world.add(&[rtmp("a"), token, off, srt]).await;

    let mut pushed: Vec<_> = world.router.specs().iter().map(url_and_key).collect();
    pushed.sort();
    let expected = [
        ("rtmp://a.example.com/live", "key-a"),
        ("rtmps://b.example.com/live/token?backup=1", "key-b"),
    ];
    assert_eq!(
        pushed,
        expected.map(|(url, key)| (url.to_owned(), key.to_owned()))
    );
    world
        .update("off", json!({ "outputStatus": "ENABLED" }))
        .await;
    assert_eq!(world.router.specs().len(), 3);
    world
        .update("off", json!({ "outputStatus": "DISABLED" }))
        .await;
    assert_eq!(world.router.specs().len(), 2);
    world.call("StopFlow", json!({}));
    world.wait().await;
    assert_eq!(world.router.specs().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_health_of_an_output_is_what_its_router_says() {
    let world = World::new();
    let _ = world.aws.take_events();
    world.add(&[rtmp("a"), rtmp("b")]).await;
    assert_eq!(world.health("a"), HealthState::Sending);
    let events = world.aws.take_events();
    assert_eq!(
        states(&events),
        ["DISCONNECTED", "DISCONNECTED", "SENDING", "SENDING"]
    );

    let id = world.router.specs()[0].id.clone();
    let failed = OutputHealth::new(OutputState::Reconnecting, world.clock.now());
    world.router.set_health(&id, failed);
    world.wait().await;
    assert_eq!(states(&world.aws.take_events()), ["DISCONNECTED"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_pushed_and_touches_no_other() {
    let world = World::new();
    world.add(&[rtmp("a"), rtmp("b")]).await;
    let of = |name: &str| {
        let key = format!("key-{name}");
        let specs = world.router.specs();
        specs
            .into_iter()
            .find(|spec| url_and_key(spec).1 == key)
            .unwrap()
    };
    let (a, b) = (of("a"), of("b"));
    world.update("a", json!({ "port": 1936 })).await;
    assert_eq!(url_and_key(&of("a")).0, "rtmp://a.example.com:1936/live");
    assert_eq!(world.router.interruptions(&a.id), 1);
    assert_eq!(world.router.interruptions(&b.id), 0);
    assert_eq!(world.health("a"), HealthState::Sending);
    // Nothing that is sent depends on it.
    world.update("a", json!({ "description": "ours" })).await;
    assert_eq!(world.router.interruptions(&a.id), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_router_cannot_push_stays_disconnected() {
    let world = World::new();
    let mut spaces = rtmp("a");
    spaces["rtmpPushSettings"]["streamName"] = json!("with space");
    world.add(&[spaces]).await;
    assert_eq!(world.router.specs().len(), 0);
    assert_eq!(world.health("a"), HealthState::Disconnected);
}
