//! An encoder publishes to the studio by SRT.

use std::{fs, process::Command};

use lunora_testkit::real::{
    machine::{PATIENCE, until},
    media::{Clip, Kind, decodes_clean, is_one_run_within},
    nginx::Nginx,
    process::Running,
};

use crate::studio::{Studio, on_free_ports};

/// The processes that any thread of this one has started.
fn children(of: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{of}/task")).unwrap();
    let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children"));
    let texts = threads.filter_map(|thread| of_thread(thread.ok()?).ok());
    let words: Vec<String> = texts.collect();
    let ids = words.iter().flat_map(|text| text.split_whitespace());
    ids.map(|id| id.parse().unwrap()).collect()
}

#[test]
#[ignore = "needs ffmpeg with libsrt, nginx-rtmp and libsrt; scripts/test runs it"]
fn an_encoder_with_the_publish_key_as_stream_id_is_on_air_and_its_worker_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = on_free_ports(folder.path());
    let studio = Studio::run(command.args(["--demo", "off", "--srt", "127.0.0.1:0"]));
    let (nginx, clip) = (Nginx::start(), Clip::of(6).file());
    let line = studio.process.says("  SRT ");
    let place = line.split_whitespace().nth(1).unwrap();
    let url = place.replace("<publish", studio.publish_key());
    let id = studio.api.add_live("first", &nginx.url("first"));
    studio.api.is(&id, "waiting_for_source");

    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-v", "error", "-re", "-i"])
        .arg(&clip);
    ffmpeg.args([
        "-c",
        "copy",
        "-f",
        "mpegts",
        &format!("{url}&pkt_size=1316"),
    ]);
    let mut encoder = Running::start("the SRT encoder", &mut ffmpeg);
    studio.api.has_sent(&id, 60);
    let [worker] = children(studio.process.id())[..] else {
        panic!("one worker takes SRT in");
    };
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{worker}/{file}")).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(studio.publish_key()), "{file}");
    }
    encoder.ends(PATIENCE);
    studio.api.is(&id, "waiting_for_source");
    studio.api.stop(&id);

    let recording = nginx.recording("first");
    let counts = is_one_run_within(2, &recording, &clip);
    assert!(counts[&Kind::Video] > 120, "{counts:?}");
    decodes_clean(recording.to_str().unwrap(), None);
    let killed = Command::new("kill")
        .args(["-9", &worker.to_string()])
        .status();
    assert!(killed.unwrap().success());
    until("another worker runs", || {
        let now = children(studio.process.id());
        (now.len() == 1 && now != [worker]).then_some(())
    });
    let said = [studio.process.out(), studio.process.err()].concat();
    assert!(said.iter().all(|line| !line.contains(studio.publish_key())));
}
