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
