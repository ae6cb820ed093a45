//! The inputs of sources, and the security groups of those that are pushed to.

use std::{collections::HashMap, fmt, net::Ipv4Addr, str::FromStr, sync::Arc, time::Duration};

use aws_sdk_medialive::{
    Client,
    operation::create_input::builders::CreateInputFluentBuilder,
    types::{
        Algorithm, Input, InputDestinationRequest, InputSecurityGroup, InputSecurityGroupState,
        InputSourceRequest, InputState, InputType, InputWhitelistRuleCidr, MediaConnectFlowRequest,
        SrtCallerDecryptionRequest, SrtCallerSourceRequest, SrtListenerDecryptionRequest,
        SrtListenerSettingsRequest, SrtSettingsRequest,
    },
};
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{FeedAddress, FeedLatency, HashKey, PassphraseRef, ResourceId, SourceId, StreamKey},
    port::{ErrorKind, PortError},
};

use super::{
    calls::discreet,
    error::{failed, is_about_the_state, is_gone},
};
use crate::{Budget, FlowArn, mediaconnect::Deployment, unseen::unlogged};

const ENSURE: &str = "make the input of source";
const REMOVE: &str = "remove the input of source";
/// What tells ours from others', and one description from another.
const DEPLOYMENT_TAG: &str = "lunora:deployment";
const SOURCE_TAG: &str = "lunora:source";
const SPEC_TAG: &str = "lunora:spec";
/// After which time it is likely that AWS has done what it was told.
const SOON: Duration = Duration::from_secs(5);

/// Makes and removes the MediaLive inputs of sources. What it did not make it never touches.
pub struct SourceInputs {
    client: Client,
    budget: Arc<Budget>,
    deployment: Deployment,
    hash_key: HashKey,
}

/// What comes in, and how.
#[derive(Clone, Debug)]
pub enum InputSpec {
    /// An encoder publishes by RTMP.
    RtmpPush {
        /// `application/name` for each pipeline: one or two. Who knows it may publish.
        names: Vec<SecretString>,
        /// Who may.
        callers: Vec<Caller>,
    },
    /// An encoder sends RTP.
    RtpPush {
        /// Who may.
        callers: Vec<Caller>,
    },
    /// An encoder calls by SRT.
    SrtListener {
        /// How long SRT waits for a packet that was lost.
        latency: FeedLatency,
        /// How it is encrypted; it has to be.
        encryption: SrtEncryption,
        /// What it calls itself.
        stream_id: Option<StreamKey>,
        /// Who may.
        callers: Vec<Caller>,
    },
    /// MediaLive calls by SRT.
    SrtCaller {
        /// Whom.
        address: FeedAddress,
        /// How long SRT waits for a packet that was lost.
        latency: FeedLatency,
        /// How it is encrypted, if it is.
        encryption: Option<SrtEncryption>,
        /// What it asks for.
        stream_id: Option<StreamKey>,
    },
    /// MediaLive fetches: one URL for each pipeline.
    UrlPull {
        /// From where. A token may be in it.
        urls: Vec<SecretString>,
    },
    /// A MediaConnect flow, one for each pipeline. MediaLive adds an output to each,
    /// which costs money as long as the flow runs, also while the channel does not.
    MediaConnect {
        /// Which.
        flows: Vec<FlowArn>,
        /// The ARN of the role that MediaLive assumes to do so.
        role: String,
    },
    /// NDI, which MediaLive does not take.
    Ndi,
}

/// How SRT is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtEncryption {
    /// The length of the key.
    pub key: SrtKey,
    /// The ARN of the secret with the passphrase.
    pub passphrase: PassphraseRef,
}

/// The length of an SRT key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtKey {
    /// 128 bits.
    Aes128,
    /// 192 bits.
    Aes192,
    /// 256 bits.
    Aes256,
}

impl SrtKey {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::Aes128 => Algorithm::Aes128,
            Self::Aes192 => Algorithm::Aes192,
            Self::Aes256 => Algorithm::Aes256,
        }
    }
}

/// IPv4 addresses that may send: `203.0.113.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    address: Ipv4Addr,
    prefix: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("callers are an IPv4 range such as 203.0.113.0/24, with no bit set behind its prefix")]
