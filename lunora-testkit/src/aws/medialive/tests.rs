use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Durations, Feed, MediaLive, validation_errors};
use crate::aws::{
    model,
    wire::{Event, Refusal, Service},
};

const ROLE: &str = "arn:aws:iam::123456789012:role/channel";

/// MediaLive, asked as over the wire: each request and each answer is as the model says.
struct World {
    live: MediaLive,
    now: Timestamp,
    events: Vec<Event>,
}

impl World {
    fn new() -> Self {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let live = MediaLive::new(Durations::each(Duration::from_secs(10)));
        let events = Vec::new();
        Self { live, now, events }
    }

    fn ask(&mut self, operation: &str, input: Value) -> Result<Value, Refusal> {
        let Value::Object(input) = input else {
            panic!("an input is an object")
        };
        let request = model::request(Service::MediaLive, operation, &input);
        let call = model::parse(&request).unwrap_or_else(|it| panic!("{operation}: {it}"));
        let answer = self.live.answer(&call, self.now, &mut self.events);
        match &answer {
            Ok(reply) => model::check_reply(&call, reply).unwrap(),
            Err(refusal) => model::check_refusal(&call, refusal).unwrap(),
        }
        answer.map(|reply| reply.body)
    }

    #[track_caller]
    fn done(&mut self, operation: &str, input: Value) -> Value {
        match self.ask(operation, input) {
            Ok(body) => body,
            Err(refusal) => panic!("{operation}: {refusal:?}"),
        }
    }

    #[track_caller]
    fn refused(&mut self, operation: &str, input: Value) -> (u16, &'static str, String) {
        let refusal = self.ask(operation, input).unwrap_err();
        (refusal.status, refusal.code, refusal.message)
    }

    #[track_caller]
    fn is_conflict(&mut self, operation: &str, input: Value) {
        let refusal = self.ask(operation, input).unwrap_err();
        assert_eq!((refusal.status, refusal.code), (409, "ConflictException"));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.live.settle(self.now, &mut self.events);
    }

    fn group(&mut self) -> String {
        let rules = json!({ "whitelistRules": [{ "cidr": "0.0.0.0/0" }] });
        let made = self.done("CreateInputSecurityGroup", rules);
        text(&made["securityGroup"]["id"])
    }

    fn pull(&mut self, name: &str) -> String {
        let sources = json!([{ "url": "https://a.example/live.m3u8" }]);
        let made = self.done(
            "CreateInput",
            json!({ "name": name, "type": "URL_PULL", "sources": sources }),
        );
        text(&made["input"]["id"])
    }

    /// A channel that is idle, with these inputs under the names `a`, `b` and so on.
    fn channel(&mut self, inputs: &[&str]) -> String {
        let made = self.done("CreateChannel", channel(inputs));
        self.pass(10);
        text(&made["channel"]["id"])
    }

    fn running(&mut self, inputs: &[&str]) -> String {
        let id = self.channel(inputs);
        self.done("StartChannel", json!({ "channelId": id }));
        self.pass(10);
        id
    }

    fn state(&mut self, id: &str) -> String {
        text(&self.done("DescribeChannel", json!({ "channelId": id }))["state"])
    }

    fn input(&mut self, id: &str) -> Value {
        self.done("DescribeInput", json!({ "inputId": id }))
    }

