use axum::{Extension, extract::State, response::Response};
use lunora_core::service::Change;

use super::{body::DestinationBody, view};
use crate::{
    Api,
    body::JsonObject,
    dry_run::{self, Run},
    idempotency::Attempt,
    problem::Problem,
};

pub(crate) async fn create(
    State(api): State<Api>,
    run: Run,
    attempt: Option<Extension<Attempt>>,
    JsonObject(body): JsonObject<DestinationBody>,
) -> Result<Response, Problem> {
    let new = body.new_destination()?;
    let service = &api.parts().destinations;
    if run == Run::Dry {
        let id = service.mint_id();
        return dry_run::reply(&api, Change::Create(&id, &new)).await;
    }
    // A repeated request makes no second destination: its claim holds the id.
    let id = match attempt {
        Some(Extension(attempt)) => attempt.destination,
        None => service.mint_id(),
    };
    let changed = service.create(id, new).await?;
    Ok(view::reply("Destination created", &changed.entry))
}

#[cfg(test)]
mod tests {
    use lunora_core::{ExposeSecret as _, port::RepoExt as _};
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn rule_2_a_new_destination_goes_live_when_it_is_asked_to() {
        let world = World::new();
        let mut two = custom("two");
        two["start"] = json!(true);

        let one = world.post("/api/destinations", custom("one")).await;
        let on_air = world.on_air();
        let two = world.post("/api/destinations", two).await;

        assert_eq!(one.status, 200);
        assert_eq!(one.json["message"], "Destination created");
        assert_eq!(one.json["destination"]["wanted"], "stopped");
        assert_eq!(one.header("etag"), Some("\"1\""));
        assert_eq!(on_air, 0);
        assert_eq!(two.json["destination"]["wanted"], "running");
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn a_name_and_a_platform_are_all_that_is_required() {
        let world = World::new();

        for body in [
            json!({}),
            json!({"name": "one"}),
            json!({"platform": "custom"}),
        ] {
            let reply = world.post("/api/destinations", body).await;
            assert_eq!(reply.refusal(), (400, "invalid"));
        }
        let body = json!({"name": "one", "platform": "custom", "unknown": {"of": "old"}});
        let reply = world.post("/api/destinations", body).await;

        assert_eq!(reply.status, 200);
        assert_eq!(reply.json["destination"]["rtmp_url"], json!(null));
        assert_eq!(reply.json["destination"]["enabled"], true);
    }

    #[tokio::test]
    async fn a_key_without_a_url_goes_to_the_ingest_of_its_platform() {
        let world = World::new();
        for (platform, url) in [
            ("youtube", "rtmps://a.rtmps.youtube.com/live2"),
            ("twitch", "rtmps://live.twitch.tv/app"),
        ] {
            let body = json!({
                "name": platform, "platform": platform, "stream_key": platform, "start": true,
            });
            let reply = world.post("/api/destinations", body).await;
            assert_eq!(reply.json["destination"]["rtmp_url"], url);
        }
        assert_eq!(world.on_air(), 2);

        let backup = json!({
            "name": "both", "platform": "youtube", "rtmp_url": "", "stream_key": "k",
            "backup_stream_key": "k",
        });
        let both = world.post("/api/destinations", backup).await;
        let custom = json!({"name": "c", "platform": "custom", "stream_key": "k"});
        let refused = world.post("/api/destinations", custom).await;

        let url = "rtmps://b.rtmps.youtube.com/live2?backup=1";
        assert_eq!(both.json["destination"]["backup_rtmp_url"], url);
        assert_eq!(refused.refusal(), (400, "invalid"));
        let message = refused.json["message"].as_str().unwrap();
        assert!(message.contains("`rtmp_url`"), "{message}");
    }

    #[tokio::test]
    async fn rule_22_a_mask_is_no_key_of_a_new_destination() {
        let world = World::new();
        let mut body = custom("one");
        body["stream_key"] = json!("***ENCRYPTED***");

        let reply = world.post("/api/destinations", body).await;

        assert_eq!(reply.refusal(), (400, "invalid"));
    }

    #[tokio::test]
    async fn rule_5_the_same_target_does_not_run_twice_and_the_other_is_named() {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        let first = world.post("/api/destinations", body.clone()).await;
        body["name"] = json!("two");

        let second = world.post("/api/destinations", body).await;

        assert_eq!(second.refusal(), (409, "duplicate"));
        let expected = json!({
            "destination_id": first.json["destination"]["destination_id"], "name": "one",
        });
        assert_eq!(second.json["duplicate_of"], expected);
        let rows = world.core.destinations.list_all().await.unwrap();
        assert_eq!(rows.len(), 1);
    }

    #[tokio::test]
    async fn rule_21_a_key_in_the_url_reaches_the_wire_and_no_client() {
        let world = World::new();
        let body = json!({
            "name": "one", "platform": "custom", "start": true,
            "rtmp_url": "rtmp://127.0.0.1:9/live/in-the-url",
        });

        let reply = world.post("/api/destinations", body).await;

        assert_eq!(
            reply.json["destination"]["rtmp_url"],
            "rtmp://127.0.0.1:9/live"
        );
        assert_eq!(reply.json["destination"]["stream_key"], "***ENCRYPTED***");
        let spec = world.core.router.specs().remove(0);
        let key = spec.target.stream_name().unwrap().expose_secret();
        assert_eq!(key, "in-the-url");
    }
}
