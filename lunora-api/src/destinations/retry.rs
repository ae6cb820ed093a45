use axum::{extract::State, response::Response};

use super::{path::Id, switched};
use crate::{Api, problem::Problem};

pub(crate) async fn retry(State(api): State<Api>, Id(id): Id) -> Result<Response, Problem> {
    let changed = api.parts().destinations.retry(&id).await?;
    Ok(switched::reply("Trying again now", &changed.entry))
}
