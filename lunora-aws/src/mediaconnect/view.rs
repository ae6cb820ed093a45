//! A flow as it was seen.

use aws_sdk_mediaconnect::types::{self, Flow, Output, Protocol, Status};
use jiff::Timestamp;
use lunora_core::domain::{Fingerprint, OutputId, Switch};

use super::{
    deployment::Deployment,
    description::{Description, strange},
    place::Place,
    target::Settings,
};

// What an output is told whose latency was taken away. Ours: the API's model names no
// default. It is on the safe side, as what is too short loses packets.
const SRT_LATENCY_MS: i32 = 2_000;
const RIST_LATENCY_MS: i32 = 2_000;
const ZIXI_LATENCY_MS: i32 = 6_000;

/// The state of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlowStatus {
    /// It does not run.
    Standby,
    /// It runs.
    Active,
    /// It takes in a change.
    Updating,
    /// It is being deleted.
    Deleting,
    /// It will run.
    Starting,
    /// It will not run any longer.
    Stopping,
    /// It failed.
    Error,
    /// A word that this version does not know, or none.
    Unknown,
}

impl FlowStatus {
    pub(super) fn of(status: Option<&Status>) -> Self {
        match status {
            Some(Status::Standby) => Self::Standby,
            Some(Status::Active) => Self::Active,
            Some(Status::Updating) => Self::Updating,
            Some(Status::Deleting) => Self::Deleting,
            Some(Status::Starting) => Self::Starting,
            Some(Status::Stopping) => Self::Stopping,
            Some(Status::Error) => Self::Error,
            _ => Self::Unknown,
        }
    }

    /// Whether what comes in goes out.
    ///
    /// A flow is `UPDATING` for a moment after every change of any output. Nothing
    /// says that it stops the others, so they are not shown as if it did.
    #[must_use]
    pub const fn carries(self) -> bool {
        matches!(self, Self::Active | Self::Updating | Self::Unknown)
    }

    /// Whether it may refuse now what it takes a moment later (rule 14).
    pub(super) const fn is_passing(self) -> bool {
        matches!(self, Self::Updating | Self::Starting | Self::Stopping)
    }
}

/// What `DescribeFlow` showed of one flow, kept up to date by our own writes.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) status: FlowStatus,
    pub(super) outputs: Vec<Seen>,
    /// The ARNs of its sources.
    pub(super) sources: Vec<String>,
    pub(super) seen_at: Timestamp,
}

/// One output of a flow, ours or not.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) arn: String,
    /// Which of ours it is.
    pub(super) id: Option<OutputId>,
    pub(super) place: Place,
    pub(super) switch: Switch,
    /// None if it says nothing that we can read.
    pub(super) told: Option<Description>,
    extras: Extras,
}

/// Which optional members an output has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extras {
    stream_id: bool,
    min_latency: bool,
    max_latency: bool,
}

impl View {
    pub(super) fn of(flow: &Flow, deployment: &Deployment, seen_at: Timestamp) -> Self {
        let one = flow.source().into_iter();
        let sources = one.chain(flow.sources()).filter_map(|it| it.source_arn());
        let mut sources: Vec<String> = sources.map(str::to_owned).collect();
        // The first one is shown twice.
        sources.sort();
        sources.dedup();
        let outputs = flow.outputs().iter();
        Self {
            status: FlowStatus::of(flow.status()),
            outputs: outputs.map(|it| Seen::of(it, deployment)).collect(),
            sources,
            seen_at,
        }
    }

    /// What is seen of a flow that could not be looked at.
    pub(super) const fn of_nothing(seen_at: Timestamp) -> Self {
        Self {
            status: FlowStatus::Unknown,
            outputs: Vec::new(),
            sources: Vec::new(),
            seen_at,
        }
    }

    /// How many outputs of ours there can be.
    pub(super) fn room_for_ours(&self, outputs_max: usize) -> usize {
        let others = self.outputs.iter().filter(|it| it.id.is_none()).count();
        outputs_max.saturating_sub(others)
    }

    /// How many outputs can be added.
    pub(super) fn free(&self, outputs_max: usize) -> usize {
        if self.status != FlowStatus::Deleting {
            outputs_max.saturating_sub(self.outputs.len())
        } else {
            0
        }
    }

