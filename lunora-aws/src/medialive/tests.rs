//! The edit as a value: what it says, what it leaves as it is, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};

use lunora_core::domain::{ChannelClass, ChannelRefusal, ChannelState, Feed, StreamKey};
use lunora_testkit::{
    aws::{
        Call, Reply, Request, Service,
        model::{check_reply, parse},
    },
    sample::{self, CANARY},
    strategy,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    description::Description,
    edit::{self, DESCRIBED, Fate},
    encode,
    json::differences,
};

const CHANNEL: &str = include_str!("../../tests/live/channel.json");
const MODEL: &str = include_str!("../../../lunora-testkit/src/aws/model/medialive.json");

/// What MediaLive answers of the channel of the tests, with all that it adds.
fn described() -> Value {
    let mut channel: Value = serde_json::from_str(CHANNEL).unwrap();
    let added = json!({
        "arn": "arn:aws:medialive:us-west-2:123456789012:channel:1234567",
        "id": "1234567",
        "state": "IDLE",
        "pipelinesRunningCount": 0,
        "pipelineDetails": [],
        "egressEndpoints": [{ "sourceIp": "203.0.113.1" }],
        "tags": { "team": "live" },
        "vpc": { "subnetIds": ["subnet-1"], "availabilityZones": ["us-west-2a"] },
        "anywhereSettings": { "clusterId": "cluster-1" },
        "channelEngineVersion": { "version": "1.2.3", "expirationDate": "2027-01-01T00:00:00Z" },
        "channelSecurityGroups": ["7654321"],
        "cdiInputSpecification": { "resolution": "HD" },
        "inferenceSettings": {
            "feedArn": "arn:aws:elemental-inference:us-west-2:123456789012:feed/1",
            "audioFeedInputs": [],
        },
        "linkedChannelSettings": { "primaryChannelSettings": {
            "linkedChannelType": "PRIMARY_CHANNEL",
            "followingChannelArns": ["arn:aws:medialive:us-west-2:123456789012:channel:2"],
        } },
    });
    merge(&mut channel, added);
    let maintenance = json!({
        "maintenanceDeadline": "2026-12-24T00:00:00Z",
        "maintenanceScheduledDate": "2026-12-01T03:00:00Z",
    });
    merge(&mut channel["maintenance"], maintenance);
    channel
}

fn merge(into: &mut Value, members: Value) {
    let Value::Object(members) = members else {
        panic!("an object")
    };
    into.as_object_mut().unwrap().extend(members);
}

fn read(value: &Value) -> Description {
    Description::read(value.to_string().as_bytes()).unwrap()
}

/// What would be described after an update with this body, if AWS did as it was told.
fn after(before: &Description, body: &Value) -> Description {
    let mut members = Value::Object(before.members().clone());
    let mut body = body.clone();
    // What an update takes in part.
    for whole in ["maintenance", "linkedChannelSettings"] {
        body.as_object_mut().unwrap().remove(whole);
    }
    merge(&mut members, body);
    read(&members)
}

fn feed_for(mut feed: Feed, class: ChannelClass) -> Feed {
    feed.second = match class {
        ChannelClass::SinglePipeline => None,
        ChannelClass::Standard => feed.second.or(Some(sample::feed(999).address)),
    };
    feed
}

fn update(body: &Value) -> Request {
    Request {
        method: "PUT".to_owned(),
        path: "/prod/channels/1234567".to_owned(),
        query: None,
        body: body.to_string().into_bytes(),
    }
}

/// The members of a shape of the model, by their names on the wire, with their shapes.
fn members(shape: &str) -> BTreeMap<String, String> {
    let model: Value = serde_json::from_str(MODEL).unwrap();
    let members = model["shapes"][shape]["members"].as_object().unwrap();
    let named = |(name, member): (&String, &Value)| {
        let wire = member["locationName"].as_str().unwrap_or(name);
        (
            wire.to_owned(),
            member["shape"].as_str().unwrap().to_owned(),
        )
    };
    members.iter().map(named).collect()
}

#[test]
fn the_channel_of_the_tests_is_one_that_aws_could_describe() {
    let call = Call {
        service: Service::MediaLive,
        operation: "DescribeChannel",
        input: Map::new(),
    };
    let body = described();
    check_reply(&call, &Reply { status: 200, body }).unwrap();
}

#[test]
fn every_member_that_an_update_takes_is_accounted_for() {
    const ASKED: [&str; 3] = ["channelId", "dryRun", "specialRouterSettings"];
    let described = members("DescribeChannelResponse");
    let taken = members("UpdateChannelRequest");

    let ours: BTreeSet<&str> = DESCRIBED.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, described.keys().map(String::as_str).collect());
    for (name, fate) in DESCRIBED {
        assert_eq!(fate != Fate::Fixed, taken.contains_key(name), "{name}");
    }
    for name in taken.keys().filter(|name| !ASKED.contains(&name.as_str())) {
        assert!(described.contains_key(name), "{name} is not described");
    }
}

