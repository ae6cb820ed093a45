//! A key that is planted wherever one can go, and must come out nowhere (rule 21).

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    http::{Method, Request, header::CONTENT_TYPE},
};
use futures_util::{FutureExt as _, StreamExt as _};
use lunora_core::{ExposeSecret as _, domain::IngestWay};
use lunora_testkit::{
    fault::{Fault, FaultPlan},
    sample::CANARY,
};
use serde_json::{Value, json};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::{
    destinations::body::DestinationBody,
    sources::body::SourceBody,
    world::{World, json_request, keyed, request},
};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn post(body: &Value) -> Request<Body> {
    json_request(Method::POST, "/api/destinations", body)
}

fn raw(kind: &str, body: String) -> Request<Body> {
    let mut request = request(Method::POST, "/api/destinations", Body::from(body));
    let kind = kind.parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request
}

/// Destinations that hold the key in every place that takes one.
fn accepted() -> Vec<Value> {
    let one = |field: &str, value: String| {
        let mut body = json!({"name": field, "platform": "custom", "start": true});
        body[field] = json!(value);
        body
    };
    let mut with_key = one("stream_key", CANARY.to_owned());
    with_key["rtmp_url"] = json!("rtmp://127.0.0.1:9/key");
    let mut with_query = one(
        "rtmp_url",
        format!("rtmp://127.0.0.1:9/query?token={CANARY}"),
    );
    with_query["stream_key"] = json!("k");
    let mut with_backup = one("backup_stream_key", CANARY.to_owned());
    with_backup["rtmp_url"] = json!("rtmp://127.0.0.1:9/both/k");
    with_backup["backup_rtmp_url"] = json!(format!("rtmp://127.0.0.1:9/both/{CANARY}"));
    vec![
        with_key,
        with_query,
        with_backup,
        one("rtmp_url", format!("rtmp://127.0.0.1:9/path/{CANARY}")),
        one("rtmp_url", format!("rtmp://127.0.0.1:9/tail/{CANARY}/k")),
        one(
            "rtmp_url",
            format!("rtmp://127.0.0.1:9/both/k?auth={CANARY}"),
        ),
        one(
            "rtmp_url",
            format!("srt://127.0.0.1:9000?streamid={CANARY}&passphrase={CANARY}"),
        ),
    ]
}

/// Requests that hold the key where none belongs.
fn refused() -> Vec<Request<Body>> {
    let url = |url: String| post(&json!({"name": "n", "platform": "custom", "rtmp_url": url}));
    let pasted = |field: &str| post(&json!({"name": "n", "platform": "custom", field: [CANARY]}));
    let get = |path: String| request(Method::GET, &path, Body::empty());
    vec![
        url(format!("rtmp://user:{CANARY}@127.0.0.1/app")),
        url(format!("rtmp://{CANARY}@127.0.0.1/app")),
        url(format!("srt://127.0.0.1:9000?secret={CANARY}")),
        url(format!("rtmp://127.0.0.1:{CANARY}/app")),
        url(format!("rtmp://127.0.0.1/app/{CANARY} {CANARY}")),
        pasted("stream_key"),
        pasted("rtmp_url"),
        pasted("enabled"),
        post(&json!({"name": "n", "platform": format!("!{CANARY}")})),
        post(&json!({"name": "n", "platform": "custom", "preset_id": format!("/{CANARY}")})),
        post(&json!({"name": "n", "platform": "custom", "stream_key": CANARY})),
        raw("application/json", format!("{{\"stream_key\": \"{CANARY}")),
        raw("application/json", format!("[\"{CANARY}\"]")),
        raw("application/json", CANARY.to_owned()),
        raw("text/plain", CANARY.to_owned()),
        get(format!("/api/destinations?stream_key={CANARY}")),
        get(format!("/api/destinations?limit={CANARY}")),
        get(format!("/api/destinations?after=/{CANARY}")),
        get(format!("/api/events?after={CANARY}")),
        get(format!("/api/destinations/{CANARY}")),
        get(format!("/api/nothing?here={CANARY}")),
        keyed(
            request(Method::POST, "/api/reconcile/resume", Body::empty()),
            &format!("{CANARY} x"),
        ),
    ]
}