    pub(super) fn find(&self, id: &OutputId) -> Option<&Seen> {
        self.outputs.iter().find(|it| it.id.as_ref() == Some(id))
    }

    /// Whether another output goes to the same host and port.
    pub(super) fn has_another_at(&self, place: &Place, id: &OutputId) -> bool {
        let others = self.outputs.iter().filter(|it| it.id.as_ref() != Some(id));
        others
            .into_iter()
            .any(|it| it.place.shares_address_with(place))
    }

    /// Notes what an output has become.
    pub(super) fn note(&mut self, seen: Seen) {
        self.outputs.retain(|it| it.arn != seen.arn);
        self.outputs.push(seen);
    }

    pub(super) fn forget(&mut self, arn: &str) {
        self.outputs.retain(|it| it.arn != arn);
    }
}

impl Seen {
    fn of(output: &Output, deployment: &Deployment) -> Self {
        let transport = output.transport();
        let is_off = output.output_status() == Some(&types::OutputStatus::Disabled);
        // What MediaLive or a subscriber put there is not ours, whatever its name.
        let is_managed =
            output.media_live_input_arn().is_some() || output.entitlement_arn().is_some();
        let name = output.name().filter(|_| !is_managed);
        Self {
            arn: output.output_arn().unwrap_or_default().to_owned(),
            id: name.and_then(|name| deployment.id_of(name)),
            place: Place::of(output),
            switch: if is_off { Switch::Off } else { Switch::On },
            told: output.description().and_then(|it| it.parse().ok()),
            extras: Extras {
                stream_id: transport.and_then(|it| it.stream_id()).is_some(),
                min_latency: transport.and_then(|it| it.min_latency()).is_some(),
                max_latency: transport.and_then(|it| it.max_latency()).is_some(),
            },
        }
    }

    /// What an output is after it took these settings.
    pub(super) fn after(
        arn: String,
        id: &OutputId,
        settings: &Settings,
        switch: Switch,
        told: Description,
    ) -> Self {
        Self {
            arn,
            id: Some(id.clone()),
            place: settings.place.clone(),
            switch,
            told: Some(told),
            extras: Extras {
                stream_id: settings.stream_id.is_some(),
                min_latency: settings.min_latency_ms.is_some(),
                max_latency: settings.max_latency_ms.is_some(),
            },
        }
    }

    /// The same of one that had other settings before.
    pub(super) fn with_extras_of(mut self, before: &Self) -> Self {
        self.extras.stream_id |= before.extras.stream_id;
        self.extras.min_latency |= before.extras.min_latency;
        self.extras.max_latency |= before.extras.max_latency;
        self
    }

    /// What it was told, or another one if it is not as it was told.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        match &self.told {
            Some(told) => told.fingerprint_at(&self.place),
            None => strange(&[self.arn.as_bytes()]),
        }
    }

    /// Whether an update cannot make it so: a stream id that is left out may stay as
    /// it is, and there is no word that takes one away.
    pub(super) fn has_more_than(&self, settings: &Settings) -> bool {
        let takes_it = self.place.protocol == settings.place.protocol;
        takes_it && self.extras.stream_id && settings.stream_id.is_none()
    }

    /// The least latency to tell it, in milliseconds. One that is left out may stay as
    /// it was, so what is taken away is said to be as if there never was one.
    pub(super) fn min_latency_for(&self, settings: &Settings) -> Option<i32> {
        let takes_one = matches!(
            settings.place.protocol,
            Protocol::SrtCaller | Protocol::SrtListener
        );
        let unsaid = self.extras.min_latency && takes_one;
        let default = unsaid.then_some(SRT_LATENCY_MS);
        settings.min_latency_ms.or(default)
    }

    /// The same of the most.
    pub(super) fn max_latency_for(&self, settings: &Settings) -> Option<i32> {
        let default = match settings.place.protocol {
            Protocol::Rist => Some(RIST_LATENCY_MS),
            Protocol::ZixiPush => Some(ZIXI_LATENCY_MS),
            _ => None,
        };
        let default = default.filter(|_| self.extras.max_latency);
        settings.max_latency_ms.or(default)
    }
}