#[test]
fn what_is_sent_back_whole_has_the_same_members_in_an_update() {
    let (described, taken) = (
        members("DescribeChannelResponse"),
        members("UpdateChannelRequest"),
    );
    for (name, fate) in DESCRIBED {
        let (Some(one), Some(other)) = (described.get(name), taken.get(name)) else {
            continue;
        };
        if fate == Fate::SentBack && one != other {
            assert_eq!(members(one), members(other), "{name}");
        }
    }
}

#[test]
fn the_feed_takes_the_best_video_and_sound_of_the_viewers_that_rtmp_takes() {
    let encode = encode::shared(&read(&described())).unwrap();

    assert_eq!(encode.group, "viewers");
    assert_eq!(encode.video, "video-1080p");
    assert_eq!(encode.audio, ["audio-eng"]);
}

#[test]
fn sound_may_be_an_output_of_its_own() {
    let mut channel = described();
    let outputs = &mut channel["encoderSettings"]["outputGroups"][1]["outputs"];
    outputs[2]["audioDescriptionNames"] = json!([]);
    outputs[0]
        .as_object_mut()
        .unwrap()
        .remove("videoDescriptionName");

    let encode = encode::shared(&read(&channel)).unwrap();
    assert_eq!(
        (encode.video.as_str(), &encode.audio[..]),
        ("video-1080p", &["audio-eng".to_owned()][..])
    );
}

#[test]
fn a_channel_whose_viewers_get_no_h264_or_no_aac_takes_no_feed() {
    for codec in ["videoDescriptions", "audioDescriptions"] {
        let mut channel = described();
        for description in channel["encoderSettings"][codec].as_array_mut().unwrap() {
            description["codecSettings"] = json!({});
        }
        let refused = edit::with_feed(&read(&channel), &sample::feed(1)).unwrap_err();
        assert_eq!(refused, ChannelRefusal::NoSharedEncode, "{codec}");
    }
}

#[test]
fn an_edit_sends_back_all_that_an_update_could_drop() {
    let channel = described();
    let (body, _) = edit::with_feed(&read(&channel), &sample::feed(1)).unwrap();

    for (name, fate) in DESCRIBED {
        match fate {
            Fate::SentBack if name == "destinations" || name == "encoderSettings" => (),
            Fate::SentBack => assert_eq!(body[name], channel[name], "{name}"),
            Fate::SentBackInPart => assert!(body[name].is_object(), "{name}"),
            Fate::LeftAlone | Fate::Fixed => assert!(body.get(name).is_none(), "{name}"),
        }
    }
    let maintenance = json!({ "maintenanceDay": "TUESDAY", "maintenanceStartTime": "03:00" });
    assert_eq!(body["maintenance"], maintenance);
    let linked = json!({ "primaryChannelSettings": { "linkedChannelType": "PRIMARY_CHANNEL" } });
    assert_eq!(body["linkedChannelSettings"], linked);
    let first = |lists: &Value, count: usize| lists.as_array().unwrap()[..count].to_vec();
    assert_eq!(
        first(&body["destinations"], 3),
        first(&channel["destinations"], 3)
    );
    let groups = |it: &Value| first(&it["encoderSettings"]["outputGroups"], 3);
    assert_eq!(groups(&body), groups(&channel));
}

#[test]
fn what_aws_adds_in_a_part_that_we_do_not_read_is_sent_back() {
    let mut channel = described();
    channel["encoderSettings"]["outputGroups"][1]["outputs"][0]["newOfAws"] = json!({"a": 1});
    channel["encoderSettings"]["alsoNew"] = json!("b");
    let (body, _) = edit::with_feed(&read(&channel), &sample::feed(1)).unwrap();

    let encoder = &body["encoderSettings"];
    assert_eq!(
        encoder["outputGroups"][1]["outputs"][0]["newOfAws"],
        json!({"a": 1})
    );
    assert_eq!(encoder["alsoNew"], "b");
}

#[test]
fn a_setting_that_is_not_known_stops_the_edit() {
    let mut channel = described();
    channel["newOfAws"] = json!({"a": 1});
    let refused = edit::with_feed(&read(&channel), &sample::feed(1)).unwrap_err();

    assert_eq!(
        refused,
        ChannelRefusal::UnknownSetting("newOfAws".to_owned())
    );
    channel["newOfAws"] = Value::Null;
    assert!(edit::with_feed(&read(&channel), &sample::feed(1)).is_ok());
}

#[test]
fn what_changes_by_itself_is_no_edit_of_the_rest() {
    let before = read(&described());
    let mut channel = described();
    channel["state"] = json!("RUNNING");
    channel["pipelinesRunningCount"] = json!(1);
    channel["pipelineDetails"] =
        json!([{ "pipelineId": "0", "activeInputAttachmentName": "slate" }]);
    channel["egressEndpoints"] = json!([]);
    channel["tags"] = json!({});
    channel["channelEngineVersion"] = json!({ "version": "1.2.4" });
    channel["maintenance"]["maintenanceScheduledDate"] = json!("2027-01-01T03:00:00Z");
    channel["destinations"][0]["settings"] = json!([]);

    assert_eq!(
        read(&channel).digest(&sample::hash_key()),
        before.digest(&sample::hash_key())
    );
}

