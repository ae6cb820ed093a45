//! What is lost on the way: a request, a reply, or the caller.

use lunora_core::{
    domain::{ChannelState, FeedReceipt},
    port::{ChannelController, ErrorKind, PortError},
};
use lunora_testkit::aws::{Fault, Matcher};
use serde_json::Value;

use crate::support::Stage;

/// More than any use case here makes.
const CALLS_MAX: usize = 40;

fn without_state(mut described: Value) -> Value {
    described.as_object_mut().unwrap().remove("state");
    described
}

#[tokio::test]
async fn an_edit_whose_caller_dies_at_any_call_can_be_repeated() {
    let whole = Stage::new().await;
    let feed = whole.feed().await;
    let receipt = whole.channel.add_feed(&feed).await.unwrap();
    let expected = without_state(whole.described());

    for calls in 0..CALLS_MAX {
        let stage = Stage::new().await;
        stage.simulator.crash_after(calls);
        let first = stage.channel.add_feed(&feed).await;
        stage.simulator.clear_faults();
        let is_over = first.is_ok();
        let again = stage.channel.add_feed(&feed).await.unwrap();

        assert_eq!(same(&again), same(&receipt), "died after {calls} calls");
        assert_eq!(
            without_state(stage.described()),
            expected,
            "died after {calls} calls"
        );
        if is_over {
            assert!(2 < calls);
            return;
        }
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    panic!("it never ends");
}

/// Stages have the same ids, so receipts of all of them are equal.
fn same(receipt: &FeedReceipt) -> String {
    serde_json::to_string(receipt).unwrap()
}

#[tokio::test]
async fn an_undo_whose_caller_dies_at_any_call_can_be_repeated() {
    for calls in 0..CALLS_MAX {
        let stage = Stage::new().await;
        let before = stage.described();
        let receipt = stage.channel.add_feed(&stage.feed().await).await.unwrap();
        stage.come_to(ChannelState::Idle).await;
        stage.simulator.crash_after(calls);
        let first = stage.channel.remove_feed(&receipt).await;
        stage.simulator.clear_faults();
        let is_over = first.is_ok();
        stage.come_to(ChannelState::Idle).await;
        stage.channel.remove_feed(&receipt).await.unwrap();
        stage.come_to(ChannelState::Idle).await;

        assert_eq!(stage.described(), before, "died after {calls} calls");
        if is_over {
            assert!(2 < calls);
            return;
        }
    }
    panic!("it never ends");
}

/// The SDK tries again by itself; what it repeats must not be done twice or refused.
#[tokio::test]
async fn a_lost_request_or_reply_of_any_call_is_not_noticed() {
    for fault in [
        Fault::RequestLost,
        Fault::ReplyLost,
        Fault::Status(429),
        Fault::Status(503),
    ] {
        for operation in ["DescribeChannel", "UpdateChannel"] {
            let stage = Stage::new().await;
            let before = without_state(stage.described());
            let feed = stage.feed().await;
            stage.simulator.fault(Matcher::operation(operation), fault);
            let receipt = stage.channel.add_feed(&feed).await.unwrap();
            stage.come_to(ChannelState::Idle).await;
            stage.simulator.fault(Matcher::operation(operation), fault);
            stage.channel.remove_feed(&receipt).await.unwrap();

            assert_eq!(
                without_state(stage.described()),
                before,
                "{fault:?} of {operation}"
            );
        }
    }
}

#[tokio::test]
async fn a_lost_reply_of_a_start_or_a_stop_is_not_noticed() {
    for fault in [Fault::RequestLost, Fault::ReplyLost, Fault::Status(500)] {
        let stage = Stage::new().await;
        stage
            .simulator
            .fault(Matcher::operation("StartChannel"), fault);
        stage.run().await;
        stage
            .simulator
            .fault(Matcher::operation("StopChannel"), fault);
        stage.halt().await;
    }
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_invalid() {
    let stage = Stage::new().await;
    let path = format!("/prod/channels/{}", stage.id);
    crate::support::ask(&stage.simulator, "DELETE", &path, &Value::Null);
    let kind = |result: Result<(), PortError>| result.unwrap_err().kind();

    // It is being deleted, and then it is gone.
    assert_eq!(kind(stage.channel.start().await), ErrorKind::Conflict);
    assert_eq!(kind(stage.channel.stop().await), ErrorKind::Conflict);
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    assert_eq!(
        kind(stage.channel.describe().await.map(drop)),
        ErrorKind::Invalid
    );
    assert_eq!(kind(stage.channel.start().await), ErrorKind::Invalid);
}
