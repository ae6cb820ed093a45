//! What happens on the way between an adapter and the table.

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Sees a call by its number and its name, such as `UpdateItem`.
type Watch = Arc<dyn Fn(usize, &str) -> Work + Send + Sync>;

/// Does things before and after the calls of the clients that it is put into.
#[derive(Clone)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    before: Option<Watch>,
    after: Option<Watch>,
    lose: BTreeSet<usize>,
}

impl Wire {
    /// A wire, and what clients are made from that are on it.
    pub(crate) fn on(sdk: &SdkConfig) -> (Self, SdkConfig) {
        let wire = Self {
            inner: sdk.http_client().unwrap(),
            state: Arc::default(),
        };
        let sdk = sdk.clone().into_builder().http_client(wire.clone());
        (wire, sdk.build())
    }

    /// The names of all calls so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Does this before each call.
    pub(crate) fn before<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl Fn(usize, &str) -> F + Send + Sync + 'static,
    ) {
        let watch: Watch = Arc::new(move |number, name| Box::pin(work(number, name)));
        self.state.lock().unwrap().before = Some(watch);
    }

    /// Does this after each call has taken effect.
    pub(crate) fn after<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl Fn(usize, &str) -> F + Send + Sync + 'static,
    ) {
        let watch: Watch = Arc::new(move |number, name| Box::pin(work(number, name)));
        self.state.lock().unwrap().after = Some(watch);
    }

    /// The reply to that call, counted from 0, does not arrive.
    pub(crate) fn lose_reply(&self, number: usize) {
        self.state.lock().unwrap().lose.insert(number);
    }

    async fn pass(
        self,
        request: HttpRequest,
        inner: SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        let name = request.headers().get("x-amz-target").unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default().to_owned();
        let (number, before, after, lost) = {
            let mut state = self.state.lock().unwrap();
            let number = state.calls.len();
            state.calls.push(name.clone());
            let lost = state.lose.remove(&number);
            (number, state.before.clone(), state.after.clone(), lost)
        };
        if let Some(before) = before {
            before(number, &name).await;
        }
        let answer = inner.call(request).await;
        if let Some(after) = after {
            after(number, &name).await;
        }
        if lost {
            return Err(ConnectorError::io("the reply is lost".into()));
        }
        answer
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(OnWire {
            wire: self.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct OnWire {
    wire: Wire,
    inner: SharedHttpConnector,
}

impl HttpConnector for OnWire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.wire.clone().pass(request, self.inner.clone()))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
