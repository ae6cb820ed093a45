use axum::{Json, extract::State};
use serde::Serialize;

use crate::{Api, reply::Iso};

/// The one reply whose `status` is neither `success` nor `error`.
#[derive(Serialize)]
pub(crate) struct HealthView {
    status: &'static str,
    timestamp: Iso,
    service: String,
    version: String,
}

pub(crate) async fn show(State(api): State<Api>) -> Json<HealthView> {
    let service = &api.parts().service;
    Json(HealthView {
        status: "healthy",
        timestamp: Iso(api.now()),
        service: service.name.clone(),
        version: service.version.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::world::World;

    #[tokio::test]
    async fn health_has_the_shape_that_clients_know() {
        let reply = World::new().get("/api/health").await;

        let expected = json!({
            "status": "healthy", "timestamp": "2026-01-02T03:04:05.000Z",
            "service": "lunora-test", "version": "1.2.3",
        });
        assert_eq!(reply.json, expected);
    }
}
