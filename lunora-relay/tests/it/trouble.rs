//! What goes wrong, what is shown of it, and that it ends.

use std::time::Duration;

use lunora_core::domain::{FaultClass, FaultCode, OutputHealth, OutputState, Switch};
use lunora_relay::{
    Idle, OnAir,
    sink::{Behaviour, Sink},
};

use crate::support::{Footage, Stage, sink, until};

fn rejecting(code: &str, description: &str) -> Behaviour {
    let (code, description) = (code.to_owned(), description.to_owned());
    Behaviour::Reject { code, description }
}

async fn unused_port() -> u16 {
    sink().await.address().port()
}

fn url(sink: &Sink) -> String {
    format!("rtmp://{}/app", sink.address())
}

#[tokio::test]
async fn a_refusal_is_told_in_the_far_ends_words_and_judged_by_them() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    for (n, code, words, expected, class) in [
        (
            1,
            "NetStream.Publish.BadName",
            "",
            FaultCode::AuthRejected,
            FaultClass::Actionable,
        ),
        (
            2,
            "NetStream.Publish.BadName",
            "Already publishing",
            FaultCode::NameInUse,
            FaultClass::Transient,
        ),
        (
            3,
            "NetStream.Publish.Denied",
            "no",
            FaultCode::AuthRejected,
            FaultClass::Actionable,
        ),
        (
            4,
            "NetStream.Publish.Rejected",
            "unsupported codec",
            FaultCode::FormatRejected,
            FaultClass::Actionable,
        ),
        (
            5,
            "Platform.Specific",
            "the moon is full",
            FaultCode::Unknown,
            FaultClass::Actionable,
        ),
    ] {
        sink.behave(rejecting(code, words));
        let id = stage.push(n, &url(&sink), "k").await;

        let fault = stage.until_fault(&id, expected).await.fault.unwrap();

        assert_eq!(fault.class, class, "{code}");
        assert!(fault.text.as_str().contains(code), "{}", fault.text);
        stage.detach(&id).await;
    }
}

#[tokio::test]
async fn a_retry_ends_the_wait_and_success_clears_the_current_fault_alone() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    sink.behave(rejecting("NetStream.Publish.Denied", "no"));
    let id = stage.push(1, &url(&sink), "k").await;
    stage.until_fault(&id, FaultCode::AuthRejected).await;
    stage.retry(&id).await;
    let health = stage
        .until_health(&id, |health| {
            health.fault.as_ref().is_some_and(|it| it.count == 2)
        })
        .await;
    assert_eq!(health.state, OutputState::Reconnecting);

    sink.behave(Behaviour::Take);
    stage.retry(&id).await;
    let health = stage.until_state(&id, OutputState::Live).await;

    assert_eq!(health.fault, None);
    assert_eq!(health.last_fault.unwrap().code, FaultCode::AuthRejected);
}

#[tokio::test]
async fn nobody_there_and_no_such_name_are_told_apart() {
    let stage = Stage::start(Idle::Demo);
    let nobody = stage
        .push(
            1,
            &format!("rtmp://127.0.0.1:{}/app", unused_port().await),
            "k",
        )
        .await;
    let nameless = stage.push(2, "rtmp://no-such-name.test/app", "k").await;

    let fault = stage
        .until_fault(&nobody, FaultCode::Refused)
        .await
        .fault
        .unwrap();
    assert_eq!(fault.class, FaultClass::Transient);
    let fault = stage
        .until_fault(&nameless, FaultCode::Dns)
        .await
        .fault
        .unwrap();
    assert_eq!(fault.class, FaultClass::Transient);
}

#[tokio::test]
async fn rule_25_a_name_that_leads_astray_is_not_followed() {
    let stage = Stage::start(Idle::Demo);
    let id = stage.push(1, "rtmp://metadata.test/app", "k").await;
    let fault = stage
        .until_fault(&id, FaultCode::Invalid)
        .await
        .fault
        .unwrap();
    assert_eq!(fault.class, FaultClass::Actionable, "{}", fault.text);
}

