use axum::response::{IntoResponse, Response};
use lunora_core::{
    domain::SourceId,
    service::{SourceEntry, SourceSnapshot},
};
use serde::Serialize;

use super::{path::Service, view::HealthView};
use crate::{
    problem::Problem,
    reply::{Iso, Success},
};

#[derive(Serialize)]
struct Body<'a> {
    timestamp: Iso,
    overall_status: &'static str,
    connected_sources: usize,
    total_sources: usize,
    on_air: Option<&'a SourceId>,
    pinned: Option<&'a SourceId>,
    /// In the order in which they are used.
    sources: Vec<HealthView<'a>>,
}

pub(crate) async fn show(Service(sources): Service) -> Result<Response, Problem> {
    let snapshot = sources.list().await?;
    let mut entries: Vec<&SourceEntry> = snapshot.entries.values().collect();
    entries.sort_by_key(|it| it.source.value.priority);
    let enabled = entries.iter().filter(|it| it.source.value.enabled);
    let connected = entries.iter().filter(|it| it.state.comes_in());
    let body = Body {
        timestamp: Iso(snapshot.at),
        overall_status: overall(&snapshot),
        connected_sources: connected.count(),
        total_sources: enabled.count(),
        on_air: snapshot.on_air.as_ref(),
        pinned: snapshot.pinned.as_ref(),
        sources: entries.into_iter().map(HealthView::from).collect(),
    };
    Ok(Success(body).into_response())
}

/// All of the enabled sources in a word that old clients know, by what is so now.
fn overall(snapshot: &SourceSnapshot) -> &'static str {
    let enabled = snapshot.entries.values();
    let enabled: Vec<_> = enabled.filter(|it| it.source.value.enabled).collect();
    let on_air = snapshot.on_air.as_ref();
    let on_air = on_air.and_then(|id| snapshot.entries.get(id));
    match on_air {
        _ if enabled.is_empty() => "not_configured",
        None => "error",
        Some(on_air) if on_air.fault.is_some() => "degraded",
        Some(_) if enabled.iter().all(|it| it.state.comes_in()) => "healthy",
        Some(_) => "partial",
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::{IngestState, SourceId};
    use lunora_testkit::sample;
    use serde_json::json;

    use crate::world::{World, encoder};

    #[tokio::test]
    async fn health_tells_of_all_in_a_word_and_of_each() {
        let world = World::new();
        let overall = async || {
            let reply = world.get("/api/sources/health").await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            reply.json["overall_status"].as_str().unwrap().to_owned()
        };
        assert_eq!(overall().await, "not_configured");
        world.create_source(encoder("one")).await;
        let mut backup = encoder("two");
        backup["priority"] = json!(2);
        world.create_source(backup).await;
        let ids: Vec<SourceId> = world.sources.taken_in();
        let ingests = &world.sources.ingests;
        assert_eq!(overall().await, "error");
        ingests.receive(&ids[0], sample::media_facts());
        assert_eq!(overall().await, "partial");
        ingests.receive(&ids[1], sample::media_facts());
        assert_eq!(overall().await, "healthy");
        ingests.set_fault(&ids[0], Some(sample::source_lost()));
        assert_eq!(overall().await, "degraded");
        ingests.lose(&ids[1], IngestState::Waiting, 4, None);

        world.sources.tick().await;
        let reply = world.get("/api/sources/health").await;
        assert_eq!(reply.json["connected_sources"], 1);
        assert_eq!(reply.json["total_sources"], 2);
        let second = &reply.json["sources"][1];
        assert_eq!(second["health_status"], "FAILED");
        assert_eq!(second["connection_attempts"], 4);
        assert_eq!(reply.json["sources"][0]["health_status"], "DEGRADED");
    }

    #[tokio::test]
    async fn a_list_shows_what_was_measured_and_nothing_made_up() {
        let world = World::new();
        world.create_source(encoder("one")).await;
        let ids = world.sources.taken_in();
        world
            .sources
            .ingests
            .receive(&ids[0], sample::media_facts());
        let reply = world.get("/api/sources").await;
        assert_eq!(reply.json["count"], 1);
        let media = json!({
            "bitrate_bps": 6_000_000,
            "video": {
                "codec": "h264", "width": 1920, "height": 1080, "frame_rate": 30.0,
                "keyframe_interval_ms": 2000,
            },
            "audio": {"codec": "aac", "sample_rate_hz": 48_000, "channels": 2},
        });
        assert_eq!(reply.json["sources"][0]["state"]["media"], media);
    }

    #[tokio::test]
    async fn a_deployment_without_sources_says_so() {
        let world = World::without_sources();
        for path in ["/api/sources", "/api/sources/health", "/api/sources/src-1"] {
            let reply = world.get(path).await;
            assert_eq!(reply.refusal(), (501, "unsupported"), "{path}");
        }
        let path = world.create(crate::world::custom("one")).await;
        let reply = world.act(&format!("{path}/test")).await;
        assert_eq!(reply.refusal(), (501, "unsupported"));
    }
}