/// Sources that hold the secret in every place that takes one.
fn accepted_sources() -> Vec<Value> {
    let passphrase = CANARY;
    vec![
        json!({"name": "rtmp", "protocol": "RTMP", "stream_id": CANARY}),
        json!({
            "name": "srt", "protocol": "SRT", "stream_id": CANARY, "passphrase": passphrase,
            "encryption_type": "AES-256",
        }),
        json!({
            "name": "url", "protocol": "SRT",
            "connection_url":
                format!("srt://127.0.0.1:9?streamid={CANARY}x&passphrase={passphrase}"),
        }),
        json!({
            "name": "pull", "protocol": "RTMP",
            "connection_url": format!("rtmp://user:{CANARY}@127.0.0.1/app/{CANARY}"),
        }),
        json!({"name": "ndi", "protocol": "NDI", "connection_url": CANARY}),
    ]
}

/// Bodies that hold the secret where none belongs.
fn refused_sources() -> Vec<Value> {
    let one = |field: &str, value: Value| {
        let mut body = json!({"name": "n", "protocol": "SRT"});
        body[field] = value;
        body
    };
    let url = |url: String| one("connection_url", json!(url));
    vec![
        url(format!("srt://user:{CANARY}@127.0.0.1:9")),
        url(format!("srt://127.0.0.1:{CANARY}")),
        url(format!("srt://127.0.0.1:9/{CANARY}")),
        url(format!("srt://127.0.0.1:9?secret={CANARY}")),
        url(format!(
            "srt://127.0.0.1:9?streamid={CANARY}&streamid={CANARY}"
        )),
        url(format!("http://127.0.0.1/{CANARY}")),
        one("protocol", json!(CANARY)),
        one("host_ip", json!(format!("{CANARY} x"))),
        one("port", json!(CANARY)),
        one("stream_id", json!([CANARY])),
        one("stream_id", json!(format!("{CANARY} x"))),
        one("passphrase", json!(CANARY.repeat(5))),
        one("encryption_type", json!(CANARY)),
        one("input_class", json!(CANARY)),
    ]
}

/// Every call on sources, with the secret in all of them; what was answered.
async fn called_on_sources(world: &World) -> Vec<String> {
    let mut seen = Vec::new();
    for body in accepted_sources() {
        let created = world.post("/api/sources", body.clone()).await;
        assert_eq!(created.status, 200, "{}", created.text);
        let id = created.json["source"]["source_id"].as_str();
        let path = format!("/api/sources/{}", id.unwrap());
        seen.push(world.post("/api/sources", body.clone()).await.text);
        seen.push(world.put(&path, body).await.text);
        seen.push(world.get(&path).await.text);
        seen.push(world.act(&format!("{path}/test")).await.text);
        for method in [Method::PUT, Method::DELETE] {
            seen.push(world.call(method, &format!("{path}/activate")).await.text);
        }
        seen.push(created.text);
    }
    for body in refused_sources() {
        let reply = world.post("/api/sources", body).await;
        assert!(reply.status.is_client_error(), "{}", reply.text);
        seen.push(reply.text);
    }
    world.sources.tick().await;
    for path in ["/api/sources", "/api/sources/health"] {
        seen.push(world.get(path).await.text);
    }
    let specs = world.sources.ingests.specs();
    let planted = specs.iter().filter(|spec| match &spec.way {
        IngestWay::Listen { stream_name } | IngestWay::Call { stream_name, .. } => {
            let name = stream_name.as_ref().map_or("", |it| it.expose_secret());
            name.contains(CANARY)
        }
    });
    // All but those that the engine here does not take; and the one that is called twice,
    // because two of it can be told apart.
    assert_eq!(planted.count(), 4);
    seen.push(format!("{specs:?}"));
    let body: SourceBody = serde_json::from_value(accepted_sources()[2].clone()).unwrap();
    seen.push(format!("{body:?} {:?}", body.new_source()));
    seen
}

