//! What an output may be told, and what it keeps.

use lunora_testkit::aws::Owner;
use serde_json::{Value, json};

use crate::support::{BAD_REQUEST, Bench, assert_refused, request, rtmp, rtmps, with};

/// The settings of a fine output with one of them changed.
fn rtmp_with(settings: Value) -> Value {
    let mut output = rtmp("a");
    output["rtmpPushSettings"] = with(output["rtmpPushSettings"].clone(), settings);
    output
}

fn on_port(output: Value, port: i64) -> Value {
    with(output, json!({ "port": port }))
}

#[test]
fn outputs_that_are_allowed() {
    let long = "x".repeat(1024);
    let to = json!({ "destination": "192.0.2.1", "port": 5001 });
    let by = |protocol: &str| with(json!({ "name": "a", "protocol": protocol }), to.clone());
    let password = json!({
        "keyType": "srt-password",
        "roleArn": "arn:aws:iam::123456789012:role/a",
        "secretArn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:a",
    });
    for output in [
        rtmp("a"),
        rtmps("a"),
        on_port(rtmp("a"), 1024),
        on_port(rtmp("a"), 65535),
        on_port(rtmps("a"), 1935),
        with(rtmp("a"), json!({ "destination": "192.0.2.1" })),
        rtmp_with(json!({ "streamName": long, "applicationName": "live/a b?backup=1" })),
        by("srt-caller"),
        with(
            by("srt-caller"),
            json!({ "streamId": "x", "minLatency": 100, "encryption": password }),
        ),
        by("rist"),
        by("rtp"),
        by("rtp-fec"),
        with(by("zixi-push"), json!({ "streamId": "x" })),
        json!({ "name": "a", "protocol": "zixi-pull", "remoteId": "x", "streamId": "y" }),
        json!({ "name": "a", "protocol": "srt-listener", "port": 5001, "cidrAllowList": ["10.0.0.0/8"] }),
    ] {
        let bench = Bench::new();
        let flow = bench.flow();
        let protocol = output["protocol"].clone();
        bench
            .add(&flow, output)
            .unwrap_or_else(|refused| panic!("{protocol}: {refused:?}"));
    }
}

#[test]
fn outputs_that_are_refused() {
    let long = "x".repeat(1025);
    let by = |protocol: &str| json!({ "name": "a", "protocol": protocol });
    let to = json!({ "destination": "192.0.2.1", "port": 5001 });
    let without = |member: &str| with(rtmp("a"), json!({ member: null }));
    let password = json!({ "keyType": "srt-password", "roleArn": "arn:aws:iam::1:role/a" });
    let table = [
        ("no name", without("name")),
        ("an empty name", with(rtmp("a"), json!({ "name": "" }))),
        ("no protocol", without("protocol")),
        ("no destination", without("destination")),
        ("no port", without("port")),
        ("no settings", without("rtmpPushSettings")),
        (
            "a URL",
            with(rtmp("a"), json!({ "destination": "rtmp://a.example.com" })),
        ),
        (
            "a path",
            with(rtmp("a"), json!({ "destination": "a.example.com/live" })),
        ),
        ("port 80", on_port(rtmp("a"), 80)),
        ("port 443 without TLS", on_port(rtmp("a"), 443)),
        ("port 1023", on_port(rtmp("a"), 1023)),
        ("port 65536", on_port(rtmp("a"), 65536)),
        ("port 444 with TLS", on_port(rtmps("a"), 444)),
        (
            "TLS to an address",
            with(rtmps("a"), json!({ "destination": "192.0.2.1" })),
        ),
        (
            "an empty application",
            rtmp_with(json!({ "applicationName": "" })),
        ),
        (
            "a long application",
            rtmp_with(json!({ "applicationName": long })),
        ),
        ("an empty key", rtmp_with(json!({ "streamName": "" }))),
        ("a long key", rtmp_with(json!({ "streamName": long }))),
        ("a space before", rtmp_with(json!({ "streamName": " x" }))),
        ("a space behind", rtmp_with(json!({ "streamName": "x " }))),
        ("a quote", rtmp_with(json!({ "streamName": "x\"y" }))),
        (
            "a backslash",
            rtmp_with(json!({ "applicationName": "x\\y" })),
        ),
        (
            "other than ASCII",
            rtmp_with(json!({ "streamName": "schlüssel" })),
        ),
        (
            "a control character",
            rtmp_with(json!({ "streamName": "x\ny" })),
        ),
        (
            "an SRT stream id for RTMP",
            with(rtmp("a"), json!({ "streamId": "x" })),
        ),
        (
            "RTMP settings for SRT",
            with(rtmp("a"), json!({ "protocol": "srt-caller" })),
        ),
        ("nobody to call by SRT", by("srt-caller")),
        (
            "no port by SRT",
            with(by("srt-caller"), json!({ "destination": "192.0.2.1" })),
        ),
        ("nobody to call by RIST", by("rist")),
        ("nobody to call by RTP", by("rtp")),
        ("nobody to call by Zixi", by("zixi-push")),
        ("no port to listen on", by("srt-listener")),
        (
            "a listener that calls",
            with(by("srt-listener"), to.clone()),
        ),
        ("no id of who pulls", by("zixi-pull")),
        (
            "a password without a secret",
            with(
                with(by("srt-caller"), to.clone()),
                json!({ "encryption": password }),
            ),
        ),
        ("UDP, which is for bridges", with(by("udp"), to.clone())),
        (
            "Fujitsu, which is gone",
            with(by("fujitsu-qos"), to.clone()),
        ),
        ("NDI on a flow without", by("ndi-speed-hq")),
        (
            "CDI on a transport stream flow",
            with(by("cdi"), to.clone()),
        ),
        (
            "JPEG XS on a transport stream flow",
            with(by("st2110-jpegxs"), to),
        ),
    ];
    for (why, output) in table {
        let bench = Bench::new();
        let flow = bench.flow();
        let result = bench.add(&flow, output);
        assert_eq!(
            result,
            Err((400, "BadRequestException".to_owned())),
            "{why}"
        );
        assert_eq!(bench.status(&flow), "ACTIVE", "{why}");
    }
}

