//! Flows themselves: whether they run, and what comes into them.

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_mediaconnect::{
    Client,
    types::{
        FailoverConfig, FailoverMode as SdkFailoverMode, Flow, SetSourceRequest, Source,
        SourcePriority, State, UpdateFailoverConfig,
    },
};
use lunora_core::port::{ErrorKind, PortError};

use super::{
    calls::discreet,
    error::{Failure, Refusal},
    flow_source::{Members, SourceName, SourceSettings},
    source_format::SourceFormat,
    view::FlowStatus,
};
use crate::{Budget, FlowArn, unseen::unlogged};

/// Shows, starts and stops flows, and says what comes into them.
///
/// Whatever can be repeated after a lost reply can be repeated: a start of what runs,
/// a stop of what stands, the removal of a source that is gone, and a source that
/// is there as given.
#[derive(Clone)]
pub struct FlowControl {
    client: Client,
    budget: Arc<Budget>,
}

/// A flow as MediaConnect shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowState {
    /// What people call it.
    pub name: String,
    /// Whether it runs.
    pub status: FlowStatus,
    /// Where it is.
    pub availability_zone: Option<String>,
    /// The address from which it sends; far ends may have to let it in.
    pub egress_ip: Option<String>,
    /// One or two.
    pub sources: Vec<SourceState>,
    /// What becomes of two sources.
    pub failover: Failover,
    /// All of them, of whomever.
    pub outputs: usize,
    /// What MediaConnect complains of, each cut to 300 characters.
    pub errors: Vec<String>,
}

/// A source as MediaConnect shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceState {
    /// Its ARN, by which evidence names it.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Such as `srt-listener`.
    pub protocol: Option<String>,
    /// The address that is sent to.
    pub ingest_ip: Option<String>,
    /// The port that is sent to.
    pub ingest_port: Option<u16>,
    /// Who may send.
    pub allow: Option<String>,
    /// Who sends; none while nobody does, or where MediaConnect does not tell.
    /// Whether media comes in is told by events; see [`EvidenceStore`](super::EvidenceStore).
    pub peer_ip: Option<String>,
    /// Whether what comes in is decrypted.
    pub is_encrypted: bool,
}

/// What becomes of two sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// There is one source.
    #[default]
    Off,
    /// There may be two.
    On {
        /// How.
        mode: FailoverMode,
        /// In milliseconds; for [`FailoverMode::Merge`].
        recovery_window_ms: Option<u16>,
        /// The one that is preferred; none if they are equal.
        primary: Option<SourceName>,
    },
}

/// How one of two sources stands in for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverMode {
    /// Both are made one (SMPTE 2022-7); they have to be identical to the bit. Not for SRT.
    Merge,
    /// The flow switches after half a second without data.
    Switch,
}

/// How long a flow is waited for that may take the call a moment later.
const WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
const COME_AGAIN: Duration = Duration::from_secs(10);

/// What to make of a refused call, after the flow was looked at again.
enum Then {
    Done,
    Again,
    Refused,
}

impl FlowControl {
    /// Works with that client.
    #[must_use]
    pub fn new(client: Client, budget: Arc<Budget>) -> Self {
        Self {
            client: discreet(&client),
            budget,
        }
    }

    /// Shows a flow.
    pub async fn describe(&self, flow: &FlowArn) -> Result<FlowState, PortError> {
        let state = self.look(flow).await;
        state.map_err(|failure| failure.port_error("describe flow", flow))
    }

    /// Starts a flow, which costs money from here on. Returns once that is accepted.
    pub async fn start(&self, flow: &FlowArn) -> Result<(), PortError> {
        let call = async || {
            let call = self.client.start_flow().flow_arn(flow.as_str());
            let reply = call.send().await;
            reply.map_err(|error| Failure::of("StartFlow", &error))
        };
        self.insist("start flow", flow, call, |state| match state.status {
            FlowStatus::Active | FlowStatus::Starting => Then::Done,
            // Of one that is UPDATING it is not said whether it runs (rule 14).
            FlowStatus::Updating | FlowStatus::Stopping => Then::Again,
            _ => Then::Refused,
        })
        .await
    }

    /// Stops a flow, and with it all its outputs. Returns once that is accepted.
    pub async fn stop(&self, flow: &FlowArn) -> Result<(), PortError> {
        let call = async || {
            let call = self.client.stop_flow().flow_arn(flow.as_str());
            let reply = call.send().await;
            reply.map_err(|error| Failure::of("StopFlow", &error))
        };
        self.insist("stop flow", flow, call, |state| match state.status {
            FlowStatus::Standby | FlowStatus::Stopping => Then::Done,
            FlowStatus::Starting | FlowStatus::Updating => Then::Again,
            _ => Then::Refused,
        })
        .await
    }

