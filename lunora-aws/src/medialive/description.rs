//! A channel as MediaLive describes it.

use std::fmt;

use lunora_core::domain::{
    AttachmentName, Channel, ChannelClass, ChannelState, Digest, Feed, FeedAddress, HashKey,
    InputAttachment, OutputGroup, OutputGroupKind,
};
use serde_json::{Map, Value};

use super::json::{canonical, said};

/// The reply of `DescribeChannel`, with all that AWS put into it.
#[derive(Clone, PartialEq)]
pub(super) struct Description(Map<String, Value>);

/// What changes without an edit, or is changed by other calls than an edit.
const NOT_EDITED: [&str; 6] = [
    "state",
    "pipelineDetails",
    "pipelinesRunningCount",
    "egressEndpoints",
    "tags",
    // Moves with the default of AWS; an edit does not name it.
    "channelEngineVersion",
];
/// What of the maintenance AWS plans by itself.
const PLANNED: [&str; 2] = ["maintenanceDeadline", "maintenanceScheduledDate"];

impl Description {
    /// Reads a reply; none if it is not one.
    pub(super) fn read(reply: &[u8]) -> Option<Self> {
        let mut members: Map<String, Value> = serde_json::from_slice(reply).ok()?;
        // Some add it to what they parsed; it is no member of the model.
        members.remove("ResponseMetadata");
        let is_whole = members.get("state").is_some_and(Value::is_string);
        is_whole.then_some(Self(members))
    }

    pub(super) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(super) fn state(&self) -> ChannelState {
        match self.text("state") {
            "CREATING" => ChannelState::Creating,
            // The event says STOPPED where the description says IDLE.
            "IDLE" | "STOPPED" => ChannelState::Idle,
            "STARTING" => ChannelState::Starting,
            "RUNNING" => ChannelState::Running,
            "RECOVERING" => ChannelState::Recovering,
            "STOPPING" => ChannelState::Stopping,
            "UPDATING" => ChannelState::Updating,
            "CREATE_FAILED" | "UPDATE_FAILED" => ChannelState::Failed,
            "DELETING" | "DELETED" => ChannelState::Deleted,
            _ => ChannelState::Unknown,
        }
    }

    pub(super) fn class(&self) -> ChannelClass {
        match self.text("channelClass") {
            "SINGLE_PIPELINE" => ChannelClass::SinglePipeline,
            // The default of AWS.
            _ => ChannelClass::Standard,
        }
    }

    pub(super) fn attachments(&self) -> Vec<AttachmentName> {
        let all = list(&self.0, "inputAttachments").iter();
        let names = all.filter_map(|it| it.get("inputAttachmentName")?.as_str());
        names.map(|name| AttachmentName(name.to_owned())).collect()
    }

    pub(super) fn encoder(&self) -> Option<&Map<String, Value>> {
        self.0.get("encoderSettings")?.as_object()
    }

    pub(super) fn groups(&self) -> &[Value] {
        self.encoder().map_or(&[], |it| list(it, "outputGroups"))
    }

    pub(super) fn destinations(&self) -> &[Value] {
        list(&self.0, "destinations")
    }

    pub(super) fn destination(&self, id: &str) -> Option<&Value> {
        self.destinations().iter().find(|it| it["id"] == id)
    }

    /// The output groups but ours.
    pub(super) fn other_groups(&self) -> Vec<OutputGroup> {
        let others = self.groups().iter().filter(|group| !is_our_group(group));
        others.map(group).collect()
    }

    /// Where our feed calls; nothing if there is none, or it is not whole.
    pub(super) fn feed(&self) -> Vec<FeedAddress> {
        if !self.groups().iter().any(is_our_group) {
            return Vec::new();
        }
        let Some(Value::Object(ours)) = self.destination(Feed::NAME) else {
            return Vec::new();
        };
        let urls = list(ours, "srtSettings").iter();
        let address = |it: &Value| it["url"].as_str()?.strip_prefix("srt://")?.parse().ok();
        urls.filter_map(address).collect()
    }

    /// All that an edit could change, but for our feed.
    pub(super) fn rest(&self) -> Value {
        let mut rest = self.without_feed();
        for name in NOT_EDITED {
            rest.remove(name);
        }
        said(&Value::Object(rest))
    }

