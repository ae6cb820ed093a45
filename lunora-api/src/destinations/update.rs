use axum::{extract::State, response::Response};

use super::{
    body::DestinationBody,
    path::{Id, IfMatch},
    view,
};
use crate::{Api, body::JsonObject, problem::Problem};

pub(crate) async fn update(
    State(api): State<Api>,
    Id(id): Id,
    IfMatch(generation): IfMatch,
    JsonObject(body): JsonObject<DestinationBody>,
) -> Result<Response, Problem> {
    let patch = body.into_patch()?;
    let changed = api.parts().destinations.update(&id, &patch, generation);
    let changed = changed.await?;
    Ok(view::reply("Destination updated", &changed.entry))
}