pub struct CallerError;

impl FromStr for Caller {
    type Err = CallerError;

    fn from_str(text: &str) -> Result<Self, CallerError> {
        let (address, prefix) = text.split_once('/').ok_or(CallerError)?;
        let address: Ipv4Addr = address.parse().map_err(|_| CallerError)?;
        let prefix: u8 = prefix.parse().map_err(|_| CallerError)?;
        let behind = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        if 32 < prefix || address.to_bits() & behind != 0 {
            return Err(CallerError);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The input of a source, as MediaLive names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInput {
    /// The input.
    pub input: ResourceId,
    /// Its security group, if it is pushed to.
    pub security_group: Option<ResourceId>,
}

impl SourceInputs {
    /// Calls MediaLive by `client`, waiting for its turn in the budget.
    #[must_use]
    pub fn new(
        client: &Client,
        budget: Arc<Budget>,
        deployment: Deployment,
        hash_key: HashKey,
    ) -> Self {
        Self {
            client: discreet(client),
            budget,
            deployment,
            hash_key,
        }
    }

    /// Makes the input of a source be there as given, and returns it. Repeatable.
    ///
    /// One that is there for another description is a
    /// [`Conflict`](ErrorKind::Conflict): it may be attached, so it has to be
    /// [removed](Self::remove) first. NDI is [`Unsupported`](ErrorKind::Unsupported).
    pub async fn ensure(
        &self,
        source: &SourceId,
        spec: &InputSpec,
    ) -> Result<SourceInput, PortError> {
        spec.check()
            .map_err(|(kind, reason)| PortError::new(kind, ENSURE, source).with_reason(reason))?;
        let digest = self.digest(spec);
        if let Some(input) = self.inputs(ENSURE, source).await?.into_iter().next() {
            return of_there(source, &digest, &input);
        }
        let group = match spec.callers() {
            [] => None,
            callers => Some(self.group(source, callers, &digest).await?),
        };
        let name = self.name(source);
        // The group is another after every removal, so that a repeated request is told
        // from a new one for the same source.
        let request_id = format!("{name}-{digest}-{}", group.as_deref().unwrap_or("0"));
        self.budget.media_live().await;
        let call = self.client.create_input().name(name).request_id(request_id);
        let call = call.set_tags(Some(self.tags(source, &digest)));
        let call = call.set_input_security_groups(group.clone().map(|id| vec![id]));
        let created = unlogged(spec.tell(call).send()).await;
        let created = created.map_err(|error| failed("CreateInput", ENSURE, source, &error))?;
        let id = created.input.and_then(|input| input.id);
        Ok(SourceInput {
            input: resource(source, id.as_deref())?,
            security_group: group.map(|id| resource(source, Some(&id))).transpose()?,
        })
    }

    /// Removes the input of a source, and then its security group.
    ///
    /// Repeatable, and to be repeated as long as it answers
    /// [`Unavailable`](ErrorKind::Unavailable): a group can go when its input is gone.
    /// An input that a channel has attached is a [`Conflict`](ErrorKind::Conflict).
    pub async fn remove(&self, source: &SourceId) -> Result<(), PortError> {
        let mut is_over = true;
        for input in self.inputs(REMOVE, source).await? {
            match input.state() {
                Some(InputState::Detached) => self.remove_input(source, &input).await?,
                Some(InputState::Attached) => return Err(attached(source, &input)),
                _ => (),
            }
            is_over = false;
        }
        for group in self.groups(REMOVE, source).await? {
            match group.state() {
                Some(InputSecurityGroupState::Idle) => self.remove_group(source, &group).await?,
                _ => is_over = false,
            }
        }
        if is_over { Ok(()) } else { Err(going(source)) }
    }

    fn name(&self, source: &SourceId) -> String {
        format!("lunora-{}-{source}", self.deployment)
    }

    fn digest(&self, spec: &InputSpec) -> String {
        let parts = spec.parts();
        let parts = parts.iter().map(|part| part.expose_secret().as_bytes());
        self.hash_key.digest(parts).to_string()
    }

    fn tags(&self, source: &SourceId, digest: &str) -> HashMap<String, String> {
        [
            (DEPLOYMENT_TAG, self.deployment.as_str()),
            (SOURCE_TAG, source.as_str()),
            (SPEC_TAG, digest),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn is_ours(&self, source: &SourceId, tags: Option<&HashMap<String, String>>) -> bool {
        tag(tags, DEPLOYMENT_TAG) == Some(self.deployment.as_str())
            && tag(tags, SOURCE_TAG) == Some(source.as_str())
    }

    /// Our inputs of the source that are not gone, the oldest id first.
    async fn inputs(
        &self,
        operation: &'static str,
        source: &SourceId,
    ) -> Result<Vec<Input>, PortError> {
        let mut ours = Vec::new();
        let mut token = None;
        loop {
            self.budget.media_live().await;
            let call = self.client.list_inputs().set_next_token(token);
            let page = unlogged(call.send()).await;
            let page = page.map_err(|error| failed("ListInputs", operation, source, &error))?;
            ours.extend(page.inputs.unwrap_or_default().into_iter().filter(|it| {
                it.state() != Some(&InputState::Deleted) && self.is_ours(source, it.tags())
            }));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        ours.sort_by(|one, other| one.id().cmp(&other.id()));
        Ok(ours)
    }

    /// Our security groups of the source that are not gone, the oldest id first.
    async fn groups(
        &self,
        operation: &'static str,
        source: &SourceId,
    ) -> Result<Vec<InputSecurityGroup>, PortError> {
        let mut ours = Vec::new();
        let mut token = None;
        loop {
            self.budget.media_live().await;
            let call = self.client.list_input_security_groups();
            let page = call.set_next_token(token).send().await;
            let page =
                page.map_err(|error| failed("ListInputSecurityGroups", operation, source, &error))?;
            let groups = page.input_security_groups.unwrap_or_default();
            ours.extend(groups.into_iter().filter(|it| {
                it.state() != Some(&InputSecurityGroupState::Deleted)
                    && self.is_ours(source, it.tags())
            }));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        ours.sort_by(|one, other| one.id().cmp(&other.id()));
        Ok(ours)
    }

    /// The id of the group for this description: one that an attempt before this one
    /// left, or a new one. What such attempts left otherwise goes.
    async fn group(
        &self,
        source: &SourceId,
        callers: &[Caller],
        digest: &str,
    ) -> Result<String, PortError> {
        let mut found = None;
        for group in self.groups(ENSURE, source).await? {
            match group.state() {
                Some(InputSecurityGroupState::Idle)
                    if found.is_none() && tag(group.tags(), SPEC_TAG) == Some(digest) =>
                {
                    found = group.id().map(str::to_owned);
                }
                Some(InputSecurityGroupState::Idle) => self.remove_group(source, &group).await?,
                _ => (),
            }
        }
        if let Some(id) = found {
            return Ok(id);
        }
        let rule = |caller: &Caller| {
            let rule = InputWhitelistRuleCidr::builder();
            rule.cidr(caller.to_string()).build()
        };
        self.budget.media_live().await;
        let call = self.client.create_input_security_group();
        let call = call.set_whitelist_rules(Some(callers.iter().map(rule).collect()));
        let call = call.set_tags(Some(self.tags(source, digest)));
        let created = call.send().await;
        let created =
            created.map_err(|error| failed("CreateInputSecurityGroup", ENSURE, source, &error))?;
        let id = created.security_group.and_then(|group| group.id);
        Ok(resource(source, id.as_deref())?.to_string())
    }

    async fn remove_input(&self, source: &SourceId, input: &Input) -> Result<(), PortError> {
        self.budget.media_live().await;
        let call = self.client.delete_input();
        let result = call.set_input_id(input.id.clone()).send().await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            // An attempt before this one was done, or a channel was faster; the next
            // listing tells which.
            Err(error) if is_about_the_state(&error) => Err(going(source)),
            Err(error) => Err(failed("DeleteInput", REMOVE, source, &error)),
        }
    }

    async fn remove_group(
        &self,
        source: &SourceId,
        group: &InputSecurityGroup,
    ) -> Result<(), PortError> {
        self.budget.media_live().await;
        let call = self.client.delete_input_security_group();
        let result = call
            .set_input_security_group_id(group.id.clone())
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            // It is in use by an input that is still on its way out, or was just made.
            Err(error) if is_about_the_state(&error) => Err(going(source)),
            Err(error) => Err(failed("DeleteInputSecurityGroup", REMOVE, source, &error)),
        }
    }
}

impl fmt::Debug for SourceInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceInputs")
            .field("deployment", &self.deployment)
            .finish_non_exhaustive()
    }
}

/// What an input that is there is to somebody who wants one with this digest.
fn of_there(source: &SourceId, digest: &str, input: &Input) -> Result<SourceInput, PortError> {
    if input.state() == Some(&InputState::Deleting) {
        return Err(going(source));
    }
    if tag(input.tags(), SPEC_TAG) != Some(digest) {
        let error = PortError::new(ErrorKind::Conflict, ENSURE, source);
        return Err(error.with_reason(
            "there is an input of it with other settings; take it off the channel and remove it, \
             then make this one",
        ));
    }
    let group = input.security_groups().first();
    Ok(SourceInput {
        input: resource(source, input.id())?,
        security_group: group.map(|id| resource(source, Some(id))).transpose()?,
    })
}

fn attached(source: &SourceId, input: &Input) -> PortError {
    let channels = input.attached_channels().join(", ");
    PortError::new(ErrorKind::Conflict, REMOVE, source).with_reason(format!(
        "its input is attached to channel {channels}; take it off there while the channel is idle"
    ))
}

fn going(source: &SourceId) -> PortError {
    PortError::new(ErrorKind::Unavailable, REMOVE, source)
        .with_retry_after(SOON)
        .with_reason("it is being removed; try again until that is over")
}

fn tag<'a>(tags: Option<&'a HashMap<String, String>>, key: &str) -> Option<&'a str> {
    tags?.get(key).map(String::as_str)
}

fn resource(source: &SourceId, id: Option<&str>) -> Result<ResourceId, PortError> {
    let id = id.and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        PortError::new(ErrorKind::Unexpected, ENSURE, source)
            .with_reason("MediaLive answered without an id; is the endpoint one of AWS?")
    })
}

