//! The one edit of the channel, and its undo.

use std::time::Duration;

use lunora_core::{
    domain::{ChannelState, Feed, OutputGroupKind, StreamKey},
    port::{ChannelController, ErrorKind},
};
use lunora_testkit::sample::CANARY;
use serde_json::{Value, json};

use crate::support::{Stage, ask, printed};

fn part(described: &Value, pointer: &str) -> Value {
    described.pointer(pointer).unwrap().clone()
}

/// The output group, or the destination, that is called so.
fn named(described: &Value, list: &str, member: &str, name: &str) -> Option<Value> {
    let list = part(described, list);
    let mut all = list.as_array().unwrap().iter();
    all.find(|it| it[member] == name).cloned()
}

const GROUPS: &str = "/encoderSettings/outputGroups";
const DESTINATIONS: &str = "/destinations";

#[tokio::test]
async fn the_edit_adds_a_group_and_a_destination_and_the_undo_leaves_what_was() {
    let stage = Stage::new().await;
    // Somebody planned something for tomorrow.
    let tomorrow = json!({ "creates": { "scheduleActions": [{
        "actionName": "tomorrow",
        "scheduleActionSettings": { "inputSwitchSettings": { "inputAttachmentNameReference": "slate" } },
        "scheduleActionStartSettings": { "fixedModeScheduleActionStartSettings": { "time": "2026-01-03T03:04:05.000Z" } },
    }] } });
    let path = format!("/prod/channels/{}/schedule", stage.id);
    ask(&stage.simulator, "PUT", &path, &tomorrow);
    let (before, schedule) = (stage.described(), stage.schedule());
    let feed = stage.feed().await;

    let plan = stage.channel.plan_feed(&feed).await.unwrap();
    assert_eq!(stage.described(), before);
    assert_eq!(plan.encode.video, "video-1080p");
    assert_eq!(plan.encode.audio, ["audio-eng"]);
    let kinds: Vec<_> = plan.untouched.iter().map(|it| it.kind).collect();
    let viewers = OutputGroupKind::MediaPackage;
    assert_eq!(
        kinds,
        [OutputGroupKind::Archive, viewers, OutputGroupKind::Rtmp]
    );
    let text = plan.to_string();
    assert!(
        text.contains("= `viewers` (media_package, 3 outputs) stays as it is"),
        "{text}"
    );

    let receipt = stage.channel.add_feed(&feed).await.unwrap();
    let during = stage.come_to(ChannelState::Idle).await;
    assert_eq!(during.feed, std::slice::from_ref(&feed.address));
    let described = stage.described();
    for member in [
        "/roleArn",
        "/inputAttachments",
        "/maintenance",
        "/logLevel",
        "/name",
    ] {
        assert_eq!(part(&described, member), part(&before, member), "{member}");
    }
    for name in ["viewers", "archive", "youtube"] {
        for (list, member) in [(GROUPS, "name"), (DESTINATIONS, "id")] {
            let there = named(&before, list, member, name);
            assert!(there.is_some());
            assert_eq!(named(&described, list, member, name), there, "{name}");
        }
    }
    let group = named(&described, GROUPS, "name", Feed::NAME).unwrap();
    let output = &group["outputs"][0];
    assert_eq!(output["videoDescriptionName"], "video-1080p");
    assert_eq!(output["audioDescriptionNames"], json!(["audio-eng"]));
    let srt = &output["outputSettings"]["srtOutputSettings"];
    assert_eq!(
        (&srt["latency"], &srt["encryptionType"]),
        (&json!(2000), &json!("AES256"))
    );
    let ours = named(&described, DESTINATIONS, "id", Feed::NAME).unwrap();
    assert_eq!(
        ours["srtSettings"][0]["url"],
        format!("srt://{}", feed.address)
    );

    stage.channel.remove_feed(&receipt).await.unwrap();
    stage.come_to(ChannelState::Idle).await;
    assert_eq!(stage.described(), before);
    assert_eq!(stage.schedule(), schedule);
    assert_eq!(stage.count("UpdateChannel"), 2);
    assert_eq!(stage.count("StartChannel") + stage.count("StopChannel"), 0);
}

#[tokio::test]
async fn a_receipt_is_good_in_another_process_and_after_the_channel_ran() {
    let stage = Stage::new().await;
    let before = stage.described();
    let receipt = stage.channel.add_feed(&stage.feed().await).await.unwrap();
    let kept = serde_json::to_string(&receipt).unwrap();
    stage.come_to(ChannelState::Idle).await;
    stage.run().await;
    stage.halt().await;

    stage
        .channel
        .remove_feed(&serde_json::from_str(&kept).unwrap())
        .await
        .unwrap();
    stage.come_to(ChannelState::Idle).await;
    assert_eq!(stage.described(), before);
}

