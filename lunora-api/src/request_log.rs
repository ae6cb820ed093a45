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

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use futures_util::FutureExt as _;
    use lunora_core::port::RepoExt as _;
    use lunora_testkit::fault::{Fault, FaultPlan};

    use crate::world::{World, custom, json_request};

    #[tokio::test]
    async fn a_change_goes_on_when_its_client_hangs_up() {
        let plan = FaultPlan::none();
        let world = World::under(&plan);
        plan.interleave(1);
        let create = json_request(Method::POST, "/api/destinations", &custom("one"));

        let hung_up = world.reply(create).now_or_never();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }

        assert!(hung_up.is_none());
        let rows = world.core.destinations.list_all().await.unwrap();
        assert_eq!(rows.len(), 1);
    }

    #[tokio::test]
    async fn what_is_unavailable_may_be_tried_again_and_tells_no_detail() {
        let plan = FaultPlan::none();
        let world = World::under(&plan);
        plan.forget_calls();
        plan.fail_at(0, Fault::Before);

        let reply = world.get("/api/destinations").await;

        assert_eq!(reply.refusal(), (503, "unavailable"));
        assert_eq!(reply.header("retry-after"), Some("2"));
        assert_eq!(reply.json["error"], serde_json::Value::Null);
        assert!(!reply.text.contains("by plan"), "{}", reply.text);
    }
}
