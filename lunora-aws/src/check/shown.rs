//! A flow as `DescribeFlow` shows it, with what the SDK does not know of.

use std::fmt;

use lunora_core::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

/// The word of the protocol.
pub(super) const PROTOCOL: &str = "rtmp-push";

/// The flow in a reply of `DescribeFlow`.
#[derive(Clone, PartialEq)]
pub(super) struct Shown(Value);

/// Shows nothing: stream names are in it.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl Shown {
    pub(super) fn read(reply: &[u8]) -> Option<Self> {
        let mut reply: Value = serde_json::from_slice(reply).ok()?;
        let flow = reply.get_mut("flow")?.take();
        flow.is_object().then_some(Self(flow))
    }

    pub(super) fn status(&self) -> &str {
        self.0["status"].as_str().unwrap_or_default()
    }

    /// Whether it may refuse now what it takes a moment later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status(), "UPDATING" | "STARTING" | "STOPPING")
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = Output<'_>> {
        let outputs = self.0["outputs"].as_array().into_iter().flatten();
        outputs.map(Output)
    }

    pub(super) fn output(&self, arn: &str) -> Option<Output<'_>> {
        self.outputs().find(|it| it.arn() == arn)
    }
}

/// One output of a flow.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Output<'a>(&'a Value);

impl<'a> Output<'a> {
    fn text(&self, at: &str) -> &'a str {
        let text = self.0.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    pub(super) fn value(&self) -> &'a Value {
        self.0
    }

    pub(super) fn name(&self) -> &'a str {
        self.text("/name")
    }

    pub(super) fn arn(&self) -> &'a str {
        self.text("/outputArn")
    }

    pub(super) fn description(&self) -> &'a str {
        self.text("/description")
    }

    pub(super) fn status(&self) -> &'a str {
        self.text("/outputStatus")
    }

    /// The stream name as it is shown; it may be hidden.
    pub(super) fn stream(&self) -> &'a str {
        self.text("/transport/rtmpPushOutputSettings/streamName")
    }

    /// Whether MediaLive or a subscriber has it there.
    pub(super) fn is_managed(&self) -> bool {
        let is_there = |member: &str| self.0.get(member).is_some_and(|it| !it.is_null());
        is_there("mediaLiveInputArn") || is_there("entitlementArn")
    }
}

/// Whether RTMP goes over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Without,
    With,
}

/// What a test output is told.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) description: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) application: SecretString,
    pub(super) stream: SecretString,
    pub(super) tls: Tls,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

impl Told {
    /// All of it, and that it is off.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut settings = json!({
            "applicationName": self.application.expose_secret(),
            "streamName": self.stream.expose_secret(),
        });
        if self.tls == Tls::With {
            settings["tlsEncryption"] = json!({
                "encryptionType": "PUBLIC",
                "encryptionConfiguration": { "public": {} },
            });
        }
        let members = [
            ("description", json!(self.description)),
            ("destination", json!(self.host)),
            ("outputStatus", json!("DISABLED")),
            ("port", json!(self.port)),
            ("protocol", json!(PROTOCOL)),
            ("rtmpPushSettings", settings),
        ];
        let members = members.map(|(name, value)| (name.to_owned(), value));
        members.into_iter().collect()
    }

    /// Which members of the place are shown otherwise.
    pub(super) fn place_unlike(&self, shown: &Output<'_>) -> Vec<&'static str> {
        let port = shown.value()["port"].as_u64();
        let all = [
            ("protocol", shown.text("/transport/protocol") == PROTOCOL),
            ("destination", shown.text("/destination") == self.host),
            ("port", port == Some(u64::from(self.port))),
        ];
        unlike(&all)
    }

    /// Which of the RTMP settings are shown otherwise. A stream name that is hidden
    /// says nothing, so an empty one alone is otherwise.
    pub(super) fn settings_unlike(&self, shown: &Output<'_>) -> Vec<&'static str> {
        let at = "/transport/rtmpPushOutputSettings/applicationName";
        let tls = "/transport/rtmpPushOutputSettings/tlsEncryption";
        let tls = shown.value().pointer(tls).is_some_and(Value::is_object);
        let all = [
            (
                "applicationName",
                shown.text(at) == self.application.expose_secret(),
            ),
            ("streamName", !shown.stream().is_empty()),
            ("tlsEncryption", tls == (self.tls == Tls::With)),
        ];
        unlike(&all)
    }

    pub(super) fn is_stream_shown(&self, shown: &Output<'_>) -> bool {
        shown.stream() == self.stream.expose_secret()
    }
}

fn unlike(all: &[(&'static str, bool)]) -> Vec<&'static str> {
    let unlike = all.iter().filter(|(_, is_same)| !is_same);
    unlike.map(|(name, _)| *name).collect()
}
