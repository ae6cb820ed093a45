//! After the start: who receives.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use lunora_aws::{
    mediaconnect::{FlowControl, FlowFeed},
    medialive::FeedCheck,
};
use lunora_core::{
    domain::{ChannelState, FeedAddress},
    port::{ChannelController, Clock, ErrorKind, PortError, Receives},
};
use lunora_testkit::memory::MemoryChannelController;
use serde_json::{Value, json};

use crate::support::{Stage, ask};

/// Answers what it was given, one after the other, and the last for ever.
#[derive(Debug)]
struct Told(Mutex<Vec<Result<bool, ErrorKind>>>);

fn told(answers: &[Result<bool, ErrorKind>]) -> Arc<Told> {
    Arc::new(Told(Mutex::new(answers.to_vec())))
}

#[async_trait]
impl Receives for Told {
    async fn receives(&self) -> Result<bool, PortError> {
        let mut answers = self.0.lock().unwrap();
        let answer = match answers.len() {
            1 => answers[0],
            _ => answers.remove(0),
        };
        answer.map_err(|kind| PortError::new(kind, "look at", "it"))
    }
}

fn check(
    channel: Arc<dyn ChannelController>,
    clock: impl Clock,
    flow: Arc<dyn Receives>,
    viewers: Arc<dyn Receives>,
) -> FeedCheck {
    FeedCheck {
        channel,
        flow,
        viewers,
        clock: Arc::new(clock),
        sleep: SharedAsyncSleep::new(TokioSleep::new()),
    }
}

const MOST: Duration = Duration::from_secs(600);

/// A flow that runs and into which nothing comes yet, and where to send.
async fn make_flow(stage: &Stage) -> (String, FeedAddress) {
    let flow = json!({ "name": "flow", "source": {
        "name": "main", "protocol": "srt-listener", "ingestPort": 5000,
        "whitelistCidr": "0.0.0.0/0",
    } });
    let flow = ask(&stage.simulator, "POST", "/v1/flows", &flow);
    let flow = flow["flow"].clone();
    let arn = flow["flowArn"].as_str().unwrap().to_owned();
    let path = format!("/v1/flows/start/{}", arn.replace(':', "%3A"));
    ask(&stage.simulator, "POST", &path, &Value::Null);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let address = flow["source"]["ingestIp"].as_str().unwrap();
    (arn, format!("{address}:5000").parse().unwrap())
}

#[tokio::test]
async fn a_channel_with_the_feed_makes_the_flow_receive_and_one_without_does_not() {
    let stage = Stage::new().await;
    let (arn, address) = make_flow(&stage).await;
    let client = aws_sdk_mediaconnect::Client::new(&stage.sdk);
    let flow = Arc::new(FlowFeed {
        control: FlowControl::new(client, Arc::clone(&stage.budget)),
        flow: arn.parse().unwrap(),
    });
    let channel = || Arc::clone(&stage.channel) as Arc<dyn ChannelController>;
    let viewers = told(&[Ok(true)]);
    let looks = check(channel(), stage.clock, flow, viewers);

    stage.channel.start().await.unwrap();
    let verdict = looks.verify(Duration::from_secs(60)).await.unwrap();
    assert!(verdict.running.is_some() && verdict.viewers.is_some());
    assert_eq!(verdict.flow, None, "{verdict}");
    assert!(!verdict.is_good());

    stage.halt().await;
    let mut feed = stage.feed().await;
    feed.address = address;
    stage.channel.add_feed(&feed).await.unwrap();
    stage.come_to(ChannelState::Idle).await;
    let start = stage.clock.now();
    stage.channel.start().await.unwrap();
    let verdict = looks.verify(MOST).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
    assert!(start < verdict.flow.unwrap());
}

#[tokio::test(start_paused = true)]
async fn it_looks_until_all_is_well_at_one_look() {
    let channel = Arc::new(MemoryChannelController::default());
    channel.start().await.unwrap();
    // What is left of an earlier run stops counting when it is not so any more.
    let viewers = told(&[Ok(true), Err(ErrorKind::Unavailable), Ok(false), Ok(true)]);
    let flow = told(&[Ok(false), Ok(true)]);
    let clock = lunora_testkit::clock::VirtualClock::default();
    let start = clock.now();
    let verdict = check(channel, clock, flow, viewers)
        .verify(MOST)
        .await
        .unwrap();

    assert!(verdict.is_good(), "{verdict}");
    // Starting at the first look, running from the second on; the flow receives at the
    // third, and viewers are served again at the fifth.
    let seconds = |since: Option<jiff::Timestamp>| since.unwrap().duration_since(start).as_secs();
    assert_eq!(seconds(verdict.running), 5);
    assert_eq!(seconds(verdict.flow), 10);
    assert_eq!(seconds(verdict.viewers), 20);
}

#[tokio::test(start_paused = true)]
async fn it_ends_in_time_and_says_who_does_not_receive() {
    let channel = Arc::new(MemoryChannelController::default());
    channel.start().await.unwrap();
    let clock = lunora_testkit::clock::VirtualClock::default();
    let start = clock.now();
    let looks = check(channel, clock, told(&[Ok(true)]), told(&[Ok(false)]));
    let verdict = looks.verify(MOST).await.unwrap();

    assert!(verdict.running.is_some() && verdict.flow.is_some());
    assert_eq!(verdict.viewers, None);
    let text = verdict.to_string();
    assert!(text.contains("viewers are served: no"), "{text}");
    let waited = clock.now().duration_since(start);
    assert!((600..=605).contains(&waited.as_secs()), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_does_not_start_is_not_waited_for() {
    for state in [
        ChannelState::Idle,
        ChannelState::Stopping,
        ChannelState::Failed,
    ] {
        let channel = Arc::new(MemoryChannelController::default());
        channel.set_state(state);
        let clock = lunora_testkit::clock::VirtualClock::default();
        let start = clock.now();
        let looks = check(channel, clock, told(&[Ok(true)]), told(&[Ok(true)]));
        let verdict = looks.verify(MOST).await.unwrap();

        assert_eq!(
            (verdict.running, verdict.flow, verdict.viewers),
            (None, None, None)
        );
        assert_eq!(clock.now(), start, "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_not_permitted_is_told_at_once() {
    let channel = Arc::new(MemoryChannelController::default());
    channel.set_state(ChannelState::Running);
    let clock = lunora_testkit::clock::VirtualClock::default();
    let flow = told(&[Err(ErrorKind::Denied)]);
    let error = check(channel, clock, flow, told(&[Ok(true)]))
        .verify(MOST)
        .await;

    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
}
