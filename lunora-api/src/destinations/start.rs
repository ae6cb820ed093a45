use axum::{Extension, extract::State, http::StatusCode, response::Response};
use lunora_core::service::{Change, Effect, StartOutcome};

use super::{path::Id, switched};
use crate::{
    Api,
    dry_run::{self, Run},
    idempotency::{Attempt, is_repeated},
    problem::Problem,
};

pub(crate) async fn start(
    State(api): State<Api>,
    Id(id): Id,
    run: Run,
    attempt: Option<Extension<Attempt>>,
) -> Result<Response, Problem> {
    if run == Run::Dry {
        let change = Change::Start(&id);
        let foresight = api.parts().destinations.foresee(change).await?;
        return match foresight.effect {
            Effect::Changes => Ok(dry_run::answer(change, &foresight)),
            Effect::AlreadySo if !foresight.steps.is_empty() => {
                Ok(dry_run::answer(change, &foresight))
            }
            Effect::AlreadySo => Err(already()),
        };
    }
    let changed = match api.parts().destinations.start(&id).await? {
        StartOutcome::Started(changed) => changed,
        // It was this request that started it, and its reply was lost.
        StartOutcome::AlreadyRunning(changed) if is_repeated(attempt) => changed,
        StartOutcome::AlreadyRunning(_) => return Err(already()),
    };
    Ok(switched::reply("Destination started", &changed.entry))
}

fn already() -> Problem {
    let message = "The destination is already started; its `state` tells how it fares";
    let (status, code) = (StatusCode::BAD_REQUEST, "already_streaming");
    Problem::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use lunora_core::{domain::OutputType, port::RepoExt as _};
    use lunora_testkit::sample;
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn a_start_has_the_shape_that_clients_know() {
        let world = World::new();
        let path = world.create(custom("one")).await;

        let reply = world.act(&format!("{path}/start")).await;

        let time = "2026-01-02T03:04:05.000Z";
        let expected = json!({
            "status": "success",
            "message": "Destination started",
            "destination_id": "dest_1767323045000_100000000",
            "destination_name": "one",
            "platform": "custom",
            "streaming_status": "ready",
            "generation": 2,
            "state": {
                "status": "connecting", "since": time, "severity": "ok", "leg": "primary",
                "fault": null, "last_fault": null,
                "progress": {
                    "bytes_sent": 0, "frames_sent": 0, "frames_dropped": 0,
                    "reconnects": 0, "bitrate_bps": null, "last_progress": null,
                    "publishing_since": null,
                },
            },
        });
        assert_eq!(reply.json, expected);
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn rule_2_a_second_start_is_refused_as_before_and_does_no_harm() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        world.act(&format!("{path}/start")).await;

        let reply = world.act(&format!("{path}/start")).await;

        assert_eq!(reply.refusal(), (400, "already_streaming"));
        assert_eq!(reply.json["status"], "error");
        let output = world.core.on().remove(0);
        assert_eq!(world.core.router.interruptions(&output), 0);
    }

    #[tokio::test]
    async fn what_cannot_run_says_what_it_lacks() {
        let world = World::new();
        let bare = json!({"name": "one", "platform": "custom"});
        let path = world.create(bare).await;

        let reply = world.act(&format!("{path}/start")).await;

        assert_eq!(reply.refusal(), (400, "invalid"));
        let message = reply.json["message"].as_str().unwrap();
        assert!(message.contains("`rtmp_url`"), "{message}");
        let unknown = world.act("/api/destinations/dest-1/start").await;
        assert_eq!(unknown.refusal(), (404, "not_found"));
    }

    #[tokio::test]
    async fn rule_13_what_another_system_delivers_is_shown_and_not_started() {
        let world = World::new();
        let mut row = sample::destination(1);
        row.output_type = OutputType::MediaLive;
        world.core.destinations.create(&row).await.unwrap();

        let shown = world.get("/api/destinations/dest-1").await;
        let reply = world.act("/api/destinations/dest-1/start").await;

        assert_eq!(shown.json["destination"]["output_type"], "medialive");
        assert_eq!(reply.refusal(), (400, "foreign"));
    }

    #[tokio::test]
    async fn rule_4_a_platform_without_an_output_starts_and_is_not_called_live() {
        let world = World::new();
        let path = world
            .create(json!({"name": "viewers", "platform": "hls"}))
            .await;

        let reply = world.act(&format!("{path}/start")).await;

        assert_eq!(reply.status, 200);
        assert_eq!(reply.json["streaming_status"], "ready");
        assert_eq!(world.core.router.specs().len(), 0);
    }
}
