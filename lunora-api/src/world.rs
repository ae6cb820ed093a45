//! The API over adapters in memory, as its tests call it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use lunora_core::{domain::ProgramKind, plan::failover::Limits, service::Failover};
use lunora_testkit::{
    clock::Sequence, fault::FaultPlan, memory::MemoryDestinationProbe, sample,
    source_world::SourceWorld, world,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Access, Api, ApiParts, Program, ProgramMonitor, Service};

pub(crate) struct World {
    /// What the API works over.
    pub(crate) core: world::World,
    /// What comes in.
    pub(crate) sources: SourceWorld,
    /// What destinations are tested with.
    pub(crate) probe: MemoryDestinationProbe,
    pub(crate) api: Api,
    router: Router,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status code and `code`.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let code = self.json["code"].as_str().unwrap_or("none");
        (self.status.as_u16(), code)
    }
}

#[derive(Debug)]
struct TestStream;

impl ProgramMonitor for TestStream {
    fn program(&self) -> Program {
        Program {
            kind: ProgramKind::TestStream,
            since: sample::time(),
            bitrate_bps: Some(1_500_000),
            video_codec: Some("h264".into()),
            audio_codec: None,
            media: None,
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::under(&FaultPlan::none())
    }

    /// A world in which the calls fail that the plan names.
    pub(crate) fn under(plan: &FaultPlan) -> Self {
        Self::made_of(plan, |_| ())
    }

    /// A deployment that takes no sources in, and tests no destinations.
    pub(crate) fn without_sources() -> Self {
        Self::made_of(&FaultPlan::none(), |parts| {
            parts.sources = None;
            parts.destination_probe = None;
        })
    }

    fn made_of(plan: &FaultPlan, change: impl FnOnce(&mut ApiParts)) -> Self {
        let core = world::World::new(plan);
        let sources = SourceWorld::beside(&core, plan);
        let probe = MemoryDestinationProbe::default();
        let mut parts = ApiParts {
            destinations: core.service.clone(),
            reconciler: Arc::clone(&core.reconciler),
            failover: Arc::new(Failover::new(
                Arc::clone(&core.reconciler),
                Limits::default(),
            )),
            ports: core.ports.clone(),
            hash_key: sample::hash_key(),
            ids: Arc::new(Sequence::default()),
            program: Arc::new(TestStream),
            service: Service {
                name: "lunora-test".into(),
                version: "1.2.3".into(),
            },
            access: Access::Loopback,
            sources: Some(sources.service.clone()),
            destination_probe: Some(Arc::new(probe.clone())),
        };
        change(&mut parts);
        let api = Api::new(parts);
        let router = api.clone().into_router();
        Self {
            core,
            sources,
            probe,
            api,
            router,
        }
    }

    /// Sends a request as it is, but for the host that every one needs.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Response {
        let headers = request.headers_mut();
        if !headers.contains_key("host") {
            headers.insert("host", "127.0.0.1:8080".parse().unwrap());
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn reply(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.send(request).await.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.into()).unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str) -> Reply {
        self.reply(request(method, path, Body::empty())).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).await
    }

    /// Posts nothing.
    pub(crate) async fn act(&self, path: &str) -> Reply {
        self.call(Method::POST, path).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.reply(json_request(Method::POST, path, &body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.reply(json_request(Method::PUT, path, &body)).await
    }

    /// How many outputs are switched on.
    pub(crate) fn on_air(&self) -> usize {
        self.core.on().len()
    }

    /// Creates a destination, and returns the path of it.
    pub(crate) async fn create(&self, body: Value) -> String {
        let reply = self.post("/api/destinations", body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let id = reply.json["destination"]["destination_id"].as_str();
        format!("/api/destinations/{}", id.unwrap())
    }

    /// Creates a source, and returns the path of it.
    pub(crate) async fn create_source(&self, body: Value) -> String {
        let reply = self.post("/api/sources", body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let id = reply.json["source"]["source_id"].as_str();
        format!("/api/sources/{}", id.unwrap())
    }
}

/// A source whose encoder publishes to us by RTMP.
pub(crate) fn encoder(name: &str) -> Value {
    json!({"name": name, "protocol": "RTMP", "stream_id": format!("name-of-{name}")})
}

/// A destination with everything that it needs to run.
pub(crate) fn custom(name: &str) -> Value {
    json!({
        "name": name, "platform": "custom",
        "rtmp_url": "rtmp://127.0.0.1:9/live", "stream_key": format!("key-of-{name}"),
    })
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(body).unwrap()
}

pub(crate) fn json_request(method: Method, path: &str, body: &Value) -> Request<Body> {
    let mut request = request(method, path, Body::from(body.to_string()));
    let kind = "application/json".parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request
}

/// The same request under an idempotency key.
pub(crate) fn keyed(mut request: Request<Body>, key: &str) -> Request<Body> {
    let key = key.parse().unwrap();
    request.headers_mut().insert("idempotency-key", key);
    request
}
