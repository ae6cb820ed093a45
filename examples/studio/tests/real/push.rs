//! The first thing that a newcomer does: the test stream to a destination.

use lunora_testkit::real::{
    machine::{self, until},
    media::{codecs, decodes_clean, listen},
    nginx::Nginx,
};

use crate::studio::Studio;

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn nginx_has_a_stream_that_decodes_clean_live_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (studio, nginx) = (Studio::start(folder.path()), Nginx::start());

    let id = studio.api.add_live("first", &nginx.url("first"));
    studio.api.is(&id, "live");
    let live = decodes_clean(&nginx.url("first"), Some(2));
    let codecs = codecs(&nginx.url("first"));
    // Longer than the 10.24 s of the test stream: its seam is in the recording.
    studio.api.has_sent(&id, 13 * 72);
    studio.api.stop(&id);

    assert_eq!(codecs, "h264,aac");
    assert!(live.pictures > 25 && live.sounds > 50, "{live:?}");
    let recorded = decodes_clean(nginx.recording("first").to_str().unwrap(), None);
    assert!(
        recorded.pictures > 280 && recorded.sounds > 500,
        "{recorded:?}"
    );
    assert!(nginx.saw_a_proper_end("first"));
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn ffmpeg_as_a_receiver_has_a_stream_that_decodes_clean() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("received.flv");
    let studio = Studio::start(&folder.path().join("data"));
    let url = format!("rtmp://{}/live/first", machine::address());
    let mut receiver = listen(&url, &file);

    let id = studio.api.add_live("first", &url);
    studio.api.has_sent(&id, 4 * 72);
    studio.api.remove(&id);

    // It calls every end of a publish an input error, also of another ffmpeg's.
    assert!(receiver.ends(machine::PATIENCE).success());
    let received = decodes_clean(file.to_str().unwrap(), None);
    assert!(
        received.pictures > 90 && received.sounds > 150,
        "{received:?}"
    );
    until("the list is empty", || {
        studio.api.list().is_empty().then_some(())
    });
}