#[test]
fn what_is_not_in_the_model_is_refused_and_noted() {
    let bench = Bench::new();
    let flow = bench.flow();
    for bad in [
        with(rtmp("a"), json!({ "protocol": "rtmp" })),
        with(rtmp("a"), json!({ "rtmpUrl": "x" })),
        with(rtmp("a"), json!({ "port": "1935" })),
        rtmp_with(json!({ "streamName": null })),
    ] {
        let before = bench.aws.violations().len();
        let request = request(
            "AddFlowOutputs",
            json!({ "FlowArn": flow, "outputs": [bad] }),
        );
        assert_refused(bench.send(&request), BAD_REQUEST);
        assert_eq!(bench.aws.violations().len(), before + 1);
    }
}

#[test]
fn a_name_cannot_be_changed() {
    let bench = Bench::new();
    let flow = bench.flow();
    let output = bench.add(&flow, rtmp("a")).unwrap();
    let input = json!({ "FlowArn": flow, "OutputArn": output, "name": "b" });
    assert_refused(bench.send(&request("UpdateFlowOutput", input)), BAD_REQUEST);
}

#[test]
fn names_are_unique_on_a_flow_and_not_between_flows() {
    let bench = Bench::new();
    let [flow, other] = [bench.flow(), bench.aws.running_flow("other")];
    bench.add(&flow, rtmp("a")).unwrap();
    let same = with(rtmp("b"), json!({ "name": "a" }));
    assert_refused(bench.add(&flow, same.clone()), BAD_REQUEST);
    bench.add(&other, same).unwrap();
}

#[test]
fn a_batch_is_added_whole_or_not_at_all() {
    let bench = Bench::new();
    let flow = bench.flow();
    let twice = json!({ "FlowArn": flow, "outputs": [rtmp("a"), rtmp("a")] });
    assert_refused(bench.call("AddFlowOutputs", twice), BAD_REQUEST);
    let bad = json!({ "FlowArn": flow, "outputs": [rtmp("a"), on_port(rtmp("b"), 80)] });
    assert_refused(bench.call("AddFlowOutputs", bad), BAD_REQUEST);
    assert!(bench.aws.outputs().is_empty());

    let none = json!({ "FlowArn": flow, "outputs": [] });
    assert_refused(bench.call("AddFlowOutputs", none), BAD_REQUEST);
}

#[test]
fn a_flow_has_at_most_50_outputs() {
    let bench = Bench::new();
    let flow = bench.flow();
    let batch = |from: usize, to: usize| {
        let outputs: Vec<_> = (from..to).map(|n| rtmp(&format!("n{n}"))).collect();
        json!({ "FlowArn": flow, "outputs": outputs })
    };
    bench.call("AddFlowOutputs", batch(0, 49)).unwrap();
    bench.wait(3);
    let refused = (420, "AddFlowOutputs420Exception");
    assert_refused(bench.call("AddFlowOutputs", batch(49, 51)), refused);
    assert_eq!(bench.aws.outputs().len(), 49);
    let last = bench.add(&flow, rtmp("last")).unwrap();
    // One that is off takes up its place all the same.
    bench
        .update(&flow, &last, json!({ "outputStatus": "DISABLED" }))
        .unwrap();
    assert_refused(bench.call("AddFlowOutputs", batch(49, 50)), refused);
    bench.remove(&flow, &last).unwrap();
    bench.call("AddFlowOutputs", batch(49, 50)).unwrap();
}