#[tokio::test]
async fn rule_21_a_planted_key_reaches_the_wire_and_nothing_else() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: a scoped one is not asked about what another test, on a
    // thread without one, logs first. What the others log is searched as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let plan = FaultPlan::none();
    let world = World::under(&plan);
    let follower = request(Method::GET, "/api/events", Body::empty());
    let follower = world.send(follower).await.into_body();
    let mut follower = follower.into_data_stream();
    let mut seen = Vec::new();

    for (n, body) in accepted().into_iter().enumerate() {
        let key = format!("key-{n}");
        let dry = json_request(Method::POST, "/api/destinations?dry_run=true", &body);
        seen.push(world.reply(dry).await.text);
        let first = world.reply(keyed(post(&body), &key)).await;
        let replayed = world.reply(keyed(post(&body), &key)).await;
        let mut other = body.clone();
        other["name"] = json!("other");
        let reused = world.reply(keyed(post(&other), &key)).await;
        let duplicate = world.reply(post(&body)).await;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_eq!(replayed.text, first.text);
        assert_eq!(reused.status, 422);
        assert_eq!(duplicate.status, 409, "{}", duplicate.text);

        let id = first.json["destination"]["destination_id"].as_str();
        let path = format!("/api/destinations/{}", id.unwrap());
        seen.push(world.get(&path).await.text);
        seen.push(world.get(&format!("{path}/why")).await.text);
        let dry = format!("{path}?dry_run=true");
        seen.push(world.put(&dry, body.clone()).await.text);
        seen.push(world.put(&path, body).await.text);
        for verb in ["stop", "start", "retry", "test"] {
            seen.push(world.act(&format!("{path}/{verb}")).await.text);
        }
        seen.extend([first.text, reused.text, duplicate.text]);
    }
    let planted = world.core.router.specs().into_iter().filter(|spec| {
        let target = &spec.target;
        let app = target.app();
        let key = target.stream_name().unwrap();
        [app.expose_secret(), key.expose_secret()]
            .iter()
            .any(|text| text.contains(CANARY))
    });
    // All but the backup, which is pushed to when the primary fails, and SRT, which
    // the router here does not take.
    assert_eq!(planted.count(), 5);

    for request in refused() {
        let what = format!("{} {}", request.method(), request.uri());
        let reply = world.reply(request).await;
        assert!(reply.status.is_client_error(), "{what}: {}", reply.text);
        seen.push(reply.text);
    }
    seen.extend(called_on_sources(&world).await);
    for fault in [Fault::Before, Fault::After] {
        for call in 0..12 {
            plan.forget_calls();
            plan.fail_at(call, fault);
            let body = &accepted_sources()[1];
            seen.push(world.post("/api/sources", body.clone()).await.text);
            plan.clear();
        }
        for call in 0..30 {
            plan.forget_calls();
            plan.fail_at(call, fault);
            seen.push(world.reply(post(&accepted()[0])).await.text);
            plan.clear();
        }
    }
    for path in [
        "/api/destinations",
        "/api/streaming/status",
        "/api/reconcile",
    ] {
        seen.push(world.get(path).await.text);
    }
    while let Some(Some(told)) = follower.next().now_or_never() {
        seen.push(String::from_utf8(told.unwrap().into()).unwrap());
    }
    seen.push(format!("{:?}", world.api));
    let body: DestinationBody = serde_json::from_value(accepted()[2].clone()).unwrap();
    seen.push(format!("{body:?} {:?}", body.new_destination()));

    assert!(seen.iter().any(|text| text.starts_with("event: change")));
    for text in seen {
        assert!(!text.contains(CANARY), "{text}");
    }
    let log = log.text();
    assert!(log.contains("answered") && log.contains("a request failed"));
    assert!(!log.contains(CANARY), "{log}");
}
