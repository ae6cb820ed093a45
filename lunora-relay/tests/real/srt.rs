//! SRT from real encoders, over good and bad networks, and what else is touched when it fails.

use std::{
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use lunora_core::domain::{FaultCode, IngestSpec, IngestState, IngestWay, ObservedIngest};
use lunora_relay::{SrtLink, SrtService};
use lunora_testkit::real::{
    machine::{PATIENCE, until},
    media::{Clip, Kind, decodes_clean, frames, is_one_run_of, is_one_run_within, publish},
    nginx::Nginx,
    process::Running,
};

use crate::{
    lossy::Lossy,
    stage::{PUBLISH_KEY, Stage, source},
};

/// By how much times are off that MPEG-TS tells of several sounds at once.
const ROUNDING_MS: u64 = 2;

fn url(address: SocketAddr, stream_id: &str) -> String {
    patient_url(address, stream_id, 200)
}

/// With so many milliseconds for what is lost to be sent again.
fn patient_url(address: SocketAddr, stream_id: &str, latency_ms: u32) -> String {
    format!("srt://{address}?streamid={stream_id}&pkt_size=1316&latency={latency_ms}000")
}

/// Sends a file as an encoder would: at its own pace, once.
fn send(file: &Path, url: &str) -> Running {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "error", "-re", "-i"]);
    command.arg(file).args(["-c", "copy", "-f", "mpegts", url]);
    Running::start("the SRT encoder", &mut command)
}

/// The same by libsrt's own program, which is given the stream by a pipe.
fn send_by_srt_live_transmit(file: &Path, url: &str) -> (Running, Running) {
    let fifo = tempfile::tempdir().unwrap();
    let pipe = fifo.keep().join("stream.ts");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut feeder = Command::new("ffmpeg");
    feeder.args(["-nostdin", "-hide_banner", "-v", "error", "-y", "-re", "-i"]);
    feeder
        .arg(file)
        .args(["-c", "copy", "-f", "mpegts"])
        .arg(&pipe);
    let mut sender = Command::new("sh");
    sender.arg("-c").arg(format!(
        "exec srt-live-transmit -q -chunk:1316 file://con '{url}' < {}",
        pipe.display()
    ));
    sender.stderr(Stdio::null());
    (
        Running::start("srt-live-transmit", &mut sender),
        Running::start("ffmpeg before srt-live-transmit", &mut feeder),
    )
}

