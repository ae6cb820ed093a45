use axum::{extract::State, response::Response};
use lunora_core::{
    domain::{Advice, BackupMode, DestinationId, Flip, Label, Leg, SwitchCause},
    service::{Explanation, LegView, NextStep},
};
use serde::Serialize;

use super::{
    path::Id,
    view::{self, FaultView, StateView},
};
use crate::{
    Api,
    problem::Problem,
    reply::{Iso, Success},
};

/// Why a destination is as it is, and what anybody can do about it.
#[derive(Serialize)]
struct WhyBody<'a> {
    destination_id: &'a DestinationId,
    state: StateView<'a>,
    advice: Option<AdviceView>,
    failover: FailoverView<'a>,
}

/// What a fault means for people.
#[derive(Serialize)]
pub(super) struct AdviceView {
    happened: &'static str,
    by_itself: &'static str,
    to_do: &'static str,
}

#[derive(Serialize)]
struct FailoverView<'a> {
    enabled: bool,
    backup_mode: BackupMode,
    active: Leg,
    pinned: Option<Leg>,
    last_flip: Option<FlipView<'a>>,
    next: NextView,
    legs: Vec<LegBody<'a>>,
}

#[derive(Serialize)]
struct FlipView<'a> {
    at: Iso,
    to: Leg,
    cause: SwitchCause,
    reason: &'a Label,
}

#[derive(Serialize)]
struct NextView {
    step: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Leg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Iso>,
    text: String,
}

#[derive(Serialize)]
struct LegBody<'a> {
    leg: Leg,
    is_pushed: bool,
    condition: &'static str,
    missing: Option<&'static str>,
    fault: Option<FaultView<'a>>,
}

pub(crate) async fn why(State(api): State<Api>, Id(id): Id) -> Result<Response, Problem> {
    let explanation = api.parts().failover.explain(&id).await?;
    let row = &explanation.entry.destination.value;
    let body = WhyBody {
        destination_id: &row.id,
        state: StateView::from(&explanation.entry.status),
        advice: explanation.advice.map(AdviceView::from),
        failover: FailoverView::from(&explanation),
    };
    Ok(view::tagged(Success(body), &explanation.entry))
}

impl From<Advice> for AdviceView {
    fn from(advice: Advice) -> Self {
        Self {
            happened: advice.happened,
            by_itself: advice.by_itself,
            to_do: advice.to_do,
        }
    }
}

impl<'a> From<&'a Explanation> for FailoverView<'a> {
    fn from(explanation: &'a Explanation) -> Self {
        let row = &explanation.entry.destination.value;
        Self {
            enabled: row.failover_enabled,
            backup_mode: row.backup_mode,
            active: row.active_leg,
            pinned: explanation.pinned,
            last_flip: explanation.last_flip.as_ref().map(FlipView::from),
            next: NextView::from(explanation.next),
            legs: explanation.legs.iter().map(LegBody::from).collect(),
        }
    }
}

impl<'a> From<&'a Flip> for FlipView<'a> {
    fn from(flip: &'a Flip) -> Self {
        Self {
            at: Iso(flip.at),
            to: flip.to,
            cause: flip.cause,
            reason: &flip.reason,
        }
    }
}

impl From<NextStep> for NextView {
    fn from(next: NextStep) -> Self {
        let (step, to, at) = match next {
            NextStep::NotAutomatic => ("not_automatic", None, None),
            NextStep::Settled => ("settled", None, None),
            NextStep::Pinned => ("pinned", None, None),
            NextStep::WaitsForPerson => ("waits_for_person", None, None),
            NextStep::NoOther => ("no_other", None, None),
            NextStep::TakesOver { to, at, .. } => ("takes_over", Some(to), Some(Iso(at))),
            NextStep::GoesBack { to, at } => ("goes_back", Some(to), Some(Iso(at))),
        };
        let text = next.text();
        Self { step, to, at, text }
    }
}

impl<'a> From<&'a LegView> for LegBody<'a> {
    fn from(leg: &'a LegView) -> Self {
        Self {
            leg: leg.leg,
            is_pushed: leg.is_pushed,
            condition: leg.condition,
            missing: leg.missing,
            fault: leg.fault.as_ref().map(FaultView::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::{
        domain::{Fault, FaultClass, FaultCode, OutputHealth, OutputState},
        port::Clock as _,
    };
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn why_says_what_happened_what_goes_on_by_itself_and_what_to_do() {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        body["failover_enabled"] = json!(true);
        body["backup_rtmp_url"] = json!("rtmp://127.0.0.1:9/backup");
        body["backup_stream_key"] = json!("backup-key");
        let path = world.create(body).await;
        let now = world.core.clock.now();
        let mut health = OutputHealth::new(OutputState::Reconnecting, now);
        let (code, class) = (FaultCode::Refused, FaultClass::Transient);
        health.fault = Some(Fault::new(code, class, "nobody listens there", now));
        world.core.router.set_health(&world.core.on()[0], health);

        let reply = world.get(&format!("{path}/why")).await;

        assert_eq!(reply.status, 200);
        assert_eq!(reply.json["state"]["fault"]["code"], "refused");
        for part in ["happened", "by_itself", "to_do"] {
            assert!(reply.json["advice"][part].is_string(), "{}", reply.text);
        }
        let failover = &reply.json["failover"];
        assert_eq!(failover["active"], "primary");
        assert_eq!(failover["legs"][0]["condition"], "bad");
        assert_eq!(failover["legs"][1]["condition"], "unknown");
        assert_eq!(failover["next"]["step"], "takes_over");
        assert_eq!(failover["next"]["to"], "backup");
        assert_eq!(failover["next"]["at"], "2026-01-02T03:04:20.000Z");
    }

    #[tokio::test]
    async fn what_is_well_needs_no_advice() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        let reply = world.get(&format!("{path}/why")).await;
        assert_eq!(reply.json["advice"], json!(null));
        assert_eq!(reply.json["failover"]["next"]["step"], "not_automatic");
        let unknown = world.get("/api/destinations/dest-1/why").await;
        assert_eq!(unknown.refusal(), (404, "not_found"));
    }
}
