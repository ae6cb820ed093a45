use axum::{Extension, extract::State, response::Response};

use super::{body::DestinationBody, view};
use crate::{Api, body::JsonObject, idempotency::Attempt, problem::Problem};

pub(crate) async fn create(
    State(api): State<Api>,
    attempt: Option<Extension<Attempt>>,
    JsonObject(body): JsonObject<DestinationBody>,
) -> Result<Response, Problem> {
    let new = body.into_new()?;
    let service = &api.parts().destinations;
    // A repeated request makes no second destination: its claim holds the id.
    let id = match attempt {
        Some(Extension(attempt)) => attempt.destination,
        None => service.mint_id(),
    };
    let changed = service.create(id, new).await?;
    Ok(view::reply("Destination created", &changed.entry))
}
