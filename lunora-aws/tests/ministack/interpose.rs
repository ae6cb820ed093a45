//! Sits between a client and ministack.

use std::{fmt, pin::Pin, sync::Arc};

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

/// What comes of a request.
pub(crate) type Answer = Result<HttpResponse, ConnectorError>;

type Pass = dyn Fn(HttpRequest, SharedHttpConnector) -> Pin<Box<dyn Future<Output = Answer> + Send>>
    + Send
    + Sync;

/// What clients are made from whose requests all go through `pass`, with what
/// really sends them.
pub(crate) fn interpose<F: Future<Output = Answer> + Send + 'static>(
    sdk: &SdkConfig,
    pass: impl Fn(HttpRequest, SharedHttpConnector) -> F + Send + Sync + 'static,
) -> SdkConfig {
    let client = Client {
        inner: sdk.http_client().unwrap(),
        pass: Arc::new(move |request, inner| Box::pin(pass(request, inner))),
    };
    sdk.clone().into_builder().http_client(client).build()
}

/// The name of the call that a request is, such as `UpdateItem`.
pub(crate) fn name_of(request: &HttpRequest) -> String {
    let name = request.headers().get("x-amz-target").unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

struct Client {
    inner: SharedHttpClient,
    pass: Arc<Pass>,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            pass: Arc::clone(&self.pass),
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

struct Connector {
    inner: SharedHttpConnector,
    pass: Arc<Pass>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new((self.pass)(request, self.inner.clone()))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
