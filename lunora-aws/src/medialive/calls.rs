//! The calls on one channel, each in its turn.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_medialive::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::SdkBody,
    types::{
        BatchScheduleActionCreateRequest, ImmediateModeScheduleActionStartSettings,
        InputSwitchScheduleActionSettings, ScheduleAction, ScheduleActionSettings,
        ScheduleActionStartSettings,
    },
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use lunora_core::{
    domain::AttachmentName,
    port::{ErrorKind, PortError},
};
use serde_json::Value;

use super::{
    description::Description,
    error::{failed, is_about_the_state},
};
use crate::{
    Budget, ChannelId,
    unseen::{Unseen, unlogged},
};

const SWITCH: &str = "switch the input of";

/// A channel, and whose turn it is to call it.
#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    channel: ChannelId,
    pub(super) budget: Arc<Budget>,
}

/// What became of a call that AWS may refuse because of the state.
pub(super) enum Told {
    Accepted,
    /// It may be done already, or impossible now; the state tells.
    Refused(PortError),
}

/// The same client, on the same connections, that shows no body to a log.
pub(super) fn discreet(client: &Client) -> Client {
    let config = client.config().to_builder().interceptor(Unseen);
    Client::from_conf(config.build())
}

impl Calls {
    pub(super) fn new(client: &Client, channel: ChannelId, budget: Arc<Budget>) -> Self {
        let client = discreet(client);
        Self {
            client,
            channel,
            budget,
        }
    }

    /// What errors call the channel.
    pub(super) fn subject(&self) -> String {
        format!("channel {}", self.channel)
    }

    pub(super) async fn describe(&self, operation: &'static str) -> Result<Description, PortError> {
        self.budget.media_live().await;
        let reply = Reply::default();
        let call = self.client.describe_channel();
        let call = call.channel_id(self.channel.as_str());
        let call = call.customize().interceptor(reply.clone());
        let result = unlogged(call.send()).await;
        result.map_err(|error| failed("DescribeChannel", operation, self.subject(), &error))?;
        let description = reply.take().and_then(|reply| Description::read(&reply));
        description.ok_or_else(|| {
            PortError::new(ErrorKind::Unexpected, operation, self.subject())
                .with_reason("MediaLive answered without a state; is the endpoint one of AWS?")
        })
    }

    pub(super) async fn start(&self) -> Result<Told, PortError> {
        self.budget.media_live().await;
        let call = self.client.start_channel();
        let call = call.channel_id(self.channel.as_str());
        let result = unlogged(call.send()).await;
        self.told("StartChannel", "start", result)
    }

    pub(super) async fn stop(&self) -> Result<Told, PortError> {
        self.budget.media_live().await;
        let call = self.client.stop_channel();
        let call = call.channel_id(self.channel.as_str());
        let result = unlogged(call.send()).await;
        self.told("StopChannel", "stop", result)
    }

    /// Sends this body, and not what the SDK would write: see the documentation of
    /// the module.
    pub(super) async fn update(
        &self,
        operation: &'static str,
        body: &Value,
    ) -> Result<Told, PortError> {
        self.budget.media_live().await;
        let body = body.to_string();
        let call = self.client.update_channel();
        let call = call.channel_id(self.channel.as_str());
        let call = call
            .customize()
            .map_request(move |mut request: HttpRequest| {
                // The SDK has counted what it wrote, and signs that header, too.
                let headers = request.headers_mut();
                headers.insert("content-length", body.len().to_string());
                // A stream of the same bytes: signed and sent again, and not in a `Debug`.
                *request.body_mut() =
                    SdkBody::from(body.clone()).map_preserve_contents(SdkBody::from_body_1_x);
                Ok::<_, io::Error>(request)
            });
        self.told("UpdateChannel", operation, unlogged(call.send()).await)
    }

    /// Makes another input active at once, by an action of this name.
    pub(super) async fn switch(
        &self,
        action: &str,
        to: &AttachmentName,
    ) -> Result<Told, PortError> {
        self.budget.media_live().await;
        let call = self.client.batch_update_schedule();
        let call = call.creates(switch(action, to));
        let call = call.channel_id(self.channel.as_str());
        let result = unlogged(call.send()).await;
        self.told("BatchUpdateSchedule", SWITCH, result)
    }

    /// Whether the schedule has this switch by an action of this name.
    pub(super) async fn has_switch(
        &self,
        action: &str,
        to: &AttachmentName,
    ) -> Result<bool, PortError> {
        let mut token = None;
        loop {
            self.budget.media_live().await;
            let call = self.client.describe_schedule();
            let call = call.channel_id(self.channel.as_str());
            let page = unlogged(call.set_next_token(token).send()).await;
            let page =
                page.map_err(|error| failed("DescribeSchedule", SWITCH, self.subject(), &error))?;
            let is_it = |it: &ScheduleAction| {
                let settings = it.schedule_action_settings();
                let switch = settings.and_then(ScheduleActionSettings::input_switch_settings);
                let target = switch.and_then(|it| it.input_attachment_name_reference());
                it.action_name() == Some(action) && target == Some(to.as_str())
            };
            if page.schedule_actions().iter().any(is_it) {
                return Ok(true);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(false);
            }
        }
    }

    fn told<T, E: ProvideErrorMetadata>(
        &self,
        api: &'static str,
        operation: &'static str,
        result: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<Told, PortError> {
        let Err(error) = result else {
            return Ok(Told::Accepted);
        };
        let told = failed(api, operation, self.subject(), &error);
        if is_about_the_state(&error) {
            Ok(Told::Refused(told))
        } else {
            Err(told)
        }
    }
}

fn switch(action: &str, to: &AttachmentName) -> BatchScheduleActionCreateRequest {
    let to = InputSwitchScheduleActionSettings::builder()
        .input_attachment_name_reference(to.as_str())
        .build();
    let settings = ScheduleActionSettings::builder().input_switch_settings(to);
    let at_once = ImmediateModeScheduleActionStartSettings::builder().build();
    let start = ScheduleActionStartSettings::builder();
    let start = start.immediate_mode_schedule_action_start_settings(at_once);
    let action = ScheduleAction::builder()
        .action_name(action)
        .schedule_action_settings(settings.build())
        .schedule_action_start_settings(start.build())
        .build();
    BatchScheduleActionCreateRequest::builder()
        .schedule_actions(action)
        .build()
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Keeps the reply as it came, for what the types of the SDK leave out.
#[derive(Clone, Default)]
struct Reply(Arc<Mutex<Option<Vec<u8>>>>);

impl Reply {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Shows nothing: stream names are in it.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

impl Intercept for Reply {
    fn name(&self) -> &'static str {
        "Reply"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(<[u8]>::to_vec);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}
