//! The simulator behind the SDK, and a channel in front of it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_medialive::Client;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use lunora_aws::{Budget, ChannelId, medialive::MediaLiveChannel};
use lunora_core::{
    domain::{Channel, ChannelClass, ChannelState, Feed},
    port::{ChannelController, PortError},
};
use lunora_testkit::{
    aws::{Modes, Outcome, Request, Simulator, Timing},
    clock::VirtualClock,
    sample,
};
use serde_json::{Value, json};

use crate::simulated;

/// What somebody does to the descriptions of a channel that AWS gives; it is told how
/// many updates there were.
type Tamper = fn(u32, &mut Value);

/// Hands requests of the SDK to a simulator in this process.
#[derive(Clone)]
pub(crate) struct Wire {
    simulator: Simulator,
    tamper: Arc<Mutex<Option<Tamper>>>,
    updates: Arc<AtomicU32>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
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
        let wire = self.clone();
        simulated::prove(&request);
        HttpConnectorFuture::new(async move {
            let alter = |request: &Request, body| wire.tampered(request, body);
            simulated::carry(&wire.simulator, &request, alter).await
        })
    }
}

impl Wire {
    fn tampered(&self, request: &Request, body: Vec<u8>) -> Vec<u8> {
        let is_channel = request.path.starts_with("/prod/channels/");
        let is_of_channel = is_channel && request.path.matches('/').count() == 3;
        if is_of_channel && request.method == "PUT" {
            self.updates.fetch_add(1, Relaxed);
        }
        match *self.tamper.lock().unwrap() {
            Some(tamper) if is_of_channel && request.method == "GET" => {
                let mut described = serde_json::from_slice(&body).unwrap();
                tamper(self.updates.load(Relaxed), &mut described);
                described.to_string().into_bytes()
            }
            _ => body,
        }
    }
}

/// A channel with two inputs and three output groups, idle, and all that it stands on.
/// Time is paused: it passes when everybody sleeps.
///
/// When it ends, no request was other than AWS's model says.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) clock: VirtualClock,
    pub(crate) budget: Arc<Budget>,
    pub(crate) sdk: SdkConfig,
    pub(crate) client: Client,
    pub(crate) channel: Arc<MediaLiveChannel>,
    pub(crate) id: ChannelId,
    tamper: Arc<Mutex<Option<Tamper>>>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with_class(ChannelClass::SinglePipeline).await
    }

    pub(crate) async fn with_class(class: ChannelClass) -> Self {
        // A test of a suite brings its own runtime, which goes by real time.
        let _ = std::panic::catch_unwind(tokio::time::pause);
        let clock = VirtualClock::default();
        let timing = Timing::each(Duration::from_millis(500));
        let simulator = Simulator::with_timing(Arc::new(clock), Modes::default(), timing);
        let wire = Wire {
            simulator: simulator.clone(),
            tamper: Arc::default(),
            updates: Arc::default(),
        };
        let tamper = Arc::clone(&wire.tamper);
        let sdk = simulated::sdk_config(wire);
        let client = Client::new(&sdk);
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        let budget = Arc::new(Budget::new(Arc::new(clock), sleep));
        let id: ChannelId = make_channel(&simulator, class).await.parse().unwrap();
        let channel = Arc::new(MediaLiveChannel::new(
            &client,
            id.clone(),
            Arc::clone(&budget),
            Arc::new(clock),
            sample::hash_key(),
        ));
        simulator.forget_calls();
        Self {
            simulator,
            clock,
            budget,
            sdk,
            client,
            channel,
            id,
            tamper,
        }
    }

    /// From now on AWS describes the channel otherwise.
    pub(crate) fn tamper(&self, tamper: Tamper) {
        *self.tamper.lock().unwrap() = Some(tamper);
    }

    /// A feed as this channel takes it.
    pub(crate) async fn feed(&self) -> Feed {
        let mut feed = sample::feed(1);
        let class = self.channel.describe().await.unwrap().class;
        feed.second = (class == ChannelClass::Standard).then(|| sample::feed(101).address);
        feed
    }

    pub(crate) async fn run(&self) {
        self.channel.start().await.unwrap();
        self.come_to(ChannelState::Running).await;
    }

    pub(crate) async fn halt(&self) {
        self.channel.stop().await.unwrap();
        self.come_to(ChannelState::Idle).await;
    }

    pub(crate) async fn come_to(&self, state: ChannelState) -> Channel {
        for _ in 0..100 {
            let channel = self.channel.describe().await.unwrap();
            if channel.state == state {
                return channel;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it does not come to be {state}");
    }

    /// What AWS describes, whole.
    pub(crate) fn described(&self) -> Value {
        ask(
            &self.simulator,
            "GET",
            &format!("/prod/channels/{}", self.id),
            &Value::Null,
        )
    }

    /// What stands in the schedule.
    pub(crate) fn schedule(&self) -> Vec<Value> {
        let path = format!("/prod/channels/{}/schedule", self.id);
        let schedule = ask(&self.simulator, "GET", &path, &Value::Null);
        schedule["scheduleActions"].as_array().unwrap().clone()
    }

    /// How often this was called and arrived.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let calls = self.simulator.calls();
        calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.simulator.violations(), [""; 0]);
        }
    }
}

/// Asks the simulator as somebody else would, who is never refused.
pub(crate) fn ask(simulator: &Simulator, method: &str, path: &str, body: &Value) -> Value {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        body,
    };
    let Outcome::Response(response) = simulator.answer(&request).outcome else {
        panic!("{path} was lost");
    };
    let text = String::from_utf8(response.body).unwrap();
    assert!(response.status < 300, "{method} {path}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

async fn make_channel(simulator: &Simulator, class: ChannelClass) -> String {
    let mut channel: Value = serde_json::from_str(include_str!("channel.json")).unwrap();
    for index in 0..2 {
        let input = json!({
            "name": format!("input-{index}"),
            "type": "URL_PULL",
            "sources": [
                { "url": format!("http://origin-{index}.example.com/a") },
                { "url": format!("http://origin-{index}.example.com/b") },
            ],
        });
        let input = ask(simulator, "POST", "/prod/inputs", &input);
        channel["inputAttachments"][index]["inputId"] = input["input"]["id"].clone();
    }
    if class == ChannelClass::Standard {
        channel["channelClass"] = json!("STANDARD");
        for destination in channel["destinations"].as_array_mut().unwrap() {
            if let Some(Value::Array(each)) = destination.get_mut("settings") {
                each.push(each[0].clone());
            }
        }
    }
    let made = ask(simulator, "POST", "/prod/channels", &channel);
    tokio::time::sleep(Duration::from_secs(1)).await;
    made["channel"]["id"].as_str().unwrap().to_owned()
}

/// All that anybody could print of it.
pub(crate) fn printed(error: &PortError) -> String {
    let mut printed = format!("{error} {error:?} {error:#?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        printed += &format!(" {error} {error:?}");
        cause = error.source();
    }
    printed
}
