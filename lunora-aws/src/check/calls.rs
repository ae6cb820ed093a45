//! The calls of a check, as JSON: it has to see what AWS says and not what the SDK
//! makes of it, and has to send less than the SDK would.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::retry::RetryConfig;
use aws_sdk_mediaconnect::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use serde_json::{Map, Value, json};

use super::{
    mine::{Mine, RunId},
    shown::Shown,
};
use crate::{
    AwsError, Budget, FlowArn,
    error::Service,
    unseen::{Unseen, unlogged},
};

const MEDIA_CONNECT: Service = Service {
    name: "MediaConnect",
    meaning: |_| None,
};

/// What AWS did not do, by status and code; never its text, which may quote a value.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) status: Option<u16>,
    pub(super) code: String,
    pub(super) text: String,
}

impl Refused {
    fn of<E: ProvideErrorMetadata>(api: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let port = MEDIA_CONNECT.failed(api, "", "", error);
        let source = std::error::Error::source(&port);
        let cause = source.and_then(|it| it.downcast_ref::<AwsError>());
        Self {
            status: cause.and_then(AwsError::status),
            code: cause
                .and_then(AwsError::code)
                .unwrap_or("no code")
                .to_owned(),
            text: cause.map_or_else(|| format!("{api} failed"), ToString::to_string),
        }
    }

    pub(super) fn is_bad_request(&self) -> bool {
        self.status == Some(400) && self.code == "BadRequestException"
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.status == Some(404) && self.code == "NotFoundException"
    }

    /// Whether AWS said no to what was asked, and not that it could not answer.
    pub(super) fn is_an_answer(&self) -> bool {
        let status = self.status.unwrap_or_default();
        (400..500).contains(&status) && !matches!(status, 401 | 403 | 408 | 429)
    }

    /// For people: `BadRequestException (400)`.
    pub(super) fn brief(&self) -> String {
        match self.status {
            Some(status) => format!("{} ({status})", self.code),
            None => "no answer".to_owned(),
        }
    }
}

/// What changes a flow. Each is about test outputs alone: [`Mine`] is made of nothing else.
pub(super) enum Write<'a> {
    /// Adds outputs of these names in one call.
    Add(Vec<(String, Map<String, Value>)>),
    Update(&'a Mine, Map<String, Value>),
    Remove(&'a Mine),
}

#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    /// The same, which tries no call twice.
    once: Client,
    pub(super) flow: FlowArn,
    budget: Arc<Budget>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Calls");
        debug.field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl Calls {
    pub(super) fn new(client: &Client, flow: FlowArn, budget: Arc<Budget>) -> Self {
        let config = client.config().to_builder().interceptor(Unseen);
        // Not by an override of each call: with one the SDK logs replies all the same.
        let once = config.clone().retry_config(RetryConfig::disabled());
        Self {
            client: Client::from_conf(config.build()),
            once: Client::from_conf(once.build()),
            flow,
            budget,
        }
    }

    pub(super) async fn describe(&self) -> Result<Shown, Refused> {
        self.describe_flow(self.flow.as_str()).await
    }

    pub(super) async fn describe_flow(&self, arn: &str) -> Result<Shown, Refused> {
        self.budget.read().await;
        let reply = Reply::default();
        let call = self.client.describe_flow().flow_arn(arn).customize();
        let result = unlogged(call.interceptor(reply.clone()).send()).await;
        result.map_err(|error| Refused::of("DescribeFlow", &error))?;
        let shown = reply.take().and_then(|it| Shown::read(&it));
        shown.ok_or_else(|| Refused {
            status: None,
            code: String::new(),
            text: "DescribeFlow answered without a flow; is the endpoint one of AWS?".to_owned(),
        })
    }

    /// Sends it once: a second attempt of the SDK would hide what the first one did.
    pub(super) async fn write(&self, write: &Write<'_>) -> Result<(), Refused> {
        self.budget.write().await;
        let flow = self.flow.as_str();
        match write {
            Write::Add(outputs) => {
                let all = outputs.iter().map(|(name, told)| {
                    let mut output = told.clone();
                    output.insert("name".to_owned(), json!(name));
                    Value::Object(output)
                });
                let body = json!({ "outputs": all.collect::<Vec<_>>() }).to_string();
                let call = self.once.add_flow_outputs().flow_arn(flow);
                let call = call.set_outputs(Some(Vec::new())).customize();
                let call = call.map_request(move |it| Ok::<_, io::Error>(put(it, &body)));
                let sent = unlogged(call.send()).await;
                sent.map(drop)
                    .map_err(|it| Refused::of("AddFlowOutputs", &it))
            }
            Write::Update(mine, members) => {
                let body = Value::Object(members.clone()).to_string();
                let call = self.once.update_flow_output().flow_arn(flow);
                let call = call.output_arn(mine.arn()).customize();
                let call = call.map_request(move |it| Ok::<_, io::Error>(put(it, &body)));
                let sent = unlogged(call.send()).await;
                sent.map(drop)
                    .map_err(|it| Refused::of("UpdateFlowOutput", &it))
            }
            Write::Remove(mine) => {
                let call = self.once.remove_flow_output().flow_arn(flow);
                let call = call.output_arn(mine.arn()).customize();
                let sent = unlogged(call.send()).await;
                sent.map(drop)
                    .map_err(|it| Refused::of("RemoveFlowOutput", &it))
            }
        }
    }

    pub(super) async fn sleep(&self, milliseconds: u64) {
        let wait = std::time::Duration::from_millis(milliseconds);
        self.budget.sleep(wait).await;
    }
}

/// The test outputs among those that are there.
pub(super) fn mine_of(shown: &Shown, run: Option<&RunId>) -> Vec<Mine> {
    shown
        .outputs()
        .filter_map(|it| Mine::of(&it, run))
        .collect()
}

/// Sends this body, and not what the SDK wrote.
fn put(mut request: HttpRequest, body: &str) -> HttpRequest {
    let headers = request.headers_mut();
    headers.insert("content-length", body.len().to_string());
    // A stream of the same bytes: signed as before, and not in a `Debug`.
    *request.body_mut() = SdkBody::from(body).map_preserve_contents(SdkBody::from_body_1_x);
    request
}

/// Keeps a reply as it came.
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
