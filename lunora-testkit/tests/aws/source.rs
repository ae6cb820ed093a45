//! Sources: what they may be told, failover, and what comes into them.

use lunora_testkit::aws::Signal;
use serde_json::{Value, json};

use crate::support::{BAD_REQUEST, Bench, assert_refused, rtmp, srt_source, with};

fn arn(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn flows_that_are_refused() {
    let one = srt_source("one", 5000);
    let other = srt_source("other", 5001);
    let failover = json!({ "state": "ENABLED", "failoverMode": "FAILOVER" });
    let rtp = |name: &str, port: u16| with(srt_source(name, port), json!({ "protocol": "rtp" }));
    let with_source = |changes: Value| json!({ "source": with(one.clone(), changes) });
    let table = [
        ("no source", json!({})),
        (
            "a source and sources",
            json!({ "source": one, "sources": [other] }),
        ),
        ("two without failover", json!({ "sources": [one, other] })),
        (
            "three",
            json!({ "sources": [one, other, rtp("third", 5002)], "sourceFailoverConfig": failover }),
        ),
        (
            "two of one name",
            json!({ "sources": [one, srt_source("one", 5001)], "sourceFailoverConfig": failover }),
        ),
        (
            "two on one port",
            json!({ "sources": [one, srt_source("two", 5000)], "sourceFailoverConfig": failover }),
        ),
        (
            "SRT merged",
            json!({ "sources": [one, other], "sourceFailoverConfig": { "state": "ENABLED", "failoverMode": "MERGE" } }),
        ),
        (
            "a primary that is none",
            json!({
                "sources": [one, other],
                "sourceFailoverConfig": with(failover.clone(), json!({ "sourcePriority": { "primarySource": "third" } })),
            }),
        ),
        ("no name", with_source(json!({ "name": null }))),
        ("no protocol", with_source(json!({ "protocol": null }))),
        ("no port", with_source(json!({ "ingestPort": null }))),
        ("port 0", with_source(json!({ "ingestPort": 0 }))),
        (
            "no CIDR",
            with_source(json!({ "whitelistCidr": "10.0.0.0" })),
        ),
        (
            "nobody to call",
            with_source(json!({ "protocol": "srt-caller", "ingestPort": null })),
        ),
        (
            "Zixi on another port",
            with_source(json!({ "protocol": "zixi-push" })),
        ),
        (
            "RTMP without a name",
            with_source(json!({ "protocol": "rtmp-push", "ingestPort": null })),
        ),
    ];
    for (why, input) in table {
        let bench = Bench::new();
        let input = with(input, json!({ "name": "main" }));
        let result = bench.call("CreateFlow", input);
        assert_eq!(
            result,
            Err((400, "BadRequestException".to_owned())),
            "{why}"
        );
    }
}

#[test]
fn a_second_source_needs_failover() {
    let bench = Bench::new();
    let flow = bench.flow();
    let add = json!({ "FlowArn": flow, "sources": [srt_source("backup", 5001)] });
    assert_refused(bench.call("AddFlowSources", add.clone()), BAD_REQUEST);

    let failover = json!({
        "state": "ENABLED",
        "failoverMode": "FAILOVER",
        "sourcePriority": { "primarySource": "main" },
    });
    let update = json!({ "FlowArn": flow, "sourceFailoverConfig": failover });
    bench.call("UpdateFlow", update).unwrap();
    bench.wait(3);
    let added = bench.call("AddFlowSources", add).unwrap();
    bench.wait(3);
    let third = json!({ "FlowArn": flow, "sources": [srt_source("third", 5002)] });
    assert_refused(bench.call("AddFlowSources", third), BAD_REQUEST);
    let off = json!({ "FlowArn": flow, "sourceFailoverConfig": { "state": "DISABLED" } });
    assert_refused(bench.call("UpdateFlow", off), BAD_REQUEST);
    let described = bench.describe(&flow).unwrap();
    assert_eq!(described["sourceFailoverConfig"], failover);
    assert_eq!(described["sources"].as_array().unwrap().len(), 2);
    assert_eq!(described["source"], described["sources"][0]);

    let backup = arn(&added["sources"][0]["sourceArn"]);
    let input = json!({ "FlowArn": flow, "SourceArn": backup });
    bench.call("RemoveFlowSource", input).unwrap();
}

#[test]
fn the_last_source_cannot_be_removed() {
    let bench = Bench::new();
    let flow = bench.flow();
    let source = arn(&bench.describe(&flow).unwrap()["source"]["sourceArn"]);
    let input = json!({ "FlowArn": flow, "SourceArn": source });
    assert_refused(bench.call("RemoveFlowSource", input), BAD_REQUEST);
}

#[test]
fn an_entitled_source_changes_only_while_its_flow_stands() {
    let bench = Bench::new();
    let entitlement = "arn:aws:mediaconnect:us-west-2:210987654321:entitlement:1-0:a";
    let source = json!({ "name": "main", "entitlementArn": entitlement });
    let created = bench
        .call("CreateFlow", json!({ "name": "main", "source": source }))
        .unwrap();
    let flow = arn(&created["flow"]["flowArn"]);
    let source = arn(&created["flow"]["source"]["sourceArn"]);
    let update = json!({ "FlowArn": flow, "SourceArn": source, "description": "x" });
    bench.call("UpdateFlowSource", update.clone()).unwrap();
    bench.call("StartFlow", json!({ "FlowArn": flow })).unwrap();
    bench.wait(15);
    assert_refused(bench.call("UpdateFlowSource", update), BAD_REQUEST);
    let listed = bench.call("ListFlows", json!({})).unwrap();
    assert_eq!(listed["flows"][0]["sourceType"], "ENTITLED");
}

#[test]
fn a_source_changes_while_its_flow_runs() {
    let bench = Bench::new();
    let flow = bench.flow();
    let source = arn(&bench.describe(&flow).unwrap()["source"]["sourceArn"]);
    let update = json!({ "FlowArn": flow, "SourceArn": source, "minLatency": 500 });
    let updated = bench.call("UpdateFlowSource", update).unwrap();
    assert_eq!(updated["source"]["transport"]["minLatency"], 500);
    assert_eq!(updated["source"]["ingestPort"], 5000);
}

#[test]
fn metadata_needs_a_running_flow_and_something_that_comes_in() {
    let bench = Bench::new();
    let flow = bench.flow();
    let metadata = || {
        let input = json!({ "FlowArn": flow });
        bench.call("DescribeFlowSourceMetadata", input).unwrap()
    };
    let codecs = |metadata: &Value| {
        let streams = &metadata["transportMediaInfo"]["programs"][0]["streams"];
        [arn(&streams[0]["codec"]), arn(&streams[1]["codec"])]
    };
    assert_eq!(codecs(&metadata()), ["H.264", "AAC"]);

    let signal = Signal {
        video: "H.265".to_owned(),
        audio: "AC-3".to_owned(),
    };
    bench.aws.set_source(&flow, "main", Some(signal));
    assert_eq!(codecs(&metadata()), ["H.265", "AC-3"]);
    bench.aws.set_source(&flow, "main", None);
    let nothing = metadata();
    assert!(nothing.get("transportMediaInfo").is_none());
    assert_eq!(nothing["messages"].as_array().unwrap().len(), 1);
    bench.aws.set_source(&flow, "main", Some(Signal::default()));
    bench.call("StopFlow", json!({ "FlowArn": flow })).unwrap();
    assert!(metadata().get("transportMediaInfo").is_none());
}

#[test]
fn a_flow_feeds_another_while_both_run_and_the_output_between_them_is_on() {
    let bench = Bench::new();
    let main = bench.flow();
    let input = json!({ "name": "child", "source": srt_source("main", 6000) });
    let created = bench.call("CreateFlow", input).unwrap();
    let child = arn(&created["flow"]["flowArn"]);
    let ip = arn(&created["flow"]["source"]["ingestIp"]);
    let link = json!({ "name": "link", "protocol": "srt-caller", "destination": ip, "port": 6000 });
    let link = bench.add(&main, link).unwrap();
    let is_fed = || {
        let input = json!({ "FlowArn": child });
        let metadata = bench.call("DescribeFlowSourceMetadata", input).unwrap();
        metadata.get("transportMediaInfo").is_some()
    };
    assert!(!is_fed(), "the child does not run");
    bench
        .call("StartFlow", json!({ "FlowArn": child }))
        .unwrap();
    bench.wait(15);
    assert!(is_fed());
    bench
        .update(&main, &link, json!({ "outputStatus": "DISABLED" }))
        .unwrap();
    assert!(!is_fed(), "the output is off");
    bench
        .update(&main, &link, json!({ "outputStatus": "ENABLED" }))
        .unwrap();
    assert!(is_fed());
    bench.aws.set_source(&main, "main", None);
    assert!(!is_fed(), "nothing comes into the first");
}

#[test]
fn an_output_of_a_flow_that_nothing_comes_into_is_connected_and_sends_nothing() {
    let bench = Bench::new();
    let flow = bench.flow();
    bench.aws.set_source(&flow, "main", None);
    bench.add(&flow, rtmp("a")).unwrap();
    assert_eq!(bench.aws.outputs()[0].health.as_str(), "CONNECTED");
}