    fn told(&mut self, detail_type: &str, member: &str) -> Vec<String> {
        let events = std::mem::take(&mut self.events);
        let of_type = events
            .iter()
            .filter(|event| event.detail_type == detail_type);
        of_type.map(|event| text(&event.detail[member])).collect()
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// A request for a channel with one SRT output to a flow.
fn channel(inputs: &[&str]) -> Value {
    let attachments = inputs
        .iter()
        .zip('a'..)
        .map(|(id, name)| json!({ "inputId": id, "inputAttachmentName": name.to_string() }));
    json!({
        "name": "studio",
        "channelClass": "SINGLE_PIPELINE",
        "roleArn": ROLE,
        "inputAttachments": attachments.collect::<Vec<_>>(),
        "destinations": [{ "id": "flow", "srtSettings": [{
            "url": "srt://198.51.100.7:5000",
            "connectionMode": "CALLER",
            "encryptionPassphraseSecretArn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:srt-a",
        }] }],
        "encoderSettings": {
            "audioDescriptions": [{ "name": "audio", "audioSelectorName": "default" }],
            "videoDescriptions": [{ "name": "video" }],
            "timecodeConfig": { "source": "SYSTEMCLOCK" },
            "outputGroups": [{
                "name": "flow",
                "outputGroupSettings": { "srtGroupSettings": {} },
                "outputs": [{
                    "outputName": "flow",
                    "videoDescriptionName": "video",
                    "audioDescriptionNames": ["audio"],
                    "outputSettings": { "srtOutputSettings": {
                        "containerSettings": { "m2tsSettings": {} },
                        "destination": { "destinationRefId": "flow" },
                    } },
                }],
            }],
        },
    })
}

fn with(mut request: Value, pointer: &str, value: Value) -> Value {
    *request.pointer_mut(pointer).unwrap() = value;
    request
}

fn switch(name: &str, to: &str, start: Value) -> Value {
    json!({
        "actionName": name,
        "scheduleActionSettings": { "inputSwitchSettings": { "inputAttachmentNameReference": to } },
        "scheduleActionStartSettings": start,
    })
}

fn at_once() -> Value {
    json!({ "immediateModeScheduleActionStartSettings": {} })
}

fn at(time: &str) -> Value {
    json!({ "fixedModeScheduleActionStartSettings": { "time": time } })
}

fn creates(channel: &str, actions: &[Value]) -> Value {
    json!({ "channelId": channel, "creates": { "scheduleActions": actions } })
}

#[test]
fn a_channel_lives_from_creating_to_deleted() {
    let mut world = World::new();
    let input = world.pull("a");
    let made = world.done("CreateChannel", channel(&[&input]));
    let id = &text(&made["channel"]["id"]);
    let this = json!({ "channelId": id });
    assert_eq!(made["channel"]["state"], "CREATING");
    assert!(world.live.feeds().is_empty());

    world.pass(10);
    assert_eq!(world.state(id), "IDLE");
    assert_eq!(
        world.done("StartChannel", this.clone())["state"],
        "STARTING"
    );
    assert!(world.live.feeds().is_empty());
    world.pass(10);
    assert_eq!(world.state(id), "RUNNING");
    let described = world.done("DescribeChannel", this.clone());
    assert_eq!(described["pipelinesRunningCount"], 1);
    assert_eq!(
        described["pipelineDetails"][0]["activeInputAttachmentName"],
        "a"
    );
    let feed = Feed {
        host: "198.51.100.7".to_owned(),
        port: 5000,
    };
    assert_eq!(world.live.feeds(), [feed]);
    assert_eq!(world.done("StopChannel", this.clone())["state"], "STOPPING");
    assert!(world.live.feeds().is_empty());
    world.pass(10);
    assert_eq!(
        world.done("DeleteChannel", this.clone())["state"],
        "DELETING"
    );
    world.pass(10);
    assert_eq!(world.state(id), "DELETED");
    assert_eq!(world.input(&input)["state"], "DETACHED");
    assert_eq!(world.done("ListChannels", json!({}))["channels"], json!([]));
    world.pass(600);
    assert_eq!(world.refused("DescribeChannel", this).0, 404);
    let states = world.told("MediaLive Channel State Change", "state");
    assert_eq!(
        states,
        [
            "CREATED", "STARTING", "RUNNING", "STOPPING", "STOPPED", "DELETED"
        ]
    );
}

#[test]
fn what_is_due_happens_at_its_time_however_late_somebody_asks() {
    let mut world = World::new();
    let input = world.pull("a");
    let id = world.channel(&[&input]);
    world.events.clear();
    world.done("StartChannel", json!({ "channelId": id }));
    let due = world.now + Duration::from_secs(10);

    world.pass(3600);
    let event = world.events.last().unwrap();
    assert_eq!(
        (event.time, &event.detail["state"]),
        (due, &json!("RUNNING"))
    );
}

#[test]
fn a_channel_is_changed_started_and_deleted_only_while_idle() {
    let mut world = World::new();
    let input = world.pull("a");
    let id = world.running(&[&input]);
    let this = json!({ "channelId": id });

    for operation in ["UpdateChannel", "StartChannel", "DeleteChannel"] {
        world.is_conflict(operation, this.clone());
    }
    world.done("StopChannel", this.clone());
    for operation in [
        "UpdateChannel",
        "StartChannel",
        "DeleteChannel",
        "StopChannel",
    ] {
        world.is_conflict(operation, this.clone());
    }
    world.pass(10);
    world.is_conflict("StopChannel", this.clone());
    world.done("UpdateChannel", this.clone());
    world.is_conflict("StartChannel", this.clone());
    world.pass(10);
    world.done("StartChannel", this);
}

#[test]
fn what_does_not_exist_is_not_found() {
    let mut world = World::new();
    let channel = json!({ "channelId": "1" });
    for operation in [
        "DescribeChannel",
        "UpdateChannel",
        "DeleteChannel",
        "StartChannel",
        "StopChannel",
        "BatchUpdateSchedule",
        "DescribeSchedule",
        "DeleteSchedule",
    ] {
        assert_eq!(
            world.refused(operation, channel.clone()).0,
            404,
            "{operation}"
        );
    }
    for operation in ["DescribeInput", "UpdateInput", "DeleteInput"] {
        assert_eq!(
            world.refused(operation, json!({ "inputId": "1" })).0,
            404,
            "{operation}"
        );
    }
    let group = json!({ "inputSecurityGroupId": "1" });
    for operation in [
        "DescribeInputSecurityGroup",
        "UpdateInputSecurityGroup",
        "DeleteInputSecurityGroup",
    ] {
        assert_eq!(
            world.refused(operation, group.clone()).0,
            404,
            "{operation}"
        );
    }
    let arn = "arn:aws:medialive:us-west-2:123456789012:channel:1";
    assert_eq!(
        world
            .refused("ListTagsForResource", json!({ "resource-arn": arn }))
            .0,
        404
    );
}

#[test]
fn an_update_without_the_role_removes_it_and_keeps_the_rest() {
    let mut world = World::new();
    let input = world.pull("a");
    let id = world.channel(&[&input]);
    let before = world.done("DescribeChannel", json!({ "channelId": id }));
    assert_eq!(before["roleArn"], ROLE);

    let after = world.done("UpdateChannel", json!({ "channelId": id, "name": "new" }));
    let after = &after["channel"];
    assert_eq!(after.get("roleArn"), None);
    assert_eq!(after["name"], "new");
    for member in [
        "destinations",
        "encoderSettings",
        "inputAttachments",
        "channelClass",
    ] {
        assert_eq!(after[member], before[member], "{member}");
    }
}

#[test]
fn what_an_update_sends_replaces_the_whole() {
    let mut world = World::new();
    let (a, b) = (world.pull("a"), world.pull("b"));
    let id = world.channel(&[&a]);

    let wanted = channel(&[&b]);
    let changed =
        json!({ "channelId": id, "roleArn": ROLE, "inputAttachments": wanted["inputAttachments"] });
    let after = world.done("UpdateChannel", changed);
    assert_eq!(
        after["channel"]["inputAttachments"],
        wanted["inputAttachments"]
    );
    assert_eq!(world.input(&a)["state"], "DETACHED");
    assert_eq!(world.input(&b)["state"], "ATTACHED");
    assert_eq!(world.input(&b)["attachedChannels"], json!([id]));
}

#[test]
fn a_channel_that_makes_no_sense_is_unprocessable_and_says_where() {
    let mut world = World::new();
    let (input, other) = (world.pull("a"), world.pull("b"));
    world.channel(&[&other]);
    let valid = channel(&[&input]);
    let output = "/encoderSettings/outputGroups/0/outputs/0";
    let srt = format!("{output}/outputSettings/srtOutputSettings");
    let cases = [
        (
            format!("{srt}/destination/destinationRefId"),
            json!("x"),
            "encoderSettings.outputGroups[0].outputs[0].destination.destinationRefId",
        ),
        (
            format!("{output}/videoDescriptionName"),
            json!("x"),
            "encoderSettings.outputGroups[0].outputs[0].videoDescriptionName",
        ),
        (
            format!("{output}/audioDescriptionNames"),
            json!(["x"]),
            "encoderSettings.outputGroups[0].outputs[0].audioDescriptionNames",
        ),
        (
            format!("{output}/outputSettings"),
            json!({ "rtmpOutputSettings": { "destination": {} } }),
            "encoderSettings.outputGroups[0].outputs[0].outputSettings",
        ),
        (
            "/encoderSettings/outputGroups".to_owned(),
            json!([]),
            "encoderSettings.outputGroups",
        ),
        (
            "/encoderSettings/outputGroups/0/outputs".to_owned(),
            json!([]),
            "encoderSettings.outputGroups[0].outputs",
        ),
        (
            "/encoderSettings/outputGroups/0/outputGroupSettings".to_owned(),
            json!({}),
            "encoderSettings.outputGroups[0].outputGroupSettings",
        ),
        (
            "/encoderSettings/videoDescriptions".to_owned(),
            json!([{ "name": "video" }, { "name": "video" }]),
            "encoderSettings.videoDescriptions[1].name",
        ),
        (
            "/inputAttachments/0/inputId".to_owned(),
            json!("1"),
            "inputAttachments[0].inputId",
        ),
        (
            "/inputAttachments/0/inputId".to_owned(),
            json!(other),
            "inputAttachments[0].inputId",
        ),
        (
            "/inputAttachments/0/inputAttachmentName".to_owned(),
            json!(""),
            "inputAttachments[0].inputAttachmentName",
        ),
        (
            "/inputAttachments".to_owned(),
            json!([]),
            "inputAttachments",
        ),
        ("/name".to_owned(), json!(""), "name"),
        (
            "/destinations/0/id".to_owned(),
            json!(""),
            "destinations[0].id",
        ),
        (
            "/destinations/0/srtSettings/0/url".to_owned(),
            json!("rtmp://a.example:5000"),
            "destinations[0].srtSettings[0].url",
        ),
        (
            "/destinations/0/srtSettings/0/url".to_owned(),
            json!("srt://a.example"),
            "destinations[0].srtSettings[0].url",
        ),
        (
            "/destinations/0/srtSettings/0/encryptionPassphraseSecretArn".to_owned(),
            json!(""),
            "destinations[0].srtSettings[0].encryptionPassphraseSecretArn",
        ),
        (
            "/destinations/0/srtSettings/0/connectionMode".to_owned(),
            json!("LISTENER"),
            "destinations[0].srtSettings[0].listenerPort",
        ),
        (
            "/channelClass".to_owned(),
            json!("STANDARD"),
            "destinations[0].srtSettings",
        ),
    ];
    for (pointer, value, place) in cases {
        let refusal = world
            .ask("CreateChannel", with(valid.clone(), &pointer, value))
            .unwrap_err();

        assert_eq!(
            (refusal.status, refusal.code),
            (422, "UnprocessableEntityException"),
            "{pointer}"
        );
        let errors = validation_errors(&refusal).unwrap();
        let places: Vec<_> = errors
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["elementPath"].as_str().unwrap())
            .collect();
        assert!(places.contains(&place), "{pointer}: {places:?}");
    }
    let id = world.channel(&[&input]);
    let missing = with(valid, "/inputAttachments/0/inputId", json!("1"));
    let update = json!({ "channelId": id, "inputAttachments": missing["inputAttachments"] });
    assert_eq!(world.refused("UpdateChannel", update).0, 422);
    assert_eq!(world.state(&id), "IDLE");
}

#[test]
fn rtmp_outputs_need_a_url_of_rtmp_and_a_stream_name() {
    let mut world = World::new();
    let input = world.pull("a");
    let secret = "live_7f3a";
    let group = |name: &str| {
        json!({
            "outputGroupSettings": { "rtmpGroupSettings": {} },
            "outputs": [{ "outputName": name, "outputSettings": { "rtmpOutputSettings": {
                "destination": { "destinationRefId": "rtmp" } } } }],
        })
    };
    let request = |destination: Value| {
        let mut request = channel(&[&input]);
        let rtmp = json!({ "id": "rtmp", "settings": [destination] });
        request["destinations"].as_array_mut().unwrap().push(rtmp);
        let groups = &mut request["encoderSettings"]["outputGroups"];
        groups.as_array_mut().unwrap().push(group("rtmp"));
        request
    };
    for wrong in [
        json!({ "url": format!("https://a.example/{secret}"), "streamName": secret }),
        json!({ "url": "rtmp://a.example/live" }),
    ] {
        let (status, _, message) = world.refused("CreateChannel", request(wrong));
        assert_eq!(status, 422);
        assert!(!message.contains(secret));
    }
    let right = json!({ "url": "rtmps://a.example/live", "streamName": secret });
    world.done("CreateChannel", request(right));
}

#[test]
fn a_channel_has_at_most_two_push_inputs_and_a_region_five_channels() {
    let mut world = World::new();
    let group = world.group();
    let push = |number: u8| {
        json!({
            "name": "push", "type": "RTP_PUSH", "inputSecurityGroups": [group], "requestId": number.to_string(),
        })
    };
    let ids: Vec<_> = (0..5)
        .map(|number| text(&world.done("CreateInput", push(number))["input"]["id"]))
        .collect();
    assert_eq!(world.refused("CreateInput", push(5)).0, 400);
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    assert_eq!(world.refused("CreateChannel", channel(&ids[..3])).0, 422);
    world.done("CreateChannel", channel(&ids[..2]));
    for _ in 0..4 {
        let input = world.pull("a");
        world.done("CreateChannel", channel(&[&input]));
    }
    let input = world.pull("a");
    assert_eq!(world.refused("CreateChannel", channel(&[&input])).0, 400);
}

#[test]
fn the_same_request_makes_one_thing() {
    let mut world = World::new();
    let mut request = json!({ "name": "a", "type": "URL_PULL", "requestId": "1",
        "sources": [{ "url": "https://a.example/live.m3u8" }] });
    let first = world.done("CreateInput", request.clone());
    assert_eq!(
        world.done("CreateInput", request.clone())["input"]["id"],
        first["input"]["id"]
    );
    request["name"] = json!("b");
    assert_eq!(world.refused("CreateInput", request).0, 400);

    let mut request = channel(&[first["input"]["id"].as_str().unwrap()]);
    request["requestId"] = json!("1");
    let first = world.done("CreateChannel", request.clone());
    let again = world.done("CreateChannel", request.clone());
    assert_eq!(again["channel"]["id"], first["channel"]["id"]);
    request["name"] = json!("b");
    world.is_conflict("CreateChannel", request);
    assert_eq!(
        world.done("ListChannels", json!({}))["channels"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn an_input_lives_from_creating_to_deleted() {
    let mut world = World::new();
    let id = world.pull("a");
    assert_eq!(world.input(&id)["state"], "CREATING");
    world.pass(10);
    assert_eq!(world.input(&id)["state"], "DETACHED");
    let channel = world.channel(&[&id]);
    assert_eq!(world.input(&id)["state"], "ATTACHED");
    world.is_conflict("DeleteInput", json!({ "inputId": id }));

    world.done("DeleteChannel", json!({ "channelId": channel }));
    world.is_conflict("DeleteInput", json!({ "inputId": id }));
    world.pass(10);
    world.done("DeleteInput", json!({ "inputId": id }));
    assert_eq!(world.input(&id)["state"], "DELETING");
    world.is_conflict("UpdateInput", json!({ "inputId": id }));
    world.pass(10);
    assert_eq!(world.input(&id)["state"], "DELETED");
    world.pass(600);
    assert_eq!(
        world.refused("DescribeInput", json!({ "inputId": id })).0,
        404
    );
}

#[test]
fn an_rtmp_input_has_urls_with_its_stream_names() {
    let mut world = World::new();
    let group = world.group();
    let request = |names: &[&str]| {
        let destinations: Vec<_> = names
            .iter()
            .map(|name| json!({ "streamName": name }))
            .collect();
        json!({ "name": "obs", "type": "RTMP_PUSH", "destinations": destinations, "inputSecurityGroups": [group] })
    };
    let made = world.done("CreateInput", request(&["live/a", "live/b"]));
    let input = &made["input"];
    assert_eq!(input["inputClass"], "STANDARD");
    assert_eq!(input["securityGroups"], json!([group]));
    for (destination, name) in input["destinations"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["live/a", "live/b"])
    {
        let (ip, port) = (text(&destination["ip"]), text(&destination["port"]));
        assert_eq!(
            text(&destination["url"]),
            format!("rtmp://{ip}:{port}/{name}")
        );
        assert_eq!(port, "1935");
    }
    for wrong in [
        &["live"][..],
        &["live/a", "live/a"],
        &["live/a", "live/b", "live/c"],
        &[],
    ] {
        assert_eq!(
            world.refused("CreateInput", request(wrong)).0,
            400,
            "{wrong:?}"
        );
    }
    let update = json!({ "inputId": input["id"], "name": "new" });
    let after = world.done("UpdateInput", update);
    assert_eq!(after["input"]["name"], "new");
    assert_eq!(after["input"]["destinations"], input["destinations"]);
}

#[test]
fn inputs_of_each_kind_need_what_they_connect_by() {
    let mut world = World::new();
    let group = world.group();
    let arn = "arn:aws:mediaconnect:us-west-2:123456789012:flow:1-a:studio";
    let caller = json!({ "srtListenerAddress": "192.0.2.1", "srtListenerPort": "5000" });
    let listener = json!({ "minimumLatency": 200, "decryption": { "algorithm": "AES256",
        "passphraseSecretArn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:a" } });
    let valid = [
        json!({ "type": "RTP_PUSH", "inputSecurityGroups": [group] }),
        json!({ "type": "UDP_PUSH", "inputSecurityGroups": [group] }),
        json!({ "type": "SRT_LISTENER", "inputSecurityGroups": [group],
            "srtSettings": { "srtListenerSettings": listener } }),
        json!({ "type": "SRT_CALLER", "srtSettings": { "srtCallerSources": [caller] } }),
        json!({ "type": "MP4_FILE", "sources": [{ "url": "s3://a/b.mp4" }] }),
        json!({ "type": "MEDIACONNECT", "roleArn": ROLE, "mediaConnectFlows": [{ "flowArn": arn }] }),
    ];
    for request in valid {
        let mut named = request.clone();
        named["name"] = json!("a");
        let made = world.done("CreateInput", named.clone());
        assert_eq!(made["input"]["type"], request["type"]);
        let members: Vec<_> = named.as_object().unwrap().keys().cloned().collect();
        for member in members {
            let mut without = named.clone();
            without.as_object_mut().unwrap().remove(&member);
            let (status, _, _) = world.refused("CreateInput", without);
            assert_eq!(status, 400, "{} without {member}", request["type"]);
        }
    }
    let unknown = json!({ "name": "a", "type": "RTP_PUSH", "inputSecurityGroups": ["1"] });
    assert_eq!(world.refused("CreateInput", unknown).0, 400);
}

#[test]
fn an_input_is_not_changed_while_its_channel_is_not_idle() {
    let mut world = World::new();
    let input = world.pull("a");
    let id = world.running(&[&input]);
    world.is_conflict("UpdateInput", json!({ "inputId": input, "name": "b" }));

    world.done("StopChannel", json!({ "channelId": id }));
    world.pass(10);
    world.done("UpdateInput", json!({ "inputId": input, "name": "b" }));
}

#[test]
fn a_security_group_is_in_use_by_inputs_and_five_are_most() {
    let mut world = World::new();
    let id = world.group();
    let this = json!({ "inputSecurityGroupId": id });
    assert_eq!(
        world.done("DescribeInputSecurityGroup", this.clone())["state"],
        "IDLE"
    );
    let push = json!({ "name": "a", "type": "RTP_PUSH", "inputSecurityGroups": [id] });
    let input = world.done("CreateInput", push)["input"]["id"].clone();
    let described = world.done("DescribeInputSecurityGroup", this.clone());
    assert_eq!(
        (&described["state"], &described["inputs"]),
        (&json!("IN_USE"), &json!([input]))
    );
    assert_eq!(
        world.refused("DeleteInputSecurityGroup", this.clone()).0,
        400
    );

    let rules = json!([{ "cidr": "192.0.2.0/24" }]);
    let update = json!({ "inputSecurityGroupId": id, "whitelistRules": rules });
    let updated = world.done("UpdateInputSecurityGroup", update);
    assert_eq!(updated["securityGroup"]["whitelistRules"], rules);
    let wrong = json!({ "inputSecurityGroupId": id, "whitelistRules": [{ "cidr": "192.0.2.0" }] });
    assert_eq!(world.refused("UpdateInputSecurityGroup", wrong).0, 400);
    for _ in 0..4 {
        world.group();
    }
    assert_eq!(world.refused("CreateInputSecurityGroup", json!({})).0, 400);
    world.done("DeleteInput", json!({ "inputId": input }));
    world.pass(10);
    world.done("DeleteInputSecurityGroup", this);
}

#[test]
fn a_switch_at_once_makes_another_input_active_and_is_told() {
    let mut world = World::new();
    let (a, b) = (world.pull("a"), world.pull("b"));
    let id = world.running(&[&a, &b]);
    world.events.clear();

    let action = switch("to-b", "b", at_once());
    let reply = world.done(
        "BatchUpdateSchedule",
        creates(&id, std::slice::from_ref(&action)),
    );
    assert_eq!(reply, json!({ "creates": { "scheduleActions": [action] } }));
    let described = world.done("DescribeChannel", json!({ "channelId": id }));
    let pipeline = &described["pipelineDetails"][0];
    assert_eq!(pipeline["activeInputAttachmentName"], "b");
    assert_eq!(pipeline["activeInputSwitchActionName"], "to-b");
    let told = world.told(
        "MediaLive Channel Input Change",
        "active_input_attachment_name",
    );
    assert_eq!(told, ["b"]);
    let again = world.refused(
        "BatchUpdateSchedule",
        creates(&id, &[switch("to-b", "a", at_once())]),
    );
    assert_eq!(again.0, 422);
}

#[test]
fn a_switch_at_a_time_happens_then() {
    let mut world = World::new();
    let (a, b) = (world.pull("a"), world.pull("b"));
    let id = world.running(&[&a, &b]);
    world.events.clear();
    let time = world.now + Duration::from_secs(60);
    let action = switch("later", "b", at(&time.to_string()));
    world.done("BatchUpdateSchedule", creates(&id, &[action]));

    world.pass(59);
    assert_eq!(world.events, []);
    world.pass(100);
    let event = world.events.pop().unwrap();
    assert_eq!(
        (event.time, &event.detail["active_input_attachment_name"]),
        (time, &json!("b"))
    );
    world.pass(100);
    assert_eq!(world.events, []);
}

#[test]
fn a_deleted_action_does_not_happen() {
    let mut world = World::new();
    let (a, b) = (world.pull("a"), world.pull("b"));
    let id = world.running(&[&a, &b]);
    let time = (world.now + Duration::from_secs(60)).to_string();
    for name in ["one", "two"] {
        let action = switch(name, "b", at(&time));
        world.done("BatchUpdateSchedule", creates(&id, &[action]));
    }
    world.events.clear();
    let delete = json!({ "channelId": id, "deletes": { "actionNames": ["one"] } });
    let reply = world.done("BatchUpdateSchedule", delete.clone());
    assert_eq!(reply["deletes"]["scheduleActions"][0]["actionName"], "one");
    assert_eq!(world.refused("BatchUpdateSchedule", delete).0, 422);
    let left = world.done("DescribeSchedule", json!({ "channelId": id }));
    assert_eq!(left["scheduleActions"].as_array().unwrap().len(), 1);
    world.done("DeleteSchedule", json!({ "channelId": id }));

    world.pass(100);
    assert_eq!(world.events, []);
}

#[test]
fn an_action_that_makes_no_sense_is_unprocessable_and_changes_nothing() {
    let mut world = World::new();
    let (a, b) = (world.pull("a"), world.pull("b"));
    let id = world.running(&[&a, &b]);
    world.events.clear();
    let soon = (world.now + Duration::from_secs(5)).to_string();
    let late = (world.now + Duration::from_secs(15 * 24 * 3600)).to_string();
    let follow = json!({ "followModeScheduleActionStartSettings": {
        "referenceActionName": "x", "followPoint": "END" } });
    let wrong = [
        switch("wrong", "x", at_once()),
        switch("wrong", "b", at(&soon)),
        switch("wrong", "b", at(&late)),
        switch("wrong", "b", at("soon")),
        switch("wrong", "b", follow),
        switch("wrong", "b", json!({})),
        switch("", "b", at_once()),
    ];
    for action in wrong {
        let right = switch("right", "b", at_once());
        let refused = world.refused("BatchUpdateSchedule", creates(&id, &[right, action]));
        assert_eq!(
            (refused.0, refused.1),
            (422, "UnprocessableEntityException")
        );
    }
    assert_eq!(world.events, []);
    let schedule = world.done("DescribeSchedule", json!({ "channelId": id }));
    assert_eq!(schedule["scheduleActions"], json!([]));

    world.done("StopChannel", json!({ "channelId": id }));
    let right = switch("right", "b", at_once());
    assert_eq!(
        world
            .refused("BatchUpdateSchedule", creates(&id, &[right]))
            .0,
        422
    );
}

#[test]
fn pages_have_everything_once() {
    let mut world = World::new();
    let ids: Vec<_> = (0..7).map(|_| world.pull("a")).collect();
    let mut listed = Vec::new();
    let mut input = json!({ "maxResults": 3 });
    let mut pages = 0;
    loop {
        let page = world.done("ListInputs", input.clone());
        listed.extend(
            page["inputs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| text(&it["id"])),
        );
        pages += 1;
        let Some(token) = page.get("nextToken") else {
            break;
        };
        input["nextToken"] = token.clone();
    }

    assert_eq!((listed, pages), (ids, 3));
    for wrong in [
        json!({ "nextToken": "x" }),
        json!({ "maxResults": 0 }),
        json!({ "maxResults": 1001 }),
    ] {
        assert_eq!(world.refused("ListInputs", wrong).0, 400);
    }
    assert_eq!(
        world
            .done("ListInputs", json!({ "maxResults": 7 }))
            .get("nextToken"),
        None
    );
}

#[test]
fn tags_are_kept_with_what_they_are_on() {
    let mut world = World::new();
    let input = world.pull("a");
    let id = world.channel(&[&input]);
    let described = world.done("DescribeChannel", json!({ "channelId": id }));
    let arn = &described["arn"];

    world.done(
        "CreateTags",
        json!({ "resource-arn": arn, "tags": { "a": "1", "b": "2" } }),
    );
    world.done(
        "DeleteTags",
        json!({ "resource-arn": arn, "tagKeys": ["b"] }),
    );
    let tags = world.done("ListTagsForResource", json!({ "resource-arn": arn }));
    assert_eq!(tags, json!({ "tags": { "a": "1" } }));
    assert_eq!(
        world.done("DescribeChannel", json!({ "channelId": id }))["tags"],
        tags["tags"]
    );
    let many: Map<_, _> = (0..50)
        .map(|number| (number.to_string(), json!("")))
        .collect();
    assert_eq!(
        world
            .refused("CreateTags", json!({ "resource-arn": arn, "tags": many }))
            .0,
        400
    );
    assert_eq!(
        world
            .refused(
                "CreateTags",
                json!({ "resource-arn": arn, "tags": { "aws:a": "" } })
            )
            .0,
        400
    );
}

#[test]
fn what_is_not_simulated_is_refused() {
    let mut world = World::new();
    let input = world.pull("a");
    let mut request = channel(&[&input]);
    request["dryRun"] = json!(true);
    assert_eq!(world.refused("CreateChannel", request).0, 400);
}
