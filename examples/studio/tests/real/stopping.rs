//! Ctrl-C.

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured here is another process"
)]

use std::time::{Duration, Instant};

use lunora_testkit::real::{
    machine::PATIENCE,
    media::{Clip, publish},
    nginx::Nginx,
};

use crate::{sink::Sink, studio::Studio};

/// What is promised.
const PROMISED: Duration = Duration::from_secs(2);
/// What a machine with other things to do may add.
const SLACK: Duration = Duration::from_secs(2);

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn ctrl_c_ends_every_push_properly_and_soon() {
    let folder = tempfile::tempdir().unwrap();
    let mut studio = Studio::start(folder.path());
    let (nginx, sink, stalled) = (Nginx::start(), Sink::start(), Nginx::start());
    let api = &studio.api;
    let urls = [
        nginx.url("one"),
        nginx.url("two"),
        sink.url("three"),
        stalled.url("four"),
    ];
    for url in &urls {
        let id = api.add_live(url, url);
        api.is(&id, "live");
    }
    let _events = api.follow();
    // One that takes no goodbye holds nobody up.
    stalled.process.signal("STOP");

    let begun = Instant::now();
    studio.process.signal("INT");
    let status = studio.process.ends(PATIENCE);
    let took = begun.elapsed();

    assert_eq!(status.code(), Some(0), "{status}");
    assert!(took < PROMISED + SLACK, "it took {took:?}");
    studio.process.says("stopped");
    sink.process.says("#1 ended properly");
    for key in ["one", "two"] {
        nginx.recording(key);
        assert!(nginx.saw_a_proper_end(key), "of {key}");
    }
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn ctrl_c_stops_while_an_encoder_publishes() {
    let folder = tempfile::tempdir().unwrap();
    let mut studio = Studio::start(folder.path());
    let sink = Sink::start();
    let _encoder = publish(&Clip::of(60).file(), &studio.publish);
    let id = studio.api.add_live("first", &sink.url("first"));
    studio.api.has_sent(&id, 72);

    studio.process.signal("TERM");
    let status = studio.process.ends(PATIENCE);

    assert_eq!(status.code(), Some(0), "{status}");
    sink.process.says("#1 ended properly");
}
