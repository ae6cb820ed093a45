use axum::{Extension, response::Response};

use super::{body::SourceBody, path::Service, view};
use crate::{body::JsonObject, idempotency::Attempt, problem::Problem};

pub(crate) async fn create(
    Service(sources): Service,
    attempt: Option<Extension<Attempt>>,
    JsonObject(body): JsonObject<SourceBody>,
) -> Result<Response, Problem> {
    let new = body.new_source()?;
    // A repeated request makes no second source: its claim holds the id.
    let claimed = attempt.and_then(|Extension(attempt)| attempt.source());
    let id = claimed.unwrap_or_else(|| sources.mint_id());
    let entry = sources.create(id, new).await?;
    Ok(view::reply("Source created", &entry))
}

#[cfg(test)]
mod tests {
    use lunora_core::port::RepoExt as _;
    use serde_json::json;

    use crate::world::{World, encoder, json_request, keyed};

    #[tokio::test]
    async fn a_new_source_is_shown_without_its_secrets_and_taken_in() {
        let world = World::new();
        let reply = world.post("/api/sources", encoder("camera")).await;

        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.header("etag"), Some("\"1\""));
        let source = &reply.json["source"];
        assert_eq!(reply.json["message"], "Source created");
        assert_eq!(source["stream_id"], "***ENCRYPTED***");
        assert_eq!(source["connection_url"], json!(null));
        assert_eq!(source["priority"], 1);
        assert_eq!(source["state"]["status"], "waiting");
        assert_eq!(source["state"]["media"], json!(null));
        assert_eq!(source["health_status"], json!(null));
        assert_eq!(world.sources.ingests.specs().len(), 1);
    }

    #[tokio::test]
    async fn rule_21_an_srt_url_is_shown_by_its_host_and_port_alone() {
        let world = World::new();
        let url = "srt://cam.example:9000?streamid=secret-one&passphrase=secret-0123456789";
        let body = json!({"name": "cam", "protocol": "srt", "connection_url": url, "priority": 2});
        let reply = world.post("/api/sources", body).await;

        let source = &reply.json["source"];
        assert_eq!(source["host_ip"], "cam.example");
        assert_eq!(source["port"], 9000);
        assert_eq!(source["protocol"], "SRT");
        assert_eq!(source["encryption_type"], "AES-128");
        assert_eq!(source["passphrase"], "***ENCRYPTED***");
        assert!(!reply.text.contains("secret-"), "{}", reply.text);
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_and_the_field_is_named() {
        let world = World::new();
        for (field, value) in [
            ("name", json!(null)),
            ("protocol", json!("canary")),
            ("priority", json!(0)),
            ("priority", json!(256)),
            ("port", json!(65_536)),
            ("port", json!("canary")),
            ("host_ip", json!("canary canary")),
            ("stream_id", json!("canary canary")),
            ("stream_id", json!("***ENCRYPTED***")),
            ("stream_id", json!(null)),
            ("passphrase", json!("canary")),
            ("encryption_type", json!("canary")),
            ("connection_url", json!("srt://canary")),
            ("health_check_interval", json!(0)),
            ("health_check_interval", json!(86_401)),
            ("health_check_enabled", json!(1)),
            ("input_class", json!("canary")),
        ] {
            let mut body = encoder("one");
            body[field] = value;
            let reply = world.post("/api/sources", body).await;
            assert_eq!(reply.refusal(), (400, "invalid"), "{field}");
            let message = reply.json["message"].as_str().unwrap();
            assert!(message.contains(&format!("`{field}`")), "{message}");
            assert!(!reply.text.contains("canary"), "{}", reply.text);
        }
        let rows = world.sources.sources.list_all().await.unwrap();
        assert_eq!(rows.len(), 0);
    }

    #[tokio::test]
    async fn rule_2_a_repeated_create_makes_one_source() {
        let world = World::new();
        let create = || {
            let request = json_request(axum::http::Method::POST, "/api/sources", &encoder("one"));
            keyed(request, "the-key")
        };
        let first = world.reply(create()).await;
        let second = world.reply(create()).await;
        assert_eq!(first.text, second.text);
        assert_eq!(second.header("etag"), Some("\"1\""));
        let id = first.json["source"]["source_id"].as_str().unwrap();
        assert!(id.starts_with("src_"), "{id}");
        let rows = world.sources.sources.list_all().await.unwrap();
        assert_eq!(rows.len(), 1);
    }

    #[tokio::test]
    async fn two_encoders_under_one_name_are_told_of_each_other() {
        let world = World::new();
        let first = world.post("/api/sources", encoder("one")).await;
        let mut body = encoder("two");
        body["stream_id"] = json!("name-of-one");
        let second = world.post("/api/sources", body).await;
        assert_eq!(second.refusal(), (409, "duplicate"));
        let id = &first.json["source"]["source_id"];
        assert_eq!(
            second.json["duplicate_of"],
            json!({"source_id": id, "name": "one"})
        );
    }
}
