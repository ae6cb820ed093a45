//! Requests and replies that are lost, and callers that die.

use std::{sync::Arc, time::Duration};

use lunora_core::{
    domain::{OutputSpec, Switch},
    port::{ErrorKind, OutputRouter},
    service::WriteLease,
};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes},
    memory::MemoryControlStore,
    sample,
};

use crate::support::Stage;

/// Makes so many calls go wrong; the SDK makes each up to four times.
fn lose(stage: &Stage, operation: &str, fault: Fault, times: usize) {
    for _ in 0..times {
        stage.simulator.fault(Matcher::operation(operation), fault);
    }
}

fn changed() -> OutputSpec {
    sample::spec_to(1, sample::target(9))
}

#[tokio::test(start_paused = true)]
async fn an_add_whose_reply_was_lost_is_seen_to_be_done() {
    for times in 1..=3 {
        let stage = Stage::new(Modes::default());
        lose(&stage, "AddFlowOutputs", Fault::ReplyLost, times);
        let specs = [sample::spec(1), sample::spec(2)];
        stage.applied(&specs).await;
        assert_eq!(stage.observed().await.len(), 2, "{times}");
        for spec in &specs {
            assert_eq!(stage.seen(&spec.id).len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_every_reply_is_lost_is_unavailable_and_can_be_repeated() {
    for (operation, fault) in [
        ("AddFlowOutputs", Fault::ReplyLost),
        ("AddFlowOutputs", Fault::RequestLost),
        ("UpdateFlowOutput", Fault::ReplyLost),
        ("UpdateFlowOutput", Fault::RequestLost),
        ("RemoveFlowOutput", Fault::ReplyLost),
        ("RemoveFlowOutput", Fault::RequestLost),
        ("DescribeFlow", Fault::ReplyLost),
    ] {
        let stage = Stage::new(Modes::default());
        stage.applied(&[sample::spec(1)]).await;
        stage.pass(5).await;
        lose(&stage, operation, fault, 8);
        let wished = [changed(), sample::spec(2)];
        let gone = [sample::output_id(1)];
        drop(stage.apply(&wished).await);
        drop(stage.router.detach(&gone).await);
        stage.simulator.clear_faults();

        stage.applied(&wished).await;
        let mut seen: Vec<_> = stage.observed().await;
        seen.retain(|it| it.id == wished[0].id);
        assert_eq!(
            seen[0].fingerprint, wished[0].fingerprint,
            "{operation} {fault:?}"
        );
        for result in stage.router.detach(&gone).await {
            result.unwrap();
        }
        let left: Vec<_> = stage.observed().await.into_iter().map(|it| it.id).collect();
        assert_eq!(left, [sample::output_id(2)], "{operation} {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_8_whoever_dies_at_any_call_leaves_nothing_that_the_next_one_cannot_mend() {
    for modes in [Modes::default(), *Modes::all().last().unwrap()] {
        for calls in 0..12 {
            let stage = Stage::new(modes);
            let before = [sample::spec(1), sample::spec(2), sample::spec(3)];
            stage.applied(&before).await;
            let mut parked = sample::spec(2);
            parked.switch = Switch::Off;
            let wished = [
                changed(),
                parked,
                sample::spec(4),
                sample::spec(5),
                sample::spec(6),
            ];
            let gone = [sample::output_id(3)];

            stage.pass(5).await;
            stage.simulator.crash_after(calls);
            drop(stage.apply(&wished).await);
            drop(stage.router.detach(&gone).await);
            stage.simulator.clear_faults();

            let next = stage.another_router();
            for result in next.apply(&wished).await {
                result.unwrap();
            }
            for result in next.detach(&gone).await {
                result.unwrap();
            }
            let mut observed: Vec<_> = next.observe().await.unwrap();
            observed.sort_by(|one, other| one.id.cmp(&other.id));
            let observed = observed
                .iter()
                .map(|it| (&it.id, it.fingerprint, it.switch));
            let expected = wished.iter().map(|it| (&it.id, it.fingerprint, it.switch));
            assert!(
                observed.eq(expected),
                "died after {calls} calls in {modes:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_a_router_that_works() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    // It waits for the flow, which is updating, when it is dropped.
    let specs = [changed()];
    let apply = stage.apply(&specs);
    let waited = tokio::time::timeout(Duration::from_millis(500), apply).await;
    assert!(waited.is_err());

    stage.applied(&[sample::spec(1), sample::spec(2)]).await;
    assert_eq!(stage.observed().await.len(), 2);
    assert_eq!(
        stage.observed_one(&sample::output_id(1)).await.fingerprint,
        sample::spec(1).fingerprint
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_added_is_looked_for_before_it_is_said_to_be_gone() {
    let stage = Stage::new(Modes::default());
    stage.observed().await;
    let add = Matcher::operation("AddFlowOutputs");
    stage
        .simulator
        .fault(add, Fault::Slow(Duration::from_secs(3)));
    let specs = [sample::spec(1)];
    let apply = stage.apply(&specs);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), apply)
            .await
            .is_err()
    );
    assert_eq!(stage.seen(&specs[0].id).len(), 1);

    for result in stage.router.detach(&[specs[0].id.clone()]).await {
        result.unwrap();
    }
    assert_eq!(stage.observed().await, []);
}

#[tokio::test(start_paused = true)]
async fn of_two_looks_at_once_the_later_one_is_believed() {
    let stage = Stage::new(Modes::default());
    let another = stage.another_router();
    // It is answered before the other worker's write, and arrives after our next look.
    let look = Matcher::operation("DescribeFlow");
    stage
        .simulator
        .fault(look, Fault::Slow(Duration::from_secs(3)));
    let specs = [sample::spec(1)];
    let meanwhile = async {
        stage.pass(1).await;
        for result in another.apply(&specs).await {
            result.unwrap();
        }
        assert_eq!(stage.observed().await.len(), 1);
    };
    let (seen, ()) = tokio::join!(stage.observed(), meanwhile);
    assert_eq!(seen, []);

    for result in stage.router.detach(&[specs[0].id.clone()]).await {
        result.unwrap();
    }
    assert_eq!(stage.observed().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_before_a_write_is_not_believed_after_it() {
    let stage = Stage::new(Modes::default());
    stage.observed().await;
    // It is answered before the write, and arrives after it.
    let look = Matcher::operation("DescribeFlow");
    stage
        .simulator
        .fault(look, Fault::Slow(Duration::from_secs(3)));
    let specs = [sample::spec(1)];
    let (seen, applied) = tokio::join!(stage.observed(), stage.apply(&specs));
    assert_eq!(seen, []);
    assert!(applied[0].is_ok(), "{applied:?}");

    for result in stage.router.detach(&[specs[0].id.clone()]).await {
        result.unwrap();
    }
    assert_eq!(stage.observed().await, []);
}

#[tokio::test(start_paused = true)]
async fn rule_10_a_router_without_its_lease_looks_and_writes_nothing() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    stage.pass(5).await;
    let lease = WriteLease::new(
        Arc::new(MemoryControlStore::default()),
        Arc::new(stage.clock),
        "router-writes".parse().unwrap(),
        "one".parse().unwrap(),
    );
    let router = stage.another_router().under_lease(Arc::new(lease));
    stage.writes();

    let mut results = router.apply(&[changed(), sample::spec(2)]).await;
    results.extend(router.detach(&[sample::output_id(1)]).await);

    for result in results {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(stage.writes(), 0);
    assert_eq!(router.observe().await.unwrap().len(), 1);
}
