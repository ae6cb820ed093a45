use std::{sync::PoisonError, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, ETAG},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::SignedDuration;
use lunora_core::{
    domain::{DestinationId, Digest, SourceId},
    port::{Answer, Claim, IdempotencyKey},
};
use serde_json::Value;

use crate::{Api, body, destinations::view, dry_run::Run, problem::Problem};

/// Which try of a request that has an idempotency key this is.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The id of what the request creates, the same at every try.
    pub(crate) destination: DestinationId,
    /// An earlier try may have taken effect; its answer never came about.
    is_repeated: bool,
}

impl Attempt {
    /// The same id as one of a source.
    pub(crate) fn source(&self) -> Option<SourceId> {
        let (_, rest) = self.destination.as_str().split_once('_')?;
        format!("src_{rest}").parse().ok()
    }
}

pub(crate) fn is_repeated(attempt: Option<Extension<Attempt>>) -> bool {
    attempt.is_some_and(|Extension(attempt)| attempt.is_repeated)
}

/// How long a key stands for its request.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Gives a POST that is sent again under its `Idempotency-Key` the answer that
/// it got the first time (rule 2).
pub(crate) async fn answer_once(State(api): State<Api>, request: Request, next: Next) -> Response {
    let key = request.headers().get(KEY).cloned();
    // Who only asks what would be done may do it under that key later.
    let is_dry = matches!(Run::of(request.uri()), Ok(Run::Dry));
    let Some(key) = key.filter(|_| request.method() == Method::POST && !is_dry) else {
        return next.run(request).await;
    };
    let answer = claimed(&api, &key, request, next).await;
    answer.unwrap_or_else(Problem::into_response)
}

async fn claimed(
    api: &Api,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key: Option<IdempotencyKey> = key.to_str().ok().and_then(|key| key.parse().ok());
    let key = key.ok_or_else(|| {
        let message = "`Idempotency-Key` has to have 1 to 128 printable ASCII characters and no \
                       space";
        Problem::invalid(message)
    })?;
    let _turn = Turn::take(api, &key)?;
    let (request, digest) = hashed(api, request).await?;
    let control = &api.parts().ports.control;
    let now = api.now();
    if let Ok(oldest) = now.checked_sub(KEPT_FOR) {
        control.forget_claims_before(oldest).await?;
    }

    let new = Claim {
        request: digest,
        destination: api.parts().destinations.mint_id(),
        at: now,
        answer: None,
    };
    let claim = control.claim(&key, &new).await?;
    if claim.request != digest {
        let message = "This `Idempotency-Key` was used for another request; use a new one for \
                       every new request";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "idempotency_key_reused", message));
    }
    if let Some(answer) = claim.answer {
        return Ok(replayed(answer));
    }

    let attempt = Attempt {
        is_repeated: claim != new,
        destination: claim.destination,
    };
    let mut request = request;
    request.extensions_mut().insert(attempt);
    let response = next.run(request).await;
    let status = response.status();
    if status.is_server_error() || status == StatusCode::CONFLICT {
        // It is not known what took effect, or it may be otherwise in a moment:
        // the next try finds out.
        return Ok(response);
    }
    settled(api, &key, response).await
}

/// Reads a request whole, and hashes what it asks for.
async fn hashed(api: &Api, request: Request) -> Result<(Request, Digest), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(Request::from_parts(parts.clone(), body)).await?;
    let path = parts.uri.path().as_bytes();
    let said: [&[u8]; 3] = [b"request", path, &bytes];
    let digest = api.parts().hash_key.digest(said);
    Ok((Request::from_parts(parts, Body::from(bytes)), digest))
}

