use axum::response::Response;

use super::{
    body::SourceBody,
    path::{Id, Service},
    view,
};
use crate::{body::JsonObject, destinations::path::IfMatch, problem::Problem};

pub(crate) async fn update(
    Service(sources): Service,
    Id(id): Id,
    IfMatch(generation): IfMatch,
    JsonObject(body): JsonObject<SourceBody>,
) -> Result<Response, Problem> {
    let patch = body.patch()?;
    let entry = sources.update(&id, &patch, generation).await?;
    Ok(view::reply("Source updated", &entry))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use lunora_core::{ExposeSecret as _, domain::IngestWay};
    use serde_json::json;

    use crate::world::{World, encoder, json_request};

    #[tokio::test]
    async fn rule_22_the_mask_changes_nothing_and_a_new_name_does() {
        let world = World::new();
        let path = world.create_source(encoder("one")).await;
        let whole = world.get(&path).await.json["source"].clone();

        let same = world.put(&path, whole).await;
        assert_eq!(same.status, 200, "{}", same.text);
        assert_eq!(same.json["source"]["generation"], 1);

        let changed = world
            .put(&path, json!({"stream_id": "other", "priority": 3}))
            .await;
        assert_eq!(changed.json["source"]["generation"], 2);
        assert_eq!(changed.header("etag"), Some("\"2\""));
        let IngestWay::Listen { stream_name } = world.sources.ingests.specs().remove(0).way else {
            panic!("it is called");
        };
        assert_eq!(stream_name.unwrap().expose_secret(), "other");

        let removed = world.put(&path, json!({"stream_id": ""})).await;
        assert_eq!(
            removed.refusal(),
            (400, "invalid"),
            "without it, nobody can publish"
        );
    }

    #[tokio::test]
    async fn rule_17_a_stale_change_is_refused() {
        let world = World::new();
        let path = world.create_source(encoder("one")).await;
        world.put(&path, json!({"name": "two"})).await;
        for method in [Method::PUT, Method::DELETE] {
            let mut request = json_request(method, &path, &json!({"name": "three"}));
            request
                .headers_mut()
                .insert("if-match", "\"1\"".parse().unwrap());
            let reply = world.reply(request).await;
            assert_eq!(reply.refusal(), (412, "stale"));
            assert_eq!(reply.json["generation"], 2);
        }
    }

    #[tokio::test]
    async fn what_there_is_not_is_not_found() {
        let world = World::new();
        for id in ["src-1", "a%20b", &"x".repeat(129)] {
            let path = format!("/api/sources/{id}");
            assert_eq!(world.get(&path).await.refusal(), (404, "not_found"), "{id}");
            let reply = world.put(&path, json!({"name": "n"})).await;
            assert_eq!(reply.refusal(), (404, "not_found"));
            let reply = world.call(Method::DELETE, &path).await;
            assert_eq!(reply.refusal(), (404, "not_found"));
            let reply = world.act(&format!("{path}/test")).await;
            assert_eq!(reply.refusal(), (404, "not_found"));
            for method in [Method::PUT, Method::DELETE] {
                let reply = world.call(method, &format!("{path}/activate")).await;
                assert_eq!(reply.refusal(), (404, "not_found"));
            }
        }
    }

    #[tokio::test]
    async fn what_is_deleted_is_taken_in_no_more() {
        let world = World::new();
        let path = world.create_source(encoder("one")).await;
        let reply = world.call(Method::DELETE, &path).await;
        let expected = json!({"status": "success", "message": "Source deleted"});
        assert_eq!(reply.json, expected);
        assert_eq!(world.sources.ingests.specs().len(), 0);
        assert_eq!(world.core.secrets.names(), []);
    }
}
