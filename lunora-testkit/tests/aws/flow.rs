//! Flows: their status, who may do what in which, quotas, listings and tags.

use lunora_testkit::aws::{Modes, Updating};
use serde_json::json;

use crate::support::{BAD_REQUEST, Bench, NOT_FOUND, assert_refused, rtmp, srt_source};

fn create(bench: &Bench, name: &str) -> String {
    let input = json!({ "name": name, "source": srt_source("main", 5000) });
    let flow = bench.call("CreateFlow", input).unwrap();
    flow["flow"]["flowArn"].as_str().unwrap().to_owned()
}

#[test]
fn a_flow_starts_runs_stops_and_goes() {
    let bench = Bench::new();
    let flow = create(&bench, "main");
    let arn = json!({ "FlowArn": flow });
    assert_eq!(bench.status(&flow), "STANDBY");

    let started = bench.call("StartFlow", arn.clone()).unwrap();
    assert_eq!(started["status"], "STARTING");
    bench.wait(14);
    assert_eq!(bench.status(&flow), "STARTING");
    bench.wait(1);
    assert_eq!(bench.describe(&flow).unwrap()["status"], "ACTIVE");
    let stopped = bench.call("StopFlow", arn.clone()).unwrap();
    assert_eq!(stopped["status"], "STOPPING");
    bench.wait(10);
    assert_eq!(bench.status(&flow), "STANDBY");
    let deleted = bench.call("DeleteFlow", arn.clone()).unwrap();
    assert_eq!(deleted["status"], "DELETING");
    assert_eq!(bench.describe(&flow).unwrap()["status"], "DELETING");
    bench.wait(5);
    assert_refused(bench.describe(&flow), NOT_FOUND);

    let events = bench.aws.take_events();
    let changes: Vec<_> = events
        .iter()
        .map(|it| it.detail["currentStatus"].clone())
        .collect();
    assert_eq!(
        changes,
        ["STARTING", "ACTIVE", "STOPPING", "STANDBY", "DELETING"]
    );
    // At the time when it was due, not when somebody looked.
    let [starting, active] = [&events[0], &events[1]];
    assert_eq!((active.time - starting.time).get_seconds(), 15);
    assert_eq!(active.resources, [flow]);
}

#[test]
fn a_call_in_the_wrong_status_is_a_bad_request() {
    let bench = Bench::new();
    let flow = create(&bench, "main");
    let arn = json!({ "FlowArn": flow });
    let [start, stop, delete] = ["StartFlow", "StopFlow", "DeleteFlow"];
    let refused = |operations: &[&str]| {
        for operation in operations {
            assert_refused(bench.call(operation, arn.clone()), BAD_REQUEST);
        }
    };
    refused(&[stop]);

    bench.call(start, arn.clone()).unwrap();
    refused(&[start, stop, delete]);
    bench.wait(15);
    refused(&[start, delete]);

    bench.call(stop, arn.clone()).unwrap();
    refused(&[start, stop, delete]);
    bench.wait(10);
    bench.call(delete, arn.clone()).unwrap();
    refused(&[start, stop, delete]);
    let add = json!({ "FlowArn": flow, "outputs": [rtmp("a")] });
    assert_refused(bench.call("AddFlowOutputs", add), BAD_REQUEST);
}

#[test]
fn a_write_on_a_running_flow_is_an_update() {
    let bench = Bench::new();
    let flow = bench.flow();
    let input = json!({ "FlowArn": flow, "outputs": [rtmp("a")] });
    bench.call("AddFlowOutputs", input).unwrap();
    assert_eq!(bench.status(&flow), "UPDATING");
    bench.wait(2);
    assert_eq!(bench.status(&flow), "ACTIVE");
}

#[test]
fn a_write_on_a_stopped_flow_leaves_it_stopped() {
    let bench = Bench::new();
    let flow = create(&bench, "main");
    bench.add(&flow, rtmp("a")).unwrap();
    assert_eq!(bench.status(&flow), "STANDBY");
}

#[test]
fn what_is_not_there_is_not_found() {
    let bench = Bench::new();
    let flow = bench.flow();
    let nowhere = "arn:aws:mediaconnect:us-west-2:123456789012:flow:1-0-0:none";
    let output = "arn:aws:mediaconnect:us-west-2:123456789012:output:1-0-0:none";
    let source = "arn:aws:mediaconnect:us-west-2:123456789012:source:1-0-0:none";
    for operation in [
        "DescribeFlow",
        "StartFlow",
        "StopFlow",
        "DeleteFlow",
        "DescribeFlowSourceMetadata",
    ] {
        assert_refused(
            bench.call(operation, json!({ "FlowArn": nowhere })),
            NOT_FOUND,
        );
    }
    assert_refused(bench.add(nowhere, rtmp("a")), NOT_FOUND);
    assert_refused(bench.update(&flow, output, json!({})), NOT_FOUND);
    assert_refused(bench.remove(&flow, output), NOT_FOUND);
    let input = json!({ "FlowArn": flow, "SourceArn": source });
    assert_refused(bench.call("UpdateFlowSource", input.clone()), NOT_FOUND);
    assert_refused(bench.call("RemoveFlowSource", input), NOT_FOUND);
    let input = json!({ "ResourceArn": output });
    assert_refused(bench.call("ListTagsForResource", input), NOT_FOUND);
}

