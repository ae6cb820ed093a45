//! What no log shows.

use std::sync::Arc;

use lunora_aws::medialive::{InputSpec, SourceInputs};
use lunora_core::{
    domain::{AttachmentName, ChannelState, StreamKey},
    port::ChannelController,
};
use lunora_testkit::sample;
use serde_json::json;

use crate::{
    log::log,
    support::{Stage, ask},
};

const CANARY: &str = "canary-of-live-61d2";

/// The channel pushes by RTMP, too, as that of a deployment does that has destinations
/// of the old system.
#[tokio::test]
async fn rule_21_nothing_is_logged_of_a_stream_name_at_any_level() {
    let log = log();
    let stage = Stage::new().await;
    let described = stage.described();
    let mut destinations = described["destinations"].clone();
    let mut all = destinations.as_array_mut().unwrap().iter_mut();
    let youtube = all.find(|it| it["id"] == "youtube").unwrap();
    youtube["settings"][0]["streamName"] = json!(CANARY);
    let path = format!("/prod/channels/{}", stage.id);
    let update = json!({ "roleArn": described["roleArn"], "destinations": destinations });
    ask(&stage.simulator, "PUT", &path, &update);
    stage.come_to(ChannelState::Idle).await;
    let mut feed = stage.feed().await;
    feed.stream_id = Some(StreamKey::new(CANARY).unwrap());
    stage.channel.plan_feed(&feed).await.unwrap();
    let receipt = stage.channel.add_feed(&feed).await.unwrap();
    stage.come_to(ChannelState::Idle).await;
    stage.run().await;
    let slate = AttachmentName("slate".to_owned());
    stage.channel.switch_input(&slate).await.unwrap();
    stage.halt().await;
    stage.channel.remove_feed(&receipt).await.unwrap();
    let inputs = SourceInputs::new(
        &stage.client,
        Arc::clone(&stage.budget),
        "prod".parse().unwrap(),
        sample::hash_key(),
    );
    let spec = InputSpec::RtmpPush {
        names: vec![format!("live/{CANARY}").into()],
        callers: vec!["203.0.113.0/24".parse().unwrap()],
    };
    for _ in 0..2 {
        inputs.ensure(&sample::source_id(1), &spec).await.unwrap();
    }
    drop(inputs.remove(&sample::source_id(1)).await);
    assert!(!log.text().contains(CANARY));

    // A client that is not ours says it; so the log works.
    let call = stage.client.describe_channel();
    call.channel_id(stage.id.as_str()).send().await.unwrap();
    assert!(log.text().contains(CANARY));
}
