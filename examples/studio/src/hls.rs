//! What viewers get over HTTP: the files of the relay's HLS, and nothing else of the folder.
//!
//! Only names that the relay gives are asked for, so no path leads out of it. Readers are few and
//! each has to be done in time: the connections that they take are the API's as well.

use std::{
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, IF_MODIFIED_SINCE,
            IF_UNMODIFIED_SINCE, ORIGIN, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use lunora_api::is_loopback;
use lunora_relay::HlsFile;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep_until},
};
use tower_http::services::ServeDir;

/// How many files may be read at a time. A segment to this machine takes milliseconds.
const READERS_MAX: usize = 64;
/// How long one may take: by then its segment is hardly in the playlist any more.
const READ_MAX: Duration = Duration::from_secs(30);

/// Tells for which page a browser asks; a page cannot change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Serves the HLS that lies in a folder.
pub(crate) fn routes(folder: &Path) -> Router {
    let files = ServeDir::new(folder).append_index_html_on_directories(false);
    let readers = Arc::new(Semaphore::new(READERS_MAX));
    Router::new()
        .fallback_service(files)
        .layer(middleware::from_fn_with_state(readers, guard))
}

/// Lets a request through for a file of ours, by a program or a page of this machine, and says how
/// long what it gets is good for.
async fn guard(
    State(readers): State<Arc<Semaphore>>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = match origin_of(&request) {
        Ok(origin) => origin,
        Err(refused) => return refused.into_response(),
    };
    let name = request.uri().path().strip_prefix('/');
    let file = name.and_then(|name| name.parse::<HlsFile>().ok());
    let mut response = match file {
        _ if request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such file").into_response(),
        Some(file) => {
            let Ok(place) = readers.try_acquire_owned() else {
                let later = [(RETRY_AFTER, "1")];
                return (StatusCode::SERVICE_UNAVAILABLE, later).into_response();
            };
            if file == HlsFile::Playlist {
                // It is replaced more often than the seconds of these headers can tell.
                request.headers_mut().remove(IF_MODIFIED_SINCE);
                request.headers_mut().remove(IF_UNMODIFIED_SINCE);
            }
            let response = next.run(request).await;
            finish(file, response, place)
        }
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let methods = HeaderValue::from_static("GET, HEAD");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        let range = HeaderValue::from_static("range");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, range);
    }
    response
}

/// A page of this machine may read the stream, whatever port it is from; one of another site may
/// not, and neither may one that gave its own name our address.
fn origin_of(request: &Request) -> Result<Option<HeaderValue>, (StatusCode, &'static str)> {
    let headers = request.headers();
    let host = headers.get(hyper::header::HOST);
    let host = host.and_then(|host| host.to_str().ok()?.parse().ok());
    if !host.as_ref().is_some_and(is_loopback) {
        let text = "the stream is served to loopback names alone, such as http://127.0.0.1";
        return Err((StatusCode::FORBIDDEN, text));
    }
    let refused = (
        StatusCode::FORBIDDEN,
        "pages of other sites may not read the stream",
    );
    let Some(origin) = headers.get(ORIGIN) else {
        // A page can embed it without a word of its origin, but its browser tells.
        let site = headers.get(SEC_FETCH_SITE);
        return match site.is_some_and(|site| site.as_bytes() == b"cross-site") {
            true => Err(refused),
            false => Ok(None),
        };
    };
    let site = origin.to_str().ok().and_then(|it| it.split_once("://"));
    let site = site.and_then(|(_, authority)| authority.parse().ok());
    if site.as_ref().is_some_and(is_loopback) {
        return Ok(Some(origin.clone()));
    }
    Err(refused)
}

fn finish(file: HlsFile, response: Response, place: OwnedSemaphorePermit) -> Response {
    let (mut parts, body) = response.into_parts();
    let is_there = parts.status.is_success() || parts.status == StatusCode::NOT_MODIFIED;
    // What is missing now may be there in a moment.
    let cache = match file {
        HlsFile::Head(_) | HlsFile::Segment(_) if is_there => "public, max-age=31536000, immutable",
        _ => "no-cache",
    };
    let cache = HeaderValue::from_static(cache);
    parts.headers.insert(CACHE_CONTROL, cache);
    if is_there {
        let content_type = HeaderValue::from_static(file.content_type());
        parts.headers.insert(CONTENT_TYPE, content_type);
    }
    let timed = Timed {
        body,
        deadline: Box::pin(sleep_until(Instant::now() + READ_MAX)),
        _place: place,
    };
    Response::from_parts(parts, Body::new(timed))
}

/// A body that has to be read in time, and the place that its reader takes until then.
struct Timed {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the reader is too slow".into())));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use tempfile::TempDir;
    use tower::ServiceExt as _;

    use super::*;

