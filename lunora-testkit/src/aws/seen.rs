//! What a test can see of the simulator: what was done to it, and what came of that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lunora_core::SecretString;

use super::{
    mediaconnect::{Flow, FlowStatus, HealthState, Output, OutputStatus, Owner, is_disturbed},
    wire::{Call, Service},
};

/// An output of a flow, as it is now.
#[derive(Clone, Debug)]
pub struct SeenOutput {
    /// The ARN of its flow.
    pub flow: String,
    /// The status of its flow.
    pub flow_status: FlowStatus,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Such as `rtmp-push`.
    pub protocol: String,
    /// Whom it calls, if it calls anybody.
    pub host: Option<String>,
    /// The port there, or its own.
    pub port: Option<u16>,
    /// Whether it is RTMPS.
    pub has_tls: bool,
    /// The RTMP application; a token may be in it.
    pub application: Option<SecretString>,
    /// The RTMP stream name.
    pub stream_name: Option<SecretString>,
    /// What its maker wrote there.
    pub description: Option<String>,
    /// Whether it is to send.
    pub status: OutputStatus,
    /// Whether it does.
    pub health: HealthState,
    /// Counts up whenever it begins again.
    pub generation: u64,
    /// Who made it.
    pub owner: Owner,
}

impl SeenOutput {
    pub(super) fn new(flow: &Flow, output: &Output) -> Self {
        let secret = |text: Option<&str>| text.map(SecretString::from);
        Self {
            flow: flow.arn.clone(),
            flow_status: flow.status,
            name: output.name.clone(),
            arn: output.arn.clone(),
            protocol: output.protocol().to_owned(),
            host: output.host().map(str::to_owned),
            port: output.port(),
            has_tls: output.has_tls(),
            application: secret(output.application()),
            stream_name: secret(output.stream_name()),
            description: output.description().map(str::to_owned),
            status: output.status,
            health: output.health.state,
            generation: output.generation,
            owner: output.owner.clone(),
        }
    }

    /// Whether it is to send and its flow runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.status == OutputStatus::Enabled && self.flow_status.runs()
    }
}

/// A call, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCall {
    /// When.
    pub at: Timestamp,
    /// Its service, as far as its path tells.
    pub service: Service,
    /// Its operation; `?` if the model has none such, or its input is not as the model says.
    pub operation: &'static str,
    /// Whether it could change something.
    pub is_write: bool,
    /// The ARN of the flow that it is about, or the id of the channel or input.
    pub resource: Option<String>,
    /// The names of the outputs or sources that it is about.
    pub items: Vec<String>,
    /// The status that it was answered with; `None` if no answer arrived.
    pub status: Option<u16>,
}

impl SeenCall {
    pub(super) fn new(call: Option<&Call>, service: Service, method: &str, at: Timestamp) -> Self {
        let mut seen = Self {
            at,
            service,
            operation: "?",
            is_write: method != "GET",
            resource: None,
            items: Vec::new(),
            status: None,
        };
        let Some(call) = call else {
            return seen;
        };
        seen.operation = call.operation;
        let text = |member: &str| call.input.get(member).and_then(|it| it.as_str());
        let resource = ["FlowArn", "ResourceArn", "channelId", "inputId"];
        seen.resource = resource.into_iter().find_map(text).map(str::to_owned);
        for member in ["outputs", "sources"] {
            let items = call.input.get(member).and_then(|it| it.as_array());
            let names = items
                .into_iter()
                .flatten()
                .filter_map(|it| it["name"].as_str());
            seen.items.extend(names.map(str::to_owned));
        }
        for member in ["OutputArn", "SourceArn"] {
            // arn:aws:mediaconnect:REGION:ACCOUNT:KIND:ID:NAME
            let name = text(member).and_then(|arn| arn.splitn(8, ':').nth(7));
            seen.items.extend(name.map(str::to_owned));
        }
        seen
    }
}

/// Two outputs that sent to one place with one key at once. It does not say which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Double {
    /// The ARN of one.
    pub one: String,
    /// The ARN of the other.
    pub other: String,
}

/// Remembers what must not have happened.
#[derive(Default)]
pub(super) struct Watch {
    interruptions: BTreeMap<(String, String), u32>,
    doubles: BTreeSet<Double>,
}

impl Watch {
    /// An output becomes something else, or nothing.
    pub(super) fn change(&mut self, flow: &Flow, before: &Output, after: Option<&Output>) {
        let was_on = before.status == OutputStatus::Enabled && flow.status.runs();
        let goes_on = after.is_some_and(|after| {
            after.status == OutputStatus::Enabled && !is_disturbed(before, after)
        });
        if was_on && !goes_on {
            let whose = (flow.arn.clone(), before.name.clone());
            *self.interruptions.entry(whose).or_default() += 1;
        }
    }

    pub(super) fn look_for_doubles(&mut self, flows: &[Flow]) {
        let mut seen = BTreeMap::new();
        for flow in flows.iter().filter(|flow| flow.status.may_send()) {
            let on = |output: &&Output| output.status == OutputStatus::Enabled;
            for output in flow.outputs.iter().filter(on) {
                let (Some(host), Some(key)) = (output.host(), output.stream_name()) else {
                    continue;
                };
                let host = host.to_ascii_lowercase();
                let target = (host, output.port(), output.application(), key);
                if let Some(one) = seen.insert(target, output.arn.clone()) {
                    let other = output.arn.clone();
                    self.doubles.insert(Double { one, other });
                }
            }
        }
    }

    pub(super) fn interruptions(&self, flow: &str, output: &str) -> u32 {
        let whose = (flow.to_owned(), output.to_owned());
        self.interruptions.get(&whose).copied().unwrap_or(0)
    }

    pub(super) fn doubles(&self) -> Vec<Double> {
        self.doubles.iter().cloned().collect()
    }
}
