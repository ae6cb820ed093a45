//! What a failed call on AWS means to a port.

use std::{error::Error, fmt, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{DispatchFailure, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lunora_core::port::{ErrorKind, PortError};

/// What AWS answered, without what it was asked.
///
/// It is the source of each [`PortError`] of this crate. The error of the SDK is
/// not, because AWS likes to quote a bad value in its message, and the value may
/// be a stream key. AWS finds the rest of the story by the request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    service: &'static str,
    operation: &'static str,
    code: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    hint: &'static str,
}

impl AwsError {
    /// The service, as people call it.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The operation in the words of AWS, as a policy names it.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The code of the answer; none if it had none, or there was no answer.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The status of the answer; none if there was no answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// What AWS calls the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.service, self.operation)?;
        match (self.status, &self.code) {
            (None, _) => f.write_str("was not answered")?,
            (Some(status), None) => write!(f, "answered HTTP {status}")?,
            (Some(status), Some(code)) => write!(f, "answered {code} (HTTP {status})")?,
        }
        if let Some(id) = &self.request_id {
            write!(f, " to request {id}")?;
        }
        write!(f, ": {}", self.hint)
    }
}

impl Error for AwsError {}

/// What a port makes of an answer, and what a person does about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    pub(crate) kind: ErrorKind,
    pub(crate) hint: &'static str,
}

impl Meaning {
    pub(crate) const fn new(kind: ErrorKind, hint: &'static str) -> Self {
        Self { kind, hint }
    }
}

/// A service, and what the codes mean that only it has.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// Is given a code without the `Exception` at its end.
    pub(crate) meaning: fn(&str) -> Option<Meaning>,
}

impl Service {
    /// Says that `operation` on `subject` failed in the call named `api`.
    pub(crate) fn failed<E: ProvideErrorMetadata>(
        &self,
        api: &'static str,
        operation: &'static str,
        subject: impl fmt::Display,
        error: &SdkError<E, HttpResponse>,
    ) -> PortError {
        let code = error.code().and_then(plain).map(str::to_owned);
        let meaning = match error {
            SdkError::ServiceError(answer) => {
                self.of_answer(answer.err().code(), answer.raw().status().as_u16())
            }
            other => of_no_answer(other),
        };
        self.port_error(api, operation, subject, error, code, meaning)
    }

    /// As [`failed`](Self::failed), for an answer whose meaning its code alone does not tell.
    pub(crate) fn port_error<E>(
        &self,
        api: &'static str,
        operation: &'static str,
        subject: impl fmt::Display,
        error: &SdkError<E, HttpResponse>,
        code: Option<String>,
        meaning: Meaning,
    ) -> PortError {
        let answer = error.raw_response();
        let cause = AwsError {
            service: self.name,
            operation: api,
            code,
            status: answer.map(|answer| answer.status().as_u16()),
            request_id: answer.and_then(request_id),
            hint: meaning.hint,
        };
        let failed = PortError::new(meaning.kind, operation, subject).with_source(cause);
        match answer.and_then(wait) {
            Some(wait) if meaning.kind == ErrorKind::Unavailable => failed.with_retry_after(wait),
            _ => failed,
        }
    }

    fn of_answer(&self, code: Option<&str>, status: u16) -> Meaning {
        // Some services say `AccessDenied`, some `AccessDeniedException`.
        let code = code.map(|code| code.strip_suffix("Exception").unwrap_or(code));
        code.and_then(|code| (self.meaning)(code).or_else(|| common(code)))
            .unwrap_or_else(|| of_status(status))
    }
}

pub(crate) const SLOW_DOWN: Meaning = Meaning::new(
    ErrorKind::Unavailable,
    "AWS asks for fewer calls; it may be tried again, and if it stays so, a quota is too small",
);
pub(crate) const MALFORMED: Meaning = Meaning::new(
    ErrorKind::Invalid,
    "AWS refuses the request as it is, and would refuse it again",
);
const BROKEN: Meaning = Meaning::new(
    ErrorKind::Unavailable,
    "AWS failed on its side, perhaps after it had done it; it may be tried again",
);
const UNREADABLE: Meaning = Meaning::new(
    ErrorKind::Unavailable,
    "the answer was cut off or is not one of AWS; it may be tried again, and if it stays so, \
     something in between answers",
);
const FORBIDDEN: Meaning = Meaning::new(
    ErrorKind::Denied,
    "the role of this program may not do this; compare its policy with the one that Lunora needs",
);
const UNKNOWN_CREDENTIALS: Meaning = Meaning::new(
    ErrorKind::Denied,
    "AWS does not accept the credentials; they are of another account, wrong, or switched off",
);
const EXPIRED_CREDENTIALS: Meaning = Meaning::new(
    ErrorKind::Denied,
    "the credentials or the signature expired; renew them, and look at the clock of this machine",
);
pub(crate) const LOCKED: Meaning = Meaning::new(
    ErrorKind::Denied,
    "the KMS key cannot be used; enable it, and let the role of this program use it",
);

