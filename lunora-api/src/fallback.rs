use axum::http::{Method, StatusCode, Uri};

use crate::problem::{Facts, Problem};

/// For a path that there is not, and for a known one with a method that it has
/// not: clients know no other reply (a 405 in particular).
pub(crate) async fn not_found(method: Method, uri: Uri) -> Problem {
    let status = StatusCode::NOT_FOUND;
    Problem::new(status, "not_found", "Endpoint not found").with_facts(Facts::Endpoint {
        // Never the query: it could hold what does not belong there.
        path: uri.path().to_owned(),
        method: method.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::json;

    use crate::world::World;

    #[tokio::test]
    async fn an_unknown_path_is_not_found_in_the_shape_that_clients_know() {
        let world = World::new();

        let reply = world.get("/api/nothing?here=1").await;

        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        let expected = json!({
            "status": "error", "code": "not_found", "message": "Endpoint not found",
            "path": "/api/nothing", "method": "GET",
        });
        assert_eq!(reply.json, expected);
    }

    #[tokio::test]
    async fn a_method_that_a_path_has_not_is_not_found_in_the_same_shape() {
        let world = World::new();

        let reply = world.call(Method::PATCH, "/api/destinations").await;

        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        let expected = json!({
            "status": "error", "code": "not_found", "message": "Endpoint not found",
            "path": "/api/destinations", "method": "PATCH",
        });
        assert_eq!(reply.json, expected);
    }
}
