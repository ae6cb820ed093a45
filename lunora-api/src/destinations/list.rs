use std::ops::Bound;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use lunora_core::domain::DestinationId;
use serde::{Deserialize, Serialize};

use super::view::DestinationView;
use crate::{Api, problem::Problem, reply::Success};

/// Which part of all destinations is wanted; all of them, unless told.
#[derive(Deserialize)]
pub(crate) struct Part {
    limit: Option<usize>,
    after: Option<DestinationId>,
}

#[derive(Serialize)]
struct Body<'a> {
    destinations: Vec<DestinationView<'a>>,
    count: usize,
    /// What to give as `after` for the next part.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a DestinationId>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Problem> {
    let Ok(Query(part)) = part else {
        let message = "`limit` has to be a number, and `after` the `next` of an earlier reply";
        return Err(Problem::invalid(message));
    };
    let limit = part.limit.unwrap_or(usize::MAX).max(1);
    let start = match &part.after {
        None => Bound::Unbounded,
        Some(id) => Bound::Excluded(id),
    };

    let snapshot = api.snapshot().await?;
    let mut rest = snapshot
        .entries
        .range::<DestinationId, _>((start, Bound::Unbounded));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let is_last = rest.next().is_none();
    let next = shown.last().map(|(id, _)| *id).filter(|_| !is_last);
    let destinations: Vec<_> = shown.into_iter().map(|(_, it)| it.into()).collect();
    let body = Body {
        count: destinations.len(),
        destinations,
        next,
    };
    Ok(Success(body).into_response())
}