/// The codes that every service has.
fn common(code: &str) -> Option<Meaning> {
    Some(match code {
        // Those of the SDK's own list, which it has tried again already.
        "Throttling"
        | "Throttled"
        | "RequestThrottled"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "EC2Throttled"
        | "KMSThrottling" => SLOW_DOWN,
        "InternalServerError"
        | "InternalServer"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "KMSInternal"
        | "DependencyTimeout" => BROKEN,
        "AccessDenied"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "Unauthorized"
        | "Forbidden" => FORBIDDEN,
        "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "AuthFailure"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "SignatureDoesNotMatch"
        | "OptInRequired"
        | "NotSignedUp" => UNKNOWN_CREDENTIALS,
        // A signature is invalid to AWS when the clock is off, too.
        "ExpiredToken" | "RequestExpired" | "InvalidSignature" | "RequestTimeTooSkewed" => {
            EXPIRED_CREDENTIALS
        }
        code if code.starts_with("KMS") => LOCKED,
        "Validation"
        | "ValidationError"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "RequestEntityTooLarge" => MALFORMED,
        "UnknownOperation" | "InvalidAction" | "Serialization" => Meaning::new(
            ErrorKind::Unexpected,
            "the endpoint does not understand the request; is it the one of this service?",
        ),
        _ => return None,
    })
}

/// An answer whose code is unknown, or that something in between gave.
fn of_status(status: u16) -> Meaning {
    match status {
        // A success that could not be read is an error, too.
        200..=299 => UNREADABLE,
        429 => SLOW_DOWN,
        408 | 500.. => BROKEN,
        401 | 403 | 407 => FORBIDDEN,
        413 => MALFORMED,
        _ => Meaning::new(
            ErrorKind::Unexpected,
            "Lunora does not know this answer; please report it with its code",
        ),
    }
}

fn of_no_answer<E>(error: &SdkError<E, HttpResponse>) -> Meaning {
    match error {
        SdkError::TimeoutError(_) => Meaning::new(
            ErrorKind::Unavailable,
            "there was no answer in time, and it may have been done; it may be tried again",
        ),
        SdkError::DispatchFailure(failure) => of_dispatch(failure),
        // The whole of it did not arrive, or it is not one of AWS. Neither says what was done.
        SdkError::ResponseError(_) => UNREADABLE,
        _ => Meaning::new(
            ErrorKind::Unexpected,
            "the request could not be put together; please report it",
        ),
    }
}

fn of_dispatch(failure: &DispatchFailure) -> Meaning {
    if failure.is_timeout() || failure.is_io() || failure.as_other().is_some() {
        return Meaning::new(
            ErrorKind::Unavailable,
            "the endpoint could not be reached, hung up, or has a certificate that this machine does \
             not trust; it may be tried again",
        );
    }
    let cause = failure
        .as_connector_error()
        .and_then(|error| chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()));
    match cause {
        Some(CredentialsError::CredentialsNotLoaded(_)) => Meaning::new(
            ErrorKind::Denied,
            "no credentials were found; give this program a role or a profile, or set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)) => {
            Meaning::new(
                ErrorKind::Unavailable,
                "the credentials could not be fetched; it may be tried again, and if it stays so, \
                 the role or the profile of this program is wrong",
            )
        }
        Some(_) => Meaning::new(
            ErrorKind::Denied,
            "the credentials are not usable; correct the role or the profile of this program",
        ),
        None => Meaning::new(
            ErrorKind::Denied,
            "the request could not be sent; set AWS_REGION, and look at the endpoint and at the \
             credentials that are configured",
        ),
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn request_id(answer: &HttpResponse) -> Option<String> {
    let headers = answer.headers();
    let id = headers
        .get("x-amzn-requestid")
        .or_else(|| headers.get("x-amz-request-id"))?;
    plain(id).map(str::to_owned)
}

/// The longest wait that is passed on; a longer one is a mistake of somebody's.
const WAIT_MAX: Duration = Duration::from_secs(300);

fn wait(answer: &HttpResponse) -> Option<Duration> {
    let headers = answer.headers();
    let number = |name| headers.get(name)?.parse().ok();
    // AWS says it in milliseconds, HTTP in seconds (or as a date, which AWS does not).
    let wait = number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))?;
    Some(wait.min(WAIT_MAX))
}

