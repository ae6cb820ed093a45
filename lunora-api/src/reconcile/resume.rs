use axum::{extract::State, response::IntoResponse};

use super::show;
use crate::{Api, problem::Problem};

pub(crate) async fn resume(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    api.parts().reconciler.resume().await?;
    show::reply(&api, Some("Outputs are changed again as is wanted")).await
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::EventKind;
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn rule_15_what_was_wanted_during_a_pause_takes_effect_with_its_end() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        let pause = json!({"minutes": 1440});
        world.post("/api/reconcile/pause", pause).await;
        world.act(&format!("{path}/start")).await;

        let reply = world.act("/api/reconcile/resume").await;

        assert_eq!(reply.json["reconcile"]["paused"], false);
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn to_resume_what_is_not_paused_is_no_event() {
        let world = World::new();

        let reply = world.act("/api/reconcile/resume").await;

        assert_eq!(reply.json["status"], "success");
        let events = world.core.events.events();
        let resumed = |kind: &EventKind| matches!(kind, EventKind::ReconcileResumed);
        assert!(!events.iter().any(|it| resumed(&it.event.kind)));
    }
}
