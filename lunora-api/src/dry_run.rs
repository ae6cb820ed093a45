//! `?dry_run=true`: what a change would do, without doing it.

use axum::{
    extract::{FromRequestParts, Request},
    http::{Method, Uri, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use lunora_core::{
    domain::{DestinationId, FaultCode, FaultText, Leg, OutputId, Switch},
    plan::{DetachReason, Refusal, Step},
    service::{Change, Foresight, Gap},
};
use serde::Serialize;

use crate::{
    Api,
    problem::Problem,
    reply::{Iso, Success},
};

/// Whether a request is to do what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Yes.
    Real,
    /// No: it asks what that would do.
    Dry,
}

impl Run {
    /// Reads it off an address.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        let parts = uri.query().unwrap_or_default().split('&');
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        let mut said = pairs.filter(|(name, _)| *name == "dry_run");
        match (said.next(), said.next()) {
            (None, _) | (Some((_, "false")), None) => Ok(Self::Real),
            (Some((_, "true")), None) => Ok(Self::Dry),
            _ => Err(Problem::invalid("`dry_run` has to be true or false")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Run {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

/// Refuses to do what somebody only asks about where that cannot be foreseen.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    match Run::of(request.uri()) {
        Err(problem) => problem.into_response(),
        Ok(Run::Dry) if !is_foreseeable(request.method(), request.uri().path()) => {
            let message = "What this would do cannot be foreseen; without `dry_run`, it is done";
            Problem::invalid(message).into_response()
        }
        Ok(_) => next.run(request).await,
    }
}

fn is_foreseeable(method: &Method, path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/destinations") else {
        return false;
    };
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    match parts[..] {
        [] => method == Method::POST,
        [_] => method == Method::PUT || method == Method::DELETE,
        [_, verb] => method == Method::POST && ["start", "stop", "failover"].contains(&verb),
        _ => false,
    }
}

/// Answers what a change would do.
pub(crate) async fn reply(api: &Api, change: Change<'_>) -> Result<Response, Problem> {
    let foresight = api.parts().destinations.foresee(change).await?;
    Ok(answer(change, &foresight))
}

/// The answer to who asked what a change would do.
pub(crate) fn answer(change: Change<'_>, foresight: &Foresight) -> Response {
    // The id of what there is not yet is nobody's business: the change mints another.
    let hidden = match change {
        Change::Create(id, _) => Some(id),
        _ => None,
    };
    let shown = |id: &OutputId| OutputRef {
        destination_id: Some(id.destination.clone()).filter(|id| hidden != Some(id)),
        leg: id.leg,
    };
    let step = |step: &Step| StepView {
        step: word(step),
        output: shown(step.output()),
        text: text(step),
    };
    let refused = |(id, refusal): (&OutputId, &Refusal)| {
        let (code, _, text) = refusal.as_fault();
        RefusedView {
            output: shown(id),
            code,
            text,
        }
    };
    let body = DryRunBody {
        dry_run: true,
        message: "Nothing was changed; this is what would be",
        changed: &foresight.changed,
        steps: foresight.steps.iter().map(step).collect(),
        refused: foresight.refused.iter().map(refused).collect(),
        untouched: foresight.untouched,
        gap: GapView::from(foresight.gap),
        paused_until: foresight.paused_until.map(Iso),
    };
    Success(body).into_response()
}

#[derive(Serialize)]
struct DryRunBody<'a> {
    dry_run: bool,
    message: &'static str,
    changed: &'a [String],
    steps: Vec<StepView>,
    refused: Vec<RefusedView>,
    untouched: usize,
    gap: GapView,
    paused_until: Option<Iso>,
}

#[derive(Serialize)]
struct OutputRef {
    destination_id: Option<DestinationId>,
    leg: Leg,
}

#[derive(Serialize)]
struct StepView {
    step: &'static str,
    #[serde(flatten)]
    output: OutputRef,
    text: &'static str,
}

#[derive(Serialize)]
struct RefusedView {
    #[serde(flatten)]
    output: OutputRef,
    code: FaultCode,
    text: FaultText,
}

#[derive(Serialize)]
struct GapView {
    kind: &'static str,
    ms: Option<u64>,
    text: &'static str,
}

impl From<Gap> for GapView {
    fn from(gap: Gap) -> Self {
        Self {
            kind: gap.as_str(),
            ms: gap.milliseconds(),
            text: gap.text(),
        }
    }
}

const fn word(step: &Step) -> &'static str {
    match step {
        Step::Detach(..) => "detach",
        Step::SwitchOff(_) => "switch_off",
        Step::Update(..) => "update",
        Step::SwitchOn(_) => "switch_on",
        Step::Attach(_) => "attach",
    }
}

