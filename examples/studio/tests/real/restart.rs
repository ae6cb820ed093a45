//! What was acknowledged is there after a crash, and what was live is live again.

use std::{
    collections::BTreeMap,
    thread::{self, sleep},
    time::Duration,
};

use lunora_testkit::real::nginx::Nginx;
use serde_json::{Value, json};

use crate::{api::Api, studio::Studio};

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn after_a_kill_every_live_destination_is_live_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut studio, nginx) = (Studio::start(folder.path()), Nginx::start());
    let keys = ["one", "two", "three"];
    let ids = keys.map(|key| studio.api.add_live(key, &nginx.url(key)));
    let stopped = studio.api.add_live("stopped", &nginx.url("stopped"));
    for id in ids.iter().chain([&stopped]) {
        studio.api.is(id, "live");
    }
    studio.api.stop(&stopped);
    let key = studio.publish_key().to_owned();

    studio.process.kill();
    let studio = Studio::start(folder.path());

    for (id, key) in ids.iter().zip(keys) {
        studio.api.has_sent(id, 30);
        nginx.sees(key, 2);
    }
    studio.api.is(&stopped, "idle");
    nginx.sees("stopped", 1);
    assert_eq!(studio.publish_key(), key);
}

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    // Each studio lives for another while, so that another call is cut off.
    for life_ms in [25, 75, 130, 210, 340, 500] {
        let mut studio = Studio::start(folder.path());
        known.hold_in(&studio.api);
        thread::scope(|scope| {
            scope.spawn(|| while known.change_one(&studio.api).is_some() {});
            sleep(Duration::from_millis(life_ms));
            studio.process.signal("KILL");
        });
        studio.process.kill();
    }

    let studio = Studio::start(folder.path());
    known.hold_in(&studio.api);
    let lasting = known.names.values().flatten().count();
    assert!(
        lasting >= 5,
        "{} changes left {lasting} destinations",
        known.changes
    );
}

/// What the studio has acknowledged.
#[derive(Debug, Default)]
struct Known {
    /// The name of a destination, or none if it was removed. What was changed
    /// without an answer is not here: it may be so, or as before.
    names: BTreeMap<String, Option<String>>,
    changes: usize,
}

impl Known {
    fn hold_in(&self, api: &Api) {
        let all = api.list();
        for (id, name) in &self.names {
            let row = all.iter().find(|row| row["destination_id"] == **id);
            let now = row.map(|row| row["name"].as_str().unwrap().to_owned());
            assert_eq!(now, *name, "{id} after {} changes", self.changes);
        }
    }

    /// Adds one, renames one or removes one, in turn; nothing if no answer came.
    fn change_one(&mut self, api: &Api) -> Option<()> {
        self.changes += 1;
        let name = format!("number {}", self.changes);
        let there = |(id, name): (&String, &Option<String>)| name.is_some().then(|| id.clone());
        let first = self.names.iter().find_map(there);
        match (self.changes % 5, first) {
            (3, Some(id)) => {
                self.names.remove(&id);
                let path = format!("/api/destinations/{id}");
                answered(api, "PUT", &path, Some(&json!({"name": name})))?;
                self.names.insert(id, Some(name));
            }
            (4, Some(id)) => {
                self.names.remove(&id);
                answered(api, "DELETE", &format!("/api/destinations/{id}"), None)?;
                self.names.insert(id, None);
            }
            _ => {
                let body = json!({"name": name, "platform": "custom"});
                let reply = answered(api, "POST", "/api/destinations", Some(&body))?;
                let id = reply["destination"]["destination_id"].as_str().unwrap();
                self.names.insert(id.to_owned(), Some(name));
            }
        }
        Some(())
    }
}

fn answered(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
    let reply = api.try_call(method, path, body)?;
    assert_eq!(reply.code, 200, "{}", reply.body);
    Some(reply.body)
}
