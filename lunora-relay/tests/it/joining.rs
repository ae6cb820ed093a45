//! What a destination gets, from its first byte on.

use lunora_core::domain::OutputState;
use lunora_relay::{
    Idle,
    sink::Behaviour,
    wire::{message::MessageKind, tag::classify},
};

use crate::support::{Footage, Stage, payloads, sink, until};

#[tokio::test]
async fn a_late_joiner_starts_with_the_current_group_after_its_headers() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    let group = footage.group();
    encoder.send(&group).await;

    let url = format!("rtmp://{}/app", sink.address());
    let probe = stage.push(1, &url, "probe").await;
    stage.until_state(&probe, OutputState::Live).await;
    until(&sink, "probe", |publish| {
        publish.facts.frames() == group.len() as u64
    })
    .await;
    stage.push(2, &url, "late").await;
    let late = until(&sink, "late", |publish| {
        publish.facts.frames() == group.len() as u64
    })
    .await;

    assert!(late.facts.began_well);
    assert_eq!(late.facts.first_timestamp, Some(0));
    let mut expected = footage.headers();
    expected.extend(group);
    for kind in [
        MessageKind::DataAmf0,
        MessageKind::Video,
        MessageKind::Audio,
    ] {
        assert_eq!(
            payloads(&late.messages, kind),
            payloads(&expected, kind),
            "{kind:?}"
        );
    }
    let headers = late.messages.iter().take(3).map(|message| message.kind);
    assert!(headers.eq([
        MessageKind::DataAmf0,
        MessageKind::Video,
        MessageKind::Audio
    ]));
}

#[tokio::test]
async fn an_encoder_far_into_its_day_starts_at_zero_and_crosses_every_wrap() {
    for start in [0xFF_FFFF - 400, (1 << 31) - 400, u32::MAX - 400] {
        let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
        let url = format!("rtmp://{}/app", sink.address());
        stage.push(1, &url, "k").await;
        let mut encoder = stage.encoder().await;
        let mut footage = Footage::starting_at(1, start);
        encoder.send(&footage.headers()).await;
        encoder.send(&footage.group()).await;
        until(&sink, "k", |publish| publish.facts.video_frames == 10).await;
        encoder.send(&footage.group()).await;
        encoder.send(&footage.group()).await;

        let publish = until(&sink, "k", |publish| publish.facts.video_frames == 30).await;

        let video = publish.messages.iter().filter(|message| {
            message.kind == MessageKind::Video
                && !classify(message.kind, &message.payload).sequence_header
        });
        let times: Vec<u32> = video.map(|message| message.timestamp).collect();
        assert_eq!(
            times,
            (0..30).map(|picture| picture * 40).collect::<Vec<_>>(),
            "from {start}"
        );
    }
}

#[tokio::test]
async fn new_sequence_headers_reach_everyone_before_what_needs_them() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    stage.push(1, &url, "early").await;
    let mut encoder = stage.encoder().await;
    let (mut before, mut after) = (Footage::new(1), Footage::starting_at(2, 400));
    let mut sent = before.headers();
    sent.extend(before.group());
    encoder.send(&sent).await;
    until(&sink, "early", |publish| publish.facts.frames() == 30).await;

    let mut changed = after.headers();
    changed.extend(after.group());
    encoder.send(&changed).await;
    let early = until(&sink, "early", |publish| publish.facts.frames() == 60).await;
    stage.push(2, &url, "late").await;
    let late = until(&sink, "late", |publish| publish.facts.frames() == 30).await;

    sent.extend(changed.clone());
    for kind in [
        MessageKind::DataAmf0,
        MessageKind::Video,
        MessageKind::Audio,
    ] {
        assert_eq!(
            payloads(&early.messages, kind),
            payloads(&sent, kind),
            "{kind:?}"
        );
        assert_eq!(
            payloads(&late.messages, kind),
            payloads(&changed, kind),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_stalled_destination_comes_back_on_a_keyframe_and_never_in_the_middle_of_a_message() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let stalled = stage.push(1, &url, "stalled").await;
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    until(&sink, "stalled", |publish| publish.facts.video_frames == 10).await;

    sink.behave(Behaviour::Stall);
    let mut groups = 0;
    while stage.health(&stalled).await.progress.frames_dropped == 0 {
        encoder.send(&footage.group_of(60_000)).await;
        groups += 1;
        assert!(groups < 200, "nothing is ever dropped");
    }
    // Its headers change while it takes nothing.
    let mut changed = Footage::starting_at(2, 400_000);
    encoder.send(&changed.headers()).await;
    encoder.send(&changed.group()).await;
    sink.behave(Behaviour::Take);
    let mut last = Vec::new();
    for _ in 0..3 {
        last = changed.group();
        encoder.send(&last).await;
    }

    let end = last
        .iter()
        .rfind(|message| message.kind == MessageKind::Video)
        .unwrap()
        .payload
        .clone();
    let came_back = |messages: &[_]| payloads(messages, MessageKind::Video).last() == Some(&end);
    let publish = until(&sink, "stalled", |publish| came_back(&publish.messages)).await;
    assert_eq!(publish.facts.broken_gaps, 0);
    assert_eq!(publish.facts.steps_back, 0);
    let newest_header = &changed.headers()[1].payload;
    assert!(payloads(&publish.messages, MessageKind::Video).contains(newest_header));
    assert_eq!(sink.publishes().len(), 1, "it was never disconnected");
}

#[tokio::test]
async fn nobody_is_called_before_something_comes_in() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    let id = stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    stage.until_state(&id, OutputState::WaitingForSource).await;

    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    assert_eq!(stage.health(&id).await.state, OutputState::WaitingForSource);
    assert!(sink.publishes().is_empty());

    encoder.send(&footage.group()).await;
    stage.until_state(&id, OutputState::Live).await;
}
