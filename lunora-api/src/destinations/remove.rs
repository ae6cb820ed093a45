use axum::{extract::State, response::IntoResponse};

use super::path::{Id, IfMatch};
use crate::{
    Api,
    problem::Problem,
    reply::{Message, Success},
};

pub(crate) async fn remove(
    State(api): State<Api>,
    Id(id): Id,
    IfMatch(generation): IfMatch,
) -> Result<impl IntoResponse, Problem> {
    api.parts().destinations.remove(&id, generation).await?;
    let message = "Destination deleted";
    Ok(Success(Message { message }))
}