impl InputSpec {
    fn check(&self) -> Result<(), (ErrorKind, &'static str)> {
        let invalid = |reason| Err((ErrorKind::Invalid, reason));
        let is_pipelines = |count: usize| (1..=2).contains(&count);
        match self {
            Self::Ndi => Err((
                ErrorKind::Unsupported,
                "MediaLive takes no NDI; bring it into a MediaConnect flow that encodes it, and make \
                 an input of that flow",
            )),
            Self::RtmpPush { names, .. } if !is_pipelines(names.len()) => {
                invalid("an RTMP input has one name, or two for a standard channel")
            }
            Self::UrlPull { urls } if !is_pipelines(urls.len()) => {
                invalid("an input that is fetched has one URL, or two for a standard channel")
            }
            Self::MediaConnect { flows, .. } if !is_pipelines(flows.len()) => {
                invalid("an input from MediaConnect has one flow, or two for a standard channel")
            }
            Self::RtmpPush { callers, .. }
            | Self::RtpPush { callers }
            | Self::SrtListener { callers, .. }
                if callers.is_empty() =>
            {
                invalid("an input that is pushed to names who may push")
            }
            _ => Ok(()),
        }
    }

    fn callers(&self) -> &[Caller] {
        match self {
            Self::RtmpPush { callers, .. }
            | Self::RtpPush { callers }
            | Self::SrtListener { callers, .. } => callers,
            Self::SrtCaller { .. }
            | Self::UrlPull { .. }
            | Self::MediaConnect { .. }
            | Self::Ndi => &[],
        }
    }

