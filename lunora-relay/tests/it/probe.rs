//! Tests of destinations by a running relay: they keep the contract of the port, and say what they did.

use std::time::Duration;

use lunora_core::{
    domain::{Finding, Outcome, OutputState, PushTarget, Switch},
    port::{Depth, DestinationProbe, ErrorKind},
};
use lunora_relay::{
    Idle, RelayProbe,
    sink::{Behaviour, End, Sink},
};
use lunora_testkit::conformance::Fixture;
use tokio::time::{sleep, timeout};

use crate::support::{Stage, sink, spec, until};

/// The probe of a relay that plays the test stream.
struct Testing {
    probe: RelayProbe,
    _stage: Stage,
}

impl Fixture for Testing {
    type Port = dyn DestinationProbe;

    async fn set_up() -> Self {
        let stage = Stage::start(Idle::Demo);
        let probe = stage.relay.probe();
        Self {
            probe,
            _stage: stage,
        }
    }

    fn port(&self) -> &Self::Port {
        &self.probe
    }
}

lunora_testkit::destination_probe_conformance!(Testing);

fn target(sink: &Sink, key: &str) -> PushTarget {
    let url = format!("rtmp://{}/app", sink.address());
    spec(1, &url, key, Switch::On).target
}

async fn test(stage: &Stage, target: &PushTarget, depth: Depth) -> Finding {
    stage.relay.probe().probe(target, depth).await.unwrap()
}

/// Which aspects passed, which failed, and which were not checked, in a word.
fn told(finding: &Finding) -> String {
    let told = finding.checks.iter().map(|check| match check.outcome {
        Outcome::Passed => format!("{} ", check.aspect),
        Outcome::Failed(_) => format!("!{} ", check.aspect),
        Outcome::NotChecked(why) => {
            assert!(!why.is_empty());
            format!("?{} ", check.aspect)
        }
    });
    told.collect::<String>().trim_end().to_owned()
}

#[tokio::test]
async fn rule_27_a_test_goes_as_deep_as_it_is_told_and_says_what_it_left_out() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let target = target(&sink, "k");
    for (depth, expected) in [
        (Depth::Name, "name ?tcp ?connect ?publish"),
        (Depth::Tcp, "name tcp ?connect ?publish"),
        (Depth::Tls, "name tcp ?connect ?publish"),
        (Depth::Connect, "name tcp connect ?publish"),
    ] {
        let finding = test(&stage, &target, depth).await;
        assert_eq!(told(&finding), expected, "{depth}");
        assert!(finding.is_good());
    }
    assert!(sink.publishes().is_empty(), "nothing was begun");

    let finding = test(&stage, &target, Depth::Publish).await;
    assert_eq!(told(&finding), "name tcp connect publish");
    let publish = until(&sink, "k", |publish| publish.end.is_some()).await;
    assert_eq!(publish.end, Some(End::Unpublished), "in good order");
    assert_eq!(publish.facts.frames(), 0, "nothing was sent");
}

#[tokio::test]
async fn rule_27_a_test_never_publishes_where_the_relay_publishes() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    stage.until_state(&id, OutputState::Live).await;

    let finding = test(&stage, &target(&sink, "k"), Depth::Publish).await;
    assert_eq!(told(&finding), "name tcp connect ?publish");
    let other = test(&stage, &target(&sink, "other"), Depth::Publish).await;
    assert_eq!(told(&other), "name tcp connect publish");
    let publishes = sink.publishes().into_iter();
    assert_eq!(publishes.filter(|it| it.is_for("k")).count(), 1);

    // Once that publish is over, there is nothing to disturb.
    stage.detach(&id).await;
    let finding = test(&stage, &target(&sink, "k"), Depth::Publish).await;
    assert_eq!(told(&finding), "name tcp connect publish");
}

#[tokio::test]
async fn a_destination_without_a_key_says_so_when_it_is_to_publish() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let keyless = PushTarget {
        key: None,
        ..target(&sink, "k")
    };
    let finding = test(&stage, &keyless, Depth::Connect).await;
    assert!(finding.is_good());
    let finding = test(&stage, &keyless, Depth::Publish).await;
    assert_eq!(told(&finding), "name tcp connect !publish");
}

#[tokio::test]
async fn a_crowd_of_tests_is_bounded_in_number_and_in_time_and_delays_no_frame() {
    let (stage, silent, good) = (Stage::start(Idle::Demo), sink().await, sink().await);
    silent.behave(Behaviour::Silence);
    let id = stage
        .push(1, &format!("rtmp://{}/app", good.address()), "k")
        .await;
    stage.until_state(&id, OutputState::Live).await;

    let probe = stage.relay.probe();
    let mut tests = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (probe, target) = (probe.clone(), target(&silent, "k"));
        tests.spawn(async move { probe.probe(&target, Depth::Connect).await });
    }
    let all = timeout(Duration::from_secs(15), tests.join_all()).await;
    let all = all.expect("each ends within 15 s");

    let (found, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!((found.len(), refused.len()), (8, 22));
    for error in refused {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let publish = until(&good, "k", |publish| 100 < publish.facts.frames()).await;
    assert_eq!(publish.facts.gaps, 0);
    assert_eq!(stage.health(&id).await.progress.frames_dropped, 0);
}

#[tokio::test]
async fn a_test_that_is_given_up_leaves_nothing_behind() {
    let (stage, silent) = (Stage::start(Idle::Demo), sink().await);
    silent.behave(Behaviour::Silence);
    let probe = stage.relay.probe();
    for _ in 0..20 {
        let target = target(&silent, "k");
        let testing = probe.probe(&target, Depth::Connect);
        let given_up = timeout(Duration::from_millis(20), testing).await;
        assert!(given_up.is_err());
    }
    silent.behave(Behaviour::Take);
    sleep(Duration::from_millis(50)).await;
    let finding = test(&stage, &target(&silent, "k"), Depth::Connect).await;
    assert!(finding.is_good(), "{finding:?}");
}
