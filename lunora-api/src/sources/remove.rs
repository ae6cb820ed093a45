use axum::response::IntoResponse;

use super::path::{Id, Service};
use crate::{
    destinations::path::IfMatch,
    problem::Problem,
    reply::{Message, Success},
};

pub(crate) async fn remove(
    Service(sources): Service,
    Id(id): Id,
    IfMatch(generation): IfMatch,
) -> Result<impl IntoResponse, Problem> {
    sources.remove(&id, generation).await?;
    let message = "Source deleted";
    Ok(Success(Message { message }))
}