#[test]
fn what_an_output_was_told_is_described() {
    let bench = Bench::new();
    let flow = bench.flow();
    let told = with(rtmps("a"), json!({ "description": "ours" }));
    let arn = bench.add(&flow, told).unwrap();
    let flow = bench.describe(&flow).unwrap();
    let tls = json!({ "encryptionType": "PUBLIC", "encryptionConfiguration": { "public": {} } });
    let settings = json!({
        "applicationName": "live",
        "streamName": "key-a",
        "tlsEncryption": tls,
    });
    let expected = json!([{
        "name": "a",
        "outputArn": arn,
        "outputStatus": "ENABLED",
        "description": "ours",
        "destination": "a.example.com",
        "port": 443,
        "transport": { "protocol": "rtmp-push", "rtmpPushOutputSettings": settings },
    }]);
    assert_eq!(flow["outputs"], expected);
    assert!(arn.starts_with("arn:aws:mediaconnect:us-west-2:123456789012:output:"));
    assert!(arn.ends_with(":a"));
}

#[test]
fn an_update_leaves_what_it_does_not_name() {
    let bench = Bench::new();
    let flow = bench.flow();
    let told = with(
        rtmp("a"),
        json!({ "description": "ours", "outputStatus": "DISABLED" }),
    );
    let arn = bench.add(&flow, told).unwrap();
    let updated = bench.update(&flow, &arn, json!({ "port": 1936 })).unwrap();
    assert_eq!(updated["port"], 1936);
    assert_eq!(updated["outputStatus"], "DISABLED");
    assert_eq!(updated["description"], "ours");
    assert_eq!(updated["destination"], "a.example.com");
    let updated = bench
        .update(&flow, &arn, json!({ "outputStatus": "ENABLED" }))
        .unwrap();
    assert_eq!(
        (&updated["port"], &updated["outputStatus"]),
        (&json!(1936), &json!("ENABLED"))
    );
}

#[test]
fn an_update_is_refused_like_a_new_output_and_changes_nothing() {
    let bench = Bench::new();
    let flow = bench.flow();
    let arn = bench.add(&flow, rtmp("a")).unwrap();
    let before = bench.describe(&flow).unwrap();
    for change in [
        json!({ "port": 80, "outputStatus": "DISABLED" }),
        json!({ "destination": "rtmp://x" }),
        json!({ "protocol": "udp" }),
        json!({ "rtmpPushSettings": { "applicationName": "", "streamName": "x" } }),
    ] {
        assert_refused(bench.update(&flow, &arn, change), BAD_REQUEST);
    }
    assert_eq!(bench.describe(&flow).unwrap(), before);
}

#[test]
fn the_protocol_can_be_changed() {
    let bench = Bench::new();
    let flow = bench.flow();
    let arn = bench.add(&flow, rtmp("a")).unwrap();
    let change = json!({ "protocol": "srt-caller", "port": 5001, "minLatency": 200 });
    let updated = bench.update(&flow, &arn, change).unwrap();
    assert_eq!(
        updated["transport"],
        json!({ "protocol": "srt-caller", "minLatency": 200 })
    );
}

#[test]
fn two_outputs_do_not_go_to_one_place() {
    let bench = Bench::new();
    let flow = bench.flow();
    let srt = |name: &str, port: u16| json!({ "name": name, "protocol": "srt-caller", "destination": "192.0.2.1", "port": port });
    bench.add(&flow, srt("a", 5001)).unwrap();
    assert_refused(bench.add(&flow, srt("b", 5001)), BAD_REQUEST);
    let other = bench.add(&flow, srt("b", 5002)).unwrap();
    assert_refused(
        bench.update(&flow, &other, json!({ "port": 5001 })),
        BAD_REQUEST,
    );
}

#[test]
fn what_others_have_on_a_flow_cannot_be_removed() {
    let bench = Bench::new();
    let flow = bench.flow();
    let input = "arn:aws:medialive:us-west-2:123456789012:input:1";
    let entitlement = "arn:aws:mediaconnect:us-west-2:123456789012:entitlement:1-0:a";
    bench
        .aws
        .add_managed_output(&flow, "managed", Owner::MediaLive(input.to_owned()));
    bench
        .aws
        .add_managed_output(&flow, "granted", Owner::Entitlement(entitlement.to_owned()));
    let outputs = bench.describe(&flow).unwrap()["outputs"].clone();
    assert_eq!(outputs[0]["mediaLiveInputArn"], input);
    assert_eq!(outputs[1]["entitlementArn"], entitlement);

    for output in bench.aws.outputs() {
        assert_refused(bench.remove(&flow, &output.arn), BAD_REQUEST);
        let change = json!({ "port": 5001 });
        assert_refused(bench.update(&flow, &output.arn, change), BAD_REQUEST);
        // It is billed until it is off.
        let off = json!({ "outputStatus": "DISABLED" });
        bench.update(&flow, &output.arn, off).unwrap();
    }
}

#[test]
fn a_removed_output_comes_back_with_another_arn() {
    let bench = Bench::new();
    let flow = bench.flow();
    let first = bench.add(&flow, rtmp("a")).unwrap();
    bench.remove(&flow, &first).unwrap();
    let second = bench.add(&flow, rtmp("a")).unwrap();
    assert_ne!(first, second);
}
