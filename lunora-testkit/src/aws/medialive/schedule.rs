use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    MediaLive,
    channel::{Active, Channel},
    items, ok,
    page::page,
    refusal::Faults,
    texts,
};
use crate::aws::wire::{Event, Refusal, Reply};

/// The most in one schedule.
const ACTIONS_MAX: usize = 1500;
/// A fixed time is at least so far ahead, and at most so far.
const AHEAD_MIN: Duration = Duration::from_secs(15);
const AHEAD_MAX: Duration = Duration::from_secs(14 * 24 * 3600);

/// The actions of a channel.
#[derive(Clone, Default)]
pub(super) struct Schedule(Vec<Action>);

#[derive(Clone)]
struct Action {
    name: String,
    /// As it was sent.
    sent: Value,
    /// When it is due; `None` once it was, or if it has no time.
    due: Option<Timestamp>,
}

impl Schedule {
    /// Takes the next switch of inputs that is due, and its time.
    pub(super) fn next_switch(&mut self, now: Timestamp) -> Option<(Timestamp, Active)> {
        let due = self.0.iter_mut().filter_map(|action| {
            let time = action.due.filter(|due| *due <= now)?;
            Some((time, action))
        });
        let (time, action) = due.min_by_key(|(time, _)| *time)?;
        action.due = None;
        Some((time, active_by(action)))
    }

    /// Leaves out what was due before the channel ran.
    pub(super) fn skip_until(&mut self, time: Timestamp) {
        for action in &mut self.0 {
            action.due = action.due.filter(|due| time <= *due);
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|action| action.name == name)
    }
}

fn active_by(action: &Action) -> Active {
    let switch = &action.sent["scheduleActionSettings"]["inputSwitchSettings"];
    let attachment = switch["inputAttachmentNameReference"].as_str();
    Active {
        attachment: attachment.map(str::to_owned),
        action: Some(action.name.clone()),
    }
}

impl MediaLive {
    pub(super) fn update_schedule(
        &mut self,
        input: &Value,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Reply, Refusal> {
        let channel = self.channel(input)?;
        let mut faults = Faults::default();
        let mut schedule = channel.schedule.clone();
        let deleted = delete(&mut schedule, &input["deletes"]["actionNames"], &mut faults);
        let creates = items(&input["creates"]["scheduleActions"]);
        let mut at_once = Vec::new();
        for (index, sent) in creates.iter().enumerate() {
            let path = format!("creates.scheduleActions[{index}]");
            let Some(action) = checked(channel, &schedule, sent, now, &path, &mut faults) else {
                continue;
            };
            let is_switch = sent["scheduleActionSettings"]["inputSwitchSettings"].is_object();
            if is_immediate(sent) && is_switch {
                at_once.push(active_by(&action));
            }
            schedule.0.push(action);
        }
        if ACTIONS_MAX < schedule.0.len() {
            faults.add(
                "creates.scheduleActions",
                "a schedule has at most 1500 actions",
            );
        }
        faults.into_result()?;
        channel.schedule = schedule;
        for active in at_once {
            channel.switch(active, now, events);
        }
        let mut reply = Map::new();
        if input.get("creates").is_some() {
            reply.insert("creates".to_owned(), json!({ "scheduleActions": creates }));
        }
        if input.get("deletes").is_some() {
            reply.insert("deletes".to_owned(), json!({ "scheduleActions": deleted }));
        }
        ok(reply)
    }

    pub(super) fn describe_schedule(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let actions = &self.channel(input)?.schedule.0;
        let all = actions
            .iter()
            .map(|action| (action.name.clone(), action.sent.clone()));
        page(input, "scheduleActions", all.collect())
    }

    pub(super) fn delete_schedule(&mut self, input: &Value) -> Result<Reply, Refusal> {
        self.channel(input)?.schedule = Schedule::default();
        ok(Map::new())
    }
}

/// Deletes come before creates.
fn delete(schedule: &mut Schedule, names: &Value, faults: &mut Faults) -> Vec<Value> {
    let mut deleted = Vec::new();
    for (index, name) in texts(names).enumerate() {
        match schedule.position(name) {
            Some(position) => deleted.push(schedule.0.remove(position).sent),
            None => faults.add(
                format!("deletes.actionNames[{index}]"),
                "there is no such action",
            ),
        }
    }
    deleted
}

/// The action, or what is wrong with it.
fn checked(
    channel: &Channel,
    schedule: &Schedule,
    sent: &Value,
    now: Timestamp,
    path: &str,
    faults: &mut Faults,
) -> Option<Action> {
    let name = sent["actionName"].as_str().unwrap_or_default();
    if name.is_empty() || schedule.position(name).is_some() {
        faults.add(format!("{path}.actionName"), "is empty, or there already");
        return None;
    }
    let settings = &sent["scheduleActionSettings"];
    if settings.as_object().is_none_or(|kinds| kinds.len() != 1) {
        faults.add(
            format!("{path}.scheduleActionSettings"),
            "has not exactly one kind",
        );
        return None;
    }
    for kind in ["inputSwitchSettings", "inputPrepareSettings"] {
        let to = settings[kind]["inputAttachmentNameReference"].as_str();
        let attachments = items(&channel.settings["inputAttachments"]);
        let is_there = |to: &str| attachments.iter().any(|it| it["inputAttachmentName"] == to);
        if to.is_some_and(|to| !is_there(to)) {
            let path = format!("{path}.scheduleActionSettings.{kind}.inputAttachmentNameReference");
            faults.add(path, "there is no such input attachment");
            return None;
        }
    }
    let due = due(channel, schedule, sent, now, path, faults)?;
    let due = due.filter(|_| settings["inputSwitchSettings"].is_object());
    let (name, sent) = (name.to_owned(), sent.clone());
    Some(Action { name, sent, due })
}

/// When an action is due, if it has a time; the outer `None` if it makes no sense.
#[expect(clippy::option_option, reason = "an action without a time is no fault")]
fn due(
    channel: &Channel,
    schedule: &Schedule,
    sent: &Value,
    now: Timestamp,
    path: &str,
    faults: &mut Faults,
) -> Option<Option<Timestamp>> {
    let start = &sent["scheduleActionStartSettings"];
    let path = format!("{path}.scheduleActionStartSettings");
    if start.as_object().is_none_or(|modes| modes.len() != 1) {
        faults.add(path, "has not exactly one mode");
        return None;
    }
    if is_immediate(sent) {
        if !channel.is_running() {
            faults.add(
                path,
                "nothing happens at once on a channel that does not run",
            );
            return None;
        }
        return Some(None);
    }
    let reference = start["followModeScheduleActionStartSettings"]["referenceActionName"].as_str();
    if let Some(reference) = reference {
        if schedule.position(reference).is_none() {
            faults.add(path, "there is no such action to follow");
            return None;
        }
        return Some(None);
    }
    let time = start["fixedModeScheduleActionStartSettings"]["time"].as_str();
    let time = time.and_then(|time| time.parse::<Timestamp>().ok());
    let in_range = |time: &Timestamp| (now + AHEAD_MIN..=now + AHEAD_MAX).contains(time);
    let Some(time) = time.filter(in_range) else {
        faults.add(path, "is not a time from 15 s to 14 days ahead");
        return None;
    };
    Some(Some(time))
}

fn is_immediate(sent: &Value) -> bool {
    let start = &sent["scheduleActionStartSettings"];
    start["immediateModeScheduleActionStartSettings"].is_object()
}
