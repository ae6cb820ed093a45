use axum::http::{Method, StatusCode, Uri};

use crate::problem::{Facts, Problem};

pub(crate) async fn not_found(method: Method, uri: Uri) -> Problem {
    let status = StatusCode::NOT_FOUND;
    Problem::new(status, "not_found", "Endpoint not found").with_facts(endpoint(&method, &uri))
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let message = "This method is not allowed here; the Allow header names those that are";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method_not_allowed", message).with_facts(endpoint(&method, &uri))
}

// Never the query: it could hold what does not belong there.
fn endpoint(method: &Method, uri: &Uri) -> Facts {
    Facts::Endpoint {
        path: uri.path().to_owned(),
        method: method.to_string(),
    }
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
    async fn a_wrong_method_is_refused_in_the_same_shape_and_told_the_right_ones() {
        let world = World::new();

        let reply = world.call(Method::PATCH, "/api/destinations").await;

        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.json["code"], "method_not_allowed");
        assert_eq!(reply.json["path"], "/api/destinations");
        assert_eq!(reply.json["method"], "PATCH");
        assert_eq!(reply.header("allow"), Some("GET,HEAD,POST"));
    }
}
