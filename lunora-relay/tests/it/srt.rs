//! SRT without libsrt: what a worker may do wrong, and what is refused before one is asked.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use lunora_core::{
    domain::{
        Aspect, Encryption, FaultCode, Fingerprint, HashKey, IngestSpec, IngestWay, Outcome,
        Priority, Protocol,
    },
    port::{ErrorKind, IngestController, SourceProbe},
};
use lunora_relay::{
    Idle, RelayConfig, SrtConfig, SrtService, WorkerCommand, sink::Publish,
    wire::message::MessageKind,
};
use lunora_srt::protocol::{FrameReader, FromWorker, ToWorker, VERSION};
use tokio::time::timeout;

use crate::support::{Footage, PUBLISH_KEY, Stage, payloads, sink, until};

const WORKER: &str = env!("CARGO_BIN_EXE_lunora-srt-worker");

fn stage(program: &str, library: Option<&str>) -> Stage {
    Stage::with(RelayConfig {
        srt: Some(SrtConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            worker: WorkerCommand {
                program: PathBuf::from(program),
                arguments: Vec::new(),
            },
            library: library.map(PathBuf::from),
        }),
        ..Stage::config(Idle::Nothing, None)
    })
}

async fn until_service(stage: &Stage, service: SrtService) {
    let mut services = stage.relay.srt().unwrap().service();
    let reached = services.wait_for(|now| *now == service);
    let reached = timeout(Duration::from_secs(30), reached).await;
    reached.unwrap().unwrap();
}

fn source(name: &str, stream_name: Option<&str>, passphrase: Option<&str>) -> IngestSpec {
    IngestSpec {
        id: format!("src-{name}").parse().unwrap(),
        protocol: Protocol::Srt,
        way: IngestWay::Listen {
            stream_name: stream_name.map(Into::into),
        },
        passphrase: passphrase.map(Into::into),
        encryption: Encryption::None,
        priority: Priority::PRIMARY,
        fingerprint: Fingerprint(HashKey::new([7; 32]).digest([name.as_bytes()])),
    }
}

#[tokio::test]
async fn a_worker_that_does_not_start_or_talks_nonsense_touches_nothing_else() {
    // `cat` says what it is told, which is nothing that a worker says.
    for program in ["/nowhere/worker", "cat"] {
        let (stage, sink) = (stage(program, None), sink().await);
        let url = format!("rtmp://{}/live", sink.address());
        stage.push(1, &url, "key").await;
        let mut encoder = stage.encoder().await;
        let mut footage = Footage::new(1);
        let mut sent = footage.headers();
        sent.extend(footage.group());
        encoder.send(&sent).await;
        until(&sink, "key", |it| 0 < it.facts.video_frames).await;

        until_service(&stage, SrtService::Broken).await;

        let more = footage.group();
        encoder.send(&more).await;
        sent.extend(more);
        let ours = payloads(&sent, MessageKind::Video);
        let has_all = |it: &Publish| payloads(&it.messages, MessageKind::Video) == ours;
        until(&sink, "key", has_all).await;
    }
}

#[tokio::test]
async fn without_libsrt_a_source_says_what_to_install() {
    let stage = stage(WORKER, Some("/nowhere/libsrt.so"));
    let spec = source("one", Some("canary-stream"), Some("canary-passphrase"));
    let ingests = stage.relay.ingests();
    let applied = ingests.apply(std::slice::from_ref(&spec)).await;
    assert!(applied[0].is_ok());

    until_service(&stage, SrtService::Missing).await;

    let seen = ingests.observe().await.unwrap().remove(0);
    let fault = seen.fault.clone().unwrap();
    assert_eq!(fault.code, FaultCode::Provider);
    assert!(
        fault.text.as_str().contains("libsrt1.5-openssl"),
        "{fault:?}"
    );
    assert!(!format!("{seen:?} {:?}", stage.relay).contains("canary"));
    let other = source("other", None, None);
    let finding = ingests.probe(&other).await.unwrap();
    let connect = finding
        .checks
        .iter()
        .find(|it| it.aspect == Aspect::Connect);
    assert!(matches!(connect.unwrap().outcome, Outcome::Failed(_)));
}

#[tokio::test]
async fn what_srt_cannot_take_is_refused_without_an_echo() {
    let stage = stage(WORKER, Some("/nowhere/libsrt.so"));
    let long = "canary".repeat(100);
    let unencrypted = IngestSpec {
        encryption: Encryption::Aes256,
        ..source("four", None, None)
    };

    let refused = stage
        .relay
        .ingests()
        .apply(&[
            source("one", Some("canary-1"), Some("canary")),
            source("two", Some(&long), None),
            source("three", Some(PUBLISH_KEY), None),
            unencrypted,
            source("five", Some("canary-2"), None),
            source("six", Some("canary-2"), None),
        ])
        .await;

    let kinds = refused
        .iter()
        .map(|it| it.as_ref().err().map(|it| it.kind()));
    use ErrorKind as E;
    let [invalid, conflict] = [Some(E::Invalid), Some(E::Conflict)];
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [invalid, invalid, conflict, invalid, None, conflict]
    );
    assert!(!format!("{refused:?}").contains("canary"));
}

/// What a worker answers to this before it ends.
fn answers(said: &[u8]) -> Vec<FromWorker> {
    let mut child = Command::new(WORKER);
    child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(said);
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    assert!(child.wait().unwrap().success());
    let mut reader = FrameReader::default();
    reader.feed(&out);
    std::iter::from_fn(|| reader.from_worker().unwrap()).collect()
}

#[test]
fn a_worker_ends_with_its_input_and_at_the_first_nonsense() {
    let start = |version| {
        let library = Some("/nowhere/libsrt.so".to_owned());
        ToWorker::Start { version, library }.to_frame()
    };

    assert_eq!(answers(&[]), []);
    assert_eq!(answers(&[0xFF; 4_000]), []);
    assert_eq!(answers(&ToWorker::Ping { number: 1 }.to_frame()), []);
    assert_eq!(answers(&start(VERSION)), [FromWorker::Missing]);
}
