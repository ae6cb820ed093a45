//! How many calls are taken.

use serde_json::json;

use crate::support::{Bench, assert_refused};

const TOO_MANY: (u16, &str) = (429, "TooManyRequestsException");

#[test]
fn thirty_calls_at_once_and_five_a_second() {
    let bench = Bench::new();
    let list = || bench.call("ListFlows", json!({}));
    for _ in 0..30 {
        list().unwrap();
    }
    assert_refused(list(), TOO_MANY);
    bench.wait(1);
    for _ in 0..5 {
        list().unwrap();
    }
    assert_refused(list(), TOO_MANY);
    bench.wait(3600);
    for _ in 0..30 {
        list().unwrap();
    }
    assert_refused(list(), TOO_MANY);
}

#[test]
fn all_calls_but_descriptions_share_a_budget() {
    let bench = Bench::new();
    let flow = bench.flow();
    for _ in 0..15 {
        bench.call("ListFlows", json!({})).unwrap();
        bench
            .call("ListTagsForResource", json!({ "ResourceArn": flow }))
            .unwrap();
    }
    assert_refused(
        bench.call("StartFlow", json!({ "FlowArn": flow })),
        TOO_MANY,
    );

    for _ in 0..30 {
        bench.describe(&flow).unwrap();
    }
    assert_refused(bench.describe(&flow), TOO_MANY);
    bench.wait(1);
    for _ in 0..30 {
        bench.describe(&flow).unwrap();
    }
}

#[test]
fn a_call_over_the_budget_changes_nothing() {
    let bench = Bench::new();
    let flow = bench.flow();
    for _ in 0..30 {
        bench.call("ListFlows", json!({})).unwrap();
    }
    assert_refused(bench.call("StopFlow", json!({ "FlowArn": flow })), TOO_MANY);
    assert_eq!(bench.status(&flow), "ACTIVE");
}
