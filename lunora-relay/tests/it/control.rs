//! What is told to one output, and what it does.

use std::time::Duration;

use lunora_core::{
    domain::{OutputState, Switch},
    port::{ErrorKind, OutputRouter},
};
use lunora_relay::{
    Idle, Relay, RelayConfig, StartError,
    sink::{Behaviour, End},
};

use crate::support::{Stage, sink, until};

#[tokio::test]
async fn an_edit_ends_the_old_publish_in_good_order_before_the_new_one_begins() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "old").await;
    stage.until_state(&id, OutputState::Live).await;

    stage.push(1, &url, "new").await;
    let new = until(&sink, "new", |publish| 0 < publish.facts.video_frames).await;

    let old = until(&sink, "old", |publish| publish.end.is_some()).await;
    assert_eq!(old.end, Some(End::Unpublished));
    assert!(new.facts.began_well);
    let health = stage.until_state(&id, OutputState::Live).await;
    assert_eq!((health.fault, health.last_fault), (None, None));
}

#[tokio::test]
async fn the_same_target_again_changes_nothing() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    stage.until_state(&id, OutputState::Live).await;

    for _ in 0..5 {
        stage.push(1, &url, "k").await;
        stage.retry(&id).await;
    }
    let seen = until(&sink, "k", |_| true).await.facts.video_frames;
    until(&sink, "k", |publish| seen + 3 < publish.facts.video_frames).await;

    assert_eq!(sink.publishes().len(), 1);
    assert_eq!(stage.health(&id).await.state, OutputState::Live);
}

#[tokio::test]
async fn an_output_that_is_off_sends_nothing_and_starts_again_when_it_is_on() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.switch(1, &url, "k", Switch::Off).await;
    assert_eq!(stage.health(&id).await.state, OutputState::Off);
    assert!(sink.publishes().is_empty());

    for number in 1..=2 {
        stage.switch(1, &url, "k", Switch::On).await;
        stage.until_state(&id, OutputState::Live).await;
        let sent = stage.health(&id).await.progress;
        assert!(0 < sent.frames_sent && 0 < sent.bytes_sent);

        stage.switch(1, &url, "k", Switch::Off).await;
        stage.until_state(&id, OutputState::Off).await;
        let publish = until(&sink, "k", |publish| publish.end.is_some()).await;
        assert_eq!(
            (publish.number, publish.end),
            (number, Some(End::Unpublished))
        );
    }
}

#[tokio::test]
async fn a_detach_returns_once_the_publish_has_ended() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    stage.until_state(&id, OutputState::Live).await;

    stage.detach(&id).await;

    assert_eq!(
        until(&sink, "k", |publish| publish.end.is_some()).await.end,
        Some(End::Unpublished)
    );
    assert!(stage.router.observe().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_output_that_is_detached_and_attached_again_publishes_again() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    for number in 1..=5 {
        let id = stage.push(1, &url, "k").await;
        until(&sink, "k", |publish| {
            publish.number == number && 0 < publish.facts.frames()
        })
        .await;
        stage.detach(&id).await;
    }
    assert_eq!(sink.publishes().len(), 5);
}

#[tokio::test]
async fn a_shutdown_ends_every_publish_in_good_order() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    for n in 1..=10 {
        let id = stage
            .push(
                n,
                &format!("rtmp://{}/app", sink.address()),
                &format!("k{n}"),
            )
            .await;
        stage.until_state(&id, OutputState::Live).await;
    }

    stage.relay.shutdown().await;

    for n in 1..=10 {
        let publish = until(&sink, &format!("k{n}"), |publish| publish.end.is_some()).await;
        assert_eq!(publish.end, Some(End::Unpublished));
    }
    let stopped = stage.router.observe().await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_shutdown_waits_for_nobody_who_takes_nothing() {
    let (stage, good, stalled) = (Stage::start(Idle::Demo), sink().await, sink().await);
    let mut ids = Vec::new();
    for n in 1..=10 {
        let (sink, key) = if n == 1 {
            (&good, "good")
        } else {
            (&stalled, "k")
        };
        let id = stage
            .push(n, &format!("rtmp://{}/app", sink.address()), key)
            .await;
        stage.until_state(&id, OutputState::Live).await;
        ids.push(id);
    }
    stalled.behave(Behaviour::Stall);
    // What was being read as it was told to stall is read.
    for id in ids.iter().skip(1) {
        let sent = stage.health(id).await.progress.frames_sent;
        while stage.health(id).await.progress.frames_sent < sent + 10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    stage.relay.shutdown().await;

    let publish = until(&good, "good", |publish| publish.end.is_some()).await;
    assert_eq!(publish.end, Some(End::Unpublished));
    let stopped = stage.router.observe().await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Unavailable);
    assert!(
        stalled
            .publishes()
            .iter()
            .all(|publish| publish.end.is_none())
    );
}

#[tokio::test]
async fn an_address_in_use_is_refused_before_anything_starts() {
    let stage = Stage::start(Idle::Nothing);
    let RelayConfig { ingest, .. } = Stage::config(Idle::Nothing, None);
    let ingest = ingest.map(|ingest| lunora_relay::Ingest {
        address: stage.address(),
        ..ingest
    });
    let config = RelayConfig {
        ingest,
        ..Stage::config(Idle::Nothing, None)
    };

    let refused = Relay::start(config).unwrap_err();

    assert!(matches!(refused, StartError::Listen { address, .. } if address == stage.address()));
}
