//! An encoder publishes to the studio.

use lunora_testkit::real::{
    flv::parts,
    machine::PATIENCE,
    media::{Clip, Kind, codecs, decodes_clean, is_one_run_of, publish},
    nginx::Nginx,
};

use crate::studio::Studio;

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn what_an_encoder_publishes_arrives_byte_for_byte() {
    for b_frames in [0, 2] {
        let folder = tempfile::tempdir().unwrap();
        let (studio, nginx) = (Studio::without_test_stream(folder.path()), Nginx::start());
        let clip = Clip {
            b_frames,
            ..Clip::of(6)
        }
        .file();
        let id = studio.api.add_live("first", &nginx.url("first"));
        studio.api.is(&id, "waiting_for_source");

        let mut encoder = publish(&clip, &studio.publish);
        assert!(encoder.ends(PATIENCE).success(), "{:?}", encoder.err());
        studio.api.is(&id, "waiting_for_source");
        studio.api.stop(&id);

        let recording = nginx.recording("first");
        let counts = is_one_run_of(&recording, &clip);
        assert!(counts[&Kind::Video] > 120, "{counts:?}");
        assert!(counts[&Kind::Audio] > 180, "{counts:?}");
        decodes_clean(recording.to_str().unwrap(), None);
    }
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn an_encoder_takes_over_from_the_test_stream_and_hands_back() {
    let folder = tempfile::tempdir().unwrap();
    let (studio, nginx) = (Studio::start(folder.path()), Nginx::start());
    let events = studio.api.follow();
    let on_air = |program: &str, events: &crate::api::Follower, after: u64| {
        let event = events.tells(program, |event| {
            event["type"] == "program_changed"
                && event["program"] == program
                && event["seq"].as_u64() > Some(after)
        });
        event["seq"].as_u64().unwrap()
    };
    let through = studio.api.add_live("through it all", &nginx.url("through"));
    studio.api.has_sent(&through, 72);

    let clip = Clip::of(60).file();
    let mut encoder = publish(&clip, &studio.publish);
    let taken = on_air("encoder", &events, 0);
    let during = studio.api.add_live("during", &nginx.url("during"));
    studio.api.has_sent(&during, 72);
    let codecs = codecs(&nginx.url("during"));
    let live = decodes_clean(&nginx.url("during"), Some(1));
    studio.api.remove(&during);
    encoder.signal("INT");
    encoder.ends(PATIENCE);
    on_air("test_stream", &events, taken);
    let sent = studio.api.is(&through, "live")["state"]["progress"]["frames_sent"].clone();
    let after = studio.api.has_sent(&through, sent.as_u64().unwrap() + 72);
    studio.api.stop(&through);

    assert_eq!(codecs, "h264,aac");
    assert!(live.pictures > 15 && live.sounds > 20, "{live:?}");
    is_one_run_of(&nginx.recording("during"), &clip);
    // The far end saw one publish, and one stream that decodes.
    assert_eq!(after["state"]["progress"]["reconnects"], 0);
    assert_eq!(after["state"]["last_fault"], serde_json::Value::Null);
    let parts = parts(&nginx.recording("through"));
    assert_eq!(
        parts.len(),
        3,
        "the test stream, the encoder, the test stream"
    );
    for part in &parts {
        decodes_clean(part.to_str().unwrap(), None);
    }
    is_one_run_of(&parts[1], &clip);
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn a_wrong_publish_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(folder.path());
    let events = studio.api.follow();
    let clip = Clip::of(6).file();
    let (place, key) = studio.publish.rsplit_once('/').unwrap();

    for wrong in [
        "guess",
        "",
        &key[1..],
        &format!("{key}x"),
        &key.to_uppercase(),
    ] {
        let mut encoder = publish(&clip, &format!("{place}/{wrong}"));
        assert!(!encoder.ends(PATIENCE).success(), "“{wrong}” was let in");
    }

    let let_in =
        |events: Vec<serde_json::Value>| events.iter().any(|event| event["program"] == "encoder");
    assert!(!let_in(events.events()));
    // The right one is taken as before.
    let _encoder = publish(&clip, &studio.publish);
    events.tells("an encoder", |event| event["program"] == "encoder");
}
