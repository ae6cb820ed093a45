use axum::{Extension, extract::State, http::StatusCode, response::Response};
use lunora_core::service::StartOutcome;

use super::{path::Id, switched};
use crate::{
    Api,
    idempotency::{Attempt, is_repeated},
    problem::Problem,
};

pub(crate) async fn start(
    State(api): State<Api>,
    Id(id): Id,
    attempt: Option<Extension<Attempt>>,
) -> Result<Response, Problem> {
    let changed = match api.parts().destinations.start(&id).await? {
        StartOutcome::Started(changed) => changed,
        // It was this request that started it, and its reply was lost.
        StartOutcome::AlreadyRunning(changed) if is_repeated(attempt) => changed,
        StartOutcome::AlreadyRunning(_) => {
            let message = "The destination is already started; its `state` tells how it fares";
            let (status, code) = (StatusCode::BAD_REQUEST, "already_streaming");
            return Err(Problem::new(status, code, message));
        }
    };
    Ok(switched::reply("Destination started", &changed.entry))
}
