use axum::{extract::State, response::Response};

use super::{path::Id, view};
use crate::{Api, problem::Problem};

pub(crate) async fn get(State(api): State<Api>, Id(id): Id) -> Result<Response, Problem> {
    let entry = api.entry(&id).await?;
    let entry = entry.ok_or_else(Problem::destination_not_found)?;
    Ok(view::reply(None, &entry))
}
