//! Several sources, one of them on air (rule 28).

use std::{num::NonZeroU8, time::Duration};

use lunora_core::{
    domain::{IngestSpec, SwitchCause},
    domain::{IngestState, MediaCodec, ObservedIngest, OutputState, Priority, SourceId},
    port::{IngestController, SourceProbe},
};
use lunora_relay::{
    Air, Failover, Idle, Origin, RelayConfig, RelayIngests, SwitchReason,
    wire::message::{Message, MessageKind},
};
use lunora_testkit::sample;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::support::{Encoder, Footage, Stage, payloads, sink, until};

const PATIENCE: Duration = Duration::from_secs(20);

fn source(n: u64, priority: u8) -> IngestSpec {
    let spec = IngestSpec {
        priority: Priority(NonZeroU8::new(priority).unwrap()),
        ..sample::ingest(n)
    };
    sample::fingerprinted(spec)
}

fn origin(n: u64) -> Option<Origin> {
    Some(Origin::Source(sample::source_id(n)))
}

/// A relay with sources 1 and 2, of which the first is better.
async fn stage(rules: Failover) -> (Stage, RelayIngests, watch::Receiver<Air>) {
    let stage = Stage::with(RelayConfig {
        failover: rules,
        ..Stage::config(Idle::Nothing, None)
    });
    let ingests = stage.relay.ingests();
    for result in ingests.apply(&[source(1, 1), source(2, 2)]).await {
        result.unwrap();
    }
    let air = stage.relay.air();
    (stage, ingests, air)
}

async fn encoder(stage: &Stage, n: u64) -> Encoder {
    Encoder::publish(stage.address(), &format!("publish-{n}"))
        .await
        .unwrap()
}

/// Sends pictures at their pace until it is dropped, with a keyframe every 400 ms.
struct Sending(tokio::task::JoinHandle<()>);

impl Sending {
    fn start(mut encoder: Encoder, seed: u8) -> Self {
        Self(tokio::spawn(async move {
            let mut footage = Footage::starting_at(seed, u32::from(seed) * 1_000_000);
            encoder.send(&footage.headers()).await;
            loop {
                encoder.send(&footage.picture(800)).await;
                sleep(Duration::from_millis(40)).await;
            }
        }))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn on_air(air: &mut watch::Receiver<Air>, origin: Option<Origin>) -> Air {
    let is_it = air.wait_for(|air| air.on_air == origin);
    match timeout(PATIENCE, is_it).await {
        Ok(air) => air.unwrap().clone(),
        Err(_) => panic!("never on air: {origin:?}"),
    }
}

async fn seen(ingests: &RelayIngests, n: u64) -> ObservedIngest {
    let all = ingests.observe().await.unwrap();
    let id: SourceId = sample::source_id(n);
    all.into_iter().find(|it| it.id == id).unwrap()
}

/// The program of each keyframe is that of the pictures up to the next, and nothing is between.
fn assert_whole(messages: &[Message]) {
    let mut header = None;
    for payload in payloads(messages, MessageKind::Video) {
        match payload[1] {
            0 => header = Some((payload[7], false)),
            _ => {
                let (seed, begun) = header.as_mut().unwrap();
                // Behind the number of the picture comes noise that its seed made.
                let is_key = payload[0] == 0x17;
                assert!(*begun || is_key, "it begins with a keyframe");
                *begun = true;
                assert_eq!(&payload[9..], noise(*seed, &payload), "of one encoder");
            }
        }
    }
}

fn noise(seed: u8, payload: &[u8]) -> Vec<u8> {
    let number = u32::from_be_bytes(payload[5..9].try_into().unwrap());
    let mut noise = u64::from(number) << 8 | u64::from(seed);
    let body = std::iter::repeat_with(|| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 33) as u8
    });
    body.take(payload.len() - 9).collect()
}

