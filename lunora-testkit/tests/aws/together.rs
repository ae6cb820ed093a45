//! What MediaLive and MediaConnect do to each other.

use lunora_testkit::aws::{Outcome, Owner, Service, model};
use serde_json::{Map, Value, json};

use crate::support::{BAD_REQUEST, Bench, assert_refused, srt_source};

/// A channel whose one output calls there by SRT.
fn channel(input: &str, host: &str, port: u16) -> Value {
    let secret = "arn:aws:secretsmanager:us-west-2:123456789012:secret:srt-a";
    let output = json!({
        "outputName": "flow",
        "videoDescriptionName": "video",
        "audioDescriptionNames": ["audio"],
        "outputSettings": { "srtOutputSettings": {
            "containerSettings": { "m2tsSettings": {} },
            "destination": { "destinationRefId": "flow" },
        } },
    });
    let group = json!({
        "name": "flow",
        "outputGroupSettings": { "srtGroupSettings": {} },
        "outputs": [output],
    });
    json!({
        "name": "studio",
        "channelClass": "SINGLE_PIPELINE",
        "roleArn": "arn:aws:iam::123456789012:role/channel",
        "inputAttachments": [{ "inputId": input, "inputAttachmentName": "a" }],
        "destinations": [{ "id": "flow", "srtSettings": [{
            "url": format!("srt://{host}:{port}"),
            "connectionMode": "CALLER",
            "encryptionPassphraseSecretArn": secret,
        }] }],
        "encoderSettings": {
            "audioDescriptions": [{ "name": "audio", "audioSelectorName": "default" }],
            "videoDescriptions": [{ "name": "video" }],
            "timecodeConfig": { "source": "SYSTEMCLOCK" },
            "outputGroups": [group],
        },
    })
}

impl Bench {
    fn medialive(&self, operation: &str, input: Value) -> Value {
        let input = input.as_object().unwrap();
        let request = model::request(Service::MediaLive, operation, input);
        let Outcome::Response(response) = self.aws.answer(&request).outcome else {
            panic!("{operation} is lost");
        };
        let body = String::from_utf8(response.body).unwrap();
        assert!(response.status < 300, "{operation}: {body}");
        assert_eq!(self.aws.violations(), Vec::<String>::new(), "{operation}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn an_input_of_medialive_has_an_output_on_its_flow() {
    let bench = Bench::new();
    let flow = bench.flow();
    let input = json!({
        "name": "from-flow",
        "type": "MEDIACONNECT",
        "mediaConnectFlows": [{ "flowArn": flow }],
        "roleArn": "arn:aws:iam::123456789012:role/MediaLiveAccessRole",
        "requestId": "once",
    });
    let created = bench.medialive("CreateInput", input.clone());
    bench.medialive("CreateInput", input);
    let outputs = bench.aws.outputs();
    assert_eq!(outputs.len(), 1, "a repeated request makes no second one");
    let arn = created["input"]["arn"].as_str().unwrap();
    assert_eq!(outputs[0].owner, Owner::MediaLive(arn.to_owned()));
    assert_refused(bench.remove(&flow, &outputs[0].arn), BAD_REQUEST);

    bench.medialive("DeleteInput", json!({ "inputId": created["input"]["id"] }));
    assert_eq!(bench.aws.outputs().len(), 0);
}

#[test]
fn a_channel_feeds_a_flow_while_both_run() {
    let bench = Bench::new();
    let created = json!({ "name": "main", "source": srt_source("main", 5000) });
    let created = bench.call("CreateFlow", created).unwrap();
    let flow = created["flow"]["flowArn"].as_str().unwrap();
    let ip = created["flow"]["source"]["ingestIp"].as_str().unwrap();
    bench.call("StartFlow", json!({ "FlowArn": flow })).unwrap();
    let sources = json!([{ "url": "https://a.example/live.m3u8" }]);
    let input = json!({ "name": "a", "type": "URL_PULL", "sources": sources });
    let input = bench.medialive("CreateInput", input);
    let input = input["input"]["id"].as_str().unwrap();
    let made = bench.medialive("CreateChannel", channel(input, ip, 5000));
    let this = json!({ "channelId": made["channel"]["id"] });
    let is_fed = || {
        let metadata = bench.call("DescribeFlowSourceMetadata", json!({ "FlowArn": flow }));
        metadata.unwrap().get("transportMediaInfo").is_some()
    };
    bench.wait(60);
    assert!(!is_fed(), "the channel is idle");

    bench.medialive("StartChannel", this.clone());
    bench.wait(60);
    assert!(!is_fed(), "the channel is starting");
    bench.wait(60);
    assert!(is_fed());
    let events = bench.aws.take_events().into_iter();
    let health: Vec<_> = events
        .filter(|it| it.detail_type == "MediaConnect Source Health")
        .collect();
    assert_eq!(health.len(), 1);
    assert_eq!(health[0].detail["unhealthy"], false);
    bench.medialive("StopChannel", this);
    assert!(!is_fed(), "the channel is stopping");
}

#[test]
fn medialive_has_a_budget_of_its_own() {
    let bench = Bench::new();
    let list = || {
        let request = model::request(Service::MediaLive, "ListChannels", &Map::new());
        bench.send(&request)
    };
    for _ in 0..40 {
        list().unwrap();
    }
    assert_refused(list(), (429, "TooManyRequestsException"));
    bench.call("ListFlows", json!({})).unwrap();
    bench.wait(1);
    for _ in 0..20 {
        list().unwrap();
    }
    assert_refused(list(), (429, "TooManyRequestsException"));
}
