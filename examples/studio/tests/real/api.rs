//! The HTTP API, as `curl` sees it.

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use lunora_testkit::real::{
    machine::{PATIENCE, look, until},
    process::{Running, attempt},
};
use serde_json::{Value, json};

/// Calls one studio.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    base: String,
    heard: Arc<Mutex<String>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Api {
    /// For an address such as `http://127.0.0.1:8080`.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        let heard = Arc::default();
        let base = base.into();
        Self { base, heard }
    }

    /// Where it calls.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Every reply so far, with its headers.
    pub(crate) fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    /// Calls, and returns nothing if no complete reply came.
    pub(crate) fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Reply> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "--max-time", "30", "-X", method]);
        if body.is_some() {
            // By the standard input: what stands on a command line, everybody may read.
            curl.args([
                "-H",
                "content-type: application/json",
                "--data-binary",
                "@-",
            ]);
        }
        curl.arg(format!("{}{path}", self.base));
        let input = body.map(Value::to_string).unwrap_or_default();
        let (reply, complaints) = attempt(&mut curl, &input);
        self.heard.lock().unwrap().push_str(&reply);
        if !complaints.is_empty() {
            return None;
        }
        let (head, body) = reply.split_once("\r\n\r\n")?;
        let code = head.split(' ').nth(1)?.parse().ok()?;
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Some(Reply { code, body })
    }

    /// Calls; a reply has to come.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let reply = self.try_call(method, path, body);
        reply.unwrap_or_else(|| panic!("no reply to {method} {path}"))
    }

    /// Calls; it has to succeed.
    pub(crate) fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let Reply { code, body } = self.call(method, path, body);
        assert_eq!(code, 200, "{method} {path}: {body}");
        body
    }

    /// Adds a destination and starts it in the same call; returns its id.
    pub(crate) fn add_live(&self, name: &str, url: &str) -> String {
        let body = json!({"name": name, "platform": "custom", "rtmp_url": url, "start": true});
        self.add(&body)
    }

    /// Adds a destination; returns its id.
    pub(crate) fn add(&self, body: &Value) -> String {
        let reply = self.done("POST", "/api/destinations", Some(body));
        let id = &reply["destination"]["destination_id"];
        id.as_str().unwrap().to_owned()
    }

    /// Changes fields of a destination.
    pub(crate) fn edit(&self, id: &str, body: &Value) {
        self.done("PUT", &format!("/api/destinations/{id}"), Some(body));
    }

    pub(crate) fn start(&self, id: &str) {
        self.done("POST", &format!("/api/destinations/{id}/start"), None);
    }

    pub(crate) fn stop(&self, id: &str) {
        self.done("POST", &format!("/api/destinations/{id}/stop"), None);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.done("DELETE", &format!("/api/destinations/{id}"), None);
    }

    /// All destinations, as the list shows them.
    pub(crate) fn list(&self) -> Vec<Value> {
        let mut reply = self.done("GET", "/api/destinations", None);
        let Value::Array(all) = reply["destinations"].take() else {
            panic!("the list is none: {reply}");
        };
        all
    }

    /// One destination, as the list shows it.
    pub(crate) fn find(&self, id: &str) -> Option<Value> {
        let all = self.list();
        all.into_iter().find(|it| it["destination_id"] == id)
    }

    /// Waits until the list shows a destination as this predicate wants it.
    pub(crate) fn shows(&self, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        let found = look(PATIENCE, || {
            last = self.find(id);
            last.clone().filter(|it| is(&it["state"]))
        });
        found.unwrap_or_else(|| panic!("waited in vain until {id} is {what}; it is {last:?}"))
    }

    /// Waits until a destination has this status.
    pub(crate) fn is(&self, id: &str, status: &str) -> Value {
        self.shows(id, status, |state| state["status"] == status)
    }

    /// Waits until a destination is live and has sent so many frames.
    pub(crate) fn has_sent(&self, id: &str, frames: u64) -> Value {
        let what = format!("live after {frames} frames");
        self.shows(id, &what, |state| {
            let sent = state["progress"]["frames_sent"].as_u64();
            state["status"] == "live" && sent >= Some(frames)
        })
    }

    /// Follows what happens from now on.
    pub(crate) fn follow(&self) -> Follower {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-N", &format!("{}/api/events", self.base)]);
        let curl = Running::start("the event stream", &mut curl);
        curl.says("event: state");
        Follower { curl }
    }
}

/// A client of the event stream.
#[derive(Debug)]
pub(crate) struct Follower {
    curl: Running,
}

impl Follower {
    /// Everything that was sent so far, as text.
    pub(crate) fn heard(&self) -> String {
        self.curl.out().join("\n")
    }

    /// The data of everything that was sent so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.curl.out();
        let data = lines.iter().filter_map(|line| line.strip_prefix("data:"));
        data.filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    /// Waits for an event.
    pub(crate) fn tells(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(&format!("an event tells {what}"), || {
            self.events().into_iter().find(|event| is(event))
        })
    }
}