#[tokio::test]
async fn rule_28_a_lost_source_is_left_for_the_next_and_gone_back_to_when_it_is_good_again() {
    let rules = Failover {
        fail_back_after: Duration::from_millis(1_500),
        ..Failover::default()
    };
    let ((stage, ingests, mut air), sink) = (stage(rules).await, sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "k").await;
    let first = Sending::start(encoder(&stage, 1).await, 1);
    on_air(&mut air, origin(1)).await;
    let _second = Sending::start(encoder(&stage, 2).await, 2);
    stage.until_state(&id, OutputState::Live).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(seen(&ingests, 1).await.state, IngestState::OnAir);
    assert_eq!(seen(&ingests, 2).await.state, IngestState::Standby);

    drop(first);
    let told = on_air(&mut air, origin(2)).await;
    let switch = told.last.back().unwrap();
    assert_eq!((&switch.from, &switch.to), (&origin(1), &origin(2)));
    assert_eq!(switch.cause, SwitchCause::Automatic);
    assert_eq!(switch.reason, SwitchReason::Ended);
    assert!(switch.gap.is_some());
    assert_eq!(seen(&ingests, 1).await.state, IngestState::Waiting);

    let _first = Sending::start(encoder(&stage, 1).await, 3);
    let told = on_air(&mut air, origin(1)).await;
    let switch = told.last.back().unwrap();
    assert!(matches!(switch.reason, SwitchReason::Better(good) if rules.fail_back_after <= good));
    sleep(Duration::from_millis(500)).await;

    let publish = until(&sink, "k", |_| true).await;
    assert_eq!(sink.publishes().len(), 1, "the destination stays");
    assert_eq!(publish.facts.video_headers, 3);
    assert_eq!(
        (publish.facts.steps_back, publish.facts.broken_gaps),
        (0, 0)
    );
    assert_whole(&publish.messages);
    assert_eq!(stage.health(&id).await.progress.reconnects, 0);
}

#[tokio::test]
async fn rule_28_a_pin_goes_on_air_and_stays_until_it_is_released() {
    let rules = Failover {
        fail_back_after: Duration::from_millis(800),
        ..Failover::default()
    };
    let (stage, ingests, mut air) = stage(rules).await;
    let _first = Sending::start(encoder(&stage, 1).await, 1);
    on_air(&mut air, origin(1)).await;
    let second = Sending::start(encoder(&stage, 2).await, 2);
    sleep(Duration::from_millis(200)).await;

    ingests.pin(Some(&sample::source_id(2))).await.unwrap();
    let told = on_air(&mut air, origin(2)).await;
    let switch = told.last.back().unwrap();
    assert_eq!(
        (switch.cause, switch.reason),
        (SwitchCause::Manual, SwitchReason::Pinned)
    );
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(air.borrow().on_air, origin(2), "though the first is better");

    drop(second);
    on_air(&mut air, origin(1)).await;
    let _second = Sending::start(encoder(&stage, 2).await, 4);
    let told = on_air(&mut air, origin(2)).await;
    assert_eq!(told.last.back().unwrap().reason, SwitchReason::PinnedIsBack);

    ingests.pin(None).await.unwrap();
    on_air(&mut air, origin(1)).await;
}

#[tokio::test]
async fn a_source_that_is_removed_or_gets_another_key_is_thrown_out_at_once() {
    let (stage, ingests, mut air) = stage(Failover::default()).await;
    let _first = Sending::start(encoder(&stage, 1).await, 1);
    on_air(&mut air, origin(1)).await;
    let _second = Sending::start(encoder(&stage, 2).await, 2);
    sleep(Duration::from_millis(200)).await;

    // Another priority alone disturbs nobody.
    for result in ingests.apply(&[source(1, 3), source(2, 2)]).await {
        result.unwrap();
    }
    sleep(Duration::from_millis(200)).await;
    assert_eq!(seen(&ingests, 1).await.state, IngestState::OnAir);

    for result in ingests.apply(&[source(2, 2)]).await {
        result.unwrap();
    }
    on_air(&mut air, origin(2)).await;
    let refused = Encoder::publish(stage.address(), "publish-1").await;
    assert!(refused.is_err(), "its key is worth nothing any more");
}

#[tokio::test]
async fn a_probe_tells_what_comes_in() {
    let (stage, ingests, mut air) = stage(Failover::default()).await;
    let _first = Sending::start(encoder(&stage, 1).await, 1);
    on_air(&mut air, origin(1)).await;
    let _second = Sending::start(encoder(&stage, 2).await, 2);

    let finding = ingests.probe(&source(2, 2)).await.unwrap();

    assert!(finding.is_good(), "{finding:?}");
    let media = finding.media.unwrap();
    let video = media.video.unwrap();
    assert_eq!(video.codec, MediaCodec::H264);
    let rate = video.frame_rate_milli.unwrap();
    assert!((24_000..=26_000).contains(&rate), "{rate}");
    assert_eq!(video.keyframe_interval_ms, Some(400));
    assert_eq!(media.audio.unwrap().codec, MediaCodec::Aac);
    assert_eq!(air.borrow().on_air, origin(1), "and changes nothing");

    let (on_air, measured) = ingests.on_air().await.unwrap().unwrap();
    assert_eq!(Some(on_air), origin(1));
    assert!(measured.bitrate_bps.is_some());
}
