use axum::response::Response;
use lunora_core::{
    domain::{DestinationId, DestinationName, Platform},
    service::Entry,
};
use serde::Serialize;

use super::view::{self, StateView, streaming_status};
use crate::reply::Success;

#[derive(Serialize)]
struct SwitchedBody<'a> {
    message: &'static str,
    destination_id: &'a DestinationId,
    destination_name: &'a DestinationName,
    platform: &'a Platform,
    streaming_status: &'static str,
    generation: u64,
    state: StateView<'a>,
}

/// The reply to start, stop and retry.
pub(super) fn reply(message: &'static str, entry: &Entry) -> Response {
    let row = &entry.destination.value;
    let body = SwitchedBody {
        message,
        destination_id: &row.id,
        destination_name: &row.name,
        platform: &row.platform,
        streaming_status: streaming_status(&entry.status),
        generation: row.generation,
        state: StateView::from(&entry.status),
    };
    view::tagged(Success(body), entry)
}