    /// The [`rest`](Self::rest), and what an edit leaves alone as long as it runs.
    pub(super) fn rest_during_an_edit(&self) -> Value {
        let mut rest = self.without_feed();
        for name in ["state", "pipelineDetails", "pipelinesRunningCount"] {
            rest.remove(name);
        }
        said(&Value::Object(rest))
    }

    fn without_feed(&self) -> Map<String, Value> {
        let mut rest = self.0.clone();
        if let Some(Value::Array(all)) = rest.get_mut("destinations") {
            all.retain(|it| it["id"] != Feed::NAME);
        }
        let groups = rest
            .get_mut("encoderSettings")
            .map(|it| &mut it["outputGroups"]);
        if let Some(Value::Array(all)) = groups {
            all.retain(|group| !is_our_group(group));
        }
        if let Some(Value::Object(maintenance)) = rest.get_mut("maintenance") {
            maintenance.retain(|name, _| !PLANNED.contains(&name.as_str()));
        }
        rest
    }

    pub(super) fn digest(&self, hash_key: &HashKey) -> Digest {
        hash_key.digest([b"channel", canonical(&self.rest()).as_bytes()])
    }

    pub(super) fn channel(&self, hash_key: &HashKey) -> Channel {
        let count = self.0.get("pipelinesRunningCount").and_then(Value::as_u64);
        let mut pipelines = list(&self.0, "pipelineDetails").iter();
        let active = pipelines.find_map(|it| it.get("activeInputAttachmentName")?.as_str());
        Channel {
            name: self.text("name").to_owned(),
            state: self.state(),
            class: self.class(),
            pipelines_running: count
                .and_then(|it| u32::try_from(it).ok())
                .unwrap_or_default(),
            attachments: list(&self.0, "inputAttachments")
                .iter()
                .map(attachment)
                .collect(),
            active_input: active.map(|name| AttachmentName(name.to_owned())),
            output_groups: self.groups().iter().map(group).collect(),
            feed: self.feed(),
            rest: self.digest(hash_key),
        }
    }

    fn text(&self, name: &str) -> &str {
        let text = self.0.get(name).and_then(Value::as_str);
        text.unwrap_or_default()
    }
}

/// Shows nothing: stream names and stream ids are in it.
impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description").finish_non_exhaustive()
    }
}

/// The elements of a list; nothing if it is not there.
pub(super) fn list<'a>(of: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    of.get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(super) fn is_our_group(group: &Value) -> bool {
    group["name"] == Feed::NAME
}

fn attachment(attachment: &Value) -> InputAttachment {
    let text = |name: &str| attachment[name].as_str().unwrap_or_default().to_owned();
    InputAttachment {
        name: AttachmentName(text("inputAttachmentName")),
        input: text("inputId"),
    }
}

fn group(group: &Value) -> OutputGroup {
    OutputGroup {
        name: group["name"].as_str().unwrap_or_default().to_owned(),
        kind: kind(group),
        outputs: group["outputs"].as_array().map_or(0, Vec::len),
    }
}

pub(super) fn kind(group: &Value) -> OutputGroupKind {
    let settings = group["outputGroupSettings"].as_object();
    let mut of = settings.into_iter().flatten();
    let Some((name, _)) = of.find(|(_, value)| !value.is_null()) else {
        return OutputGroupKind::Other;
    };
    match name.as_str() {
        "mediaPackageGroupSettings" => OutputGroupKind::MediaPackage,
        "hlsGroupSettings" => OutputGroupKind::Hls,
        "cmafIngestGroupSettings" => OutputGroupKind::CmafIngest,
        "msSmoothGroupSettings" => OutputGroupKind::MsSmooth,
        "rtmpGroupSettings" => OutputGroupKind::Rtmp,
        "srtGroupSettings" => OutputGroupKind::Srt,
        "udpGroupSettings" => OutputGroupKind::Udp,
        "archiveGroupSettings" => OutputGroupKind::Archive,
        "frameCaptureGroupSettings" => OutputGroupKind::FrameCapture,
        "multiplexGroupSettings" => OutputGroupKind::Multiplex,
        "mediaConnectRouterGroupSettings" => OutputGroupKind::MediaConnectRouter,
        _ => OutputGroupKind::Other,
    }
}