    /// Adds a source, or tells the one of that name these settings. A second one
    /// needs [`Failover::On`] first. One that is encrypted and is to be in the clear is
    /// a [`Conflict`](ErrorKind::Conflict).
    pub async fn put_source(
        &self,
        flow: &FlowArn,
        name: &SourceName,
        settings: &SourceSettings,
    ) -> Result<(), PortError> {
        let failed = |failure: Failure| failure.port_error("set source of", flow);
        let state = self.look(flow).await.map_err(failed)?;
        if let Some(source) = source_of(&state, name) {
            if source.is_encrypted && !settings.transport.is_encrypted() {
                return Err(PortError::new(ErrorKind::Conflict, "set source of", flow)
                    .with_reason(
                        "an update cannot end its encryption; remove the source, and add it again",
                    ));
            }
            return self.update_source(flow, &source.arn, settings).await;
        }
        let call = async || self.add_source(flow, name, settings).await;
        let added = self.insist("add source to", flow, call, |state| {
            match arn_of(state, name) {
                Some(_) => Then::Done,
                None => passing(state),
            }
        });
        added.await
    }

    async fn add_source(
        &self,
        flow: &FlowArn,
        name: &SourceName,
        settings: &SourceSettings,
    ) -> Result<(), Failure> {
        let members = Members::of(&settings.transport);
        let source = SetSourceRequest::builder()
            .name(name.as_str())
            .set_description(settings.description.clone())
            .set_protocol(members.protocol.clone())
            .set_ingest_port(members.ingest_port)
            .set_whitelist_cidr(members.allow.clone())
            .set_source_listener_address(members.host.clone())
            .set_source_listener_port(members.port)
            .set_stream_id(members.stream_id.clone())
            .set_min_latency(members.min_latency)
            .set_max_latency(members.max_latency)
            .set_decryption(members.encryption());
        let call = self.client.add_flow_sources().flow_arn(flow.as_str());
        match unlogged(call.sources(source.build()).send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of("AddFlowSources", &error)),
        }
    }

    async fn update_source(
        &self,
        flow: &FlowArn,
        arn: &str,
        settings: &SourceSettings,
    ) -> Result<(), PortError> {
        let call = async || {
            let members = Members::of(&settings.transport);
            let call = self.client.update_flow_source();
            let call = call.flow_arn(flow.as_str()).source_arn(arn);
            let call = call
                .set_description(settings.description.clone())
                .set_protocol(members.protocol.clone())
                .set_ingest_port(members.ingest_port)
                .set_whitelist_cidr(members.allow.clone())
                .set_source_listener_address(members.host.clone())
                .set_source_listener_port(members.port)
                .set_stream_id(members.stream_id.clone())
                .set_min_latency(members.min_latency)
                .set_max_latency(members.max_latency)
                .set_decryption(members.update_encryption());
            match unlogged(call.send()).await {
                Ok(_) => Ok(()),
                Err(error) => Err(Failure::of("UpdateFlowSource", &error)),
            }
        };
        self.insist("update source of", flow, call, passing).await
    }

    /// Removes a source, if it is there. MediaConnect refuses to remove the last one.
    pub async fn remove_source(&self, flow: &FlowArn, name: &SourceName) -> Result<(), PortError> {
        let failed = |failure: Failure| failure.port_error("remove source of", flow);
        let state = self.look(flow).await.map_err(failed)?;
        let Some(arn) = arn_of(&state, name) else {
            return Ok(());
        };
        let call = async || {
            let call = self.client.remove_flow_source();
            let call = call.flow_arn(flow.as_str()).source_arn(&arn);
            let reply = call.send().await;
            reply.map_err(|error| Failure::of("RemoveFlowSource", &error))
        };
        self.insist("remove source of", flow, call, |state| {
            match arn_of(state, name) {
                Some(_) => passing(state),
                None => Then::Done,
            }
        })
        .await
    }

    /// Says what becomes of two sources.
    pub async fn set_failover(&self, flow: &FlowArn, failover: &Failover) -> Result<(), PortError> {
        let call = async || {
            let call = self.client.update_flow().flow_arn(flow.as_str());
            let call = call.source_failover_config(failover.to_sdk());
            match unlogged(call.send()).await {
                Ok(_) => Ok(()),
                Err(error) => Err(Failure::of("UpdateFlow", &error)),
            }
        };
        self.insist("set failover of", flow, call, |state| {
            if state.failover == *failover {
                return Then::Done;
            }
            passing(state)
        })
        .await
    }

    /// Tells what comes into a flow; nothing while nothing does, or where MediaConnect
    /// does not know.
    pub async fn source_format(&self, flow: &FlowArn) -> Result<SourceFormat, PortError> {
        self.budget.read().await;
        let call = self.client.describe_flow_source_metadata();
        let reply = call.flow_arn(flow.as_str()).send().await;
        let reply = reply.map_err(|error| {
            let failure = Failure::of("DescribeFlowSourceMetadata", &error);
            failure.port_error("look into the source of", flow)
        })?;
        let format = reply.transport_media_info().map(SourceFormat::of);
        Ok(format.unwrap_or_default())
    }

    async fn look(&self, flow: &FlowArn) -> Result<FlowState, Failure> {
        self.budget.read().await;
        let call = self.client.describe_flow().flow_arn(flow.as_str());
        let reply = unlogged(call.send()).await;
        let reply = reply.map_err(|error| Failure::of("DescribeFlow", &error))?;
        let flow = reply.flow().ok_or_else(Failure::of_nonsense)?;
        let errors = reply.messages().map(|it| it.errors()).unwrap_or_default();
        Ok(FlowState::of(flow, errors))
    }

    /// Makes a call, and again while the flow is in between (rule 14). Whether it is
    /// done already, or may be done later, is for `then` to say.
    async fn insist<T>(
        &self,
        operation: &'static str,
        flow: &FlowArn,
        call: impl AsyncFn() -> Result<T, Failure>,
        then: impl Fn(&FlowState) -> Then,
    ) -> Result<(), PortError> {
        let mut refused = 0;
        let mut waits = WAITS.into_iter();
        loop {
            self.budget.write().await;
            let Err(failure) = call().await else {
                return Ok(());
            };
            let of_port = |failure: &Failure| failure.port_error(operation, flow);
            if !matches!(
                failure.refusal(),
                Some(Refusal::BadRequest | Refusal::NotFound)
            ) {
                return Err(of_port(&failure));
            }
            let state = self.look(flow).await.map_err(|it| of_port(&it))?;
            match then(&state) {
                Then::Done => return Ok(()),
                Then::Again => match waits.next() {
                    Some(wait) => self.budget.sleep(wait).await,
                    None => return Err(come_again(operation, flow)),
                },
                // It may have settled just before it was looked at.
                Then::Refused if refused == 0 => refused += 1,
                Then::Refused => return Err(of_port(&failure)),
            }
        }
    }
}