#[test]
fn an_edit_of_anything_else_is_one_of_the_rest() {
    let digest = |channel: &Value| read(channel).digest(&sample::hash_key());
    let before = digest(&described());
    for pointer in [
        "/roleArn",
        "/name",
        "/logLevel",
        "/inputAttachments/0/inputId",
        "/destinations/0/mediaPackageSettings/0/channelId",
        "/destinations/2/settings/0/streamName",
        "/encoderSettings/outputGroups/1/outputs/2/outputName",
        "/encoderSettings/outputGroups/1/outputs/2/captionDescriptionNames/0",
        "/encoderSettings/videoDescriptions/1/codecSettings/h264Settings/bitrate",
        "/maintenance/maintenanceDay",
        "/channelSecurityGroups/0",
        "/inferenceSettings/feedArn",
    ] {
        let mut channel = described();
        *channel.pointer_mut(pointer).unwrap() = json!("other");
        assert_ne!(digest(&channel), before, "{pointer}");
    }
}

#[test]
fn a_stopped_channel_is_idle_whichever_word_says_so() {
    for (word, state) in [
        ("IDLE", ChannelState::Idle),
        ("STOPPED", ChannelState::Idle),
        ("UPDATE_FAILED", ChannelState::Failed),
        ("SOMETHING_NEW", ChannelState::Unknown),
    ] {
        let mut channel = described();
        channel["state"] = json!(word);
        assert_eq!(read(&channel).state(), state, "{word}");
    }
    assert!(Description::read(b"<html>").is_none());
    assert!(Description::read(b"{}").is_none());
}

#[test]
fn a_description_and_a_plan_show_no_stream_id_and_no_stream_name() {
    let mut feed = sample::feed(1);
    feed.stream_id = Some(StreamKey::new(CANARY).unwrap());
    let before = read(&described());
    let (body, encode) = edit::with_feed(&before, &feed).unwrap();
    assert!(body.to_string().contains(CANARY));

    let with_feed = after(&before, &body);
    let channel = with_feed.channel(&sample::hash_key());
    let printed = format!(
        "{with_feed:?} {channel:?} {:?}",
        edit::lines(&feed, &encode)
    );
    assert!(!printed.contains(CANARY), "{printed}");
}

#[test]
fn what_aws_fills_in_does_not_make_the_feed_another_one() {
    let feed = sample::feed(1);
    let before = read(&described());
    let (body, _) = edit::with_feed(&before, &feed).unwrap();
    let mut channel = Value::Object(after(&before, &body).members().clone());
    let srt = &mut channel["encoderSettings"]["outputGroups"][3]["outputs"][0]["outputSettings"]["srtOutputSettings"];
    srt["bufferMsec"] = json!(1000);
    srt["containerSettings"]["m2tsSettings"] = json!({ "pcrControl": "PCR_EVERY_PES_PACKET" });
    assert_eq!(edit::has(&read(&channel), &feed), Ok(true));

    // What viewers get changed since, and the feed is still the same.
    channel["encoderSettings"]["videoDescriptions"][1]["height"] = json!(1);
    assert_eq!(edit::has(&read(&channel), &feed), Ok(true));
}

#[test]
fn half_a_feed_is_neither_there_nor_absent() {
    let feed = sample::feed(1);
    let before = read(&described());
    let (body, _) = edit::with_feed(&before, &feed).unwrap();
    let mut channel = Value::Object(after(&before, &body).members().clone());
    channel["destinations"].as_array_mut().unwrap().pop();

    let half = read(&channel);
    assert_eq!(edit::has(&half, &feed), Err(ChannelRefusal::AnotherFeed));
    assert!(edit::has_any(&half));
    assert_eq!(half.rest(), before.rest());
}

proptest! {
    #[test]
    fn any_edit_is_valid_by_the_model_and_undone_exactly(
        feed in strategy::feed(),
        is_standard in any::<bool>(),
    ) {
        let mut channel = described();
        if is_standard {
            channel["channelClass"] = json!("STANDARD");
        }
        let before = read(&channel);
        let feed = feed_for(feed, before.class());
        feed.check(before.class()).unwrap();
        let (body, _) = edit::with_feed(&before, &feed).unwrap();
        prop_assert!(parse(&update(&body)).is_ok(), "{:?}", parse(&update(&body)).err());

        let there = after(&before, &body);
        prop_assert_eq!(edit::has(&there, &feed), Ok(true));
        prop_assert_eq!(there.feed(), feed.addresses().cloned().collect::<Vec<_>>());
        prop_assert_eq!(there.rest(), before.rest());
        prop_assert_eq!(there.other_groups(), before.other_groups());

        let body = edit::without_feed(&there).unwrap();
        prop_assert!(parse(&update(&body)).is_ok());
        let undone = after(&there, &body);
        let changed = differences(
            &Value::Object(undone.members().clone()),
            &Value::Object(before.members().clone()),
        );
        prop_assert_eq!(changed, Vec::<String>::new());
    }
}
