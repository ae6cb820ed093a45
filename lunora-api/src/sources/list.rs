use axum::response::{IntoResponse, Response};
use lunora_core::port::Unreadable;
use serde::Serialize;

use super::{path::Service, view::SourceView};
use crate::{problem::Problem, reply::Success};

#[derive(Serialize)]
struct Body<'a> {
    /// In the order in which they are used.
    sources: Vec<SourceView<'a>>,
    count: usize,
    /// What is stored and cannot be read; an operator has to act.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableView<'a>>,
}

#[derive(Serialize)]
struct UnreadableView<'a> {
    /// As it is stored: not always a valid id.
    source_id: &'a str,
    reason: &'a str,
}

impl<'a> From<&'a Unreadable> for UnreadableView<'a> {
    fn from(it: &'a Unreadable) -> Self {
        Self {
            source_id: &it.id,
            reason: &it.reason,
        }
    }
}

pub(crate) async fn list(Service(sources): Service) -> Result<Response, Problem> {
    let snapshot = sources.list().await?;
    let mut entries: Vec<_> = snapshot.entries.values().collect();
    entries.sort_by_key(|it| it.source.value.priority);
    let body = Body {
        count: entries.len(),
        sources: entries.into_iter().map(SourceView::from).collect(),
        unreadable: snapshot.unreadable.iter().map(Into::into).collect(),
    };
    Ok(Success(body).into_response())
}