/// Waits until the encoder of the relay is connected by SRT, or is not any more.
fn until_link(stage: &Stage, link: SrtLink) {
    until(&format!("the encoder is {link:?}"), || {
        (stage.encoder().link == link).then_some(())
    });
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn what_ffmpeg_sends_by_srt_goes_out_as_it_came() {
    let (stage, nginx, clip) = (Stage::start(), Nginx::start(), Clip::of(6).file());
    let output = stage.push(&nginx.url("whole"));

    let access = format!("%23!::r={PUBLISH_KEY},m=publish");
    let mut encoder = send(&clip, &url(stage.srt(), &access));
    encoder.ends(PATIENCE);
    until_link(&stage, SrtLink::Waiting);
    stage.detach(&output);

    let recording = nginx.recording("whole");
    let counts = is_one_run_within(ROUNDING_MS, &recording, &clip);
    assert!(counts[&Kind::Video] > 150, "{counts:?}");
    assert!(counts[&Kind::Audio] > 230, "{counts:?}");
    decodes_clean(recording.to_str().unwrap(), None);
    let status = stage.encoder();
    assert_eq!((status.stream.gaps, status.stream.pes_dropped), (0, 0));
    assert!(
        status.stats.received > 300 && status.bytes > 400_000,
        "{status:?}"
    );
    assert_eq!(status.fault.unwrap().code, FaultCode::RemoteClosed);
}

#[test]
#[ignore = "needs ffmpeg with libsrt, srt-live-transmit, nginx-rtmp and libsrt; scripts/test runs it"]
fn what_srt_live_transmit_sends_goes_out_as_it_came() {
    let (stage, nginx, clip) = (Stage::start(), Nginx::start(), Clip::of(6).file());
    let output = stage.push(&nginx.url("slt"));
    let url = format!("srt://{}?streamid={PUBLISH_KEY}&latency=200", stage.srt());

    let (sender, mut feeder) = send_by_srt_live_transmit(&clip, &url);
    until_link(&stage, SrtLink::Connected);
    feeder.ends(PATIENCE);
    // It goes on when its input has ended; what it has read it sends at once.
    sleep(Duration::from_secs(1));
    sender.signal("INT");
    until_link(&stage, SrtLink::Waiting);
    stage.detach(&output);

    let recording = nginx.recording("slt");
    let counts = is_one_run_within(ROUNDING_MS, &recording, &clip);
    assert!(counts[&Kind::Video] > 120, "{counts:?}");
    decodes_clean(recording.to_str().unwrap(), None);
}

#[test]
#[ignore = "needs ffmpeg with libsrt and libsrt; scripts/test runs it"]
fn who_names_another_stream_or_wants_to_receive_is_refused_and_the_next_one_is_not() {
    let (stage, clip) = (Stage::start(), Clip::of(6).file());
    let address = stage.srt();
    let receiver = format!("%23!::r={PUBLISH_KEY},m=request");

    for wrong in ["guess", &PUBLISH_KEY[1..], &receiver] {
        let mut encoder = send(&clip, &url(address, wrong));
        assert!(!encoder.ends(PATIENCE).success(), "“{wrong}” was let in");
    }
    let _encoder = send(&clip, &url(address, PUBLISH_KEY));

    until_link(&stage, SrtLink::Connected);
    // It is there: another one with the same key has to wait.
    let mut second = send(&clip, &url(address, PUBLISH_KEY));
    assert!(!second.ends(PATIENCE).success());
    assert_eq!(stage.encoder().link, SrtLink::Connected);
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn a_source_is_let_in_by_its_stream_id_and_its_own_passphrase_alone() {
    const PASSPHRASE: &str = "canary-passphrase-1";
    let (stage, nginx, clip) = (Stage::start(), Nginx::start(), Clip::of(6).file());
    let listen = |id: &str| IngestWay::Listen {
        stream_name: Some(id.into()),
    };
    let secret = source("secret", listen("canary-one"), Some(PASSPHRASE));
    let open = source("open", listen("canary-two"), None);
    stage.take_in(&[secret.clone(), open.clone()]);
    let address = stage.srt();
    let with = |id: &str, passphrase: Option<&str>| {
        let passphrase = passphrase.map_or_else(String::new, |it| format!("&passphrase={it}"));
        format!("{}{passphrase}", url(address, id))
    };

    for (id, passphrase, source) in [
        ("canary-one", Some("another-passphrase"), &secret.id),
        ("canary-one", None, &secret.id),
        ("canary-two", Some(PASSPHRASE), &open.id),
    ] {
        let mut encoder = send(&clip, &with(id, passphrase));
        assert!(!encoder.ends(PATIENCE).success(), "{id} was let in");
        let seen = stage.sees(source, "refused", |it| it.fault.is_some());
        let fault = seen.fault.unwrap();
        assert_eq!(fault.code, FaultCode::AuthRejected);
        assert!(!fault.text.as_str().contains("canary"));
    }
    let output = stage.push(&nginx.url("secret"));
    for key_length in ["16", "32"] {
        let url = format!(
            "{}&pbkeylen={key_length}",
            with("canary-one", Some(PASSPHRASE))
        );
        let mut encoder = send(&clip, &url);
        let on_air = |it: &ObservedIngest| it.state == IngestState::OnAir && it.fault.is_none();
        stage.sees(&secret.id, "on air", on_air);
        encoder.ends(PATIENCE);
        stage.sees(&secret.id, "gone", |it| it.state == IngestState::Waiting);
    }
    stage.detach(&output);
    let recording = nginx.recording("secret");
    decodes_clean(recording.to_str().unwrap(), None);
    assert!(frames(&recording)[&Kind::Video].len() > 250);
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn a_source_that_listens_is_called_until_it_answers() {
    const PASSPHRASE: &str = "canary-passphrase-1";
    let (stage, nginx, clip) = (Stage::start(), Nginx::start(), Clip::of(6).file());
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let way = IngestWay::Call {
        host: "localhost".to_owned(),
        port,
        stream_name: Some("canary-id".into()),
    };
    let called = source("called", way, Some(PASSPHRASE));
    stage.srt();
    stage.take_in(std::slice::from_ref(&called));
    let no_answer = |it: &ObservedIngest| {
        let code = it.fault.as_ref().map(|fault| fault.code);
        code == Some(FaultCode::Timeout)
    };
    stage.sees(&called.id, "not there", no_answer);
    let output = stage.push(&nginx.url("called"));

    let listener = format!("srt://127.0.0.1:{port}?mode=listener&pkt_size=1316");
    let mut wrong = send(&clip, &format!("{listener}&passphrase=another-passphrase"));
    let refused = |it: &ObservedIngest| {
        let code = it.fault.as_ref().map(|fault| fault.code);
        code == Some(FaultCode::AuthRejected)
    };
    stage.sees(&called.id, "refused", refused);
    wrong.kill();
    // A person sees that and mends it, which is what has it called at once.
    let mended = IngestSpec {
        fingerprint: source("mended", called.way.clone(), None).fingerprint,
        ..called
    };
    let mut right = send(&clip, &format!("{listener}&passphrase={PASSPHRASE}"));
    stage.take_in(std::slice::from_ref(&mended));
    stage.sees(&mended.id, "on air", |it| it.state == IngestState::OnAir);
    right.ends(PATIENCE);
    stage.sees(&mended.id, "gone", |it| it.state == IngestState::Waiting);
    stage.detach(&output);

    let recording = nginx.recording("called");
    is_one_run_within(ROUNDING_MS, &recording, &clip);
    decodes_clean(recording.to_str().unwrap(), None);
}

/// Sends over a network that loses packets; returns what was lost on it, and the picture gaps.
fn over(per_mille: u64, latency_ms: u32) -> (u64, u64) {
    let (stage, nginx, clip) = (Stage::start(), Nginx::start(), Clip::of(15).file());
    let output = stage.push(&nginx.url("lossy"));
    let network = Lossy::start(stage.srt(), per_mille);

    let mut encoder = send(
        &clip,
        &patient_url(network.address, PUBLISH_KEY, latency_ms),
    );
    encoder.ends(PATIENCE);
    until_link(&stage, SrtLink::Waiting);
    stage.detach(&output);

    // Whatever is missing, nobody saw a broken picture.
    let recording = nginx.recording("lossy");
    decodes_clean(recording.to_str().unwrap(), None);
    let status = stage.encoder();
    if status.stream.gaps == 0 {
        is_one_run_within(ROUNDING_MS, &recording, &clip);
    }
    let pictures = frames(&recording)[&Kind::Video].len() as u64;
    assert!(300 < pictures && pictures <= 450, "{pictures} pictures");
    let told = status.stream.pictures;
    assert!(
        told.abs_diff(pictures) <= 2,
        "{told} told, {pictures} arrived"
    );
    assert!(
        0 < status.stats.lost && 0 < status.stats.retransmitted,
        "{status:?}"
    );
    (network.lost(), status.stream.gaps)
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn one_percent_of_loss_is_made_good() {
    let (lost, gaps) = over(10, 1_000);
    assert!(lost > 5, "{lost}");
    assert_eq!(gaps, 0, "libsrt has a second to ask again");
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn five_percent_of_loss_makes_gaps_at_most() {
    let (lost, gaps) = over(50, 200);
    assert!(lost > 40 && gaps < 10, "{lost} lost, {gaps} gaps");
}

/// While an encoder publishes by RTMP and another one calls by SRT, something happens to SRT.
/// Not a frame of the first is lost; afterwards SRT comes in again by itself.
fn rtmp_is_untouched_by(accident: impl FnOnce(&Stage)) {
    let (stage, nginx, clip) = (Stage::start(), Nginx::start(), Clip::of(15).file());
    let output = stage.push(&nginx.url("rtmp"));
    let address = stage.srt();
    let mut encoder = publish(&clip, &stage.rtmp());
    nginx.sees("rtmp", 1);
    let mut caller = send(&clip, &url(address, PUBLISH_KEY));
    until_link(&stage, SrtLink::Connected);
    let worker = stage.worker();

    accident(&stage);
    until("another worker runs", || {
        let is_well = matches!(stage.service(), SrtService::Running { .. });
        (is_well && stage.worker() != worker).then_some(())
    });
    caller.kill();
    encoder.ends(PATIENCE);
    let again = send(&clip, &url(stage.srt(), PUBLISH_KEY));
    until_link(&stage, SrtLink::Connected);
    until("SRT is on air", || {
        (stage.encoder().stream.pictures > 30).then_some(())
    });
    drop(again);
    stage.detach(&output);

    // In front of what SRT sent afterwards stands all that RTMP sent.
    let sent = frames(&clip);
    let arrived = frames(&nginx.recording("rtmp"));
    for kind in [Kind::Video, Kind::Audio] {
        let (sent, arrived) = (&sent[&kind], &arrived[&kind]);
        let first = sent
            .iter()
            .position(|it| it.is_same_as(&arrived[0]))
            .unwrap();
        for (sent, arrived) in sent[first..].iter().zip(arrived) {
            assert!(sent.is_same_as(arrived), "{kind:?}: {sent:?}, {arrived:?}");
        }
        assert!(sent.len() - first < arrived.len(), "{kind:?}");
    }
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn a_killed_worker_takes_nothing_along_and_comes_back() {
    rtmp_is_untouched_by(|stage| signal(stage.worker(), "KILL"));
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn a_worker_that_hangs_is_found_out_and_replaced() {
    rtmp_is_untouched_by(|stage| signal(stage.worker(), "STOP"));
}

fn signal(process: u32, signal: &str) {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal, &process.to_string()]);
    assert!(kill.status().unwrap().success());
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn without_libsrt_all_else_works_and_it_is_said_what_to_install() {
    let stage = Stage::with_library(Some("/nowhere/libsrt.so".into()));
    let (nginx, clip) = (Nginx::start(), Clip::of(6).file());
    let output = stage.push(&nginx.url("alone"));

    let mut encoder = publish(&clip, &stage.rtmp());
    encoder.ends(PATIENCE);
    sleep(Duration::from_millis(300));
    stage.detach(&output);

    assert_eq!(stage.service(), SrtService::Missing);
    assert!(stage.service().to_string().contains("libsrt1.5-openssl"));
    let counts = is_one_run_of(&nginx.recording("alone"), &clip);
    assert!(counts[&Kind::Video] > 150, "{counts:?}");
}
