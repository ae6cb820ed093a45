//! Two legs of one destination: side by side, or one after the other, and nobody else notices.

use std::time::Duration;

use lunora_core::{
    domain::{Leg, OutputSpec, OutputState, Switch},
    port::OutputRouter,
};
use lunora_relay::{
    Idle,
    sink::{End, Sink},
    wire::message::{Message, MessageKind},
};
use tokio::time::{Instant, sleep};

use crate::support::{Encoder, Footage, Stage, payloads, sink, spec, until};

const KEY: &str = "one-key";

/// A leg of destination 1: both legs have one key.
fn leg(leg: Leg, sink: &Sink) -> OutputSpec {
    let url = format!("rtmp://{}/app", sink.address());
    let mut spec = spec(1, &url, KEY, Switch::On);
    spec.id.leg = leg;
    spec
}

/// Sends at the pace of a real encoder until it is told enough, and returns all that it sent.
async fn film(mut encoder: Encoder, enough: tokio::sync::watch::Receiver<bool>) -> Vec<Message> {
    let mut footage = Footage::new(1);
    let mut sent = footage.headers();
    encoder.send(&sent).await;
    while !*enough.borrow() {
        let picture = footage.picture(8_000);
        encoder.send(&picture).await;
        sent.extend(picture);
        sleep(Duration::from_millis(40)).await;
    }
    // Nobody is to lose the end because the encoder leaves.
    sleep(Duration::from_millis(300)).await;
    sent
}

/// Whether a publish is a part of what was sent, frame for frame.
fn is_part_of(received: &[Message], sent: &[Message]) -> bool {
    [MessageKind::Video, MessageKind::Audio]
        .into_iter()
        .all(|kind| {
            let (received, sent) = (payloads(received, kind), payloads(sent, kind));
            // The first is the sequence header, which is sent to every newcomer.
            let frames = &received[1..];
            let place = sent.iter().position(|it| *it == frames[0]);
            place.is_some_and(|place| sent[place..].starts_with(frames))
        })
}

#[tokio::test]
async fn hot_legs_with_one_key_run_side_by_side_and_lose_nothing() {
    let (stage, main, spare) = (Stage::start(Idle::Nothing), sink().await, sink().await);
    let legs = [leg(Leg::Primary, &main), leg(Leg::Backup, &spare)];
    for result in stage.router.apply(&legs).await {
        result.unwrap();
    }
    let (enough, told) = tokio::sync::watch::channel(false);
    let filming = tokio::spawn(film(stage.encoder().await, told));
    for leg in &legs {
        stage.until_state(&leg.id, OutputState::Live).await;
    }
    until(&spare, KEY, |publish| 60 < publish.facts.frames()).await;
    enough.send_replace(true);
    let sent = filming.await.unwrap();

    for sink in [&main, &spare] {
        let publish = until(sink, KEY, |publish| {
            payloads(&publish.messages, MessageKind::Video).len()
                == payloads(&sent, MessageKind::Video).len()
        })
        .await;
        assert!(publish.facts.began_well);
        for kind in [MessageKind::Video, MessageKind::Audio] {
            assert_eq!(payloads(&publish.messages, kind), payloads(&sent, kind));
        }
    }
}

#[expect(clippy::print_stdout, reason = "it tells what it measured")]
#[tokio::test]
async fn a_standby_leg_takes_over_and_no_sibling_loses_a_frame() {
    const SWITCHES: usize = 8;
    let (stage, main, spare) = (Stage::start(Idle::Nothing), sink().await, sink().await);
    let other = sink().await;
    let (primary, backup) = (leg(Leg::Primary, &main), leg(Leg::Backup, &spare));
    let sibling = stage
        .push(2, &format!("rtmp://{}/app", other.address()), "sibling")
        .await;
    stage
        .router
        .apply(std::slice::from_ref(&primary))
        .await
        .remove(0)
        .unwrap();
    let (enough, told) = tokio::sync::watch::channel(false);
    let filming = tokio::spawn(film(stage.encoder().await, told));
    stage.until_state(&primary.id, OutputState::Live).await;

    let (mut active, mut standby) = ((&primary, &main), (&backup, &spare));
    let mut took = Vec::new();
    for _ in 0..SWITCHES {
        sleep(Duration::from_millis(500)).await;
        stage.detach(&active.0.id).await;
        let before = standby.1.publishes().len();
        let attached = Instant::now();
        let specs = std::slice::from_ref(standby.0);
        stage.router.apply(specs).await.remove(0).unwrap();
        until(standby.1, KEY, |publish| {
            before < publish.number as usize && 0 < publish.facts.keyframes
        })
        .await;
        took.push(attached.elapsed());
        std::mem::swap(&mut active, &mut standby);
    }
    enough.send_replace(true);
    let sent = filming.await.unwrap();
    stage.detach(&active.0.id).await;
    println!("from attaching a leg to its first keyframe: {took:?}");

    assert_eq!(
        main.publishes().len() + spare.publishes().len(),
        SWITCHES + 1
    );
    for publish in main.publishes().into_iter().chain(spare.publishes()) {
        assert_eq!(publish.end, Some(End::Unpublished), "in good order");
        assert!(publish.facts.began_well && publish.facts.broken_gaps == 0);
        assert!(is_part_of(&publish.messages, &sent));
    }
    let publish = until(&other, "sibling", |publish| {
        payloads(&publish.messages, MessageKind::Video).len()
            == payloads(&sent, MessageKind::Video).len()
    })
    .await;
    for kind in [MessageKind::Video, MessageKind::Audio] {
        assert_eq!(payloads(&publish.messages, kind), payloads(&sent, kind));
    }
    let health = stage.health(&sibling).await;
    assert_eq!(
        (health.progress.frames_dropped, health.progress.reconnects),
        (0, 0)
    );
}