    fn kind(&self) -> InputType {
        match self {
            Self::RtmpPush { .. } => InputType::RtmpPush,
            Self::RtpPush { .. } => InputType::RtpPush,
            Self::SrtListener { .. } => InputType::SrtListener,
            Self::SrtCaller { .. } => InputType::SrtCaller,
            Self::UrlPull { .. } => InputType::UrlPull,
            Self::MediaConnect { .. } => InputType::Mediaconnect,
            Self::Ndi => InputType::from("NDI"),
        }
    }

    /// Everything that makes one description another, its secrets included.
    fn parts(&self) -> Vec<SecretString> {
        let mut parts = vec![self.kind().as_str().to_owned()];
        let secret = |it: &SecretString| it.expose_secret().to_owned();
        let encrypted = |it: &SrtEncryption| format!("{:?} {}", it.key, it.passphrase.as_str());
        let stream = |it: &Option<StreamKey>| match it {
            Some(id) => format!("stream id {}", secret(id.as_secret())),
            None => "no stream id".to_owned(),
        };
        match self {
            Self::RtmpPush { names, .. } => parts.extend(names.iter().map(secret)),
            Self::UrlPull { urls } => parts.extend(urls.iter().map(secret)),
            Self::MediaConnect { flows, role } => {
                parts.push(role.clone());
                parts.extend(flows.iter().map(ToString::to_string));
            }
            Self::SrtListener {
                latency,
                encryption,
                stream_id,
                ..
            } => parts.extend([
                latency.millis().to_string(),
                encrypted(encryption),
                stream(stream_id),
            ]),
            Self::SrtCaller {
                address,
                latency,
                encryption,
                stream_id,
            } => parts.extend([
                address.to_string(),
                latency.millis().to_string(),
                encryption.as_ref().map_or_else(String::new, encrypted),
                stream(stream_id),
            ]),
            Self::RtpPush { .. } | Self::Ndi => (),
        }
        // Apart from the names before them: no name is made of a space.
        parts.push(" ".to_owned());
        parts.extend(self.callers().iter().map(ToString::to_string));
        parts.into_iter().map(SecretString::from).collect()
    }