#[test]
fn an_output_of_another_flow_is_not_found() {
    let bench = Bench::new();
    let [one, other] = [bench.flow(), bench.aws.running_flow("other")];
    let output = bench.add(&one, rtmp("a")).unwrap();
    assert_refused(bench.remove(&other, &output), NOT_FOUND);
}

#[test]
fn there_are_at_most_20_flows() {
    let bench = Bench::new();
    for n in 0..20 {
        create(&bench, &format!("flow-{n}"));
    }
    let input = json!({ "name": "more", "source": srt_source("main", 5000) });
    assert_refused(
        bench.call("CreateFlow", input),
        (420, "CreateFlow420Exception"),
    );
}

#[test]
fn a_listing_has_pages_and_skips_none_when_one_goes() {
    let bench = Bench::new();
    let flows: Vec<_> = (0..12)
        .map(|n| create(&bench, &format!("flow-{n}")))
        .collect();
    let list = |input| bench.call("ListFlows", input).unwrap();
    let arns = |page: &serde_json::Value| {
        let flows = page["flows"].as_array().unwrap().clone();
        let arn = |flow: serde_json::Value| flow["flowArn"].as_str().unwrap().to_owned();
        flows.into_iter().map(arn).collect::<Vec<_>>()
    };

    let whole = list(json!({ "maxResults": 100 }));
    assert_eq!(
        (arns(&whole), whole.get("nextToken")),
        (flows.clone(), None)
    );
    assert_eq!(arns(&list(json!({}))), flows[..10]);
    let first = list(json!({ "maxResults": 5 }));
    assert_eq!(arns(&first), flows[..5]);
    bench
        .call("DeleteFlow", json!({ "FlowArn": flows[2] }))
        .unwrap();
    bench.wait(5);
    let next = list(json!({ "maxResults": 5, "nextToken": first["nextToken"] }));
    assert_eq!(arns(&next), flows[5..10]);

    let made_up = json!({ "nextToken": "made-up" });
    assert_refused(bench.call("ListFlows", made_up), BAD_REQUEST);
}

#[test]
fn an_update_of_a_flow_changes_what_it_names() {
    let bench = Bench::new();
    let flow = bench.flow();
    let maintenance = json!({ "maintenanceDay": "Monday", "maintenanceStartHour": "03:00" });
    let input = json!({ "FlowArn": flow, "maintenance": maintenance, "flowSize": "LARGE" });
    bench.call("UpdateFlow", input).unwrap();
    bench.wait(3);
    let input = json!({ "FlowArn": flow, "maintenance": { "maintenanceDay": "Friday" } });
    let updated = bench.call("UpdateFlow", input).unwrap();

    let expected = json!({ "maintenanceDay": "Friday", "maintenanceStartHour": "03:00" });
    assert_eq!(updated["flow"]["maintenance"], expected);
    assert_eq!(updated["flow"]["flowSize"], "LARGE");
}

#[test]
fn maintenance_starts_at_a_full_hour() {
    let bench = Bench::new();
    let flow = bench.flow();
    for hour in ["03:30", "24:00", "3:00", "soon"] {
        let maintenance = json!({ "maintenanceStartHour": hour });
        let input = json!({ "FlowArn": flow, "maintenance": maintenance });
        assert_refused(bench.call("UpdateFlow", input), BAD_REQUEST);
    }
}

#[test]
fn tags_come_and_go_with_what_they_are_on() {
    let bench = Bench::new();
    let flow = bench.flow();
    let mut output = rtmp("a");
    output["outputTags"] = json!({ "made": "by hand" });
    let arn = bench.add(&flow, output).unwrap();
    let tags = |arn: &str| {
        let input = json!({ "ResourceArn": arn });
        bench
            .call("ListTagsForResource", input)
            .map(|it| it["tags"].clone())
    };
    assert_eq!(tags(&arn).unwrap(), json!({ "made": "by hand" }));
    assert_eq!(tags(&flow).unwrap(), json!({}));

    let input = json!({ "ResourceArn": arn, "tags": { "a": "1", "b": "2" } });
    bench.call("TagResource", input).unwrap();
    let input = json!({ "ResourceArn": arn, "tagKeys": ["made", "a"] });
    bench.call("UntagResource", input).unwrap();
    assert_eq!(tags(&arn).unwrap(), json!({ "b": "2" }));
    let input = json!({ "ResourceArn": arn, "tags": { "aws:x": "1" } });
    assert_refused(bench.call("TagResource", input), BAD_REQUEST);
    bench.remove(&flow, &arn).unwrap();
    assert_refused(tags(&arn), NOT_FOUND);
}

#[test]
fn a_flow_that_breaks_says_why() {
    let bench = Bench::with(Modes {
        updating: Updating::Unseen,
        ..Modes::default()
    });
    let flow = bench.flow();
    bench.aws.break_flow(&flow, "it broke");
    let described = bench
        .call("DescribeFlow", json!({ "FlowArn": flow }))
        .unwrap();
    assert_eq!(described["flow"]["status"], "ERROR");
    assert_eq!(described["messages"]["errors"], json!(["it broke"]));
}
