use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    MediaLive, bad_request,
    channel::{Active, Channel, State},
    check::check,
    created, ok,
    page::page,
    refusal::conflict,
    schedule::Schedule,
    tags,
};
use crate::aws::wire::{Event, Refusal, Reply};

/// The most in a region.
const CHANNELS_MAX: usize = 5;

/// What of a channel the simulator does not know.
const NOT_SIMULATED: [&str; 9] = [
    "cdiInputSpecification",
    "reserved",
    "vpc",
    "anywhereSettings",
    "dryRun",
    "linkedChannelSettings",
    "channelSecurityGroups",
    "inferenceSettings",
    "specialRouterSettings",
];

/// What is as before where it is not sent. The role is not among them.
const KEPT: [&str; 8] = [
    "name",
    "destinations",
    "encoderSettings",
    "inputAttachments",
    "inputSpecification",
    "logLevel",
    "maintenance",
    "channelEngineVersion",
];

impl MediaLive {
    pub(super) fn create_channel(
        &mut self,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        if let Some(first) = self.first_channel_of(input)? {
            return created(json!({ "channel": first.describe() }));
        }
        let class = input.get("channelClass").cloned();
        let first = json!({
            "channelClass": class.unwrap_or_else(|| "STANDARD".into()),
            "destinations": [],
            "inputAttachments": [],
            "logLevel": "DISABLED",
        });
        let settings = changed(&first, input)?;
        check(&settings, &self.inputs, |id| self.is_free(id, ""))?;
        let tags = tags::first(&input["tags"])?;
        let there = self.channels.iter().filter(|channel| channel.is_there());
        if CHANNELS_MAX <= there.count() {
            return Err(bad_request("a region has at most 5 channels"));
        }
        let mut channel = Channel {
            id: self.mint(),
            settings,
            tags,
            state: State::Creating,
            until: None,
            schedule: Schedule::default(),
            active: Active::default(),
            request: input.clone(),
        };
        channel.pass(State::Creating, now, self.durations.channel_create);
        let described = channel.describe();
        self.channels.push(channel);
        created(json!({ "channel": described }))
    }

    /// What the same request made before, if it did.
    fn first_channel_of(&self, request: &Value) -> Result<Option<&Channel>, Refusal> {
        let Some(id) = request["requestId"].as_str() else {
            return Ok(None);
        };
        let mut there = self.channels.iter().filter(|channel| channel.is_there());
        match there.find(|channel| channel.request["requestId"] == id) {
            Some(channel) if channel.request != *request => {
                Err(conflict("another request had this requestId"))
            }
            first => Ok(first),
        }
    }

    /// Whether no other channel than this uses an input: at most one can.
    fn is_free(&self, input: &str, channel: &str) -> bool {
        let mut users = self.channels.iter().filter(|each| each.uses(input));
        users.all(|each| each.id == channel)
    }

    pub(super) fn describe_channel(&mut self, input: &Value) -> Result<Reply, Refusal> {
        ok(self.channel(input)?.describe())
    }

    pub(super) fn list_channels(&self, input: &Value) -> Result<Reply, Refusal> {
        let there = self.channels.iter().filter(|channel| channel.is_there());
        let all = there.map(|channel| (channel.id.clone(), channel.summary().into()));
        page(input, "channels", all.collect())
    }

    pub(super) fn update_channel(
        &mut self,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        let duration = self.durations.channel_update;
        let channel = self.channel(input)?;
        refuse_unless(channel, State::Idle)?;
        let settings = changed(&channel.settings, input)?;
        let id = channel.id.clone();
        check(&settings, &self.inputs, |input| self.is_free(input, &id))?;
        let channel = self.channel(input)?;
        channel.settings = settings;
        channel.pass(State::Updating, now, duration);
        ok(json!({ "channel": channel.describe() }))
    }

    pub(super) fn delete_channel(
        &mut self,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        let duration = self.durations.channel_delete;
        let channel = self.channel(input)?;
        refuse_unless(channel, State::Idle)?;
        channel.pass(State::Deleting, now, duration);
        ok(channel.describe())
    }

    pub(super) fn start_channel(
        &mut self,
        input: &Value,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Reply, Refusal> {
        let duration = self.durations.channel_start;
        let channel = self.channel(input)?;
        refuse_unless(channel, State::Idle)?;
        channel.pass(State::Starting, now, duration);
        channel.tell_state("STARTING", now, events);
        ok(channel.describe())
    }

    pub(super) fn stop_channel(
        &mut self,
        input: &Value,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Reply, Refusal> {
        let duration = self.durations.channel_stop;
        let channel = self.channel(input)?;
        refuse_unless(channel, State::Running)?;
        channel.pass(State::Stopping, now, duration);
        channel.tell_state("STOPPING", now, events);
        ok(channel.describe())
    }
}

fn refuse_unless(channel: &Channel, state: State) -> Result<(), Refusal> {
    if channel.state == state {
        return Ok(());
    }
    let (is, wanted) = (channel.state.name(), state.name());
    Err(conflict(format!("the channel is {is}, not {wanted}")))
}

/// The settings after a request. What it has replaces the whole of what was there.
fn changed(before: &Value, request: &Value) -> Result<Value, Refusal> {
    if NOT_SIMULATED.iter().any(|name| request.get(name).is_some()) {
        return Err(bad_request("the simulator does not know such channels"));
    }
    let mut all = Map::new();
    all.insert("channelClass".to_owned(), before["channelClass"].clone());
    for name in KEPT {
        if let Some(value) = request.get(name).or(before.get(name)) {
            all.insert(name.to_owned(), value.clone());
        }
    }
    // A request without the role removes it: AWS says so of UpdateChannel.
    if let Some(role) = request.get("roleArn") {
        all.insert("roleArn".to_owned(), role.clone());
    }
    Ok(all.into())
}
