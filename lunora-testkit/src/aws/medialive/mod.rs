//! What MediaLive keeps, and what it refuses.

mod channel;
mod channel_calls;
mod check;
mod input;
mod input_calls;
mod page;
mod refusal;
mod schedule;
mod security_group;
mod settings;
mod tags;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

pub(super) use self::refusal::validation_errors;
use self::{
    channel::Channel,
    input::Input,
    refusal::{bad_request, not_found},
    security_group::SecurityGroup,
};
use super::{
    simulator::{ACCOUNT, REGION},
    wire::{Call, Event, Refusal, Reply},
};

/// The channels, inputs and input security groups of one account in one region.
pub(super) struct MediaLive {
    durations: Durations,
    last_id: u32,
    channels: Vec<Channel>,
    inputs: Vec<Input>,
    groups: Vec<SecurityGroup>,
}

/// How long a channel or an input is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// `CREATING` of a channel.
    pub channel_create: Duration,
    /// `STARTING`.
    pub channel_start: Duration,
    /// `STOPPING`.
    pub channel_stop: Duration,
    /// `UPDATING`.
    pub channel_update: Duration,
    /// `DELETING` of a channel.
    pub channel_delete: Duration,
    /// `CREATING` of an input.
    pub input_create: Duration,
    /// `DELETING` of an input.
    pub input_delete: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            channel_create: Duration::from_secs(5),
            // AWS: most start in three minutes or less, and ten are still normal.
            channel_start: Duration::from_secs(90),
            channel_stop: Duration::from_secs(30),
            channel_update: Duration::from_secs(3),
            channel_delete: Duration::from_secs(15),
            input_create: Duration::from_secs(3),
            input_delete: Duration::from_secs(5),
        }
    }
}

impl Durations {
    /// The same for everything, for a run in real time.
    #[must_use]
    pub const fn each(duration: Duration) -> Self {
        Self {
            channel_create: duration,
            channel_start: duration,
            channel_stop: duration,
            channel_update: duration,
            channel_delete: duration,
            input_create: duration,
            input_delete: duration,
        }
    }
}

/// Where a running channel calls by SRT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) host: String,
    pub(super) port: u16,
}

/// How long AWS still describes what was deleted. Its own waiters rely on that it does.
const REMEMBERED: Duration = Duration::from_secs(600);

impl MediaLive {
    pub(super) fn new(durations: Durations) -> Self {
        Self {
            durations,
            last_id: 1_000_000,
            channels: Vec::new(),
            inputs: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Answers a call, after everything happened that is due by now.
    pub(super) fn answer(
        &mut self,
        call: &Call,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Reply, Refusal> {
        self.settle(now, events);
        let input = &Value::Object(call.input.clone());
        match call.operation {
            "CreateInput" => self.create_input(input, now),
            "DescribeInput" => self.describe_input(input),
            "ListInputs" => self.list_inputs(input),
            "UpdateInput" => self.update_input(input),
            "DeleteInput" => self.delete_input(input, now),
            "CreateInputSecurityGroup" => self.create_group(input),
            "DescribeInputSecurityGroup" => self.describe_group(input),
            "ListInputSecurityGroups" => self.list_groups(input),
            "UpdateInputSecurityGroup" => self.update_group(input),
            "DeleteInputSecurityGroup" => self.delete_group(input),
            "CreateChannel" => self.create_channel(input, now),
            "DescribeChannel" => self.describe_channel(input),
            "ListChannels" => self.list_channels(input),
            "UpdateChannel" => self.update_channel(input, now),
            "DeleteChannel" => self.delete_channel(input, now),
            "StartChannel" => self.start_channel(input, now, events),
            "StopChannel" => self.stop_channel(input, now, events),
            "BatchUpdateSchedule" => self.update_schedule(input, now, events),
            "DescribeSchedule" => self.describe_schedule(input),
            "DeleteSchedule" => self.delete_schedule(input),
            "CreateTags" => self.create_tags(input),
            "DeleteTags" => self.delete_tags(input),
            "ListTagsForResource" => self.list_tags(input),
            _ => Err(bad_request("the simulator does not know this operation")),
        }
    }

    /// Lets everything happen that is due by now, each at its time.
    pub(super) fn settle(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        self.channels
            .retain_mut(|channel| channel.settle(now, events));
        self.inputs.retain_mut(|input| input.settle(now));
    }

    /// Where the channels that run call by SRT, as of the last [`settle`](Self::settle).
    pub(super) fn feeds(&self) -> Vec<Feed> {
        let running = self.channels.iter().filter(|channel| channel.is_running());
        running
            .flat_map(|channel| settings::feeds(&channel.settings))
            .collect()
    }

    fn mint(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }

    fn channel(&mut self, input: &Value) -> Result<&mut Channel, Refusal> {
        let id = input["channelId"].as_str();
        let mut channels = self.channels.iter_mut();
        let found = channels.find(|channel| Some(channel.id.as_str()) == id);
        found.ok_or_else(|| not_found("channel"))
    }
}

fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:medialive:{REGION}:{ACCOUNT}:{kind}:{id}")
}

fn ok(body: impl Into<Value>) -> Result<Reply, Refusal> {
    let body = body.into();
    Ok(Reply { status: 200, body })
}

fn created(body: impl Into<Value>) -> Result<Reply, Refusal> {
    let body = body.into();
    Ok(Reply { status: 201, body })
}

fn no_content() -> Result<Reply, Refusal> {
    let body = Value::Null;
    Ok(Reply { status: 204, body })
}

/// The items of a list that may be missing.
fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list that may be missing.
fn texts(list: &Value) -> impl Iterator<Item = &str> {
    items(list).iter().filter_map(Value::as_str)
}