#[tokio::test]
async fn what_can_never_work_is_not_tried_again_until_somebody_acts() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let id = stage.push(1, "rtmp://[::ffff:127.0.0.1]/app", "k").await;
    let health = stage.until_state(&id, OutputState::Failed).await;
    let fault = health.fault.unwrap();
    assert_eq!(
        (fault.code, fault.class),
        (FaultCode::Invalid, FaultClass::Terminal)
    );

    stage.retry(&id).await;
    let again = |health: &OutputHealth| health.fault.as_ref().is_some_and(|it| it.count == 2);
    stage.until_health(&id, again).await;
    stage.push(1, &url(&sink), "k").await;
    let health = stage.until_state(&id, OutputState::Live).await;
    assert_eq!(health.last_fault.unwrap().class, FaultClass::Terminal);
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    sink.behave(Behaviour::CloseAfter { frames: 5 });
    let id = stage.push(1, &url(&sink), "k").await;
    let health = stage.until_fault(&id, FaultCode::RemoteClosed).await;
    assert_eq!(health.state, OutputState::Reconnecting);

    sink.behave(Behaviour::Take);
    let publish = until(&sink, "k", |publish| 10 < publish.facts.frames()).await;
    assert!(publish.facts.began_well);
    let health = stage.until_state(&id, OutputState::Live).await;
    assert!(1 <= health.progress.reconnects);
}

#[tokio::test]
async fn a_server_that_speaks_no_rtmp_is_a_fault_for_a_person() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    sink.behave(Behaviour::Babble);
    let id = stage.push(1, &url(&sink), "k").await;

    let fault = stage
        .until_health(&id, |health| health.fault.is_some())
        .await
        .fault
        .unwrap();

    assert_eq!(
        (fault.code, fault.class),
        (FaultCode::Invalid, FaultClass::Actionable)
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_an_edit_does_not_wait_for_it() {
    let (stage, silent, good) = (Stage::start(Idle::Demo), sink().await, sink().await);
    silent.behave(Behaviour::Silence);
    let patient = stage.push(1, &url(&silent), "k").await;
    let edited = stage.push(2, &url(&silent), "k").await;
    stage.until_state(&edited, OutputState::Connecting).await;

    stage.push(2, &url(&good), "k").await;
    stage.until_state(&edited, OutputState::Live).await;
    assert_eq!(stage.health(&patient).await.state, OutputState::Connecting);

    let fault = stage
        .until_fault(&patient, FaultCode::Timeout)
        .await
        .fault
        .unwrap();
    assert_eq!(fault.class, FaultClass::Transient);
}

#[tokio::test]
async fn a_far_end_that_takes_no_byte_is_doubted_then_given_up_then_tried_again() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let id = stage.push(1, &url(&sink), "k").await;
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    stage.until_state(&id, OutputState::Live).await;
    sink.behave(Behaviour::Stall);

    let keep_sending = async {
        loop {
            encoder.send(&footage.group_of(60_000)).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    let story = async {
        stage.until_state(&id, OutputState::Unconfirmed).await;
        let health = stage.until_state(&id, OutputState::Reconnecting).await;
        let fault = health.fault.unwrap();
        assert_eq!(
            (fault.code, fault.class),
            (FaultCode::Wedged, FaultClass::Transient)
        );
        sink.behave(Behaviour::Take);
        stage.until_state(&id, OutputState::Live).await;
    };
    tokio::select! {
        () = keep_sending => {}
        () = story => {}
    }

    assert_eq!(sink.publishes().len(), 2);
}

#[tokio::test]
async fn a_name_that_the_far_end_has_not_given_up_is_in_use_and_another_is_refused() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let id = stage.push(1, &url(&sink), "k").await;
    stage.until_state(&id, OutputState::Live).await;
    // It does not hear the goodbye.
    sink.behave(Behaviour::Stall);
    let sent = stage.health(&id).await.progress.frames_sent;
    while stage.health(&id).await.progress.frames_sent < sent + 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.switch(1, &url(&sink), "k", Switch::Off).await;
    stage.until_state(&id, OutputState::Off).await;
    sink.behave(rejecting("NetStream.Publish.BadName", ""));

    stage.push(1, &url(&sink), "k").await;
    stage.until_fault(&id, FaultCode::NameInUse).await;
    stage.push(1, &url(&sink), "other").await;
    stage.until_fault(&id, FaultCode::AuthRejected).await;
}

#[tokio::test]
async fn rule_3_without_media_nothing_is_live_though_the_encoder_stays() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let id = stage.push(1, &url(&sink), "k").await;
    let (mut encoder, mut footage) = (stage.encoder().await, Footage::new(1));
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    stage.until_state(&id, OutputState::Live).await;

    // Nothing comes in, though it is not given up yet.
    stage.until_state(&id, OutputState::WaitingForSource).await;
    assert_eq!(stage.relay.program().on_air, OnAir::Encoder);
    encoder.send(&footage.group()).await;
    stage.until_state(&id, OutputState::Live).await;

    // Something comes in, and no frame of it.
    let metadata = footage.headers().remove(0);
    let keep_talking = async {
        loop {
            encoder.send(std::slice::from_ref(&metadata)).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = keep_talking => {}
        _ = stage.until_state(&id, OutputState::Unconfirmed) => {}
    }
    assert_eq!(sink.publishes().len(), 1);
}