#[tokio::test]
async fn only_an_idle_channel_is_edited_and_the_refusal_says_the_order_of_steps() {
    let stage = Stage::new().await;
    let feed = stage.feed().await;
    stage.channel.start().await.unwrap();
    for _ in 0..2 {
        let refused = stage.channel.add_feed(&feed).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
        let reason = refused.reason().unwrap();
        assert!(reason.contains("stop it (viewers see nothing"), "{reason}");
        stage.come_to(ChannelState::Running).await;
    }
    stage.channel.stop().await.unwrap();
    let refused = stage.channel.add_feed(&feed).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");

    assert_eq!(stage.count("UpdateChannel"), 0);
}

#[tokio::test]
async fn an_edit_of_the_rest_by_somebody_else_stops_the_undo() {
    let stage = Stage::new().await;
    let feed = stage.feed().await;
    let receipt = stage.channel.add_feed(&feed).await.unwrap();
    stage.come_to(ChannelState::Idle).await;
    let role = stage.described()["roleArn"].clone();
    let path = format!("/prod/channels/{}", stage.id);
    ask(
        &stage.simulator,
        "PUT",
        &path,
        &json!({ "roleArn": role, "logLevel": "DEBUG" }),
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let edited = stage.described();

    let refused = stage.channel.remove_feed(&receipt).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(stage.described(), edited);

    // As the refusal says: a receipt of now takes it out.
    let receipt = stage.channel.add_feed(&feed).await.unwrap();
    stage.channel.remove_feed(&receipt).await.unwrap();
    stage.come_to(ChannelState::Idle).await;
    assert_eq!(stage.described()["logLevel"], "DEBUG");
    assert!(named(&stage.described(), GROUPS, "name", Feed::NAME).is_none());
}

#[tokio::test]
async fn an_edit_that_touched_the_viewers_is_noticed_and_named() {
    let stage = Stage::new().await;
    stage.tamper(|updates, described| {
        if 0 < updates {
            described["encoderSettings"]["outputGroups"][1]["outputs"][0]["outputName"] =
                json!("other");
            described.as_object_mut().unwrap().remove("roleArn");
        }
    });
    let error = stage
        .channel
        .add_feed(&stage.feed().await)
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unexpected);
    let reason = error.reason().unwrap();
    assert!(
        reason.contains("encoderSettings.outputGroups[1].outputs[0].outputName"),
        "{reason}"
    );
    assert!(reason.contains("roleArn"), "{reason}");
    assert!(reason.contains("To undo the edit"), "{reason}");
}

#[tokio::test]
async fn a_channel_with_a_setting_that_is_not_known_is_not_edited() {
    let stage = Stage::new().await;
    stage.tamper(|_, described| described["newOfAws"] = json!({ "a": 1 }));
    let feed = stage.feed().await;
    for refused in [
        stage.channel.plan_feed(&feed).await.map(drop).unwrap_err(),
        stage.channel.add_feed(&feed).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        assert!(
            refused.reason().unwrap().contains("`newOfAws`"),
            "{refused}"
        );
    }
    assert_eq!(stage.count("UpdateChannel"), 0);
}

#[tokio::test]
async fn a_passphrase_that_is_no_secret_of_aws_is_invalid() {
    let stage = Stage::new().await;
    for passphrase in [
        "a-passphrase",
        "arn:aws:ssm:us-west-2:123456789012:parameter/a",
    ] {
        let mut feed = stage.feed().await;
        feed.passphrase = passphrase.parse().unwrap();
        let refused = stage.channel.add_feed(&feed).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(!printed(&refused).contains(passphrase), "{refused}");
    }
}

#[tokio::test]
async fn a_request_that_aws_refuses_is_invalid_and_quotes_nothing() {
    let stage = Stage::new().await;
    // An output of theirs has the name that ours would have.
    let mut encoder = stage.described()["encoderSettings"].clone();
    encoder["outputGroups"][0]["outputs"][0]["outputName"] = json!(Feed::NAME);
    let role = stage.described()["roleArn"].clone();
    let path = format!("/prod/channels/{}", stage.id);
    ask(
        &stage.simulator,
        "PUT",
        &path,
        &json!({ "roleArn": role, "encoderSettings": encoder }),
    );
    stage.come_to(ChannelState::Idle).await;
    let before = stage.described();
    let mut feed = stage.feed().await;
    feed.stream_id = Some(StreamKey::new(CANARY).unwrap());

    let refused = stage.channel.add_feed(&feed).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert!(!printed(&refused).contains(CANARY), "{}", printed(&refused));
    assert_eq!(stage.described(), before);
}
