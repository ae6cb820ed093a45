//! What a test can see: events, calls, interruptions, doubles; and never a key.

use std::time::Duration;

use lunora_core::ExposeSecret;
use lunora_testkit::aws::{Event, Fault, HealthState, Matcher, Modes, OutputStatus, SamePlace};
use serde_json::{Value, json};

use crate::support::{Bench, rtmp, with};

fn states(events: &[Event], kind: &str) -> Vec<Value> {
    let of_kind = events.iter().filter(|event| event.detail_type == kind);
    of_kind
        .map(|event| event.detail["current"]["state"].clone())
        .collect()
}

const HEALTH: &str = "MediaConnect Output Health";

#[test]
fn an_output_that_is_on_connects_and_sends() {
    let bench = Bench::new();
    let flow = bench.flow();
    let _ = bench.aws.take_events();
    let arn = bench.add(&flow, rtmp("a")).unwrap();
    let added_at = bench.aws.calls()[0].at;
    let events = bench.aws.take_events();
    assert_eq!(states(&events, HEALTH), ["DISCONNECTED", "SENDING"]);
    let sending = events
        .iter()
        .rfind(|event| event.detail_type == HEALTH)
        .unwrap();
    assert_eq!((sending.time - added_at).get_seconds(), 1);
    assert_eq!(sending.resources, [flow.clone(), arn.clone()]);
    assert_eq!(sending.detail["previous"]["state"], "DISCONNECTED");

    bench
        .update(&flow, &arn, json!({ "outputStatus": "DISABLED" }))
        .unwrap();
    let events = bench.aws.take_events();
    assert_eq!(states(&events, HEALTH), ["IDLE"]);
    let status = events
        .iter()
        .find(|it| it.detail_type == "MediaConnect Output Status Change");
    let status = status.expect("its status changed");
    assert_eq!(
        status.detail,
        json!({ "currentStatus": "DISABLED", "previousStatus": "ENABLED" })
    );
    bench
        .update(&flow, &arn, json!({ "outputStatus": "ENABLED" }))
        .unwrap();
    assert_eq!(
        states(&bench.aws.take_events(), HEALTH),
        ["DISCONNECTED", "SENDING"]
    );
    bench.update(&flow, &arn, json!({ "port": 1936 })).unwrap();
    assert_eq!(
        states(&bench.aws.take_events(), HEALTH),
        ["DISCONNECTED", "SENDING"]
    );
    bench.call("StopFlow", json!({ "FlowArn": flow })).unwrap();
    assert_eq!(states(&bench.aws.take_events(), HEALTH), ["IDLE"]);
}

#[test]
fn a_health_that_a_test_says_stays_until_the_output_changes() {
    let bench = Bench::new();
    let flow = bench.flow();
    let arn = bench.add(&flow, rtmp("a")).unwrap();
    bench
        .aws
        .set_output_health(&flow, "a", HealthState::Disconnected);
    bench.wait(60);
    assert_eq!(bench.aws.outputs()[0].health, HealthState::Disconnected);
    bench.update(&flow, &arn, json!({ "port": 1936 })).unwrap();
    assert_eq!(bench.aws.outputs()[0].health, HealthState::Sending);
}

#[test]
fn a_source_that_falls_silent_is_told() {
    let bench = Bench::new();
    let flow = bench.flow();
    bench.add(&flow, rtmp("a")).unwrap();
    let _ = bench.aws.take_events();
    bench.aws.set_source(&flow, "main", None);
    let events = bench.aws.take_events();
    let kinds: Vec<_> = events.iter().map(|event| event.detail_type).collect();
    assert_eq!(
        kinds,
        [
            "MediaConnect Source Health",
            "MediaConnect Flow Health",
            HEALTH
        ]
    );
    assert_eq!(events[0].detail["unhealthy"], true);
    assert_eq!(states(&events, HEALTH), ["CONNECTED"]);
}

#[test]
fn calls_are_seen_with_what_they_are_about() {
    let bench = Bench::new();
    let flow = bench.flow();
    let output = bench.add(&flow, rtmp("a")).unwrap();
    bench.aws.forget_calls();
    bench.describe(&flow).unwrap();
    let batch = json!({ "FlowArn": flow, "outputs": [rtmp("b"), rtmp("c")] });
    bench.call("AddFlowOutputs", batch).unwrap();
    bench.wait(3);
    bench.aws.fault(Matcher::next(), Fault::ReplyLost);
    bench.remove(&flow, &output).unwrap_err();

    let seen: Vec<_> = bench
        .aws
        .calls()
        .into_iter()
        .map(|call| {
            assert_eq!(call.resource.as_deref(), Some(flow.as_str()));
            (
                call.operation,
                call.is_write,
                call.items.join(" "),
                call.status,
            )
        })
        .collect();
    let expected = [
        ("DescribeFlow", false, "", Some(200)),
        ("AddFlowOutputs", true, "b c", Some(201)),
        ("RemoveFlowOutput", true, "a", None),
    ];
    assert_eq!(seen, expected.map(|it| (it.0, it.1, it.2.to_owned(), it.3)));
}

