use axum::{extract::State, response::Response};
use lunora_core::service::Change;

use super::{
    body::DestinationBody,
    path::{Id, IfMatch},
    view,
};
use crate::{
    Api,
    body::JsonObject,
    dry_run::{self, Run},
    problem::Problem,
};

pub(crate) async fn update(
    State(api): State<Api>,
    Id(id): Id,
    IfMatch(generation): IfMatch,
    run: Run,
    JsonObject(body): JsonObject<DestinationBody>,
) -> Result<Response, Problem> {
    let patch = body.patch()?;
    if run == Run::Dry {
        return dry_run::reply(&api, Change::Update(&id, &patch, generation)).await;
    }
    let changed = api.parts().destinations.update(&id, &patch, generation);
    let changed = changed.await?;
    Ok(view::reply("Destination updated", &changed.entry))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use lunora_core::ExposeSecret as _;
    use serde_json::{Value, json};

    use crate::world::{Reply, World, custom, json_request};

    /// A world with one destination that is on air, and its path.
    async fn running() -> (World, String) {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        let path = world.create(body).await;
        (world, path)
    }

    fn key_on_the_wire(world: &World) -> String {
        let spec = world.core.router.specs().remove(0);
        spec.target
            .stream_name()
            .unwrap()
            .expose_secret()
            .to_owned()
    }

    #[tokio::test]
    async fn what_is_omitted_stays() {
        let (world, path) = running().await;
        let before = world.get(&path).await.json["destination"].clone();

        let reply = world.put(&path, json!({"name": "new"})).await;

        assert_eq!(reply.json["message"], "Destination updated");
        let after = &reply.json["destination"];
        assert_eq!(after["name"], "new");
        assert_eq!(after["generation"], 2);
        for field in ["platform", "rtmp_url", "stream_key", "wanted", "enabled"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        let output = world.core.on().remove(0);
        assert_eq!(world.core.router.interruptions(&output), 0);
    }

    #[tokio::test]
    async fn rule_22_the_mask_means_unchanged_and_an_empty_or_null_key_removes_it() {
        for removed in [json!(""), json!(null)] {
            let (world, path) = running().await;

            let masked =
                json!({"stream_key": "***ENCRYPTED***", "rtmp_url": "rtmp://127.0.0.1:9/live"});
            let kept = world.put(&path, masked).await;
            let key = key_on_the_wire(&world);
            let reply = world.put(&path, json!({"stream_key": removed})).await;

            assert_eq!(kept.json["destination"]["generation"], 1);
            assert_eq!(key, "key-of-one");
            let destination = &reply.json["destination"];
            assert_eq!(destination["stream_key"], json!(null));
            assert_eq!(destination["wanted"], "stopped");
            assert_eq!(destination["state"]["fault"]["code"], "invalid");
            assert_eq!(world.on_air(), 0);
        }
    }

    #[tokio::test]
    async fn rule_23_a_new_key_reaches_the_wire() {
        let (world, path) = running().await;

        let reply = world.put(&path, json!({"stream_key": "new-key"})).await;

        assert_eq!(reply.status, 200);
        assert_eq!(key_on_the_wire(&world), "new-key");
    }

    #[tokio::test]
    async fn an_empty_or_null_url_is_removed_with_its_key() {
        for removed in [json!(""), json!(null)] {
            let (world, path) = running().await;

            let reply = world.put(&path, json!({"rtmp_url": removed})).await;

            let destination = &reply.json["destination"];
            assert_eq!(destination["rtmp_url"], json!(null));
            assert_eq!(destination["stream_key"], json!(null));
            assert_eq!(world.on_air(), 0);
        }
    }

    #[tokio::test]
    async fn a_key_without_a_url_to_go_to_is_refused() {
        let (world, path) = running().await;
        let body = json!({"rtmp_url": null, "stream_key": "k"});

        let reply = world.put(&path, body).await;

        assert_eq!(reply.refusal(), (400, "invalid"));
        assert_eq!(world.on_air(), 1);
    }

    #[tokio::test]
    async fn rule_1_a_running_destination_that_is_disabled_stops() {
        let (world, path) = running().await;

        let reply = world.put(&path, json!({"enabled": false})).await;
        let started = world.act(&format!("{path}/start")).await;

        assert_eq!(reply.json["destination"]["enabled"], false);
        assert_eq!(world.on_air(), 0);
        assert_eq!(started.refusal(), (400, "disabled"));
    }

    async fn put_at(world: &World, path: &str, tag: &str, body: Value) -> Reply {
        let mut request = json_request(Method::PUT, path, &body);
        let tag = tag.parse().unwrap();
        request.headers_mut().insert("if-match", tag);
        world.reply(request).await
    }

    #[tokio::test]
    async fn rule_17_a_change_of_a_generation_that_is_gone_is_stale() {
        let (world, path) = running().await;

        let first = put_at(&world, &path, "\"1\"", json!({"name": "a"})).await;
        let second = put_at(&world, &path, "\"1\"", json!({"name": "b"})).await;
        let any = put_at(&world, &path, "*", json!({"name": "c"})).await;
        let odd = put_at(&world, &path, "one", json!({"name": "d"})).await;

        assert_eq!(first.header("etag"), Some("\"2\""));
        assert_eq!(second.refusal(), (412, "stale"));
        assert_eq!(second.json["generation"], 2);
        assert_eq!(any.json["destination"]["name"], "c");
        assert_eq!(odd.refusal(), (400, "invalid"));
    }

    #[tokio::test]
    async fn what_there_is_not_is_not_changed() {
        let world = World::new();
        let reply = world.put("/api/destinations/dest-1", json!({})).await;
        assert_eq!(reply.refusal(), (404, "not_found"));
    }
}