    /// Says the description in a call.
    fn tell(&self, call: CreateInputFluentBuilder) -> CreateInputFluentBuilder {
        let call = call.r#type(self.kind());
        match self {
            Self::RtmpPush { names, .. } => {
                let destination = |name: &SecretString| {
                    let destination = InputDestinationRequest::builder();
                    destination.stream_name(name.expose_secret()).build()
                };
                call.set_destinations(Some(names.iter().map(destination).collect()))
            }
            Self::UrlPull { urls } => {
                let fetched = |url: &SecretString| {
                    let from = InputSourceRequest::builder();
                    from.url(url.expose_secret()).build()
                };
                call.set_sources(Some(urls.iter().map(fetched).collect()))
            }
            Self::MediaConnect { flows, role } => {
                let flow = |arn: &FlowArn| {
                    let flow = MediaConnectFlowRequest::builder();
                    flow.flow_arn(arn.as_str()).build()
                };
                let flows = flows.iter().map(flow).collect();
                call.set_media_connect_flows(Some(flows)).role_arn(role)
            }
            Self::SrtListener {
                latency,
                encryption,
                stream_id,
                ..
            } => {
                let decryption = SrtListenerDecryptionRequest::builder()
                    .algorithm(encryption.key.algorithm())
                    .passphrase_secret_arn(encryption.passphrase.as_str());
                let listener = SrtListenerSettingsRequest::builder()
                    .minimum_latency(latency.millis().into())
                    .decryption(decryption.build())
                    .set_stream_id(text(stream_id.as_ref()));
                let settings = SrtSettingsRequest::builder();
                call.srt_settings(settings.srt_listener_settings(listener.build()).build())
            }
            Self::SrtCaller {
                address,
                latency,
                encryption,
                stream_id,
            } => {
                let decryption = encryption.as_ref().map(|it| {
                    SrtCallerDecryptionRequest::builder()
                        .algorithm(it.key.algorithm())
                        .passphrase_secret_arn(it.passphrase.as_str())
                        .build()
                });
                let caller = SrtCallerSourceRequest::builder()
                    .srt_listener_address(address.host().to_string())
                    .srt_listener_port(address.port().to_string())
                    .minimum_latency(latency.millis().into())
                    .set_decryption(decryption)
                    .set_stream_id(text(stream_id.as_ref()));
                let settings = SrtSettingsRequest::builder();
                call.srt_settings(settings.srt_caller_sources(caller.build()).build())
            }
            Self::RtpPush { .. } | Self::Ndi => call,
        }
    }
}

fn text(stream_id: Option<&StreamKey>) -> Option<String> {
    stream_id.map(|id| id.as_secret().expose_secret().to_owned())
}
