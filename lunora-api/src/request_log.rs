use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument as _;

use crate::{Api, problem::Problem};

/// Names a request, says in the log what came of it, and lets it go on when its
/// client hangs up, so that no change stops half way for that.
pub(crate) async fn trace(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = format!("{:032x}", api.parts().ids.mint());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    // The route and not the path, which can hold anything.
    let route = route.map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", id, %method, route);

    let work = next.run(request).instrument(span.clone());
    let mut response = if method.is_safe() {
        work.await
    } else {
        let done = tokio::spawn(work).await;
        done.unwrap_or_else(|_| Problem::internal().into_response())
    };
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    if let Ok(id) = HeaderValue::try_from(id) {
        let name = HeaderName::from_static("x-request-id");
        response.headers_mut().insert(name, id);
    }
    response
}
