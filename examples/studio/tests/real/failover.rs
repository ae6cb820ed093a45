//! The legs of a destination, as a producer sees them change.

use std::time::Duration;

use lunora_testkit::real::{machine::look, nginx::Nginx};
use serde_json::{Value, json};

use crate::{
    api::{Api, Follower},
    studio::Studio,
};

/// A primary has to be good for a minute, and is tested every 20 s.
const GOES_BACK_WITHIN: Duration = Duration::from_secs(100);

fn with_backup(name: &str, primary: &str, backup: &str) -> Value {
    json!({
        "name": name, "platform": "custom", "rtmp_url": primary, "backup_rtmp_url": backup,
        "failover_enabled": true, "start": true,
    })
}

fn why(api: &Api, id: &str) -> Value {
    api.done("GET", &format!("/api/destinations/{id}/why"), None)
}

fn choose(api: &Api, id: &str, to: &str) {
    let path = format!("/api/destinations/{id}/failover");
    api.done("POST", &path, Some(&json!({"to": to})));
}

/// Where a destination went, and why, by the events.
fn flips(events: &Follower, id: &str) -> Vec<(String, String)> {
    let all = events.events().into_iter();
    let flips = all.filter(|it| it["type"] == "destination_failed_over");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    flips
        .filter(|it| it["destination_id"] == *id)
        .map(|it| (text(&it["to"]), text(&it["reason"])))
        .collect()
}

#[test]
#[ignore = "needs nginx-rtmp; scripts/test runs it"]
fn rule_28_a_killed_primary_is_left_for_the_backup_and_gone_back_to_once_it_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(folder.path());
    let (mut first, second) = (Nginx::start(), Nginx::start());
    let api = &studio.api;
    let events = api.follow();
    let id = api.add(&with_backup("both", &first.url("one"), &second.url("two")));
    let pinned = api.add(&with_backup(
        "pinned",
        &first.url("three"),
        &second.url("four"),
    ));
    api.is(&id, "live");
    api.is(&pinned, "live");
    choose(api, &pinned, "primary");
    let tag = api.find(&id).unwrap()["generation"].clone();

    first.process.kill();
    let shown = api.is(&id, "failed_over");
    second.sees("two", 1);
    assert_eq!(shown["current_active_url"], "backup");
    assert_eq!(shown["generation"], tag, "rule 17");
    let left = flips(&events, &id);
    assert_eq!(left.len(), 1);
    assert!(
        left[0].0 == "backup" && left[0].1.starts_with("the one in use"),
        "{left:?}"
    );

    first.restart();
    api.is(&pinned, "live");
    let back = look(GOES_BACK_WITHIN, || {
        api.find(&id).filter(|it| it["state"]["status"] == "live")
    });
    assert!(back.is_some(), "{}", why(api, &id));
    first.sees("one", 2);
    let told = flips(&events, &id).remove(1);
    assert_eq!(told.0, "primary");
    assert!(told.1.contains("good for"), "{told:?}");
    assert_eq!(flips(&events, &pinned), [], "what is pinned stays");
}

#[test]
#[ignore = "needs nginx-rtmp; scripts/test runs it"]
fn rule_29_a_primary_that_refuses_the_key_waits_for_a_person_while_the_backup_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(&folder.path().join("data"));
    let other = Studio::start(&folder.path().join("other"));
    let nginx = Nginx::start();
    let wrong_key = other.publish.replace(other.publish_key(), "wrong");
    let api = &studio.api;
    let id = api.add(&with_backup("both", &wrong_key, &nginx.url("backup")));

    let shown = api.is(&id, "failed_over");
    assert_eq!(shown["state"]["last_fault"]["code"], "auth_rejected");
    let why = why(api, &id);
    assert_eq!(why["failover"]["next"]["step"], "waits_for_person", "{why}");
    assert!(why["advice"]["to_do"].as_str().unwrap().contains("key"));

    // What a person mends is asked about beforehand.
    let path = format!("/api/destinations/{id}/test");
    let deep = json!({"depth": "publish", "leg": "primary"});
    let refused = api.call("POST", &path, Some(&deep));
    assert_eq!(refused.code, 400, "it is running");
    choose(api, &id, "primary");
    let chosen = api.shows(&id, "by its primary", |state| state["leg"] == "primary");
    assert_eq!(chosen["generation"], shown["generation"]);
}
