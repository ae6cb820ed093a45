use axum::{extract::State, response::Response};

use super::{path::Id, view};
use crate::{Api, problem::Problem};

pub(crate) async fn get(State(api): State<Api>, Id(id): Id) -> Result<Response, Problem> {
    let entry = api.entry(&id).await?;
    let entry = entry.ok_or_else(Problem::destination_not_found)?;
    Ok(view::reply(None, &entry))
}

#[cfg(test)]
mod tests {
    use lunora_core::{
        domain::{EventKind, Fault, FaultClass, FaultCode, OutputHealth, OutputState},
        port::Clock as _,
    };
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn rule_17_one_destination_comes_with_its_generation_as_the_etag() {
        let world = World::new();
        let path = world.create(custom("one")).await;

        let reply = world.get(&path).await;

        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("etag"), Some("\"1\""));
        assert_eq!(reply.json["status"], "success");
        assert_eq!(reply.json["destination"]["generation"], 1);
    }

    #[tokio::test]
    async fn what_there_is_not_is_not_found() {
        let world = World::new();
        for id in ["dest-1", "a%20b", "%ff", &"x".repeat(129)] {
            let reply = world.get(&format!("/api/destinations/{id}")).await;
            assert_eq!(reply.refusal(), (404, "not_found"), "{id}");
        }
    }

    #[tokio::test]
    async fn a_failure_shows_its_code_class_and_text_to_old_clients_and_new() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        world.act(&format!("{path}/start")).await;
        let output = world.core.on().remove(0);
        let now = world.core.clock.now();
        let text = "the far end refused the stream key";
        let fault = Fault::new(FaultCode::AuthRejected, FaultClass::Terminal, text, now);
        let mut health = OutputHealth::new(OutputState::Failed, now);
        health.fault = Some(fault.clone());
        health.last_fault = Some(fault);
        world.core.router.set_health(&output, health);
        world.core.reconciler.look().await.unwrap();

        let failed = world.get(&path).await;
        world
            .core
            .router
            .set_health(&output, OutputHealth::new(OutputState::Live, now));
        world.core.reconciler.look().await.unwrap();
        let live = world.get(&path).await;

        let shown = json!({
            "code": "auth_rejected", "class": "terminal", "text": text,
            "at": "2026-01-02T03:04:05.000Z", "count": 1,
        });
        let destination = &failed.json["destination"];
        assert_eq!(destination["streaming_status"], "error");
        assert_eq!(destination["state"]["status"], "failed");
        assert_eq!(destination["state"]["severity"], "action_needed");
        assert_eq!(destination["state"]["fault"], shown);
        assert_eq!(destination["state"]["last_fault"], shown);
        let events = world.core.events.events();
        let told =
            |kind: &EventKind| matches!(kind, EventKind::StatusChanged { fault: Some(_), .. });
        assert!(events.iter().any(|it| told(&it.event.kind)));
        let destination = &live.json["destination"];
        assert_eq!(destination["streaming_status"], "streaming");
        assert_eq!(destination["state"]["fault"], json!(null));
    }
}