/// Codes and ids are words; anything else is not passed on.
fn plain(word: &str) -> Option<&str> {
    let is_plain = (1..=80).contains(&word.len())
        && word
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_'));
    is_plain.then_some(word)
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_credential_types::provider::future;
    use aws_sdk_dynamodb::{
        Client,
        config::{Credentials, ProvideCredentials, Region, SharedCredentialsProvider},
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::{body::SdkBody, retry::RetryConfig, timeout::TimeoutConfig};

    use super::*;

    /// What must not be seen anywhere.
    pub(crate) const CANARY: &str = "canary-live-key-0123";

    const SERVICE: Service = Service {
        name: "Service",
        meaning: |_| None,
    };

    /// An answer as services with JSON give it, its message quoting the request.
    pub(crate) fn answer(status: u16, code: &str) -> HttpResponse {
        let body = format!(
            r#"{{"__type":"com.amazonaws#{code}","message":"the value {CANARY} is not right"}}"#
        );
        bytes(status, body)
    }

    fn bytes(status: u16, body: impl Into<SdkBody>) -> HttpResponse {
        let status = StatusCode::try_from(status).unwrap();
        let mut answer = HttpResponse::new(status, body.into());
        answer.headers_mut().insert("x-amzn-requestid", "ID-1");
        answer
    }

    /// The error below a port's; there is no other below that.
    pub(crate) fn cause(error: &PortError) -> &AwsError {
        let cause = error.source().unwrap().downcast_ref::<AwsError>().unwrap();
        assert!(cause.source().is_none());
        cause
    }

    /// All that anybody could print of it.
    pub(crate) fn printed(error: &PortError) -> String {
        let chain: Vec<_> = chain(error)
            .map(|it| format!("{it} {it:?} {it:#?}"))
            .collect();
        chain.join("\n")
    }

    async fn failed(client: &Client) -> PortError {
        let error = client.list_tables().send().await.unwrap_err();
        SERVICE.failed("ListTables", "look at", "the tables", &error)
    }

    async fn failed_with(answer: impl Fn() -> HttpResponse + Send + Sync + 'static) -> PortError {
        let rule = mock!(Client::list_tables).then_http_response(answer);
        let once = RetryConfig::standard().with_max_attempts(1);
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule], |config| {
            config.retry_config(once.clone())
        });
        failed(&client).await
    }

    /// A client that would really call the endpoint.
    fn client(url: &str) -> aws_sdk_dynamodb::config::Builder {
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(Credentials::new("key", CANARY, None, None, "test"))
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .retry_config(RetryConfig::disabled())
    }

    #[tokio::test]
    async fn each_class_of_answers_has_its_kind() {
        let table = [
            (400, "ThrottlingException", ErrorKind::Unavailable),
            (400, "RequestLimitExceeded", ErrorKind::Unavailable),
            (429, "TooManyRequestsException", ErrorKind::Unavailable),
            (500, "InternalServerError", ErrorKind::Unavailable),
            (503, "NobodyKnowsThisOne", ErrorKind::Unavailable),
            (400, "AccessDeniedException", ErrorKind::Denied),
            (400, "UnrecognizedClientException", ErrorKind::Denied),
            (400, "ExpiredTokenException", ErrorKind::Denied),
            (400, "InvalidSignatureException", ErrorKind::Denied),
            (400, "KMSDisabledException", ErrorKind::Denied),
            (400, "KMSThrottlingException", ErrorKind::Unavailable),
            (403, "NobodyKnowsThisOne", ErrorKind::Denied),
            (400, "ValidationException", ErrorKind::Invalid),
            (413, "NobodyKnowsThisOne", ErrorKind::Invalid),
            (400, "UnknownOperationException", ErrorKind::Unexpected),
            (400, "NobodyKnowsThisOne", ErrorKind::Unexpected),
        ];
        for (status, code, kind) in table {
            let error = failed_with(move || answer(status, code)).await;

            assert_eq!(error.kind(), kind, "{status} {code}");
            assert_eq!(cause(&error).code(), Some(code));
            assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
        }
    }

    #[tokio::test]
    async fn an_error_says_what_was_done_what_came_back_and_what_to_do() {
        let error = failed_with(|| answer(400, "AccessDeniedException")).await;

        assert_eq!(
            error.to_string(),
            "failed to look at the tables: not permitted"
        );
        assert_eq!(
            cause(&error).to_string(),
            "Service ListTables answered AccessDeniedException (HTTP 400) to request ID-1: the \
             role of this program may not do this; compare its policy with the one that Lunora \
             needs"
        );
        assert_eq!(cause(&error).status(), Some(400));
        assert_eq!(cause(&error).request_id(), Some("ID-1"));
    }

    #[tokio::test]
    async fn what_something_in_between_answers_is_judged_by_its_status() {
        let table = [
            (502, ErrorKind::Unavailable),
            (403, ErrorKind::Denied),
            (404, ErrorKind::Unexpected),
            // No answer of the service at all, whatever it says about itself.
            (200, ErrorKind::Unavailable),
        ];
        for (status, kind) in table {
            let page = format!("<html>{CANARY}</html>");
            let error = failed_with(move || bytes(status, page.as_str())).await;

            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(cause(&error).code(), None);
            assert_eq!(cause(&error).status(), Some(status));
            assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
        }
    }

    #[tokio::test]
    async fn a_code_or_an_id_that_is_no_word_is_not_passed_on() {
        let error = failed_with(|| {
            let mut answer = answer(400, &format!("Bad {CANARY}"));
            let id = format!("{CANARY} {CANARY}");
            answer.headers_mut().insert("x-amzn-requestid", id);
            answer
        })
        .await;

        assert_eq!(cause(&error).code(), None);
        assert_eq!(cause(&error).request_id(), None);
        assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
    }

    #[tokio::test]
    async fn a_wait_that_was_asked_for_is_passed_on() {
        for (header, text, wait) in [
            (
                "x-amz-retry-after",
                "1500",
                Some(Duration::from_millis(1500)),
            ),
            ("retry-after", "7", Some(Duration::from_secs(7))),
            ("retry-after", "99999999", Some(WAIT_MAX)),
            ("retry-after", "soon", None),
        ] {
            let error = failed_with(move || {
                let mut answer = answer(503, "ServiceUnavailable");
                answer.headers_mut().insert(header, text);
                answer
            })
            .await;

            assert_eq!(error.retry_after(), wait, "{header}: {text}");
        }
    }

    #[tokio::test]
    async fn throttling_is_tried_again_first() {
        let rule = mock!(Client::list_tables)
            .sequence()
            .http_response(|| answer(400, "ThrottlingException"))
            .times(2)
            .output(|| {
                aws_sdk_dynamodb::operation::list_tables::ListTablesOutput::builder().build()
            })
            .build();
        let quick = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::Sequential, [&rule], |config| {
            config.retry_config(quick.clone())
        });

        client.list_tables().send().await.unwrap();

        assert_eq!(rule.num_calls(), 3);
    }

    #[tokio::test]
    async fn a_closed_port_is_unavailable() {
        // Port 1 of the loopback is nobody's.
        let client = Client::from_conf(client("http://127.0.0.1:1").build());

        let error = failed(&client).await;

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(cause(&error).status(), None);
        assert!(
            cause(&error)
                .to_string()
                .starts_with("Service ListTables was not answered: ")
        );
        assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
    }

    #[tokio::test]
    async fn silence_is_unavailable_after_the_time_limit() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let short = TimeoutConfig::builder()
            .operation_timeout(Duration::from_millis(50))
            .build();
        let sleep = aws_smithy_async::rt::sleep::TokioSleep::new();
        let config = client(&url).timeout_config(short).sleep_impl(sleep).build();

        let error = failed(&Client::from_conf(config)).await;

        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            cause(&error).hint().contains("no answer in time"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn without_credentials_it_says_how_to_give_them() {
        #[derive(Debug)]
        struct Nowhere;
        impl ProvideCredentials for Nowhere {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                let error = CredentialsError::not_loaded(format!("not in {CANARY}"));
                future::ProvideCredentials::ready(Err(error))
            }
        }
        let config = client("http://127.0.0.1:1")
            .credentials_provider(SharedCredentialsProvider::new(Nowhere))
            .build();

        let error = failed(&Client::from_conf(config)).await;

        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(
            cause(&error).hint().contains("AWS_ACCESS_KEY_ID"),
            "{error:?}"
        );
        assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
    }

    #[tokio::test]
    async fn without_a_region_it_says_how_to_set_it() {
        let config = client("http://127.0.0.1:1").region(None).build();

        let error = failed(&Client::from_conf(config)).await;

        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(cause(&error).hint().contains("AWS_REGION"), "{error:?}");
    }
}