fn come_again(operation: &'static str, flow: &FlowArn) -> PortError {
    PortError::new(ErrorKind::Unavailable, operation, flow)
        .with_retry_after(COME_AGAIN)
        .with_reason("the MediaConnect flow is taking in another change; try again")
}

impl fmt::Debug for FlowControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowControl").finish_non_exhaustive()
    }
}

fn passing(state: &FlowState) -> Then {
    if state.status.is_passing() {
        Then::Again
    } else {
        Then::Refused
    }
}

fn source_of<'a>(state: &'a FlowState, name: &SourceName) -> Option<&'a SourceState> {
    let mut sources = state.sources.iter();
    sources.find(|source| source.name == name.as_str())
}

fn arn_of(state: &FlowState, name: &SourceName) -> Option<String> {
    Some(source_of(state, name)?.arn.clone())
}

impl FlowState {
    fn of(flow: &Flow, errors: &[String]) -> Self {
        let mut sources: Vec<SourceState> = flow.sources().iter().map(SourceState::of).collect();
        if let Some(source) = flow.source().map(SourceState::of)
            && !sources.iter().any(|it| it.arn == source.arn)
        {
            sources.insert(0, source);
        }
        let text = |text: Option<&str>| text.map(str::to_owned);
        Self {
            name: flow.name().unwrap_or_default().to_owned(),
            status: FlowStatus::of(flow.status()),
            availability_zone: text(flow.availability_zone()),
            egress_ip: text(flow.egress_ip()),
            sources,
            failover: Failover::of(flow.source_failover_config()),
            outputs: flow.outputs().len(),
            errors: errors.iter().map(|it| cut(it)).collect(),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}

impl SourceState {
    fn of(source: &Source) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let protocol = source.transport().and_then(|it| it.protocol());
        Self {
            arn: source.source_arn().unwrap_or_default().to_owned(),
            name: source.name().unwrap_or_default().to_owned(),
            protocol: protocol.map(|it| it.as_str().to_owned()),
            ingest_ip: text(source.ingest_ip()),
            ingest_port: source.ingest_port().and_then(|port| port.try_into().ok()),
            allow: text(source.whitelist_cidr()),
            peer_ip: text(source.peer_ip_address()),
            is_encrypted: source.decryption().is_some(),
        }
    }
}

impl Failover {
    fn of(config: Option<&FailoverConfig>) -> Self {
        let Some(config) = config.filter(|it| it.state() == Some(&State::Enabled)) else {
            return Self::Off;
        };
        let primary = config.source_priority().and_then(|it| it.primary_source());
        let window = config.recovery_window();
        Self::On {
            mode: match config.failover_mode() {
                Some(SdkFailoverMode::Failover) => FailoverMode::Switch,
                _ => FailoverMode::Merge,
            },
            recovery_window_ms: window.and_then(|it| it.try_into().ok()),
            primary: primary.and_then(|name| name.parse().ok()),
        }
    }

    fn to_sdk(&self) -> UpdateFailoverConfig {
        let config = UpdateFailoverConfig::builder();
        match self {
            Self::Off => config.state(State::Disabled),
            Self::On {
                mode,
                recovery_window_ms,
                primary,
            } => {
                let priority = primary.as_ref().map(|name| {
                    let priority = SourcePriority::builder();
                    priority.primary_source(name.as_str()).build()
                });
                config
                    .state(State::Enabled)
                    .failover_mode(match mode {
                        FailoverMode::Merge => SdkFailoverMode::Merge,
                        FailoverMode::Switch => SdkFailoverMode::Failover,
                    })
                    .set_recovery_window(recovery_window_ms.map(i32::from))
                    .set_source_priority(priority)
            }
        }
        .build()
    }
}
