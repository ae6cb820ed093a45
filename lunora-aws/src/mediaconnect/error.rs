//! What a failed call on MediaConnect means to a port.

use std::{fmt, time::Duration};

use aws_sdk_mediaconnect::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lunora_core::{
    domain::FaultCode,
    port::{ErrorKind, PortError},
};

use crate::{
    AwsError,
    error::{MALFORMED, Meaning, Service},
};

const MEDIA_CONNECT: Service = Service {
    name: "MediaConnect",
    meaning,
};

/// A call that MediaConnect did not do, or did not say that it did.
///
/// One call may be about several outputs, and each of them gets an error of its own.
#[derive(Clone, Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    refusal: Option<Refusal>,
    retry_after: Option<Duration>,
    cause: Option<AwsError>,
    reason: Option<&'static str>,
}

/// A failure whose meaning depends on how things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Malformed, in the wrong state, or a name that is taken: it is all one code.
    BadRequest,
    /// There is no such flow, output or source.
    NotFound,
    /// No room for more (HTTP 420).
    Full,
}

impl Failure {
    /// Of the call named `api`, as in `Failure::of("AddFlowOutputs", &error)`.
    pub(super) fn of<E: ProvideErrorMetadata>(
        api: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self {
        let port = MEDIA_CONNECT.failed(api, "", "", error);
        let source = std::error::Error::source(&port);
        let cause: Option<AwsError> = source.and_then(|it| it.downcast_ref()).cloned();
        let refusal = match cause.as_ref().map(|it| (it.code(), it.status())) {
            Some((Some("BadRequestException"), _)) => Some(Refusal::BadRequest),
            Some((Some("NotFoundException"), _)) => Some(Refusal::NotFound),
            Some((_, Some(420))) => Some(Refusal::Full),
            // By a code that the model does not have: one of a batch may still be why.
            Some((_, Some(400 | 409 | 422)))
                if matches!(port.kind(), ErrorKind::Invalid | ErrorKind::Unexpected) =>
            {
                Some(Refusal::BadRequest)
            }
            _ => None,
        };
        Self(Box::new(Inner {
            kind: port.kind(),
            refusal,
            retry_after: port.retry_after(),
            cause,
            reason: None,
        }))
    }

    /// The same, with what somebody is to do about it. What was asked is not refused.
    pub(super) fn explained(self, kind: ErrorKind, reason: &'static str) -> Self {
        let mut inner = self.0;
        inner.kind = kind;
        inner.refusal = None;
        inner.reason = Some(reason);
        Self(inner)
    }

    /// Of an answer that says nothing.
    pub(super) fn of_nonsense() -> Self {
        Self(Box::new(Inner {
            kind: ErrorKind::Unexpected,
            refusal: None,
            retry_after: None,
            cause: None,
            reason: None,
        }))
    }

    /// Of a lease that is not held any more: nothing was called.
    pub(super) fn of_lease(error: &PortError) -> Self {
        Self(Box::new(Inner {
            kind: error.kind(),
            refusal: None,
            retry_after: error.retry_after(),
            cause: None,
            reason: None,
        }))
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.refusal
    }

    /// Says that `operation` on `subject` failed because of it.
    pub(super) fn port_error(
        &self,
        operation: &'static str,
        subject: impl fmt::Display,
    ) -> PortError {
        let Inner {
            kind,
            refusal,
            retry_after,
            cause,
            reason,
        } = &*self.0;
        let mut error = PortError::new(*kind, operation, subject);
        if let Some(wait) = retry_after {
            error = error.with_retry_after(*wait);
        }
        if *refusal == Some(Refusal::BadRequest) {
            error = error.with_reason("MediaConnect refuses these settings");
        }
        if let Some(reason) = reason {
            error = error.with_reason(*reason);
        }
        let status = cause.as_ref().and_then(AwsError::status);
        if status == Some(429) {
            error = error.with_fault(FaultCode::Throttled);
        }
        match cause {
            Some(cause) => error.with_source(cause.clone()),
            None => error,
        }
    }
}

fn meaning(code: &str) -> Option<Meaning> {
    Some(match code {
        // What depends on the state is looked at again before it comes here.
        "BadRequest" => MALFORMED,
        // Nothing that is asked for can be right before an operator acts, so it is
        // like a missing permission. Another account or region looks the same.
        "NotFound" => Meaning::new(
            ErrorKind::Denied,
            "there is no such flow, output or source in this account and region; deploy the flow, \
             or correct MEDIACONNECT_FLOW_ARN, AWS_REGION or the credentials",
        ),
        "AddFlowOutputs420" | "CreateFlow420" | "GrantFlowEntitlements420" => Meaning::new(
            ErrorKind::Exhausted,
            "a quota of MediaConnect is reached; a flow has at most 50 outputs",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_mediaconnect::{Client, types::AddOutputRequest};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::retry::RetryConfig;

    use super::*;
    use crate::error::tests::{CANARY, answer, cause, printed};

    async fn add(status: u16, code: &'static str) -> Failure {
        let rule = mock!(Client::add_flow_outputs).then_http_response(move || {
            let mut answer = answer(status, code);
            answer.headers_mut().insert("x-amzn-errortype", code);
            answer
        });
        let once = RetryConfig::standard().with_max_attempts(1);
        let client = mock_client!(
            aws_sdk_mediaconnect,
            RuleMode::MatchAny,
            [&rule],
            |config| { config.retry_config(once.clone()) }
        );
        let output = AddOutputRequest::builder().stream_id(CANARY).build();
        let call = client.add_flow_outputs().flow_arn("arn").outputs(output);
        Failure::of("AddFlowOutputs", &call.send().await.unwrap_err())
    }

    #[tokio::test]
    async fn each_code_of_mediaconnect_has_its_kind() {
        use Refusal as R;
        let table = [
            (
                400,
                "BadRequestException",
                ErrorKind::Invalid,
                Some(R::BadRequest),
            ),
            (403, "ForbiddenException", ErrorKind::Denied, None),
            (
                400,
                "ValidationException",
                ErrorKind::Invalid,
                Some(R::BadRequest),
            ),
            (
                409,
                "ConflictException",
                ErrorKind::Unexpected,
                Some(R::BadRequest),
            ),
            (400, "ExpiredTokenException", ErrorKind::Denied, None),
            (400, "ThrottlingException", ErrorKind::Unavailable, None),
            (
                404,
                "NotFoundException",
                ErrorKind::Denied,
                Some(R::NotFound),
            ),
            (
                420,
                "AddFlowOutputs420Exception",
                ErrorKind::Exhausted,
                Some(R::Full),
            ),
            (
                429,
                "TooManyRequestsException",
                ErrorKind::Unavailable,
                None,
            ),
            (
                500,
                "InternalServerErrorException",
                ErrorKind::Unavailable,
                None,
            ),
            (
                503,
                "ServiceUnavailableException",
                ErrorKind::Unavailable,
                None,
            ),
        ];
        for (status, code, kind, refusal) in table {
            let failure = add(status, code).await;
            let error = failure.port_error("apply output", "d-primary");

            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(failure.refusal(), refusal, "{code}");
            assert_eq!(cause(&error).code(), Some(code));
            assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
            let throttled = (status == 429).then_some(FaultCode::Throttled);
            assert_eq!(error.fault(), throttled, "{code}");
        }
    }
}
