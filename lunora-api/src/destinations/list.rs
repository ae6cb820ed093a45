use std::ops::Bound;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use lunora_core::{domain::DestinationId, port::Unreadable};
use serde::{Deserialize, Serialize};

use super::view::DestinationView;
use crate::{Api, problem::Problem, reply::Success};

/// Which part of all destinations is wanted; all of them, unless told.
#[derive(Deserialize)]
pub(crate) struct Part {
    limit: Option<usize>,
    after: Option<DestinationId>,
}

#[derive(Serialize)]
struct Body<'a> {
    destinations: Vec<DestinationView<'a>>,
    count: usize,
    /// What to give as `after` for the next part.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a DestinationId>,
    /// What is stored and cannot be read, in the first part; an operator has to act.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableView<'a>>,
}

#[derive(Serialize)]
struct UnreadableView<'a> {
    /// As it is stored: not always a valid id.
    destination_id: &'a str,
    reason: &'a str,
}

impl<'a> From<&'a Unreadable> for UnreadableView<'a> {
    fn from(it: &'a Unreadable) -> Self {
        Self {
            destination_id: &it.id,
            reason: &it.reason,
        }
    }
}

pub(crate) async fn list(
    State(api): State<Api>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Problem> {
    let Ok(Query(part)) = part else {
        let message = "`limit` has to be a number, and `after` the `next` of an earlier reply";
        return Err(Problem::invalid(message));
    };
    let limit = part.limit.unwrap_or(usize::MAX).max(1);
    let start = match &part.after {
        None => Bound::Unbounded,
        Some(id) => Bound::Excluded(id),
    };

    let snapshot = api.snapshot().await?;
    let mut rest = snapshot
        .entries
        .range::<DestinationId, _>((start, Bound::Unbounded));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let is_last = rest.next().is_none();
    let next = shown.last().map(|(id, _)| *id).filter(|_| !is_last);
    let destinations: Vec<_> = shown.into_iter().map(|(_, it)| it.into()).collect();
    let unreadable = match part.after {
        None => snapshot.unreadable.iter().map(Into::into).collect(),
        Some(_) => Vec::new(),
    };
    let body = Body {
        count: destinations.len(),
        destinations,
        next,
        unreadable,
    };
    Ok(Success(body).into_response())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lunora_testkit::fault::FaultPlan;
    use serde_json::json;

    use crate::world::{World, custom};

    #[tokio::test]
    async fn a_list_has_the_shape_that_clients_know() {
        let world = World::new();
        let mut body = custom("one");
        body["preset_id"] = json!("preset_1");
        world.create(body).await;
        let bare = json!({"name": "two", "platform": "hls", "enabled": false});
        world.create(bare).await;

        let reply = world.get("/api/destinations").await;

        let time = "2026-01-02T03:04:05.000Z";
        let expected = json!({"status": "success", "count": 2, "destinations": [
            {
                "destination_id": "dest_1767323045000_100000000",
                "name": "one",
                "platform": "custom",
                "rtmp_url": "rtmp://127.0.0.1:9/live",
                "stream_key": "***ENCRYPTED***",
                "preset_id": "preset_1",
                "enabled": true,
                "streaming_status": "ready",
                "streaming_started_at": null,
                "created_at": time,
                "updated_at": time,
                "backup_rtmp_url": null,
                "backup_stream_key": null,
                "failover_enabled": false,
                "backup_mode": "standby",
                "current_active_url": "primary",
                "output_type": "relay",
                "wanted": "stopped",
                "generation": 1,
                "state": {
                    "status": "idle", "since": time, "severity": "ok", "leg": "primary",
                    "fault": null, "last_fault": null, "progress": null,
                },
            },
            {
                // 2 is the id of the change that kept the key of the first.
                "destination_id": "dest_1767323045000_300000000",
                "name": "two",
                "platform": "hls",
                "rtmp_url": null,
                "stream_key": null,
                "preset_id": null,
                "enabled": false,
                "streaming_status": "ready",
                "streaming_started_at": null,
                "created_at": time,
                "updated_at": time,
                "backup_rtmp_url": null,
                "backup_stream_key": null,
                "failover_enabled": false,
                "backup_mode": "standby",
                "current_active_url": "primary",
                "output_type": "relay",
                "wanted": "stopped",
                "generation": 1,
                "state": {
                    "status": "disabled", "since": time, "severity": "ok", "leg": "primary",
                    "fault": null, "last_fault": null, "progress": null,
                },
            },
        ]});
        assert_eq!(reply.json, expected);
    }

    #[tokio::test]
    async fn rule_20_polls_are_answered_from_a_snapshot_of_the_last_5_seconds() {
        let plan = FaultPlan::none();
        let world = World::under(&plan);
        world.create(custom("one")).await;
        world.get("/api/destinations").await;
        plan.forget_calls();

        world.core.clock.advance(Duration::from_secs(5));
        world.get("/api/destinations").await;
        world.get("/api/streaming/status").await;
        let fresh = plan.calls().len();
        world.core.clock.advance(Duration::from_secs(1));
        world.get("/api/destinations").await;

        assert_eq!(fresh, 0);
        assert!(plan.calls().contains(&"DestinationRepo::list"));
    }

    #[tokio::test]
    async fn a_list_in_parts_shows_every_destination_once() {
        let world = World::new();
        for name in ["one", "two", "three"] {
            world.create(custom(name)).await;
        }

        let first = world.get("/api/destinations?limit=2").await;
        let next = first.json["next"].as_str().unwrap();
        let path = format!("/api/destinations?limit=2&after={next}");
        let second = world.get(&path).await;

        let name = |it: &serde_json::Value| it["name"].as_str().unwrap().to_owned();
        let lists = [&first, &second].map(|it| it.json["destinations"].as_array().unwrap());
        let names: Vec<_> = lists.into_iter().flatten().map(name).collect();
        assert_eq!(names, ["one", "two", "three"]);
        assert_eq!(second.json["next"], serde_json::Value::Null);
        let refused = world.get("/api/destinations?limit=x").await;
        assert_eq!(refused.refusal(), (400, "invalid"));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_listed_once_beside_the_others() {
        let world = World::new();
        for name in ["one", "two"] {
            world.create(custom(name)).await;
        }
        let reason = "the push URL has no application";
        world.core.destinations.plant_unreadable("dest-0", reason);
        world.core.clock.advance(Duration::from_secs(6));

        let all = world.get("/api/destinations").await;
        let first = world.get("/api/destinations?limit=1").await;
        let next = first.json["next"].as_str().unwrap();
        let path = format!("/api/destinations?limit=1&after={next}");
        let second = world.get(&path).await;

        let expected = json!([{"destination_id": "dest-0", "reason": reason}]);
        assert_eq!(all.json["unreadable"], expected);
        assert_eq!(all.json["count"], 2);
        assert_eq!(first.json["unreadable"], expected);
        assert_eq!(second.json.get("unreadable"), None);
    }
}
