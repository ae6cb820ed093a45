//! What MediaConnect keeps, and what it refuses.

mod arn;
mod connection;
mod flow;
mod flow_calls;
mod health;
mod member;
mod metadata;
mod output;
mod output_calls;
mod protocol;
mod source;
mod source_calls;
mod tags;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::{
    arn::Arns,
    member::{Members, bad_request, not_found},
};
pub(super) use self::{flow::Flow, health::HealthBy, output::Output, output_calls::is_disturbed};
pub use self::{
    flow::FlowStatus,
    health::HealthState,
    output::{OutputStatus, Owner},
    source::Signal,
};
use super::{
    medialive::Feed,
    modes::{self, Modes, Timing, Updating},
    seen::Watch,
    wire::{Call, Event, Refusal, Reply},
};

/// The flows of one account in one region.
pub(super) struct MediaConnect {
    modes: Modes,
    timing: Timing,
    pub(super) health_by: HealthBy,
    arns: Arns,
    flows: Vec<Flow>,
    tags: BTreeMap<String, Map<String, Value>>,
    pub(super) watch: Watch,
}

/// When something happens, and who is told.
pub(super) struct Moment<'a> {
    pub(super) now: Timestamp,
    pub(super) events: &'a mut Vec<Event>,
}

impl Moment<'_> {
    fn tell<const N: usize>(
        &mut self,
        detail_type: &'static str,
        resources: [&String; N],
        detail: Value,
    ) {
        self.events.push(Event {
            source: "aws.mediaconnect",
            detail_type,
            time: self.now,
            resources: resources.map(Clone::clone).into(),
            detail,
        });
    }
}

impl MediaConnect {
    pub(super) fn new(modes: Modes, timing: Timing) -> Self {
        Self {
            modes,
            timing,
            health_by: HealthBy::Assumption,
            arns: Arns::default(),
            flows: Vec::new(),
            tags: BTreeMap::new(),
            watch: Watch::default(),
        }
    }

    /// Answers a call at a moment up to which everything [has settled](Self::settle).
    pub(super) fn answer(
        &mut self,
        call: &Call,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let input = &call.input;
        let reply = match call.operation {
            "CreateFlow" => self.create_flow(input)?,
            "DescribeFlow" => self.describe_flow(input)?,
            "ListFlows" => self.list_flows(input)?,
            "UpdateFlow" => self.update_flow(input, moment)?,
            "StartFlow" => self.start_flow(input, moment)?,
            "StopFlow" => self.stop_flow(input, moment)?,
            "DeleteFlow" => self.delete_flow(input, moment)?,
            "AddFlowOutputs" => self.add_outputs(input, moment)?,
            "UpdateFlowOutput" => self.update_output(input, moment)?,
            "RemoveFlowOutput" => self.remove_output(input, moment)?,
            "AddFlowSources" => self.add_sources(input, moment)?,
            "UpdateFlowSource" => self.update_source(input, moment)?,
            "RemoveFlowSource" => self.remove_source(input, moment)?,
            "DescribeFlowSourceMetadata" => self.describe_metadata(input, moment)?,
            "TagResource" => self.tag(input)?,
            "UntagResource" => self.untag(input)?,
            "ListTagsForResource" => self.list_tags(input)?,
            other => return Err(member::not_simulated(other)),
        };
        self.watch.look_for_doubles(&self.flows);
        Ok(reply)
    }

    /// Lets everything happen that is due by now, each at its time.
    pub(super) fn settle(&mut self, feeds: &[Feed], moment: &mut Moment<'_>) {
        let now = moment.now;
        while let Some(due) = self.next_due().filter(|due| *due < now) {
            let events = &mut *moment.events;
            let mut then = Moment { now: due, events };
            self.settle_at(feeds, &mut then);
        }
        self.settle_at(feeds, moment);
    }

    fn next_due(&self) -> Option<Timestamp> {
        let outputs = self.flows.iter().flat_map(|flow| &flow.outputs);
        let ready = outputs.filter_map(|output| output.health.ready);
        let until = self.flows.iter().filter_map(|flow| flow.until);
        ready.chain(until).min()
    }

    fn settle_at(&mut self, feeds: &[Feed], moment: &mut Moment<'_>) {
        let now = moment.now;
        let is_due = |flow: &Flow| flow.until.is_some_and(|until| until <= now);
        let mut gone = Vec::new();
        for flow in &mut self.flows {
            if is_due(flow) && !flow.go_on(moment) {
                gone.push(flow.arn.clone());
            }
        }
        for arn in gone {
            self.forget_flow(&arn);
        }
        self.settle_sources(feeds, moment);
        self.settle_outputs(moment);
    }

    pub(super) fn flows(&self) -> &[Flow] {
        &self.flows
    }

    pub(super) fn flow_mut(&mut self, arn: &str) -> Option<&mut Flow> {
        self.flows.iter_mut().find(|flow| flow.arn == arn)
    }

    /// The place of the flow that a call is about.
    fn find(&self, input: &Map<String, Value>) -> Result<usize, Refusal> {
        let arn = input.text("FlowArn").unwrap_or_default();
        let place = self.flows.iter().position(|flow| flow.arn == arn);
        place.ok_or_else(|| not_found("there is no such flow"))
    }

    /// The same, if the flow takes a write now.
    fn find_writable(&self, input: &Map<String, Value>) -> Result<usize, Refusal> {
        let place = self.find(input)?;
        let status = self.flows[place].status;
        let takes = match status {
            FlowStatus::Standby | FlowStatus::Active | FlowStatus::Error => true,
            FlowStatus::Deleting => false,
            FlowStatus::Updating | FlowStatus::Starting | FlowStatus::Stopping => {
                self.modes.updating == Updating::Takes
            }
        };
        match takes {
            true => Ok(place),
            false => Err(in_status(status)),
        }
    }

    /// A running flow takes a while to take a change in.
    fn after_write(&mut self, place: usize, moment: &mut Moment<'_>) {
        let flow = &mut self.flows[place];
        if flow.status.runs() && self.modes.updating != Updating::Unseen {
            let until = later(moment.now, self.timing.flow_update);
            flow.enter(FlowStatus::Updating, Some(until), moment);
        }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn in_status(status: FlowStatus) -> Refusal {
    bad_request(format!("the flow is in status {}", status.as_str()))
}

fn reply(status: u16, body: Value) -> Reply {
    Reply { status, body }
}

fn written(status: u16, flow: &Flow, member: &str, value: Value) -> Reply {
    let mut body = json!({ "flowArn": flow.arn });
    body[member] = value;
    reply(status, body)
}
