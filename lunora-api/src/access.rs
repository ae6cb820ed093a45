use std::net::IpAddr;

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode, Uri,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{Api, problem::Problem};

/// Who may call (rule 26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Programs on this machine, and pages that this API serves: the `Host` is a
    /// loopback name or address, whatever the port, an `Origin` is that host, and
    /// a browser that tells for whom it asks tells of no other site.
    Loopback,
}

/// Lets a request through that may come in as it is, and has every reply say
/// how a browser has to treat it.
pub(crate) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let checked = match api.parts().access {
        Access::Loopback => check_loopback(request.headers(), request.uri()),
    };
    let checked = checked
        .and_then(|()| check_query(request.uri()))
        .and_then(|()| check_body(&request));
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in REPLY_HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Tells for which page a browser asks; a page cannot change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const REPLY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// A page of another site can reach a loopback address, by a name that it makes
/// resolve to one (DNS rebinding) or directly. Its browser tells by these headers.
fn check_loopback(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let Some(host) = host_of(headers).filter(is_loopback) else {
        return Err(host_refused());
    };
    if uri.authority().is_some_and(|named| !is_loopback(named)) {
        return Err(host_refused());
    }
    let own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        let site = origin.and_then(|origin| origin.split_once("://"));
        site.is_some_and(|(scheme, authority)| {
            matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host.as_str())
        })
    };
    // A GET of another site's page can carry no `Origin`, such as that of an image;
    // `none` is a person who typed the address.
    let alone = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    let is_own = headers.get_all(ORIGIN).iter().all(own);
    if is_own && headers.get_all(SEC_FETCH_SITE).iter().all(alone) {
        return Ok(());
    }
    let message = "Pages of other origins may not call this API; open the page that it serves";
    let status = StatusCode::FORBIDDEN;
    Err(Problem::new(status, "origin_refused", message))
}

/// The one `Host` of a request.
fn host_of(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?;
    let is_only = hosts.next().is_none();
    is_only.then(|| Authority::try_from(host.as_bytes()).ok())?
}

/// Whether this is a name or an address that only this machine can mean, whatever the port.
#[must_use]
pub fn is_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn host_refused() -> Problem {
    let message = "This API answers to loopback names alone; call it as http://127.0.0.1 or \
                   http://localhost with its port";
    Problem::new(StatusCode::FORBIDDEN, "host_refused", message)
}

/// What the name of a parameter contains that holds a credential.
const CREDENTIAL_WORDS: [&str; 7] = [
    "key",
    "token",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "auth",
];

/// No credential ever stands in a URL: URLs end up in logs and histories.
fn check_query(uri: &Uri) -> Result<(), Problem> {
    let query = uri.query().unwrap_or_default();
    let is_credential = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        // A `%` could hide any letter, and no parameter of ours needs one.
        let name = name.to_ascii_lowercase();
        name.contains('%') || CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
    };
    if !query.split('&').any(is_credential) {
        return Ok(());
    }
    let message = "A stream key or another credential may not stand in the URL; send it in the \
                   JSON body. If it was a real one, change it: URLs are logged on their way";
    let status = StatusCode::BAD_REQUEST;
    Err(Problem::new(status, "credential_in_url", message))
}