#[test]
fn an_interruption_is_what_takes_an_output_off_the_air() {
    let bench = Bench::new();
    let flow = bench.flow();
    let interruptions = || bench.aws.interruptions(&flow, "a");
    let arn = bench.add(&flow, rtmp("a")).unwrap();
    bench
        .update(&flow, &arn, json!({ "description": "ours" }))
        .unwrap();
    bench
        .update(
            &flow,
            &arn,
            json!({ "port": 1935, "outputStatus": "ENABLED" }),
        )
        .unwrap();
    assert_eq!(interruptions(), 0);

    bench.update(&flow, &arn, json!({ "port": 1936 })).unwrap();
    assert_eq!(interruptions(), 1);
    bench
        .update(&flow, &arn, json!({ "outputStatus": "DISABLED" }))
        .unwrap();
    assert_eq!(interruptions(), 2);
    bench.update(&flow, &arn, json!({ "port": 1937 })).unwrap();
    bench
        .update(&flow, &arn, json!({ "outputStatus": "ENABLED" }))
        .unwrap();
    assert_eq!(interruptions(), 2);
    bench.remove(&flow, &arn).unwrap();
    assert_eq!(interruptions(), 3);
    assert_eq!(bench.aws.interruptions(&flow, "b"), 0);
}

#[test]
fn an_output_of_a_flow_that_stands_is_not_interrupted() {
    let bench = Bench::new();
    let flow = bench.flow();
    let arn = bench.add(&flow, rtmp("a")).unwrap();
    bench.call("StopFlow", json!({ "FlowArn": flow })).unwrap();
    bench.wait(10);
    bench.remove(&flow, &arn).unwrap();
    assert_eq!(bench.aws.interruptions(&flow, "a"), 0);
}

#[test]
fn two_outputs_with_one_key_are_a_double_even_if_one_is_soon_gone() {
    let same_place = SamePlace::Takes;
    let bench = Bench::with(Modes {
        same_place,
        ..Modes::default()
    });
    let [one, other] = [bench.flow(), bench.aws.running_flow("other")];
    bench.add(&one, rtmp("a")).unwrap();
    let mut other_key = with(rtmp("a"), json!({ "name": "b" }));
    other_key["rtmpPushSettings"]["streamName"] = json!("another");
    bench.add(&one, other_key).unwrap();
    let off = with(rtmp("a"), json!({ "outputStatus": "DISABLED" }));
    let off = bench.add(&other, off).unwrap();
    assert_eq!(bench.aws.doubles(), []);

    bench
        .update(&other, &off, json!({ "outputStatus": "ENABLED" }))
        .unwrap();
    bench.remove(&other, &off).unwrap();
    assert_eq!(bench.aws.doubles().len(), 1);
}

#[test]
fn a_flow_that_starts_can_make_a_double() {
    let bench = Bench::new();
    let [one, other] = [bench.flow(), bench.aws.running_flow("other")];
    bench.call("StopFlow", json!({ "FlowArn": other })).unwrap();
    bench.wait(10);
    bench.add(&one, rtmp("a")).unwrap();
    bench.add(&other, rtmp("a")).unwrap();
    assert_eq!(bench.aws.doubles(), []);
    bench
        .call("StartFlow", json!({ "FlowArn": other }))
        .unwrap();
    assert_eq!(bench.aws.doubles().len(), 1);
}

#[test]
fn no_key_is_shown_by_what_a_test_prints() {
    let bench = Bench::new();
    let flow = bench.flow();
    let mut output = rtmp("a");
    output["rtmpPushSettings"] = json!({
        "applicationName": "live/SECRET1", "streamName": "SECRET2",
    });
    let slow = Fault::Slow(Duration::from_secs(1));
    bench.aws.fault(Matcher::next(), slow);
    let request = crate::support::request(
        "AddFlowOutputs",
        json!({ "FlowArn": flow, "outputs": [output] }),
    );
    let answer = bench.aws.answer(&request);
    let outputs = bench.aws.outputs();
    assert_eq!(
        outputs[0].stream_name.as_ref().unwrap().expose_secret(),
        "SECRET2"
    );
    assert_eq!(outputs[0].status, OutputStatus::Enabled);
    let shown = format!(
        "{request:?} {answer:?} {outputs:?} {:?} {:?} {:?}",
        bench.aws,
        bench.aws.calls(),
        bench.aws.take_events()
    );
    assert!(!shown.contains("SECRET"), "{shown}");
}
