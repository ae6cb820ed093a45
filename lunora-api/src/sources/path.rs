use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use lunora_core::{domain::SourceId, service::Sources};

use crate::{Api, problem::Problem};

/// The service of sources, where a deployment has one.
pub(crate) struct Service(pub(crate) Sources);

impl FromRequestParts<Api> for Service {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let sources = api.parts().sources.clone();
        sources.map(Self).ok_or_else(|| {
            let message = "This deployment takes no sources in; its channel has inputs of its own";
            Problem::not_implemented(message)
        })
    }
}

/// The id in a path. What is no id names nothing that there is.
pub(crate) struct Id(pub(crate) SourceId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(Problem::source_not_found)
    }
}
