//! What viewers get, while outputs run beside it.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use lunora_core::domain::OutputState;
use lunora_relay::{
    HlsConfig, HlsTrouble, Idle, RelayConfig,
    wire::{
        flv::FlvReader,
        message::{Message, MessageKind},
    },
};
use tempfile::tempdir;

use crate::support::{PUBLISH_KEY, Stage, payloads, sink, until};

static STREAM: &[u8] = include_bytes!("../../assets/test-stream.flv");

/// Ten seconds, with a keyframe every 2.56 s.
fn stream() -> Vec<Message> {
    let all = FlvReader::new(Bytes::from_static(STREAM)).unwrap();
    let mut all: Vec<Message> = all.map(Result::unwrap).collect();
    // The end of the sequence is no picture.
    all.retain(|it| it.kind != MessageKind::Video || it.payload.get(1) != Some(&2));
    all
}

fn stage(folder: &Path) -> Stage {
    Stage::with(RelayConfig {
        hls: Some(HlsConfig::new(folder.to_owned())),
        ..Stage::config(Idle::Nothing, None)
    })
}

fn list(folder: &Path) -> String {
    fs::read_to_string(folder.join("live.m3u8")).unwrap_or_default()
}

async fn until_made(stage: &Stage, segments: u64) {
    for _ in 0..4_000 {
        if segments <= stage.relay.hls().unwrap().segments_made {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", stage.relay.hls());
}

#[tokio::test]
async fn the_end_of_a_program_and_a_shutdown_leave_every_segment_whole() {
    let folder = tempdir().unwrap();
    let stage = stage(folder.path());
    assert_eq!(stage.relay.hls().unwrap().newest_at, None);
    let mut encoder = stage.encoder().await;
    encoder.send(&stream()).await;
    until_made(&stage, 3).await;
    assert!(stage.relay.hls().unwrap().since.is_some());

    encoder.leave().await;
    until_made(&stage, 4).await;
    stage.relay.shutdown().await;

    let text = list(folder.path());
    assert_eq!(text.matches("#EXTINF:2.560,").count(), 3, "{text}");
    assert!(
        !text.contains("#EXT-X-ENDLIST"),
        "a next run may go on from here: {text}"
    );
    let there = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(there, 4 + 2, "four segments, their head and the list");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_costs_no_output_a_frame() {
    let place = tempdir().unwrap();
    let folder = place.path().join("hls");
    fs::write(&folder, "in the way").unwrap();
    let (stage, sink) = (stage(&folder), sink().await);
    let url = format!("rtmp://{}/app", sink.address());
    let id = stage.push(1, &url, "out").await;
    let mut encoder = stage.encoder().await;
    let messages = stream();
    let (first, rest) = messages.split_at(messages.len() / 2);

    let (begin, first) = first.split_at(10);
    encoder.send(begin).await;
    stage.until_state(&id, OutputState::Live).await;
    encoder.send(first).await;
    while stage.relay.hls().unwrap().fault.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let fault = stage.relay.hls().unwrap().fault.unwrap();
    assert_eq!(fault.reason, HlsTrouble::Folder, "{fault:?}");
    assert!(!fault.text.contains(PUBLISH_KEY));
    fs::remove_file(&folder).unwrap();
    encoder.send(rest).await;
    encoder.leave().await;
    until_made(&stage, 1).await;

    assert_eq!(stage.relay.hls().unwrap().fault, None);
    let pictures = payloads(&messages, MessageKind::Video).len();
    let got = |it: &lunora_relay::sink::Publish| payloads(&it.messages, MessageKind::Video).len();
    until(&sink, "out", |publish| got(publish) == pictures).await;
    let health = stage.health(&id).await;
    assert_eq!(health.progress.frames_dropped, 0);
    assert_eq!(health.last_fault, None);
}

#[tokio::test]
async fn a_relay_without_hls_says_so() {
    let stage = Stage::start(Idle::Nothing);
    assert_eq!(stage.relay.hls(), None);
}
