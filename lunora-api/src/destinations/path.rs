use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, header::IF_MATCH, request::Parts},
};
use lunora_core::domain::DestinationId;

use crate::problem::Problem;

/// The id in a path. What is no id names nothing that there is.
pub(crate) struct Id(pub(crate) DestinationId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(Problem::destination_not_found)
    }
}

/// The generation that a change is for, if it is for a certain one (rule 17).
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        generation(&parts.headers).map(Self)
    }
}

fn generation(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(tag) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    if tag == "*" {
        return Ok(None);
    }
    let tag = tag.to_str().ok();
    let quoted = tag.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
    let generation = quoted.and_then(|text| text.parse().ok());
    generation.map(Some).ok_or_else(|| {
        let message = "`If-Match` has to be the `ETag` of an earlier reply, such as \"3\", or *";
        Problem::invalid(message)
    })
}
