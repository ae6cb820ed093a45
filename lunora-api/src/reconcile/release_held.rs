use axum::{extract::State, response::IntoResponse};
use lunora_core::plan::Step;
use serde::Serialize;

use crate::{Api, problem::Problem, reply::Success};

#[derive(Serialize)]
struct Body {
    message: &'static str,
    /// How many outputs were let go.
    detached: usize,
    /// How many could not be, yet; they are retried.
    failed: usize,
}

/// An admin says that the outputs whose rows are gone are meant to be gone (rule 9).
pub(crate) async fn release_held(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let report = api.parts().reconciler.release_held().await?;
    let is_detach = |step: &&Step| matches!(step, Step::Detach(..));
    let message = if report.paused {
        "They are let go once the pause is over"
    } else {
        "Outputs without a destination are let go"
    };
    Ok(Success(Body {
        message,
        detached: report.done.iter().filter(is_detach).count(),
        failed: report.failed.len(),
    }))
}

#[cfg(test)]
mod tests {
    use lunora_core::{
        port::OutputRouter as _,
        service::{Cause, Scope},
    };
    use lunora_testkit::sample;

    use crate::world::World;

    #[tokio::test]
    async fn rule_9_outputs_without_a_row_go_when_an_admin_says_so() {
        let world = World::new();
        let specs: Vec<_> = (1..=3).map(sample::spec).collect();
        world.core.router.apply(&specs).await;
        let pass = world.core.reconciler.reconcile(Scope::All, Cause::Routine);
        pass.await.unwrap();
        let held = world.get("/api/reconcile").await;

        let reply = world.act("/api/reconcile/release-held").await;

        assert_eq!(held.json["reconcile"]["held"], 3);
        assert_eq!(reply.json["detached"], 3);
        assert_eq!(world.core.router.specs().len(), 0);
        let after = world.get("/api/reconcile").await;
        assert_eq!(after.json["reconcile"]["held"], 0);
    }
}
