//! The settings of `rtmp-push`, which this version of the SDK does not have.
//!
//! MediaConnect has them since 2026-11-12 (botocore 1.44.2), aws-sdk-mediaconnect
//! 1.133.0 has not. So they are put into the request when the SDK has written it
//! and not signed it yet. Delete this module when the SDK has `rtmp_push_settings`.

use std::{fmt, io};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use lunora_core::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The protocol's word. The SDK takes one that it does not know as it is.
pub(super) const PROTOCOL: &str = "rtmp-push";

/// Whether RTMP goes over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Without,
    With,
}

/// What an RTMP output is told besides host and port.
#[derive(Clone)]
pub(super) struct RtmpPush {
    pub(super) application: SecretString,
    pub(super) stream: SecretString,
    pub(super) tls: Tls,
}

impl RtmpPush {
    /// `RtmpPushOutputSettings` of the model.
    fn to_json(&self) -> Value {
        let mut settings = json!({
            "applicationName": self.application.expose_secret(),
            "streamName": self.stream.expose_secret(),
        });
        if self.tls == Tls::With {
            settings["tlsEncryption"] = json!({
                "encryptionType": "PUBLIC",
                "encryptionConfiguration": { "public": {} },
            });
        }
        settings
    }
}

impl fmt::Debug for RtmpPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtmpPush").finish_non_exhaustive()
    }
}

/// Puts the settings into a request, each at its JSON pointer: `/outputs/2` of
/// `AddFlowOutputs`, or the whole of `UpdateFlowOutput`, which is the empty one.
///
/// Meant for `map_request`: that is before the signature, on every attempt, and
/// may fail. What it fails with says nothing of what was sent.
pub(super) fn put(
    mut request: HttpRequest,
    settings: &[(String, RtmpPush)],
) -> Result<HttpRequest, io::Error> {
    if settings.is_empty() {
        return Ok(request);
    }
    let body = request.body().bytes();
    let mut document: Value = body
        .and_then(|body| serde_json::from_slice(body).ok())
        .ok_or_else(|| io::Error::other("the SDK wrote a request that is not JSON"))?;
    for (at, settings) in settings {
        document
            .pointer_mut(at)
            .and_then(Value::as_object_mut)
            .ok_or_else(|| io::Error::other("the SDK wrote a request without that output"))?
            .insert("rtmpPushSettings".to_owned(), settings.to_json());
    }
    let body = document.to_string();
    // The SDK has counted what it wrote, and signs that header, too.
    request
        .headers_mut()
        .insert("content-length", body.len().to_string());
    // A stream of the same bytes: signed and sent again as before, and not in a `Debug`.
    *request.body_mut() = SdkBody::from(body).map_preserve_contents(SdkBody::from_body_1_x);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-live-key-0123";

    fn push(tls: Tls) -> RtmpPush {
        RtmpPush {
            application: "live2?backup=1".into(),
            stream: CANARY.into(),
            tls,
        }
    }

    fn request(body: &str) -> HttpRequest {
        HttpRequest::new(SdkBody::from(body))
    }

    fn body(request: &HttpRequest) -> Value {
        serde_json::from_slice(request.body().bytes().unwrap()).unwrap()
    }

    #[test]
    fn the_settings_are_put_where_they_belong() {
        let written = request(r#"{"outputs":[{"name":"srt"},{"name":"rtmp"}]}"#);
        let patched = put(written, &[("/outputs/1".to_owned(), push(Tls::With))]).unwrap();

        let expected = json!({"outputs": [{"name": "srt"}, {"name": "rtmp", "rtmpPushSettings": {
            "applicationName": "live2?backup=1",
            "streamName": CANARY,
            "tlsEncryption": {
                "encryptionType": "PUBLIC",
                "encryptionConfiguration": {"public": {}},
            },
        }}]});
        assert_eq!(body(&patched), expected);
        let length = patched.body().bytes().unwrap().len().to_string();
        assert_eq!(
            patched.headers().get("content-length"),
            Some(length.as_str())
        );
    }

    #[test]
    fn rtmp_without_tls_says_nothing_of_tls() {
        let patched = put(request("{}"), &[(String::new(), push(Tls::Without))]).unwrap();
        assert!(body(&patched)["rtmpPushSettings"]["tlsEncryption"].is_null());
    }

    #[test]
    fn rule_21_a_patched_request_shows_no_stream_key() {
        let patched = put(request("{}"), &[(String::new(), push(Tls::With))]).unwrap();
        assert!(!format!("{patched:?} {:?}", push(Tls::With)).contains(CANARY));
        // It can be sent again.
        assert!(patched.body().try_clone().is_some());
    }

    #[test]
    fn what_cannot_be_patched_is_not_sent() {
        for body in ["", "canary", "[]", r#"{"outputs":[]}"#] {
            let settings = [("/outputs/0".to_owned(), push(Tls::With))];
            let error = put(request(body), &settings).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