/// A body that is no JSON could come from a form of any page.
fn check_body(request: &Request) -> Result<(), Problem> {
    if request.body().is_end_stream() {
        return Ok(());
    }
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    if kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = "Send the body as JSON, with `Content-Type: application/json`";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "unsupported_media_type", message))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use serde_json::json;

    use crate::world::{Reply, World, custom, json_request, request};

    async fn with_headers(
        world: &World,
        mut request: Request<Body>,
        headers: &[(&'static str, &str)],
    ) -> Reply {
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        world.reply(request).await
    }

    fn health() -> Request<Body> {
        request(Method::GET, "/api/health", Body::empty())
    }

    #[tokio::test]
    async fn rule_26_a_loopback_name_or_address_is_answered_on_any_port() {
        let world = World::new();
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]:9",
        ] {
            let reply = with_headers(&world, health(), &[("host", host)]).await;
            assert_eq!(reply.status, 200, "{host}");
        }
    }

    #[tokio::test]
    async fn rule_26_another_host_is_refused_wherever_its_name_resolves_to() {
        let world = World::new();
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "10.0.0.1:8080",
            "0.0.0.0:8080",
            "localhost@evil.example",
            "evil.example@localhost",
            "[::ffff:10.0.0.1]",
            "",
        ] {
            let reply = with_headers(&world, health(), &[("host", host)]).await;
            assert_eq!(reply.refusal(), (403, "host_refused"), "{host}");
        }
        let two = [("host", "localhost"), ("host", "evil.example")];
        let reply = with_headers(&world, health(), &two).await;
        assert_eq!(reply.refusal(), (403, "host_refused"));
        let absolute = request(Method::GET, "http://evil.example/api/health", Body::empty());
        let reply = world.reply(absolute).await;
        assert_eq!(reply.refusal(), (403, "host_refused"));
    }

    #[tokio::test]
    async fn rule_26_a_page_of_another_origin_is_refused_whatever_it_asks() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        for origin in [
            "https://evil.example",
            "null",
            "http://127.0.0.1:3000",
            "http://localhost:8080",
            "file://127.0.0.1:8080",
        ] {
            let headers = [("host", "127.0.0.1:8080"), ("origin", origin)];
            let start = request(Method::POST, &format!("{path}/start"), Body::empty());
            for asked in [health(), start] {
                let reply = with_headers(&world, asked, &headers).await;
                assert_eq!(reply.refusal(), (403, "origin_refused"), "{origin}");
            }
        }
        assert_eq!(world.on_air(), 0);

        let own = [
            ("host", "127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:8080"),
        ];
        let reply = with_headers(&world, health(), &own).await;

        assert_eq!(reply.status, 200);
    }

    #[tokio::test]
    async fn rule_26_a_browser_that_asks_for_another_site_is_refused_also_without_an_origin() {
        let world = World::new();
        for site in ["cross-site", "same-site", "Same-Origin", "", "odd"] {
            let reply = with_headers(&world, health(), &[("sec-fetch-site", site)]).await;
            assert_eq!(reply.refusal(), (403, "origin_refused"), "{site:?}");
        }
        let two = [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ];
        let reply = with_headers(&world, health(), &two).await;
        assert_eq!(reply.refusal(), (403, "origin_refused"));

        for site in ["same-origin", "none"] {
            let reply = with_headers(&world, health(), &[("sec-fetch-site", site)]).await;
            assert_eq!(reply.status, 200, "{site}");
        }
    }

    #[tokio::test]
    async fn rule_26_a_body_that_is_not_json_is_refused() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        let paths = [
            "/api/destinations".to_owned(),
            format!("{path}/start"),
            "/api/reconcile/resume".to_owned(),
        ];
        for path in &paths {
            for kind in ["text/plain", "application/x-www-form-urlencoded", "json"] {
                let asked = request(Method::POST, path, Body::from("{}"));
                let reply = with_headers(&world, asked, &[("content-type", kind)]).await;
                assert_eq!(
                    reply.refusal(),
                    (415, "unsupported_media_type"),
                    "{path} {kind}"
                );
            }
            let untyped = request(Method::POST, path, Body::from("{}"));
            assert_eq!(world.reply(untyped).await.status, 415);
        }
        assert_eq!(world.on_air(), 0);

        let asked = request(Method::POST, &paths[1], Body::from("{}"));
        let kind = [("content-type", "Application/JSON; charset=utf-8")];
        let reply = with_headers(&world, asked, &kind).await;

        assert_eq!(reply.status, 200);
    }

    #[tokio::test]
    async fn rule_26_no_credential_stands_in_a_url() {
        let world = World::new();
        for query in [
            "stream_key=k",
            "limit=1&Stream_Key=k",
            "backup_stream_key=",
            "access_token=t",
            "PASSWORD=p",
            "stream%5Fk%65y=k",
        ] {
            let reply = world.get(&format!("/api/destinations?{query}")).await;
            assert_eq!(reply.refusal(), (400, "credential_in_url"), "{query}");
        }
        let reply = world.get("/api/destinations?limit=1&page=2").await;
        assert_eq!(reply.status, 200);
    }

    #[tokio::test]
    async fn every_reply_tells_a_browser_to_keep_it_to_itself() {
        let world = World::new();
        let bad = json_request(Method::POST, "/api/destinations", &json!({}));
        let foreign = with_headers(&world, health(), &[("origin", "null")]).await;

        for reply in [
            world.get("/api/health").await,
            world.get("/api/nothing").await,
            world.reply(bad).await,
            foreign,
        ] {
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("access-control-allow-origin"), None);
            assert!(reply.header("x-request-id").is_some());
        }
    }
}
