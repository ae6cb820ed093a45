//! The SDK in front of the simulator, in one process. Each test target of this crate
//! that needs it includes this file.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    process,
    sync::{Mutex, PoisonError},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::{
    client::{
        http::HttpClient,
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use lunora_testkit::aws::{Outcome, Request, Service, Simulator, model};
use serde_json::{Value, json};

/// What clients are made from whose requests `client` carries.
pub(crate) fn sdk_config(client: impl HttpClient + 'static) -> SdkConfig {
    let credentials = Credentials::new("key", "not-a-secret", None, None, "simulator");
    // Not `lunora_aws::sdk_config`, which would look for real credentials.
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(Region::new(lunora_testkit::aws::REGION))
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}

/// Hands a request to the simulator, and its answer back when it is due. `alter` sees
/// the body of the answer.
pub(crate) async fn carry(
    simulator: &Simulator,
    request: &HttpRequest,
    alter: impl FnOnce(&Request, Vec<u8>) -> Vec<u8>,
) -> Result<HttpResponse, ConnectorError> {
    let request = as_seen(request);
    let answer = simulator.answer(&request);
    tokio::time::sleep(answer.after).await;
    let Outcome::Response(response) = answer.outcome else {
        return Err(ConnectorError::io("the connection is gone".into()));
    };
    let status = StatusCode::try_from(response.status).unwrap();
    let body = alter(&request, response.body);
    let mut answer = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in response.headers {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

fn as_seen(request: &HttpRequest) -> Request {
    let (_, rest) = request.uri().split_once("://").unwrap();
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (path, None),
    };
    let body = request.body().bytes().expect("a body in memory").to_vec();
    // A wrong length is what a server hangs up on.
    if let Some(length) = request.headers().get("content-length") {
        assert_eq!(length, body.len().to_string(), "content-length");
    }
    Request {
        method: request.method().to_owned(),
        path: path.to_owned(),
        query,
        body,
    }
}

/// Of every kind of request that an adapter sends: that AWS's model has it, and that
/// nothing a little different would pass. `LUNORA_RECORD` names a folder for them,
/// where `scripts/boto check` reads them with botocore's own eyes.
pub(crate) fn prove(request: &HttpRequest) {
    static PROVED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let request = &as_seen(request);
    let Ok(call) = model::parse(request) else {
        // The simulator notes it, and no test passes with that.
        return;
    };
    let kind = format!("{} {}", call.operation, kind_of(&Value::Object(call.input)));
    let is_new = PROVED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(kind);
    if !is_new {
        return;
    }
    for (what, mutation) in model::mutations(request) {
        let passes = model::parse(&mutation).is_ok();
        assert!(!passes, "{} with {what} passes for valid", call.operation);
    }
    if let Some(folder) = env::var_os("LUNORA_RECORD") {
        record(&PathBuf::from(folder), call.service, request);
    }
}

/// Which members there are, and of what type.
fn kind_of(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, it)| format!("{name}:{}", kind_of(it)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let kinds: BTreeSet<String> = items.iter().map(kind_of).collect();
            format!("[{}]", kinds.into_iter().collect::<Vec<_>>().join(","))
        }
        Value::String(_) => "s".to_owned(),
        Value::Number(_) => "n".to_owned(),
        Value::Bool(_) => "b".to_owned(),
        Value::Null => "0".to_owned(),
    }
}

fn record(folder: &PathBuf, service: Service, request: &Request) {
    let service = match service {
        Service::MediaConnect => "mediaconnect",
        Service::MediaLive => "medialive",
    };
    let line = json!({
        "service": service,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": String::from_utf8(request.body.clone()).unwrap(),
    });
    fs::create_dir_all(folder).unwrap();
    let file = folder.join(format!("{}.jsonl", process::id()));
    let file = OpenOptions::new().create(true).append(true).open(file);
    // In one write: a formatted one is many, and other threads write between them.
    file.unwrap()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}
