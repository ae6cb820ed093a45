use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{REMEMBERED, arn, channel::Channel, tags::Tags};

/// An input: where a channel gets what it encodes.
pub(super) struct Input {
    pub(super) id: String,
    /// Its members as they are described.
    pub(super) settings: Value,
    pub(super) tags: Tags,
    pub(super) phase: Phase,
    /// When its phase ends.
    pub(super) until: Option<Timestamp>,
    /// What it was made with, to know a retry by.
    pub(super) request: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Creating,
    Ready,
    Deleting,
    Deleted,
}

/// Who connects to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Push,
    Pull,
}

impl Input {
    /// Returns whether it is still remembered.
    pub(super) fn settle(&mut self, now: Timestamp) -> bool {
        while let Some(due) = self.until.filter(|due| *due <= now) {
            (self.phase, self.until) = match self.phase {
                Phase::Creating | Phase::Ready => (Phase::Ready, None),
                Phase::Deleting => (Phase::Deleted, Some(due + REMEMBERED)),
                Phase::Deleted => return false,
            };
        }
        true
    }

    pub(super) fn is_there(&self) -> bool {
        self.phase != Phase::Deleted
    }

    /// Whether a channel may begin to use it.
    pub(super) fn is_usable(&self) -> bool {
        matches!(self.phase, Phase::Creating | Phase::Ready)
    }

    pub(super) fn arn(&self) -> String {
        arn("input", &self.id)
    }

    pub(super) fn direction(&self) -> Direction {
        direction(self.settings["type"].as_str().unwrap_or_default())
    }

    /// The channel that uses it: at most one can.
    pub(super) fn user<'a>(&self, channels: &'a [Channel]) -> Option<&'a Channel> {
        let mut users = channels.iter().filter(|channel| channel.uses(&self.id));
        users.next()
    }

    pub(super) fn describe(&self, channels: &[Channel]) -> Map<String, Value> {
        let user = self.user(channels).map(|channel| channel.id.as_str());
        let state = match self.phase {
            Phase::Creating => "CREATING",
            Phase::Ready if user.is_some() => "ATTACHED",
            Phase::Ready => "DETACHED",
            Phase::Deleting => "DELETING",
            Phase::Deleted => "DELETED",
        };
        let own = json!({
            "arn": self.arn(),
            "attachedChannels": user.into_iter().collect::<Vec<_>>(),
            "id": self.id,
            "state": state,
            "tags": self.tags,
        });
        let mut all = self.settings.as_object().cloned().unwrap_or_default();
        all.extend(own.as_object().cloned().unwrap_or_default());
        all
    }
}

pub(super) fn direction(kind: &str) -> Direction {
    match kind {
        "RTMP_PUSH" | "RTP_PUSH" | "UDP_PUSH" | "SRT_LISTENER" => Direction::Push,
        _ => Direction::Pull,
    }
}
