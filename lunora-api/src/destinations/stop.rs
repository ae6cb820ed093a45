use axum::{Extension, extract::State, http::StatusCode, response::Response};
use lunora_core::service::{Change, Effect, StopOutcome};

use super::{path::Id, switched};
use crate::{
    Api,
    dry_run::{self, Run},
    idempotency::{Attempt, is_repeated},
    problem::Problem,
};

pub(crate) async fn stop(
    State(api): State<Api>,
    Id(id): Id,
    run: Run,
    attempt: Option<Extension<Attempt>>,
) -> Result<Response, Problem> {
    if run == Run::Dry {
        let change = Change::Stop(&id);
        let foresight = api.parts().destinations.foresee(change).await?;
        return match foresight.effect {
            Effect::Changes => Ok(dry_run::answer(change, &foresight)),
            Effect::AlreadySo if !foresight.steps.is_empty() => {
                Ok(dry_run::answer(change, &foresight))
            }
            Effect::AlreadySo => Err(already()),
        };
    }
    let changed = match api.parts().destinations.stop(&id).await? {
        StopOutcome::Stopped(changed) => changed,
        // It was this request that stopped it, and its reply was lost.
        StopOutcome::AlreadyStopped(changed) if is_repeated(attempt) => changed,
        StopOutcome::AlreadyStopped(_) => return Err(already()),
    };
    Ok(switched::reply("Destination stopped", &changed.entry))
}

fn already() -> Problem {
    let message = "The destination is not started, so there is nothing to stop";
    let (status, code) = (StatusCode::BAD_REQUEST, "not_streaming");
    Problem::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn what_runs_is_stopped_and_what_does_not_is_refused_as_before() {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        let path = world.create(body).await;

        let stopped = world.act(&format!("{path}/stop")).await;
        let again = world.act(&format!("{path}/stop")).await;

        assert_eq!(stopped.json["message"], "Destination stopped");
        assert_eq!(stopped.json["destination_name"], "one");
        assert_eq!(stopped.json["state"]["status"], "idle");
        assert_eq!(world.on_air(), 0);
        assert_eq!(again.refusal(), (400, "not_streaming"));
    }
}
