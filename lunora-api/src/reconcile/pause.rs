use axum::{extract::State, response::IntoResponse};
use jiff::SignedDuration;
use serde::Deserialize;

use super::show;
use crate::{
    Api,
    body::{Field, JsonObject},
    problem::Problem,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PauseBody {
    minutes: Field,
}

/// The longest pause: nobody forgets one for more than a day.
const MINUTES_MAX: i64 = 24 * 60;

impl PauseBody {
    fn length(&self) -> Result<SignedDuration, Problem> {
        let minutes = self.minutes.number().and_then(|it| i64::try_from(it).ok());
        let minutes = minutes.filter(|minutes| (1..=MINUTES_MAX).contains(minutes));
        minutes.map(SignedDuration::from_mins).ok_or_else(|| {
            let message = format!("`minutes` has to be a whole number from 1 to {MINUTES_MAX}");
            Problem::invalid(message)
        })
    }
}

pub(crate) async fn pause(
    State(api): State<Api>,
    JsonObject(body): JsonObject<PauseBody>,
) -> Result<impl IntoResponse, Problem> {
    let until = api.now().checked_add(body.length()?);
    let until = until.map_err(|_| Problem::internal())?;
    api.parts().reconciler.pause(until).await?;
    let message = "No output is changed until the pause is over, or resumed";
    show::reply(&api, Some(message)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lunora_core::domain::EventKind;
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn rule_15_a_pause_keeps_outputs_as_they_are_until_it_is_over() {
        let world = World::new();
        let path = world.create(custom("one")).await;

        let reply = world
            .post("/api/reconcile/pause", json!({"minutes": 5}))
            .await;
        world.act(&format!("{path}/start")).await;

        let expected = json!({
            "paused": true, "paused_until": "2026-01-02T03:09:05.000Z", "held": 0,
        });
        assert_eq!(reply.json["reconcile"], expected);
        assert_eq!(world.on_air(), 0);
        let events = world.core.events.events();
        let is_pause = |kind: &EventKind| matches!(kind, EventKind::ReconcilePaused { .. });
        assert!(events.iter().any(|it| is_pause(&it.event.kind)));

        world.core.clock.advance(Duration::from_secs(301));
        let reply = world.get("/api/reconcile").await;
        world.act(&format!("{path}/retry")).await;

        assert_eq!(reply.json["reconcile"]["paused"], false);
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn a_pause_has_an_end_within_a_day() {
        let world = World::new();
        let bodies = [
            json!({}),
            json!({"minutes": 0}),
            json!({"minutes": 1441}),
            json!({"minutes": -1}),
            json!({"minutes": 1.5}),
            json!({"minutes": "5"}),
            json!({"minutes": null}),
            json!({"minutes": u64::MAX}),
        ];
        for body in bodies {
            let reply = world.post("/api/reconcile/pause", body).await;
            assert_eq!(reply.refusal(), (400, "invalid"), "{}", reply.text);
        }
        assert!(world.core.events.events().is_empty());
    }
}
