use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use lunora_core::service::Change;

use super::path::{Id, IfMatch};
use crate::{
    Api,
    dry_run::{self, Run},
    problem::Problem,
    reply::{Message, Success},
};

pub(crate) async fn remove(
    State(api): State<Api>,
    Id(id): Id,
    IfMatch(generation): IfMatch,
    run: Run,
) -> Result<Response, Problem> {
    if run == Run::Dry {
        return dry_run::reply(&api, Change::Remove(&id, generation)).await;
    }
    api.parts().destinations.remove(&id, generation).await?;
    let message = "Destination deleted";
    Ok(Success(Message { message }).into_response())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Method};
    use serde_json::json;

    use crate::world::{World, custom, request};

    #[tokio::test]
    async fn rule_12_what_is_deleted_takes_its_output_and_its_key_along() {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        let path = world.create(body).await;

        let reply = world.call(Method::DELETE, &path).await;
        let again = world.call(Method::DELETE, &path).await;

        let expected = json!({"status": "success", "message": "Destination deleted"});
        assert_eq!(reply.json, expected);
        assert_eq!(world.core.router.specs().len(), 0);
        assert_eq!(world.core.secrets.names(), []);
        assert_eq!(again.refusal(), (404, "not_found"));
    }

    #[tokio::test]
    async fn rule_17_what_was_changed_meanwhile_is_not_deleted() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        world.put(&path, json!({"name": "new"})).await;
        let mut delete = request(Method::DELETE, &path, Body::empty());
        let tag = "\"1\"".parse().unwrap();
        delete.headers_mut().insert("if-match", tag);

        let reply = world.reply(delete).await;

        assert_eq!(reply.refusal(), (412, "stale"));
        assert_eq!(world.get(&path).await.status, 200);
    }
}
