use axum::{extract::State, response::Response};

use super::{path::Id, switched};
use crate::{Api, problem::Problem};

pub(crate) async fn retry(State(api): State<Api>, Id(id): Id) -> Result<Response, Problem> {
    let changed = api.parts().destinations.retry(&id).await?;
    Ok(switched::reply("Trying again now", &changed.entry))
}

#[cfg(test)]
mod tests {
    use lunora_core::{
        domain::{Fault, FaultClass, FaultCode, OutputHealth, OutputState},
        port::Clock as _,
    };
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn rule_29_what_gave_up_tries_again_when_it_is_told_to() {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        let path = world.create(body).await;
        let now = world.core.clock.now();
        let mut health = OutputHealth::new(OutputState::Failed, now);
        let (code, class) = (FaultCode::AuthRejected, FaultClass::Terminal);
        health.fault = Some(Fault::new(code, class, "refused", now));
        world.core.router.set_health(&world.core.on()[0], health);

        let reply = world.act(&format!("{path}/retry")).await;
        world.core.reconciler.look().await.unwrap();
        let later = world.get(&path).await;

        assert_eq!(reply.json["message"], "Trying again now");
        assert_eq!(later.json["destination"]["state"]["status"], "live");
    }

    #[tokio::test]
    async fn what_is_stopped_has_nothing_to_try_again() {
        let world = World::new();
        let path = world.create(custom("one")).await;

        let reply = world.act(&format!("{path}/retry")).await;

        assert_eq!(reply.refusal(), (400, "invalid"));
        assert_eq!(world.on_air(), 0);
    }
}
