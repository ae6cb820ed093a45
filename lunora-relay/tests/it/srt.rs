//! SRT without libsrt: what a worker may do wrong, and what is refused before one is asked.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lunora_core::{
    domain::{
        Aspect, Encryption, FaultCode, Fingerprint, HashKey, IngestSpec, IngestWay, Outcome,
        Priority, Protocol,
    },
    port::{ErrorKind, IngestController, SourceProbe},
};
use lunora_relay::{
    Idle, Origin, RelayConfig, SrtConfig, SrtLink, SrtService, WorkerCommand, sink::Publish,
    wire::message::MessageKind,
};
use lunora_srt::protocol::{FrameReader, FromWorker, Refusal, ToWorker, VERSION};
use tokio::time::timeout;

use crate::support::{Footage, PUBLISH_KEY, Stage, payloads, sink, until};

const WORKER: &str = env!("CARGO_BIN_EXE_lunora-srt-worker");

fn stage(program: &str, library: Option<&str>) -> Stage {
    let worker = WorkerCommand {
        program: PathBuf::from(program),
        arguments: Vec::new(),
    };
    with_worker(worker, library)
}

fn with_worker(worker: WorkerCommand, library: Option<&str>) -> Stage {
    Stage::with(RelayConfig {
        srt: Some(SrtConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            worker,
            library: library.map(PathBuf::from),
        }),
        ..Stage::config(Idle::Nothing, None)
    })
}

/// A worker that does nothing but say what a test has it say, and keep what it is told.
struct Script(tempfile::TempDir);

impl Script {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn stage(&self) -> Stage {
        const SCRIPT: &str = "(while [ ! -e \"$0/say\" ]; do sleep 0.02; done; \
                              exec cat \"$0/say\") & exec cat 3>&1 >\"$0/told\"";
        let worker = WorkerCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), SCRIPT.into(), self.0.path().into()],
        };
        with_worker(worker, None)
    }

    fn say(&self, said: &[FromWorker]) {
        let bytes: Vec<u8> = said.iter().flat_map(FromWorker::to_frame).collect();
        fs::write(self.0.path().join("unfinished"), bytes).unwrap();
        fs::rename(self.0.path().join("unfinished"), self.0.path().join("say")).unwrap();
    }

    fn told(&self) -> Vec<ToWorker> {
        let mut reader = FrameReader::default();
        reader.feed(&fs::read(self.0.path().join("told")).unwrap_or_default());
        std::iter::from_fn(|| reader.to_worker().unwrap()).collect()
    }
}

/// Until it is so, or for too long.
async fn until_so(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: never");
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
async fn another_priority_ends_no_connection() {
    let script = Script::new();
    let stage = script.stage();
    let ingests = stage.relay.ingests();
    let one = source("one", Some("stream-1"), None);
    ingests
        .apply(std::slice::from_ref(&one))
        .await
        .remove(0)
        .unwrap();
    // The encoder of the relay has the first number.
    let opened = |number| {
        let told = script.told();
        told.iter()
            .any(|it| matches!(it, ToWorker::Open(open) if open.source == number))
    };
    until_so("it is opened", || opened(2)).await;
    let (version, libsrt, peer) = (VERSION, [1, 5, 0], ([127, 0, 0, 1], 9).into());
    script.say(&[
        FromWorker::Hello { version, libsrt },
        FromWorker::Connected { source: 2, peer },
    ]);
    let origin = Origin::Source(one.id.clone());
    let link = || stage.relay.srt().unwrap().status(&origin).unwrap().link;
    until_so("it is connected", || link() == SrtLink::Connected).await;

    let later = IngestSpec {
        priority: Priority(3.try_into().unwrap()),
        fingerprint: source("other", None, None).fingerprint,
        ..one
    };
    let two = source("two", Some("stream-2"), None);
    for result in ingests.apply(&[later, two]).await {
        result.unwrap();
    }
    until_so("the other is opened", || opened(3)).await;

    assert_eq!(link(), SrtLink::Connected);
    let told = script.told();
    let closed = told
        .iter()
        .filter(|it| matches!(it, ToWorker::Close { .. }));
    assert_eq!(closed.count(), 0, "{told:?}");
}

#[tokio::test]
async fn a_worker_that_does_not_stop_talking_holds_no_picture_up() {
    let (script, sink) = (Script::new(), sink().await);
    let stage = script.stage();
    let url = format!("rtmp://{}/live", sink.address());
    stage.push(1, &url, "key").await;
    let mut encoder = stage.encoder().await;
    let mut footage = Footage::new(1);
    let mut sent = footage.headers();
    sent.extend(footage.group());
    encoder.send(&sent).await;
    until(&sink, "key", |it| 0 < it.facts.video_frames).await;

    let refused = FromWorker::Refused {
        source: Some(1),
        why: Refusal::Passphrase,
        count: 1,
    };
    script.say(&vec![refused; 150_000]);
    let all_heard = || {
        let encoder = stage.relay.srt().unwrap().status(&Origin::Encoder);
        150_000 <= encoder.unwrap().attempts
    };
    let mut longest = Duration::ZERO;
    while !all_heard() {
        let begun = Instant::now();
        let more = footage.picture(800);
        encoder.send(&more).await;
        sent.extend(more);
        let ours = payloads(&sent, MessageKind::Video).len();
        let has_all = |it: &Publish| payloads(&it.messages, MessageKind::Video).len() == ours;
        until(&sink, "key", has_all).await;
        longest = longest.max(begun.elapsed());
        assert!(longest < Duration::from_secs(1), "{longest:?}");
    }
    assert_ne!(longest, Duration::ZERO);
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
