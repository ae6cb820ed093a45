use axum::{extract::State, response::IntoResponse};
use lunora_core::{
    domain::{DestinationId, DestinationName, Platform},
    service::Entry,
};
use serde::Serialize;

use crate::{
    Api,
    destinations::view::{started_at, streaming_status},
    problem::Problem,
    program::ProgramView,
    reply::{Iso, Success},
};

#[derive(Serialize)]
struct Body<'a> {
    timestamp: Iso,
    streaming: Streaming<'a>,
}

#[derive(Serialize)]
struct Streaming<'a> {
    active: bool,
    // MediaLive channels; on one machine there are none.
    channels: [(); 0],
    destinations: Summary<'a>,
    program: ProgramView,
}

#[derive(Serialize)]
struct Summary<'a> {
    total: usize,
    enabled: usize,
    streaming: usize,
    list: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a DestinationId,
    name: &'a DestinationName,
    platform: &'a Platform,
    enabled: bool,
    streaming_status: &'static str,
    streaming_started_at: Option<Iso>,
}

impl<'a> From<&'a Entry> for Line<'a> {
    fn from(entry: &'a Entry) -> Self {
        let row = &entry.destination.value;
        Self {
            id: &row.id,
            name: &row.name,
            platform: &row.platform,
            enabled: row.enabled,
            streaming_status: streaming_status(&entry.status),
            streaming_started_at: started_at(row),
        }
    }
}

pub(crate) async fn show(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let snapshot = api.snapshot().await?;
    let list: Vec<Line<'_>> = snapshot.entries.values().map(Line::from).collect();
    let streaming = list.iter().filter(|it| it.streaming_status == "streaming");
    let streaming = streaming.count();
    let destinations = Summary {
        total: list.len(),
        enabled: list.iter().filter(|it| it.enabled).count(),
        streaming,
        list,
    };
    let streaming = Streaming {
        active: streaming != 0,
        channels: [],
        destinations,
        program: api.parts().program.program().into(),
    };
    let timestamp = Iso(api.now());
    let body = Body {
        timestamp,
        streaming,
    };
    Ok(Success(body).into_response())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn streaming_status_has_the_shape_that_clients_know() {
        let world = World::new();
        world.create(custom("one")).await;

        let reply = world.get("/api/streaming/status").await;

        let expected = json!({
            "status": "success",
            "timestamp": "2026-01-02T03:04:05.000Z",
            "streaming": {
                "active": false,
                "channels": [],
                "destinations": {
                    "total": 1, "enabled": 1, "streaming": 0,
                    "list": [{
                        "id": "dest_1767323045000_100000000", "name": "one",
                        "platform": "custom", "enabled": true,
                        "streaming_status": "ready", "streaming_started_at": null,
                    }],
                },
                "program": {
                    "kind": "test_stream", "since": "2026-01-02T03:04:05.000Z",
                    "bitrate_bps": 1_500_000, "video_codec": "h264", "audio_codec": null,
                    "media": null,
                },
            },
        });
        assert_eq!(reply.json, expected);
    }

    #[tokio::test]
    async fn rule_3_it_is_active_once_bytes_move_and_not_when_it_was_told_to_start() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        let started = world.act(&format!("{path}/start")).await;
        let before = world.get("/api/streaming/status").await;

        // In the router in memory, an output is live when it is observed again.
        world.core.reconciler.look().await.unwrap();
        let after = world.get("/api/streaming/status").await;

        assert_eq!(started.json["streaming_status"], "ready");
        assert_eq!(before.json["streaming"]["active"], false);
        assert_eq!(after.json["streaming"]["active"], true);
        assert_eq!(after.json["streaming"]["destinations"]["streaming"], 1);
        let line = &after.json["streaming"]["destinations"]["list"][0];
        assert_eq!(line["streaming_status"], "streaming");
        assert_eq!(line["streaming_started_at"], "2026-01-02T03:04:05.000Z");
    }
}
