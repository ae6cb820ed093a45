//! Calls that go wrong on purpose.

use std::time::Duration;

use lunora_testkit::aws::{Fault, Matcher};
use serde_json::json;

use crate::support::{Bench, assert_refused, request, rtmp};

const LOST: (u16, &str) = (0, "lost");

#[test]
fn a_lost_request_has_no_effect_and_a_lost_reply_has() {
    for (fault, outputs) in [(Fault::RequestLost, 0), (Fault::ReplyLost, 1)] {
        let bench = Bench::new();
        let flow = bench.flow();
        bench.aws.fault(Matcher::operation("AddFlowOutputs"), fault);
        bench.describe(&flow).unwrap();
        assert_refused(bench.add(&flow, rtmp("a")), LOST);
        assert_eq!(bench.aws.outputs().len(), outputs, "{fault:?}");
        bench.wait(3);
        bench.add(&flow, rtmp("b")).unwrap();
    }
}

#[test]
fn a_call_is_answered_with_any_trouble() {
    let bench = Bench::new();
    for (status, code) in [
        (429, "TooManyRequestsException"),
        (500, "InternalServerErrorException"),
        (503, "ServiceUnavailableException"),
    ] {
        bench.aws.fault(Matcher::next(), Fault::Status(status));
        assert_refused(bench.call("ListFlows", json!({})), (status, code));
    }
}

#[test]
fn the_second_call_of_an_operation_is_slow() {
    let bench = Bench::new();
    let slow = Duration::from_secs(7);
    bench
        .aws
        .fault(Matcher::operation("ListFlows").after(1), Fault::Slow(slow));
    let took = || bench.aws.answer(&request("ListFlows", json!({}))).after;
    assert_eq!(
        [took(), took(), took()],
        [Duration::ZERO, slow, Duration::ZERO]
    );
}

#[test]
fn after_a_crash_nothing_arrives() {
    let bench = Bench::new();
    let flow = bench.flow();
    bench.aws.crash_after(1);
    bench.add(&flow, rtmp("a")).unwrap();
    assert_refused(bench.add(&flow, rtmp("b")), LOST);
    assert_refused(bench.describe(&flow), LOST);
    assert_eq!(bench.aws.outputs().len(), 1);

    bench.aws.clear_faults();
    bench.describe(&flow).unwrap();
}
