//! What MediaConnect refuses, and what is refused before it is asked.

use lunora_core::{
    domain::{FaultCode, OutputSpec, StreamKey, Switch},
    port::{ErrorKind, OutputRouter, PortError},
};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes, Signal, Timing, Updating},
    sample,
};

use crate::support::Stage;

fn to(n: u64, url: &str) -> OutputSpec {
    let mut target = sample::target(n);
    target.url = url.parse().unwrap();
    target.key = target.key.filter(|_| target.url.scheme().needs_a_key());
    sample::spec_to(n, target)
}

async fn refused(stage: &Stage, spec: &OutputSpec) -> PortError {
    let results = stage.apply(std::slice::from_ref(spec)).await;
    results.into_iter().next().unwrap().unwrap_err()
}

fn off(mut spec: OutputSpec) -> OutputSpec {
    spec.switch = Switch::Off;
    spec
}

#[tokio::test(start_paused = true)]
async fn what_mediaconnect_would_refuse_is_told_with_a_reason_and_without_a_call() {
    let stage = Stage::new(Modes::default());
    stage.observed().await;
    stage.calls();
    for (url, word) in [
        ("rtmp://va.pscp.tv:80/x", "rtmps://"),
        ("rtmps://203.0.113.7/app", "host names"),
    ] {
        let error = refused(&stage, &to(1, url)).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.reason().unwrap().contains(word), "{error}");
    }
    assert_eq!(stage.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_bad_output_stops_none_of_its_batch() {
    let stage = Stage::new(Modes::default());
    // Our rules let it through, the service's do not: it takes plain host names only.
    let bad = to(2, "rtmp://under_score.example/app");
    let results = stage.apply(&[sample::spec(1), bad, sample::spec(3)]).await;

    let kinds: Vec<_> = results
        .iter()
        .map(|it| it.as_ref().err().map(PortError::kind))
        .collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Invalid), None]);
    let error = results[1].as_ref().unwrap_err();
    assert!(
        error.reason().unwrap().contains("refuses these settings"),
        "{error}"
    );
    assert_eq!(stage.observed().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_edit_leaves_the_output_as_it_is() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    let error = refused(&stage, &to(1, "rtmp://under_score.example/app")).await;

    assert_eq!(error.kind(), ErrorKind::Invalid);
    let observed = stage.observed_one(&sample::output_id(1)).await;
    assert_eq!(observed.fingerprint, sample::spec(1).fingerprint);
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_stop_ends_even_what_could_not_be_set_up() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    let invalid = off(to(1, "rtmp://a.example:80/app"));
    for _ in 0..2 {
        stage.applied(std::slice::from_ref(&invalid)).await;
        assert!(stage.is_off(&invalid.id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_stop_ends_what_mediaconnect_refuses_to_set_up() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    let refused = off(to(1, "rtmp://under_score.example/app"));
    stage.applied(std::slice::from_ref(&refused)).await;
    assert!(stage.is_off(&refused.id).await);
    let mut ids = vec![to(2, "srt://203.0.113.7:5000")];
    ids[0].target.key = StreamKey::new("stream-id").ok();
    stage.applied(&ids).await;
    // Without its stream id it would have to be made anew, and cannot be.
    stage
        .applied(&[off(to(2, "srt://under_score.example:5000"))])
        .await;
    assert!(stage.is_off(&ids[0].id).await);
}

#[tokio::test(start_paused = true)]
async fn a_bad_edit_that_leaves_settings_out_takes_nothing_away() {
    for key in [None, Some("stream-id")] {
        let stage = Stage::new(Modes::default());
        let mut before = to(1, "srt://203.0.113.7:5000?latency=200");
        before.target.key = key.and_then(|key| StreamKey::new(key).ok());
        let before = sample::spec_to(1, before.target);
        stage.applied(std::slice::from_ref(&before)).await;
        let error = refused(&stage, &to(1, "srt://under_score.example:5000")).await;

        assert_eq!(error.kind(), ErrorKind::Invalid);
        let observed = stage.observed_one(&before.id).await;
        assert_eq!(observed.fingerprint, before.fingerprint, "{key:?}");
        assert_eq!(observed.switch, Switch::On, "{key:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_7_a_latency_is_taken_away_in_place() {
    let stage = Stage::new(Modes::default());
    stage
        .applied(&[to(1, "srt://203.0.113.7:5000?latency=200")])
        .await;
    stage.calls();
    stage.applied(&[to(1, "srt://203.0.113.7:5000")]).await;
    assert!(!stage.calls().contains(&"RemoveFlowOutput"));
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_stays_updating_is_waited_for_once_in_a_round() {
    let timing = Timing {
        flow_update: std::time::Duration::from_secs(3600),
        ..Timing::default()
    };
    let stage = Stage::with_timing(Modes::default(), timing, 20);
    let specs: Vec<_> = (1..=11).map(sample::spec).collect();
    stage.applied(&specs).await;
    let edit = |n| sample::spec_to(n, sample::target(n + 100));
    let edits: Vec<_> = (1..=10).map(edit).collect();
    let before = stage.clock_now();
    for result in stage.apply(&edits).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let passed = stage.clock_now().duration_since(before);
    assert!(passed.as_secs() < 30, "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_10_one_bad_output_of_a_full_flow_costs_few_calls() {
    let stage = Stage::with_room(Modes::default(), 50);
    let mut specs: Vec<_> = (1..=49).map(sample::spec).collect();
    specs.push(to(50, "rtmp://under_score.example/app"));
    stage.observed().await;
    stage.calls();
    let results = stage.apply(&specs).await;
    assert_eq!(results.iter().filter(|it| it.is_err()).count(), 1);
    let calls = stage.calls();
    let adds = calls.iter().filter(|it| **it == "AddFlowOutputs");
    // Six halvings, each once more after the flow was updating.
    assert!(adds.count() < 40, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_says_it_is_full_is_not_asked_for_each_output() {
    let stage = Stage::with_room(Modes::default(), 50);
    stage.observed().await;
    for _ in 0..100 {
        let add = Matcher::operation("AddFlowOutputs");
        stage.simulator.fault(add, Fault::Status(420));
    }
    stage.calls();
    let specs: Vec<_> = (1..=40).map(sample::spec).collect();
    for result in stage.apply(&specs).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Exhausted);
    }
    stage.simulator.clear_faults();
    let calls = stage.calls();
    let adds = calls.iter().filter(|it| **it == "AddFlowOutputs");
    assert!(adds.count() < 20, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_flow_that_is_updating_is_waited_for() {
    for updating in [Updating::Refuses, Updating::Takes, Updating::Unseen] {
        let stage = Stage::new(Modes {
            updating,
            ..Modes::default()
        });
        stage.applied(&[sample::spec(1), sample::spec(2)]).await;
        stage
            .applied(&[sample::spec_to(1, sample::target(5)), off(sample::spec(2))])
            .await;
        for result in stage
            .router
            .detach(&[sample::output_id(1), sample::output_id(2)])
            .await
        {
            result.unwrap();
        }
        assert_eq!(stage.observed().await, [], "{updating:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_14_what_is_still_updating_is_tried_again_later() {
    let timing = Timing {
        flow_update: std::time::Duration::from_secs(3600),
        ..Timing::default()
    };
    let stage = Stage::with_timing(Modes::default(), timing, 4);
    stage.applied(&[sample::spec(1)]).await;
    let before = stage.clock_now();
    let ids = [sample::output_id(1)];
    let errors = [
        refused(&stage, &sample::spec(2)).await,
        refused(&stage, &sample::spec_to(1, sample::target(3))).await,
        stage.router.detach(&ids).await.pop().unwrap().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.retry_after().is_some(), "{error}");
    }
    let passed = stage.clock_now().duration_since(before);
    assert!(passed.as_secs() < 60, "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn throttling_is_told_as_such() {
    let stage = Stage::new(Modes::default());
    stage.observed().await;
    for _ in 0..4 {
        let add = Matcher::operation("AddFlowOutputs");
        stage.simulator.fault(add, Fault::Status(429));
    }
    let error = refused(&stage, &sample::spec(1)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.fault(), Some(FaultCode::Throttled));
    // Nobody knows; so it is looked at before anything else is done.
    stage.applied(&[sample::spec(1)]).await;
    assert_eq!(stage.observed().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_budget_keeps_within_the_rates_of_mediaconnect() {
    let stage = Stage::with_room(
        Modes {
            updating: Updating::Unseen,
            ..Modes::default()
        },
        40,
    );
    let specs: Vec<OutputSpec> = (1..=30).map(sample::spec).collect();
    stage.applied(&specs).await;
    let changed: Vec<OutputSpec> = (1..=30)
        .map(|n| sample::spec_to(n, sample::target(n + 100)))
        .collect();
    stage.applied(&changed).await;
    stage.applied(&specs).await;

    let throttled = stage
        .simulator
        .calls()
        .into_iter()
        .filter(|it| it.status == Some(429));
    assert_eq!(throttled.count(), 0);
}

fn signal(video: &str, audio: &str) -> Option<Signal> {
    Some(Signal {
        video: video.to_owned(),
        audio: audio.to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn what_rtmp_cannot_carry_is_refused_before_it_is_switched_on() {
    let stage = Stage::new(Modes::default());
    let head = stage.flows[0].as_str();
    stage
        .simulator
        .set_source(head, "main", signal("HEVC", "AAC"));

    let error = refused(&stage, &sample::spec(1)).await;
    assert_eq!(error.fault(), Some(FaultCode::FormatRejected));
    assert!(error.reason().unwrap().contains("HEVC"), "{error}");
    // It can be prepared, and other transports carry it.
    stage
        .applied(&[off(sample::spec(2)), to(3, "srt://203.0.113.7:5000")])
        .await;
    let error = refused(&stage, &sample::spec(2)).await;
    assert_eq!(error.fault(), Some(FaultCode::FormatRejected));

    // Nor can what is on already become RTMP.
    let error = refused(&stage, &sample::spec(3)).await;
    assert_eq!(error.fault(), Some(FaultCode::FormatRejected));
    assert_eq!(
        stage.observed_one(&sample::output_id(3)).await.switch,
        Switch::On
    );

    // It is looked at again after ten seconds.
    stage
        .simulator
        .set_source(head, "main", signal("H.264", "AAC"));
    stage.pass(11).await;
    stage.applied(&[sample::spec(1), sample::spec(2)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_format_that_is_not_known_is_no_reason() {
    let stage = Stage::new(Modes::default());
    let head = stage.flows[0].as_str();
    stage.simulator.set_source(head, "main", None);
    stage.applied(&[sample::spec(1)]).await;

    stage
        .simulator
        .set_source(head, "main", signal("of the future", "of the future"));
    stage.pass(11).await;
    stage.applied(&[sample::spec(2)]).await;

    stage.pass(11).await;
    for _ in 0..4 {
        let look = Matcher::operation("DescribeFlowSourceMetadata");
        stage.simulator.fault(look, Fault::Status(500));
    }
    stage.applied(&[sample::spec(3)]).await;
}

#[tokio::test(start_paused = true)]
async fn each_transport_is_told_as_mediaconnect_wants_it() {
    let stage = Stage::with_room(Modes::default(), 10);
    let specs = [
        to(1, "rtmps://live.example/app?backup=1"),
        to(2, "srt://203.0.113.7:5000?latency=200"),
        to(
            3,
            "srt://:5001?mode=listener&latency=300&allow=203.0.113.0/24&allow=198.51.100.7/32",
        ),
        to(4, "rist://203.0.113.7:5002?latency=400"),
        to(5, "rtp://203.0.113.7:5004"),
        to(6, "rtp-fec://203.0.113.7:5010"),
        to(7, "zixi://203.0.113.7:2088?latency=500"),
    ];
    stage.applied(&specs).await;

    let protocols = specs
        .iter()
        .map(|it| stage.seen(&it.id)[0].protocol.clone());
    let expected = [
        "rtmp-push",
        "srt-caller",
        "srt-listener",
        "rist",
        "rtp",
        "rtp-fec",
        "zixi-push",
    ];
    assert_eq!(protocols.collect::<Vec<_>>(), expected);
    assert!(stage.seen(&specs[0].id)[0].has_tls);
    for spec in &specs {
        let observed = stage.observed_one(&spec.id).await;
        assert_eq!(
            observed.fingerprint, spec.fingerprint,
            "{}",
            spec.target.url
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_may_change_the_transport_and_leave_settings_out() {
    let mut with_id = to(1, "srt://203.0.113.7:5000?latency=200");
    with_id.target.key = StreamKey::new("stream-id").ok();
    let edits = [
        with_id.clone(),
        // Whatever is not sent stays in one mode; so what had a stream id is made anew.
        to(1, "srt://203.0.113.7:5000?latency=200"),
        to(1, "srt://203.0.113.7:5000"),
        sample::spec(1),
        with_id,
        to(1, "rtp://203.0.113.7:5000"),
    ];
    for modes in Modes::all() {
        let stage = Stage::new(modes);
        for (step, spec) in edits.iter().enumerate() {
            let spec = sample::spec_to(1, spec.target.clone());
            stage.applied(std::slice::from_ref(&spec)).await;
            let observed = stage.observed_one(&spec.id).await;
            assert_eq!(observed.fingerprint, spec.fingerprint, "{step} {modes:?}");
            let latency = spec.target.url.latency_ms().map(|it| it as i32);
            // One that is taken away is told explicitly.
            let latency = latency.or((step == 2).then_some(2000));
            assert_eq!(stage.shown_latency().await, latency, "{step} {modes:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_6_what_is_made_anew_keeps_its_room_from_newcomers() {
    let stage = Stage::with_room(Modes::default(), 1);
    let mut with_id = to(1, "srt://203.0.113.7:5000");
    with_id.target.key = StreamKey::new("stream-id").ok();
    let with_id = sample::spec_to(1, with_id.target);
    stage.applied(&[with_id, sample::spec(2)]).await;
    let results = stage
        .apply(&[sample::spec(3), to(1, "srt://203.0.113.7:5000")])
        .await;

    let kinds = results
        .iter()
        .map(|it| it.as_ref().err().map(PortError::kind));
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [Some(ErrorKind::Exhausted), None]
    );
    assert_eq!(stage.flow_of(&sample::output_id(1)), 0);
}