const fn text(step: &Step) -> &'static str {
    match step {
        Step::Detach(_, DetachReason::Unwanted) => "Its push ends, and it is removed.",
        Step::Detach(_, DetachReason::MakesRoom) => "It is off, and is removed to make room.",
        Step::SwitchOff(_) => "Its push ends, and it is kept.",
        Step::Update(_, Switch::On) => "It is told something new in place, and connects anew.",
        Step::Update(_, Switch::Off) => "It is told something new, and stays off.",
        Step::SwitchOn(_) => "It is there, and its push begins.",
        Step::Attach(_) => "It is made, and its push begins.",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use lunora_core::port::{EventLog as _, RepoExt as _};
    use serde_json::{Value, json};

    use crate::world::{World, custom, json_request, keyed};

    async fn trace(world: &World) -> String {
        let core = &world.core;
        let (rows, last) = (core.destinations.list_all().await, core.events.last().await);
        format!(
            "{rows:?} {last:?} {:?} {:?}",
            core.secrets.names(),
            core.on()
        )
    }

    fn steps(json: &Value) -> Vec<&str> {
        let steps = json["steps"].as_array().unwrap().iter();
        steps.map(|it| it["step"].as_str().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_dry_run_answers_the_steps_and_leaves_no_trace() {
        let world = World::new();
        let mut on = custom("one");
        on["start"] = json!(true);
        let path = world.create(on.clone()).await;
        let before = trace(&world).await;
        let mut two = custom("two");
        two["start"] = json!(true);

        let create = world.post("/api/destinations?dry_run=true", two).await;
        let stop = world.act(&format!("{path}/stop?dry_run=true")).await;
        let rekey = json!({"stream_key": "other"});
        let update = world.put(&format!("{path}?dry_run=true"), rekey).await;
        let remove = world
            .call(Method::DELETE, &format!("{path}?dry_run=true"))
            .await;

        for (reply, expected, gap) in [
            (&create, "attach", "begins"),
            (&stop, "switch_off", "ends"),
            (&update, "update", "reconnects"),
            (&remove, "detach", "ends"),
        ] {
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(reply.json["dry_run"], true);
            assert_eq!(steps(&reply.json), [expected]);
            assert_eq!(reply.json["gap"]["kind"], gap);
        }
        assert_eq!(create.json["untouched"], 1);
        assert_eq!(create.json["steps"][0]["destination_id"], json!(null));
        assert_eq!(create.json["gap"]["ms"], 0);
        assert_eq!(update.json["changed"], json!(["stream_key"]));
        assert_eq!(update.json["gap"]["ms"], json!(null));
        assert_eq!(trace(&world).await, before);
    }

    #[tokio::test]
    async fn a_dry_run_refuses_what_the_change_is_refused_for() {
        let world = World::new();
        let mut on = custom("one");
        on["start"] = json!(true);
        let path = world.create(on.clone()).await;

        let twin = world.post("/api/destinations?dry_run=true", on).await;
        let started = world.act(&format!("{path}/start?dry_run=true")).await;
        let backup = json!({"to": "backup"});
        let failover = world
            .post(&format!("{path}/failover?dry_run=true"), backup)
            .await;

        assert_eq!(twin.refusal(), (409, "duplicate"));
        assert_eq!(started.refusal(), (400, "already_streaming"));
        assert_eq!(failover.refusal(), (400, "invalid"));
    }

    #[tokio::test]
    async fn what_cannot_be_foreseen_is_not_done_instead() {
        let world = World::new();
        let mut on = custom("one");
        on["start"] = json!(true);
        let path = world.create(on).await;
        let before = trace(&world).await;

        for path in [
            format!("{path}/retry?dry_run=true"),
            format!("{path}/stop?dry_run=maybe"),
            format!("{path}/stop?dry_run"),
            format!("{path}/stop?dry_run=false&dry_run=true"),
            "/api/reconcile/resume?dry_run=true".to_owned(),
        ] {
            let reply = world.act(&path).await;
            assert_eq!(reply.refusal(), (400, "invalid"), "{path}");
        }
        // A name that nobody knows is refused before, also one that means this.
        let encoded = world.act(&format!("{path}/stop?dry%5Frun=true")).await;
        assert_eq!(encoded.status, 400, "{}", encoded.text);
        assert_eq!(trace(&world).await, before);
        let done = world.act(&format!("{path}/stop?dry_run=false")).await;
        assert_eq!(done.status, 200);
    }

    #[tokio::test]
    async fn rule_2_a_dry_run_claims_no_idempotency_key() {
        let world = World::new();
        let request = |path| keyed(json_request(Method::POST, path, &custom("one")), "k");

        let dry = world.reply(request("/api/destinations?dry_run=true")).await;
        let real = world.reply(request("/api/destinations")).await;

        assert_eq!(dry.json["dry_run"], true);
        assert_eq!(real.json["message"], "Destination created");
        assert_eq!(real.header("idempotency-replayed"), None);
    }
}
