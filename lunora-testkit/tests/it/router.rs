//! What the fake router does beyond its contract, on which tests of services stand.

use std::time::Duration;

use lunora_core::{
    domain::{Fault, FaultClass, FaultCode, OutputHealth, OutputSpec, OutputState, Switch},
    port::{Clock, ErrorKind, OutputRouter, PortError, RouterCapabilities},
};
use lunora_testkit::{clock::ManualClock, memory::MemoryOutputRouter, sample};

async fn health(router: &MemoryOutputRouter, n: u64) -> OutputHealth {
    let outputs = router.observe().await.expect("outputs");
    let output = outputs.into_iter().find(|it| it.id == sample::output_id(n));
    output.expect("it is there").health
}

async fn apply(router: &MemoryOutputRouter, spec: OutputSpec) {
    let results = router.apply(&[spec]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

fn off(n: u64) -> OutputSpec {
    OutputSpec {
        switch: Switch::Off,
        ..sample::spec(n)
    }
}

#[tokio::test]
async fn an_output_connects_and_then_is_live() {
    let clock = ManualClock::default();
    let router = MemoryOutputRouter::new(RouterCapabilities::rtmp(3)).with_clock(clock.clone());
    apply(&router, sample::spec(1)).await;
    let connected_at = clock.now();
    assert_eq!(
        health(&router, 1).await,
        OutputHealth::new(OutputState::Connecting, connected_at)
    );

    clock.advance(Duration::from_secs(1));
    let live = health(&router, 1).await;
    assert_eq!((live.state, live.since), (OutputState::Live, connected_at));
    let later = health(&router, 1).await;
    assert!(live.progress.bytes_sent < later.progress.bytes_sent);
}

#[tokio::test]
async fn a_health_that_a_test_sets_stays_until_a_retry() {
    let router = MemoryOutputRouter::default();
    apply(&router, sample::spec(1)).await;
    let fault = Fault::new(
        FaultCode::Refused,
        FaultClass::Transient,
        "nobody listens there",
        sample::time(),
    );
    let mut failed = OutputHealth::new(OutputState::Reconnecting, sample::time());
    failed.fault = Some(fault.clone());
    failed.last_fault = Some(fault.clone());
    router.set_health(&sample::output_id(1), failed.clone());
    assert_eq!(health(&router, 1).await, failed);
    assert_eq!(health(&router, 1).await, failed);

    router.retry(&[sample::output_id(1)]).await;
    assert_eq!(health(&router, 1).await.state, OutputState::Connecting);
    let live = health(&router, 1).await;
    assert_eq!(live.state, OutputState::Live);
    assert_eq!((live.fault, live.last_fault), (None, Some(fault)));
}

#[tokio::test]
async fn it_counts_how_often_each_output_was_taken_off_air() {
    let router = MemoryOutputRouter::default();
    let id = sample::output_id(1);
    apply(&router, sample::spec(1)).await;
    apply(&router, sample::spec(2)).await;
    apply(&router, sample::spec(1)).await;
    router.retry(std::slice::from_ref(&id)).await;
    assert_eq!(router.interruptions(&id), 0);

    apply(&router, sample::spec_to(1, sample::target(3))).await;
    assert_eq!(router.interruptions(&id), 1, "changed");
    apply(&router, off(1)).await;
    assert_eq!(router.interruptions(&id), 2, "switched off");
    apply(&router, sample::spec(1)).await;
    assert_eq!(router.interruptions(&id), 2, "switched on");
    router.detach(std::slice::from_ref(&id)).await;
    assert_eq!(router.interruptions(&id), 3, "detached");
    assert_eq!(router.interruptions(&sample::output_id(2)), 0);
}

#[tokio::test]
async fn a_change_that_its_fingerprint_does_not_tell_is_refused() {
    let router = MemoryOutputRouter::default();
    apply(&router, sample::spec(1)).await;
    let mut spec = sample::spec(1);
    spec.target = sample::target(2);

    let results = router.apply(&[spec]).await;
    let kinds: Vec<_> = results.iter().map(|it| it.as_ref().err()).collect();
    let kinds: Vec<_> = kinds
        .into_iter()
        .map(|it| it.map(PortError::kind))
        .collect();
    assert_eq!(kinds, [Some(ErrorKind::Invalid)]);
}
