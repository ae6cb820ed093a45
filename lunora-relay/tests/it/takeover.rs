//! Who is on air.

use std::time::Duration;

use lunora_core::domain::{FaultCode, OutputState};
use lunora_relay::{
    Failover, Idle, OnAir, RelayConfig,
    sink::End,
    wire::{message::MessageKind, tag::Codec},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Encoder, Footage, PUBLISH_KEY, Stage, payloads, sink, until};

#[tokio::test]
async fn an_encoder_takes_over_from_the_test_stream_and_gives_back() {
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    until(&sink, "k", |publish| 3 < publish.facts.video_frames).await;
    assert_eq!(stage.relay.program().on_air, OnAir::Demo);

    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    let mut sent = footage.headers();
    sent.extend(footage.group());
    encoder.send(&sent).await;
    let ours = payloads(&sent, MessageKind::Video);
    let has_all = |messages: &[_]| payloads(messages, MessageKind::Video).ends_with(&ours);
    let publish = until(&sink, "k", |publish| has_all(&publish.messages)).await;
    assert_eq!(
        publish.facts.video_headers, 2,
        "the test stream's and the encoder's"
    );
    let program = stage.relay.program();
    assert_eq!(
        (program.on_air, program.video, program.audio),
        (OnAir::Encoder, Some(Codec::Avc), Some(Codec::Aac))
    );

    let before = publish.facts.video_frames;
    encoder.leave().await;
    let publish = until(&sink, "k", |publish| {
        before + 3 < publish.facts.video_frames
    })
    .await;
    assert_eq!(
        publish.facts.video_headers, 3,
        "and the test stream's again"
    );
    assert_eq!(
        (publish.facts.steps_back, publish.facts.broken_gaps),
        (0, 0)
    );
    assert_eq!(stage.relay.program().on_air, OnAir::Demo);
    assert_eq!(stage.health(&id).await.state, OutputState::Live);
    assert_eq!(
        sink.publishes().len(),
        1,
        "the destination was never disconnected"
    );
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let stage = Stage::start(Idle::Nothing);
    for key in ["wrong", "", "entry-77a1c9"] {
        let refused = Encoder::publish(stage.address(), key).await.unwrap_err();
        assert!(
            refused.starts_with("NetStream.Publish.BadName"),
            "{refused}"
        );
    }
    let with_query = format!("{PUBLISH_KEY}?whatever=1");
    Encoder::publish(stage.address(), &with_query)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_second_encoder_is_refused_while_the_first_sends_and_replaces_it_once_it_is_silent() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    let mut first = stage.encoder().await;
    let mut footage = Footage::new(1);
    first.send(&footage.headers()).await;
    first.send(&footage.group()).await;
    until(&sink, "k", |publish| publish.facts.video_frames == 10).await;

    let refused = Encoder::publish(stage.address(), PUBLISH_KEY)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        "NetStream.Publish.BadName: another encoder is publishing"
    );

    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let mut second = stage.encoder().await;
    let mut footage = Footage::new(2);
    second.send(&footage.headers()).await;
    second.send(&footage.group()).await;
    let publish = until(&sink, "k", |publish| publish.facts.video_frames == 20).await;
    assert_eq!(publish.facts.steps_back, 0);
    assert_eq!(sink.publishes().len(), 1);
}

#[tokio::test]
async fn a_destination_stays_connected_while_an_encoder_comes_back() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let id = stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    let mut footage = Footage::new(1);
    for frames in [10, 20, 30] {
        let mut encoder = stage.encoder().await;
        encoder.send(&footage.headers()).await;
        encoder.send(&footage.group()).await;
        until(&sink, "k", |publish| publish.facts.video_frames == frames).await;
        stage.until_state(&id, OutputState::Live).await;
        drop(encoder);
        stage.until_state(&id, OutputState::WaitingForSource).await;
    }
    let publishes = sink.publishes();
    assert_eq!(publishes.len(), 1);
    assert_eq!(
        (
            publishes[0].facts.steps_back,
            publishes[0].facts.broken_gaps
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_silent_encoder_is_gone_though_its_connection_is_open() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    stage.until_state(&id, OutputState::Live).await;

    // First nothing is live any more, then nothing is on air.
    stage.until_state(&id, OutputState::WaitingForSource).await;
    let is_gone = |_: &_| stage.relay.program().on_air == OnAir::Nothing;
    let health = stage.until_health(&id, is_gone).await;

    assert_eq!(health.state, OutputState::WaitingForSource);
    assert_eq!(
        until(&sink, "k", |_| true).await.end,
        None,
        "it may come back"
    );
}

#[tokio::test]
async fn without_a_source_destinations_are_let_go_in_good_order_until_one_comes() {
    let config = RelayConfig {
        failover: Failover {
            hold: Duration::from_secs(2),
            ..Failover::default()
        },
        ..Stage::config(Idle::Nothing, None)
    };
    let (stage, sink) = (Stage::with(config), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    let waiting = stage.until_state(&id, OutputState::WaitingForSource).await;
    assert_eq!(waiting.fault, None, "nothing was lost yet");
    let mut footage = Footage::new(1);
    for number in 1..=2 {
        let mut encoder = stage.encoder().await;
        encoder.send(&footage.headers()).await;
        encoder.send(&footage.group()).await;
        let live = stage.until_state(&id, OutputState::Live).await;
        assert_eq!(live.fault, None);
        encoder.leave().await;
        if number == 1 {
            let publish = until(&sink, "k", |publish| publish.end.is_some()).await;
            assert_eq!(publish.end, Some(End::Unpublished));
            let health = stage.until_fault(&id, FaultCode::SourceLost).await;
            assert_eq!(health.state, OutputState::WaitingForSource);
        }
    }
    assert_eq!(sink.publishes().len(), 2);
}

#[tokio::test]
async fn strangers_are_shown_out_and_the_encoder_does_not_notice() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    until(&sink, "k", |publish| publish.facts.frames() == 30).await;

    let mut strangers = Vec::new();
    for what in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[3; 5_000],
        &[0xFF; 100_000],
    ] {
        let mut stranger = TcpStream::connect(stage.address()).await.unwrap();
        // It may be shown out while it still talks.
        let _ = stranger.write_all(what).await;
        strangers.push(stranger);
    }
    encoder.send(&footage.group()).await;
    until(&sink, "k", |publish| publish.facts.frames() == 60).await;

    for mut stranger in strangers {
        let mut answer = Vec::new();
        let _ = stranger.read_to_end(&mut answer).await;
        assert!(answer.len() < 5_000, "all it gets is a handshake");
    }
}
