use axum::response::Response;

use super::{
    path::{Id, Service},
    view,
};
use crate::problem::Problem;

/// Puts a source on air, and keeps it there until it is released (rule 28).
pub(crate) async fn activate(Service(sources): Service, Id(id): Id) -> Result<Response, Problem> {
    let entry = sources.activate(&id).await?;
    let message = if entry.state.comes_in() {
        "The source is on air until it is released"
    } else {
        "The source goes on air as soon as it comes in, and stays until it is released"
    };
    Ok(view::reply(message, &entry))
}

/// Lets the priorities choose again. What is not pinned is released already.
pub(crate) async fn release(Service(sources): Service, Id(id): Id) -> Result<Response, Problem> {
    let entry = sources.get(&id).await?;
    if !entry.pinned {
        return Ok(view::reply("The source is not pinned", &entry));
    }
    sources.release().await?;
    let entry = sources.get(&id).await?;
    Ok(view::reply("The source is released", &entry))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use lunora_testkit::sample;
    use serde_json::json;

    use crate::world::{World, encoder};

    /// Two sources that come in, the first of which is the primary.
    async fn two() -> (World, [String; 2]) {
        let world = World::new();
        let one = world.create_source(encoder("one")).await;
        let mut body = encoder("two");
        body["priority"] = json!(2);
        let two = world.create_source(body).await;
        for spec in world.sources.ingests.specs() {
            world
                .sources
                .ingests
                .receive(&spec.id, sample::media_facts());
        }
        (world, [one, two])
    }

    #[tokio::test]
    async fn rule_28_an_activation_pins_until_it_is_released() {
        let (world, [one, two]) = two().await;
        let path = format!("{two}/activate");

        let pinned = world.call(Method::PUT, &path).await;
        assert_eq!(pinned.status, 200, "{}", pinned.text);
        let state = &pinned.json["source"]["state"];
        assert_eq!(
            (&state["on_air"], &state["pinned"]),
            (&json!(true), &json!(true))
        );
        let first = world.get(&one).await;
        assert_eq!(first.json["source"]["state"]["status"], "standby");

        let other = world.call(Method::DELETE, &format!("{one}/activate")).await;
        assert_eq!(other.json["message"], "The source is not pinned");
        let health = world.get("/api/sources/health").await;
        assert_eq!(health.json["pinned"], health.json["on_air"]);
        let released = world.call(Method::DELETE, &path).await;
        assert_eq!(released.json["source"]["state"]["status"], "standby");
        assert_eq!(released.json["source"]["state"]["pinned"], false);
        let again = world.call(Method::DELETE, &path).await;
        assert_eq!(again.status, 200);
    }

    #[tokio::test]
    async fn what_is_disabled_or_unsupported_says_what_to_do_instead() {
        let (world, [one, _]) = two().await;
        world.put(&one, json!({"enabled": false})).await;
        let reply = world.call(Method::PUT, &format!("{one}/activate")).await;
        assert_eq!(reply.refusal(), (400, "disabled"));

        let body = json!({"name": "ndi", "protocol": "NDI", "connection_url": "STUDIO (Cam)"});
        let ndi = world.create_source(body).await;
        let stored = world.get(&ndi).await;
        assert_eq!(stored.json["source"]["state"]["status"], "failed");
        for (method, verb) in [(Method::PUT, "activate"), (Method::POST, "test")] {
            let reply = world.call(method, &format!("{ndi}/{verb}")).await;
            assert_eq!(reply.refusal(), (400, "unsupported"));
            let message = reply.json["message"].as_str().unwrap();
            assert!(message.contains("SRT"), "{message}");
        }
    }

    #[tokio::test]
    async fn who_follows_the_events_sees_sources_as_they_are_now() {
        use axum::{body::Body, http::Request};
        use futures_util::StreamExt as _;

        let (world, [_, two]) = two().await;
        let request: Request<Body> =
            crate::world::request(Method::GET, "/api/events", Body::empty());
        let mut told = world.send(request).await.into_body().into_data_stream();
        let mut next = async || {
            let bytes = told.next().await.unwrap().unwrap();
            String::from_utf8(bytes.into()).unwrap()
        };
        let state = next().await;
        assert!(state.starts_with("event: state") && state.contains("\"sources\":["));
        world.call(Method::PUT, &format!("{two}/activate")).await;
        let change = next().await;
        assert!(change.contains("source_pinned"), "{change}");
        assert!(change.contains("\"pinned\":true"), "{change}");
    }
}