async fn settled(api: &Api, key: &IdempotencyKey, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await;
    let bytes: Bytes = bytes.map_err(|_| Problem::internal())?;
    let answer = Answer {
        status: parts.status.as_u16(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    if let Err(error) = api.parts().ports.control.settle(key, &answer).await {
        // What was asked for is done, and its next try finds it so.
        tracing::warn!(%error, "an answer is not kept for its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replayed(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or_default();
    let tag = tag_of(&answer).filter(|_| status.is_success());
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (REPLAYED, HeaderValue::from_static("true")),
    ];
    let mut response = (status, headers, answer.body).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The `ETag` of an answer about one destination or source, which is in its body as well.
fn tag_of(answer: &Answer) -> Option<HeaderValue> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    let generation = body.pointer("/destination/generation");
    let generation = generation.or_else(|| body.pointer("/source/generation"));
    let generation = generation.or_else(|| body.get("generation"))?;
    Some(view::tag(generation.as_u64()?))
}

/// The right to work on the request of a key, one at a time.
struct Turn<'a> {
    api: &'a Api,
    key: IdempotencyKey,
}

impl<'a> Turn<'a> {
    fn take(api: &'a Api, key: &IdempotencyKey) -> Result<Self, Problem> {
        let in_flight = api.claims_in_flight().lock();
        let mut in_flight = in_flight.unwrap_or_else(PoisonError::into_inner);
        if in_flight.insert(key.clone()) {
            let key = key.clone();
            return Ok(Self { api, key });
        }
        let message = "The request of this `Idempotency-Key` is still being worked on; ask again \
                       for its answer";
        Err(Problem::new(StatusCode::CONFLICT, "in_progress", message)
            .with_retry_after(Duration::from_secs(1)))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let in_flight = self.api.claims_in_flight().lock();
        let mut in_flight = in_flight.unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use lunora_core::port::RepoExt as _;
    use lunora_testkit::{
        fault::FaultPlan,
        sweep::{Run, sweep, sweep_crashes},
    };
    use serde_json::json;

    use crate::world::{Reply, World, custom, json_request, keyed, request};

    fn create(name: &str, key: &str) -> Request<Body> {
        let body = custom(name);
        keyed(json_request(Method::POST, "/api/destinations", &body), key)
    }

    fn act(path: &str, key: &str) -> Request<Body> {
        keyed(request(Method::POST, path, Body::empty()), key)
    }

    async fn rows(world: &World) -> usize {
        world.core.destinations.list_all().await.unwrap().len()
    }

    #[tokio::test]
    async fn rule_2_the_same_idempotency_key_replays_the_first_answer() {
        let world = World::new();
        let first = world.reply(create("one", "k")).await;
        let id = first.json["destination"]["destination_id"].as_str();
        let path = format!("/api/destinations/{}", id.unwrap());
        let started = world.reply(act(&format!("{path}/start"), "s")).await;
        world.act(&format!("{path}/stop")).await;

        let second = world.reply(create("one", "k")).await;
        let restarted = world.reply(act(&format!("{path}/start"), "s")).await;

        assert_eq!(second.status, 200);
        assert_eq!(second.text, first.text);
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        assert_eq!(second.header("etag"), first.header("etag"));
        assert_eq!(restarted.header("etag"), started.header("etag"));
        assert!(restarted.header("etag").is_some());
        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(rows(&world).await, 1);
        assert_eq!(restarted.text, started.text);
        // It is the answer that is repeated, not the start.
        assert_eq!(world.on_air(), 0);
    }

    #[tokio::test]
    async fn rule_2_a_refusal_is_replayed_as_well() {
        let world = World::new();
        let path = world.create(custom("one")).await;

        let refused = world.reply(act(&format!("{path}/stop"), "k")).await;
        world.act(&format!("{path}/start")).await;
        let again = world.reply(act(&format!("{path}/stop"), "k")).await;

        assert_eq!(refused.refusal(), (400, "not_streaming"));
        assert_eq!(again.refusal(), (400, "not_streaming"));
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn rule_2_a_conflict_is_no_answer_for_good() {
        let world = World::new();
        let one = world.create(custom("one")).await;
        let other = world.create(custom("other")).await;
        let same = json!({"stream_key": "key-of-one"});
        world.put(&other, same).await;
        world.act(&format!("{one}/start")).await;

        let refused = world.reply(act(&format!("{other}/start"), "k")).await;
        world.act(&format!("{one}/stop")).await;
        let again = world.reply(act(&format!("{other}/start"), "k")).await;
        let replayed = world.reply(act(&format!("{other}/start"), "k")).await;

        assert_eq!(refused.refusal(), (409, "duplicate"));
        assert_eq!(again.status, 200, "{}", again.text);
        assert_eq!(again.header("idempotency-replayed"), None);
        assert_eq!(replayed.text, again.text);
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn rule_2_a_key_that_was_used_for_another_request_is_refused() {
        let world = World::new();
        let path = world.create(custom("zero")).await;
        world.reply(create("one", "k")).await;

        let other_body = world.reply(create("two", "k")).await;
        let other_path = world.reply(act(&format!("{path}/start"), "k")).await;

        assert_eq!(other_body.refusal(), (422, "idempotency_key_reused"));
        assert_eq!(other_path.refusal(), (422, "idempotency_key_reused"));
        assert_eq!(rows(&world).await, 2);
        assert_eq!(world.on_air(), 0);
    }

    #[tokio::test]
    async fn rule_2_a_key_is_forgotten_after_a_day() {
        let world = World::new();
        world.reply(create("one", "k")).await;

        world.core.clock.advance(Duration::from_secs(24 * 3600));
        let at_a_day = world.reply(create("one", "k")).await;
        world.core.clock.advance(Duration::from_secs(1));
        let after = world.reply(create("one", "k")).await;

        assert_eq!(at_a_day.header("idempotency-replayed"), Some("true"));
        assert_eq!(after.header("idempotency-replayed"), None);
        assert_eq!(rows(&world).await, 2);
    }

    #[tokio::test]
    async fn what_can_be_no_key_is_refused() {
        let world = World::new();
        for key in ["", "a b", &"x".repeat(129)] {
            let reply = world.reply(create("one", key)).await;
            assert_eq!(reply.refusal(), (400, "invalid"), "{key:?}");
        }
        assert_eq!(rows(&world).await, 0);
    }

    #[tokio::test]
    async fn of_two_requests_at_once_under_a_key_one_is_worked_on() {
        let plan = FaultPlan::none();
        let world = World::under(&plan);
        plan.interleave(3);

        let (one, other) = tokio::join!(
            world.reply(create("one", "k")),
            world.reply(create("one", "k")),
        );
        let later = world.reply(create("one", "k")).await;

        assert_eq!(one.status, 200);
        assert_eq!(other.refusal(), (409, "in_progress"));
        assert_eq!(other.header("retry-after"), Some("1"));
        assert_eq!(later.text, one.text);
        assert_eq!(rows(&world).await, 1);
    }

    fn succeeded(reply: &Reply) -> Result<(), String> {
        match reply.status.as_u16() {
            200 => Ok(()),
            _ => Err(reply.text.clone()),
        }
    }

    #[tokio::test]
    async fn rule_2_a_create_under_a_key_makes_one_destination_whatever_is_lost() {
        let world = async |plan| World::under(&plan);
        let scenario = async |world: &World| {
            let mut body = custom("one");
            body["start"] = json!(true);
            let create = json_request(Method::POST, "/api/destinations", &body);
            succeeded(&world.reply(keyed(create, "k")).await)
        };
        let check = async |world: &World, run: Run| {
            assert!(rows(world).await <= 1, "{run}, it is doubled");
            if run.succeeded {
                assert_eq!(rows(world).await, 1, "{run}, it is lost");
            }
        };

        sweep(&world, &scenario, &check).await;
        sweep_crashes(&world, &scenario, &check).await;
    }

    #[tokio::test]
    async fn rule_2_a_start_or_stop_under_a_key_is_no_error_when_its_first_answer_was_lost() {
        for verb in ["start", "stop"] {
            let world = async |plan| {
                let world = World::under(&plan);
                let mut body = custom("one");
                body["start"] = json!(verb == "stop");
                world.create(body).await;
                world
            };
            let path = format!("/api/destinations/dest_1767323045000_100000000/{verb}");
            let scenario = async |world: &World| succeeded(&world.reply(act(&path, "k")).await);
            let check = async |world: &World, run: Run| {
                if run.succeeded {
                    world.core.pass().await;
                    assert_eq!(world.on_air() == 1, verb == "start", "{run}");
                }
            };

            sweep(&world, &scenario, &check).await;
            sweep_crashes(&world, &scenario, &check).await;
        }
    }
}
