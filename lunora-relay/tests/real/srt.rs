//! SRT from real encoders, over good and bad networks, and what else is touched when it fails.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use lunora_core::domain::FaultCode;
use lunora_relay::{SrtLink, SrtService};
use lunora_testkit::real::{
    machine::{PATIENCE, until},
    media::{Clip, Kind, decodes_clean, frames, is_one_run_of, is_one_run_within, publish},
    nginx::Nginx,
    process::Running,
};

use crate::{
    lossy::Lossy,
    stage::{PUBLISH_KEY, Stage},
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
