use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{REMEMBERED, arn, items, schedule::Schedule, settings, tags::Tags};
use crate::aws::wire::Event;

/// A channel: what encodes.
pub(super) struct Channel {
    pub(super) id: String,
    /// Its members as they are described.
    pub(super) settings: Value,
    pub(super) tags: Tags,
    pub(super) state: State,
    /// When its state ends by itself.
    pub(super) until: Option<Timestamp>,
    pub(super) schedule: Schedule,
    pub(super) active: Active,
    /// What it was made with, to know a retry by.
    pub(super) request: Value,
}

/// What a channel encodes.
#[derive(Clone, Default)]
pub(super) struct Active {
    pub(super) attachment: Option<String>,
    /// The action of the schedule that switched to it.
    pub(super) action: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Creating,
    Idle,
    Starting,
    Running,
    Stopping,
    Updating,
    Deleting,
    Deleted,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Idle => "IDLE",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::Deleted => "DELETED",
        }
    }
}

impl Channel {
    /// Lets everything happen that is due. Returns whether it is still remembered.
    pub(super) fn settle(&mut self, now: Timestamp, events: &mut Vec<Event>) -> bool {
        while let Some(due) = self.until.filter(|due| *due <= now) {
            match self.state {
                State::Creating => self.reach(State::Idle, Some("CREATED"), due, events),
                State::Starting => {
                    self.active = settings::first_input(&self.settings);
                    self.reach(State::Running, Some("RUNNING"), due, events);
                }
                // Its event is called so, where a description says IDLE.
                State::Stopping => self.reach(State::Idle, Some("STOPPED"), due, events),
                State::Updating => self.reach(State::Idle, None, due, events),
                State::Deleting => {
                    self.reach(State::Deleted, Some("DELETED"), due, events);
                    self.until = Some(due + REMEMBERED);
                }
                State::Deleted => return false,
                State::Idle | State::Running => self.until = None,
            }
            if self.is_running() {
                self.schedule.skip_until(due);
            }
        }
        while let Some((time, switch)) = self.schedule.next_switch(now) {
            if self.is_running() {
                self.switch(switch, time, events);
            }
        }
        true
    }

    /// Enters a state that ends by itself.
    pub(super) fn pass(&mut self, state: State, now: Timestamp, duration: Duration) {
        self.state = state;
        self.until = Some(now + duration);
    }

    fn reach(
        &mut self,
        state: State,
        event: Option<&str>,
        time: Timestamp,
        events: &mut Vec<Event>,
    ) {
        self.state = state;
        self.until = None;
        if let Some(name) = event {
            self.tell_state(name, time, events);
        }
    }

    /// Makes another input the active one.
    pub(super) fn switch(&mut self, to: Active, time: Timestamp, events: &mut Vec<Event>) {
        self.active = to;
        for pipeline in 0..self.pipelines() {
            let detail = json!({
                "active_input_attachment_name": self.active.attachment,
                "active_input_switch_action_name": self.active.action,
                "channel_arn": self.arn(),
                "message": "Input switch event on pipeline",
                "pipeline": pipeline.to_string(),
            });
            events.push(self.event("MediaLive Channel Input Change", time, detail));
        }
    }

    pub(super) fn tell_state(&self, name: &str, time: Timestamp, events: &mut Vec<Event>) {
        let detail = json!({
            "channel_arn": self.arn(),
            "message": format!("channel is {name}"),
            "pipelines_running_count": self.pipelines_running(),
            "state": name,
        });
        events.push(self.event("MediaLive Channel State Change", time, detail));
    }

    fn event(&self, detail_type: &'static str, time: Timestamp, detail: Value) -> Event {
        Event {
            source: "aws.medialive",
            detail_type,
            time,
            resources: vec![self.arn()],
            detail,
        }
    }

    pub(super) fn arn(&self) -> String {
        arn("channel", &self.id)
    }

    pub(super) fn is_there(&self) -> bool {
        self.state != State::Deleted
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    pub(super) fn uses(&self, input: &str) -> bool {
        let mut attachments = items(&self.settings["inputAttachments"]).iter();
        self.is_there() && attachments.any(|attachment| attachment["inputId"] == input)
    }

    pub(super) fn pipelines(&self) -> usize {
        settings::pipelines(&self.settings)
    }

    fn pipelines_running(&self) -> usize {
        if self.is_running() {
            self.pipelines()
        } else {
            0
        }
    }

    pub(super) fn describe(&self) -> Map<String, Value> {
        let mut described = self.summary();
        described.insert(
            "encoderSettings".to_owned(),
            self.settings["encoderSettings"].clone(),
        );
        let details = (0..self.pipelines_running()).map(|pipeline| {
            let mut detail = json!({ "pipelineId": pipeline.to_string() });
            if let Some(attachment) = &self.active.attachment {
                detail["activeInputAttachmentName"] = attachment.clone().into();
            }
            if let Some(action) = &self.active.action {
                detail["activeInputSwitchActionName"] = action.clone().into();
            }
            detail
        });
        described.insert("pipelineDetails".to_owned(), details.collect());
        described
    }

    /// What a listing has of it.
    pub(super) fn summary(&self) -> Map<String, Value> {
        let mut all = self.settings.as_object().cloned().unwrap_or_default();
        all.remove("encoderSettings");
        let number = self.id.parse::<usize>().unwrap_or_default() % 120;
        let egress = (0..self.pipelines()).map(
            |pipeline| json!({ "sourceIp": format!("203.0.113.{}", 2 * number + pipeline + 1) }),
        );
        let own = json!({
            "arn": self.arn(),
            "egressEndpoints": egress.collect::<Vec<_>>(),
            "id": self.id,
            "pipelinesRunningCount": self.pipelines_running(),
            "state": self.state.name(),
            "tags": self.tags,
        });
        all.extend(own.as_object().cloned().unwrap_or_default());
        all
    }
}
