//! Each failure is shown by its code, its class and a text, in the list and in the events.

use lunora_testkit::real::{
    machine,
    media::{Clip, publish},
    nginx::Nginx,
};
use serde_json::Value;

use crate::{api::Api, isolation::name_of_nobody, studio::Studio};

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn each_failure_shows_its_code_class_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(&folder.path().join("data"));
    let other = Studio::start(&folder.path().join("other"));
    let (nginx, silent) = (Nginx::start(), Nginx::start());
    let _in_use = publish(&Clip::of(60).file(), &nginx.url("taken"));
    nginx.sees("taken", 1);
    silent.process.signal("STOP");
    let wrong_key = other.publish.replace(other.publish_key(), "wrong");
    let api = &studio.api;
    let events = api.follow();

    let cases = [
        (
            "refused",
            "transient",
            format!("rtmp://{}:9/live/k", machine::address()),
        ),
        (
            "dns",
            "transient",
            format!("rtmp://{}/live/k", name_of_nobody()),
        ),
        ("remote_closed", "transient", nginx.closed_url("k")),
        ("name_in_use", "transient", nginx.url("taken")),
        ("auth_rejected", "actionable", wrong_key),
        ("invalid", "actionable", nginx.http_url("k")),
        ("timeout", "transient", silent.url("k")),
    ];
    let ids = cases
        .each_ref()
        .map(|(code, _, url)| api.add_live(code, url));
    for ((code, class, _), id) in cases.iter().zip(&ids) {
        let shown = api.shows(id, code, |state| state["fault"].is_object());

        is_told(&shown["state"], code, class);
        let event = events.tells(code, |event| {
            event["destination_id"] == **id && event["fault"].is_object()
        });
        assert_eq!(event["type"], "status_changed");
        is_told(&event, code, class);
        let severity = if *class == "actionable" {
            "action_needed"
        } else {
            "self_healing"
        };
        assert_eq!(shown["state"]["severity"], severity, "{shown}");
    }
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn the_last_fault_survives_retries_and_success_clears_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let (studio, mut nginx) = (Studio::start(folder.path()), Nginx::start());
    let api = &studio.api;
    let events = api.follow();
    let id = api.add_live("first", &nginx.url("first"));
    let live = api.is(&id, "live");
    assert!(live["state"]["fault"].is_null() && live["state"]["last_fault"].is_null());

    nginx.process.kill();
    let code = |event: &Value| event["fault"]["code"].clone();
    events.tells("remote_closed", |event| code(event) == "remote_closed");
    let down = api.shows(&id, "retried", |state| {
        state["fault"]["code"] == "refused" && state["fault"]["count"].as_u64() >= Some(2)
    });
    assert_eq!(down["streaming_status"], "error");
    nginx.restart();
    let again = api.is(&id, "live");

    assert_eq!(again["streaming_status"], "streaming");
    assert!(again["state"]["fault"].is_null(), "{again}");
    is_last(&again["state"], "refused");
    events.tells("live again", |event| {
        event["to"] == "live" && event["fault"].is_null() && event["last_fault"].is_object()
    });
    api.stop(&id);
    is_last(&api.is(&id, "idle")["state"], "refused");
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn a_receiver_that_stops_reading_is_wedged_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (studio, nginx) = (Studio::without_test_stream(folder.path()), Nginx::start());
    let api = &studio.api;
    // So much that the kernel's buffers are full soon.
    let clip = Clip {
        kilobits: 12_000,
        ..Clip::of(45)
    };
    let _encoder = publish(&clip.file(), &studio.publish);
    let id = api.add_live("first", &nginx.url("first"));
    api.is(&id, "live");

    nginx.process.signal("STOP");
    let shown = wait_for_fault(api, &id);
    nginx.process.signal("CONT");
    let again = api.is(&id, "live");

    is_told(&shown["state"], "wedged", "transient");
    is_last(&again["state"], "wedged");
}

fn wait_for_fault(api: &Api, id: &str) -> Value {
    api.shows(id, "at fault", |state| state["fault"].is_object())
}

fn is_told(place: &Value, code: &str, class: &str) {
    let fault = &place["fault"];
    assert_eq!(fault["code"], code, "{place}");
    assert_eq!(fault["class"], class, "{place}");
    assert!(fault["text"].as_str().unwrap().len() > 10, "{place}");
    assert!(
        fault["at"].is_string() && fault["count"].as_u64() >= Some(1),
        "{place}"
    );
    assert_eq!(place["last_fault"]["code"], code, "{place}");
}

fn is_last(state: &Value, code: &str) {
    assert_eq!(state["last_fault"]["code"], code, "{state}");
    assert!(state["last_fault"]["text"].is_string(), "{state}");
}
