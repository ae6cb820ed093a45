use axum::{extract::State, response::IntoResponse};
use serde::Serialize;

use crate::{
    Api,
    problem::Problem,
    reply::{Iso, Success},
};

/// What keeps the reconciler from doing its work, if anything does.
#[derive(Serialize)]
pub(crate) struct ReconcileView {
    /// Whether an admin keeps it from changing outputs (rule 15).
    paused: bool,
    paused_until: Option<Iso>,
    /// How many outputs have no row and wait for an admin's word (rule 9).
    held: usize,
}

#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    reconcile: ReconcileView,
}

impl ReconcileView {
    pub(crate) async fn of(api: &Api, held: usize) -> Result<Self, Problem> {
        let until = api.parts().reconciler.paused_until().await?;
        Ok(Self {
            paused: until.is_some(),
            paused_until: until.map(Iso),
            held,
        })
    }
}

pub(crate) async fn show(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    reply(&api, None).await
}

/// The reply to everything under `/api/reconcile` that only changes the pause.
pub(super) async fn reply(
    api: &Api,
    message: Option<&'static str>,
) -> Result<impl IntoResponse + use<>, Problem> {
    let held = api.snapshot().await?.held;
    let reconcile = ReconcileView::of(api, held).await?;
    Ok(Success(Body { message, reconcile }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::world::World;

    #[tokio::test]
    async fn nothing_is_paused_and_nothing_held_to_begin_with() {
        let reply = World::new().get("/api/reconcile").await;

        let expected = json!({
            "status": "success",
            "reconcile": {"paused": false, "paused_until": null, "held": 0},
        });
        assert_eq!(reply.json, expected);
    }
}
