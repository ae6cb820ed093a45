//! One flow: its status, and how it is shown.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Moment, modes::Modes, output::Output, source::Source};

/// The most flows of one account in one region.
pub(super) const FLOWS_MAX: usize = 20;

/// The status of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowStatus {
    /// Stopped.
    Standby,
    /// On its way to run.
    Starting,
    /// It runs.
    Active,
    /// It runs, and takes a change in.
    Updating,
    /// On its way to stop.
    Stopping,
    /// On its way out.
    Deleting,
    /// Broken; a test said so.
    Error,
}

impl FlowStatus {
    /// AWS's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "STANDBY",
            Self::Starting => "STARTING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Stopping => "STOPPING",
            Self::Deleting => "DELETING",
            Self::Error => "ERROR",
        }
    }

    /// Whether media goes through.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Self::Active | Self::Updating)
    }

    /// Whether it is, or is soon, or just was, running.
    pub(in crate::aws) const fn may_send(self) -> bool {
        self.runs() || matches!(self, Self::Starting | Self::Stopping)
    }
}

#[derive(Clone)]
pub(in crate::aws) struct Flow {
    pub(super) name: String,
    pub(in crate::aws) arn: String,
    /// Counts up; the order of a listing.
    pub(super) number: u64,
    pub(super) zone: String,
    pub(in crate::aws) status: FlowStatus,
    /// When it goes on to its next status by itself.
    pub(super) until: Option<Timestamp>,
    pub(in crate::aws) sources: Vec<Source>,
    pub(in crate::aws) outputs: Vec<Output>,
    pub(super) entitlements: Vec<Value>,
    pub(super) failover: Map<String, Value>,
    pub(super) maintenance: Map<String, Value>,
    pub(super) monitoring: Option<Value>,
    pub(super) size: String,
    /// What `DescribeFlow` says is wrong.
    pub(in crate::aws) errors: Vec<String>,
}

impl Flow {
    /// Where its sources listen.
    pub(super) fn ingest_ip(&self) -> String {
        // A block for documentation: nothing is there.
        format!("203.0.113.{}", self.number % 256)
    }

    fn egress_ip(&self) -> String {
        format!("198.51.100.{}", self.number % 256)
    }

    pub(in crate::aws) fn enter(
        &mut self,
        status: FlowStatus,
        until: Option<Timestamp>,
        moment: &mut Moment<'_>,
    ) {
        let previous = std::mem::replace(&mut self.status, status);
        self.until = until;
        if previous != status {
            let detail = json!({
                "currentStatus": status.as_str(),
                "previousStatus": previous.as_str(),
            });
            moment.tell("MediaConnect Flow Status Change", [&self.arn], detail);
        }
    }

    /// Goes on to the next status; whether the flow is still there.
    pub(super) fn go_on(&mut self, moment: &mut Moment<'_>) -> bool {
        let next = match self.status {
            FlowStatus::Starting | FlowStatus::Updating => FlowStatus::Active,
            FlowStatus::Stopping => FlowStatus::Standby,
            FlowStatus::Deleting => return false,
            same => same,
        };
        self.enter(next, None, moment);
        true
    }

    pub(super) fn output(&self, arn: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.arn == arn)
    }

    pub(super) fn source(&self, arn: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.arn == arn)
    }

    /// Whether anything comes in.
    pub(super) fn is_fed(&self) -> bool {
        self.sources.iter().any(|source| source.signal.is_some())
    }

    pub(super) fn view(&self, modes: Modes) -> Value {
        let ip = self.ingest_ip();
        let sources = self.sources.iter();
        let sources: Vec<_> = sources.map(|source| source.view(modes, &ip)).collect();
        let outputs = self.outputs.iter();
        let outputs: Vec<_> = outputs.map(|output| output.view(modes, &ip)).collect();
        let mut view = json!({
            "availabilityZone": self.zone,
            "egressIp": self.egress_ip(),
            "entitlements": self.entitlements,
            "flowArn": self.arn,
            "flowSize": self.size,
            "name": self.name,
            "outputs": outputs,
            "source": sources.first(),
            "sources": sources,
            "status": self.status.as_str(),
        });
        if !self.failover.is_empty() {
            view["sourceFailoverConfig"] = json!(self.failover);
        }
        if !self.maintenance.is_empty() {
            view["maintenance"] = json!(self.maintenance);
        }
        if let Some(monitoring) = &self.monitoring {
            view["sourceMonitoringConfig"] = monitoring.clone();
        }
        view
    }

    pub(super) fn listed(&self) -> Value {
        let is_entitled = self.sources.first().is_some_and(Source::is_entitled);
        let mut listed = json!({
            "availabilityZone": self.zone,
            "description": "",
            "flowArn": self.arn,
            "name": self.name,
            "sourceType": if is_entitled { "ENTITLED" } else { "OWNED" },
            "status": self.status.as_str(),
        });
        if !self.maintenance.is_empty() {
            listed["maintenance"] = json!(self.maintenance);
        }
        listed
    }
}
