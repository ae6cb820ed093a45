use axum::{extract::State, response::Response};
use lunora_core::service::{Change, FailOverOutcome, FailOverTo};
use serde::Deserialize;

use super::{path::Id, switched};
use crate::{
    Api,
    body::{Field, JsonObject},
    dry_run::{self, Run},
    problem::Problem,
};

/// Which leg a client wants.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FailoverBody {
    to: Field,
}

impl FailoverBody {
    pub(super) fn to(&self) -> Result<FailOverTo, Problem> {
        let expected = || Problem::invalid("`to` has to be `primary`, `backup` or `auto`");
        match self.to.required::<String>("to")?.as_deref() {
            Some("primary") => Ok(FailOverTo::Primary),
            Some("backup") => Ok(FailOverTo::Backup),
            Some("auto") => Ok(FailOverTo::Release),
            _ => Err(expected()),
        }
    }
}

pub(crate) async fn fail_over(
    State(api): State<Api>,
    Id(id): Id,
    run: Run,
    JsonObject(body): JsonObject<FailoverBody>,
) -> Result<Response, Problem> {
    let to = body.to()?;
    if run == Run::Dry {
        return dry_run::reply(&api, Change::FailOver(&id, to)).await;
    }
    let outcome = api.parts().destinations.fail_over(&id, to).await?;
    let (changed, message) = match (outcome, to) {
        (FailOverOutcome::Done(changed), FailOverTo::Primary) => {
            (changed, "The primary is used, until it is released")
        }
        (FailOverOutcome::Done(changed), FailOverTo::Backup) => {
            (changed, "The backup is used, until it is released")
        }
        (FailOverOutcome::Done(changed), FailOverTo::Release) => {
            (changed, "The leg is decided for automatically again")
        }
        (FailOverOutcome::AlreadySo(changed), _) => (changed, "It is so already"),
    };
    Ok(switched::reply(message, &changed.entry))
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::Leg;
    use serde_json::{Value, json};

    use crate::world::{World, custom};

    pub(crate) fn with_backup(name: &str) -> Value {
        let mut body = custom(name);
        body["backup_rtmp_url"] = json!("rtmp://127.0.0.1:9/backup");
        body["backup_stream_key"] = json!("backup-key");
        body["start"] = json!(true);
        body
    }

    fn leg_on(world: &World) -> Vec<Leg> {
        world.core.on().into_iter().map(|it| it.leg).collect()
    }

    #[tokio::test]
    async fn rule_28_a_leg_is_chosen_by_hand_and_released() {
        let world = World::new();
        let path = world.create(with_backup("one")).await;
        let failover = format!("{path}/failover");

        let reply = world.post(&failover, json!({"to": "backup"})).await;
        let again = world.post(&failover, json!({"to": "backup"})).await;

        assert_eq!(
            (reply.status, again.status),
            (200.try_into().unwrap(), 200.try_into().unwrap())
        );
        assert_eq!(again.json["message"], "It is so already");
        assert_eq!(reply.json["state"]["leg"], "backup");
        assert_eq!(leg_on(&world), [Leg::Backup]);
        let why = world.get(&format!("{path}/why")).await;
        assert_eq!(why.json["failover"]["pinned"], "backup");
        assert_eq!(why.json["failover"]["next"]["step"], "pinned");
        let flip = &why.json["failover"]["last_flip"];
        assert_eq!(
            (&flip["to"], &flip["cause"]),
            (&json!("backup"), &json!("manual"))
        );

        let released = world.post(&failover, json!({"to": "auto"})).await;
        assert_eq!(released.status, 200);
        let why = world.get(&format!("{path}/why")).await;
        assert_eq!(why.json["failover"]["pinned"], json!(null));
    }

    #[tokio::test]
    async fn a_leg_that_is_not_complete_is_refused_with_what_to_do() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        let failover = format!("{path}/failover");

        let reply = world.post(&failover, json!({"to": "backup"})).await;

        assert_eq!(reply.refusal(), (400, "invalid"));
        let message = reply.json["message"].as_str().unwrap();
        assert!(message.contains("`backup_rtmp_url`"), "{message}");
        for body in [json!({}), json!({"to": "left"}), json!({"to": null})] {
            let reply = world.post(&failover, body).await;
            assert_eq!(reply.refusal(), (400, "invalid"));
        }
        let unknown = world.post("/api/destinations/dest-1/failover", json!({"to": "auto"}));
        assert_eq!(unknown.await.refusal(), (404, "not_found"));
    }
}
