//! What a failed call on MediaLive means to a port.

use std::fmt;

use aws_sdk_medialive::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lunora_core::port::{ErrorKind, PortError};

use crate::error::{MALFORMED, Meaning, Service};

const MEDIA_LIVE: Service = Service {
    name: "MediaLive",
    meaning,
};

/// Says that `operation` on `subject` failed in the call named `api`.
pub(super) fn failed<E: ProvideErrorMetadata>(
    api: &'static str,
    operation: &'static str,
    subject: impl fmt::Display,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    MEDIA_LIVE.failed(api, operation, subject, error)
}

/// Whether AWS answered, and refused because of what is there: the state may be
/// another one, or an earlier attempt was done and only its answer lost.
///
/// By the code and not by the variant: the model of some operations lacks errors
/// that they answer with.
pub(super) fn is_about_the_state<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> bool {
    let code = error.code().unwrap_or_default();
    let code = code.strip_suffix("Exception").unwrap_or(code);
    matches!(code, "Conflict" | "UnprocessableEntity" | "BadRequest")
}

/// Whether AWS says that there is no such thing.
#[cfg(feature = "mediaconnect")]
pub(super) fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let code = error.code().unwrap_or_default();
    matches!(code, "NotFoundException" | "NotFound")
}

fn meaning(code: &str) -> Option<Meaning> {
    Some(match code {
        "Conflict" => Meaning::new(
            ErrorKind::Conflict,
            "what it is about is in a state that does not allow it; read it again",
        ),
        "NotFound" => Meaning::new(
            ErrorKind::Invalid,
            "there is no such thing in this account and region; correct the id",
        ),
        "BadRequest" | "UnprocessableEntity" => MALFORMED,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_medialive::Client;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::{body::SdkBody, retry::RetryConfig};

    use super::*;
    use crate::error::tests::{CANARY, cause, printed};

    /// An answer as MediaLive gives it: the code stands in a header.
    fn answer(status: u16, code: &str) -> HttpResponse {
        let body = format!(r#"{{"message":"the value {CANARY} is not right"}}"#);
        let status = StatusCode::try_from(status).unwrap();
        let mut answer = HttpResponse::new(status, SdkBody::from(body));
        let headers = answer.headers_mut();
        headers.insert("x-amzn-errortype", code.to_owned());
        headers.insert("x-amzn-requestid", "ID-1");
        answer
    }

    async fn update(status: u16, code: &'static str) -> PortError {
        let rule = mock!(Client::update_channel).then_http_response(move || answer(status, code));
        let once = RetryConfig::standard().with_max_attempts(1);
        let client = mock_client!(aws_sdk_medialive, RuleMode::MatchAny, [&rule], |config| {
            config.retry_config(once.clone())
        });
        let call = client.update_channel().channel_id("1").send().await;
        failed("UpdateChannel", "edit", "channel 1", &call.unwrap_err())
    }

    #[tokio::test]
    async fn each_code_of_medialive_has_its_kind_whether_it_is_modelled_or_not() {
        // UpdateChannel models neither TooManyRequests nor NotFound.
        let table = [
            (409, "ConflictException", ErrorKind::Conflict),
            (404, "NotFoundException", ErrorKind::Invalid),
            (429, "TooManyRequestsException", ErrorKind::Unavailable),
            (400, "BadRequestException", ErrorKind::Invalid),
            (422, "UnprocessableEntityException", ErrorKind::Invalid),
            (403, "ForbiddenException", ErrorKind::Denied),
            (403, "AccessDeniedException", ErrorKind::Denied),
            (500, "InternalServerErrorException", ErrorKind::Unavailable),
            (502, "BadGatewayException", ErrorKind::Unavailable),
            (504, "GatewayTimeoutException", ErrorKind::Unavailable),
        ];
        for (status, code, kind) in table {
            let error = update(status, code).await;

            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(cause(&error).code(), Some(code));
            assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
        }
    }
}
