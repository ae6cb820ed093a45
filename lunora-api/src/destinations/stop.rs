use axum::{Extension, extract::State, http::StatusCode, response::Response};
use lunora_core::service::StopOutcome;

use super::{path::Id, switched};
use crate::{
    Api,
    idempotency::{Attempt, is_repeated},
    problem::Problem,
};

pub(crate) async fn stop(
    State(api): State<Api>,
    Id(id): Id,
    attempt: Option<Extension<Attempt>>,
) -> Result<Response, Problem> {
    let changed = match api.parts().destinations.stop(&id).await? {
        StopOutcome::Stopped(changed) => changed,
        // It was this request that stopped it, and its reply was lost.
        StopOutcome::AlreadyStopped(changed) if is_repeated(attempt) => changed,
        StopOutcome::AlreadyStopped(_) => {
            let message = "The destination is not started, so there is nothing to stop";
            let (status, code) = (StatusCode::BAD_REQUEST, "not_streaming");
            return Err(Problem::new(status, code, message));
        }
    };
    Ok(switched::reply("Destination stopped", &changed.entry))
}