    const HOST: &str = "127.0.0.1:8080";

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("hls");
        std::fs::create_dir(&data).unwrap();
        for file in ["live.m3u8", "seg-7.m4s", "init-7.mp4", "unfinished.tmp"] {
            std::fs::write(data.join(file), file).unwrap();
        }
        std::fs::write(folder.path().join("secret"), "a stream key").unwrap();
        folder
    }

    struct Answer(StatusCode, HeaderMap, String);

    async fn get(routes: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer(parts.status, parts.headers, text)
    }

    fn served(folder: &TempDir) -> Router {
        Router::new().nest("/hls", routes(&folder.path().join("hls")))
    }

    #[tokio::test]
    async fn each_file_says_what_it_is_and_how_long_it_is_good_for() {
        let folder = folder();
        let routes = served(&folder);
        for (name, content_type, cache) in [
            ("live.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
            (
                "seg-7.m4s",
                "video/mp4",
                "public, max-age=31536000, immutable",
            ),
            (
                "init-7.mp4",
                "video/mp4",
                "public, max-age=31536000, immutable",
            ),
        ] {
            let path = format!("/hls/{name}");
            let Answer(status, headers, text) = get(&routes, &path, &[("host", HOST)]).await;
            assert_eq!((status, text.as_str()), (StatusCode::OK, name));
            assert_eq!(headers[CONTENT_TYPE], content_type);
            assert_eq!(headers[CACHE_CONTROL], cache);
        }
        let range = [("host", HOST), ("range", "bytes=0-2")];
        let Answer(status, _, text) = get(&routes, "/hls/seg-7.m4s", &range).await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::PARTIAL_CONTENT, "seg")
        );
        // The list may be another one within the second that this header tells.
        let since = [
            ("host", HOST),
            ("if-modified-since", "Wed, 01 Jan 2098 00:00:00 GMT"),
        ];
        assert_eq!(
            get(&routes, "/hls/live.m3u8", &since).await.0,
            StatusCode::OK
        );
        let missing = get(&routes, "/hls/seg-8.m4s", &[("host", HOST)]).await;
        assert_eq!(missing.0, StatusCode::NOT_FOUND);
        assert_eq!(missing.1[CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn no_path_leads_out_of_the_folder_or_to_what_is_not_ours() {
        let folder = folder();
        let routes = served(&folder);
        for path in [
            "/hls/",
            "/hls/unfinished.tmp",
            "/hls/../secret",
            "/hls/%2e%2e/secret",
            "/hls/..%2fsecret",
            "/hls/seg-7.m4s/../../secret",
            "/hls//secret",
            "/hls/live.m3u8/",
            "/hls/%6cive.m3u8",
            "/hls/live.m3u8%00",
        ] {
            let Answer(status, _, text) = get(&routes, path, &[("host", HOST)]).await;
            assert_ne!(status, StatusCode::OK, "{path}: {text}");
            assert!(!text.contains("key"), "{path}: {text}");
        }
    }

    #[tokio::test]
    async fn pages_of_this_machine_may_read_it_and_those_of_other_sites_may_not() {
        let folder = folder();
        let routes = served(&folder);
        let path = "/hls/live.m3u8";
        for origin in [
            "http://127.0.0.1:3000",
            "http://localhost",
            "https://[::1]:8443",
        ] {
            let headers = [("host", HOST), ("origin", origin)];
            let Answer(status, headers, _) = get(&routes, path, &headers).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
            assert_eq!(headers[VARY], "origin");
        }
        for headers in [
            [("host", HOST), ("origin", "https://example.com")],
            [("host", HOST), ("origin", "null")],
            [("host", HOST), ("origin", "http://127.0.0.1.example.com")],
            [("host", HOST), ("sec-fetch-site", "cross-site")],
            [("host", "rebound.example.com"), ("accept", "*/*")],
            [("host", "127.0.0.1@example.com"), ("accept", "*/*")],
        ] {
            let Answer(status, answered, _) = get(&routes, path, &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
            assert!(!answered.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        }
        assert_eq!(get(&routes, path, &[]).await.0, StatusCode::FORBIDDEN);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_are_few_and_one_that_takes_its_time_loses_its_place() {
        let folder = folder();
        let routes = served(&folder);
        let ask = || {
            let request = Request::get("/hls/seg-7.m4s").header("host", HOST);
            routes.clone().oneshot(request.body(Body::empty()).unwrap())
        };
        let mut readers = Vec::new();
        for _ in 0..READERS_MAX {
            readers.push(ask().await.unwrap());
        }
        assert_eq!(
            ask().await.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE
        );

        tokio::time::sleep(READ_MAX).await;
        let slow = readers.pop().unwrap();
        assert!(
            axum::body::to_bytes(slow.into_body(), 1 << 20)
                .await
                .is_err()
        );
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    }
}
