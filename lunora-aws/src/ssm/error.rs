//! What a failed call on the Parameter Store means to a port.

use std::fmt;

use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lunora_core::port::{ErrorKind, PortError};

use crate::error::{LOCKED, MALFORMED, Meaning, Service};

const PARAMETER_STORE: Service = Service {
    name: "SSM",
    meaning,
};

/// Says that `operation` on `subject` failed in the call named `api`, as in
/// `failed("PutParameter", "keep", name, &error)`.
pub(super) fn failed<E: ProvideErrorMetadata>(
    api: &'static str,
    operation: &'static str,
    subject: impl fmt::Display,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    match error.as_service_error() {
        // KMS refuses through SSM, in the code of SSM's own refusal.
        Some(refusal) if is_of_kms(refusal) => {
            let code = refusal.code().map(str::to_owned);
            PARAMETER_STORE.port_error(api, operation, subject, error, code, LOCKED)
        }
        _ => PARAMETER_STORE.failed(api, operation, subject, error),
    }
}

/// Whether access to the key is what is missing, and not to the parameter. Only
/// the message says so; it goes no further than here.
fn is_of_kms(refusal: &impl ProvideErrorMetadata) -> bool {
    const BY_KMS: [&str; 3] = ["perform: kms:", "Service: AWSKMS", "Service: Kms"];
    matches!(
        refusal.code(),
        Some("AccessDeniedException" | "AccessDenied")
    ) && refusal
        .message()
        .is_some_and(|message| BY_KMS.iter().any(|by| message.contains(by)))
}

fn meaning(code: &str) -> Option<Meaning> {
    Some(match code {
        "ParameterAlreadyExists" => Meaning::new(
            ErrorKind::Conflict,
            "there is a parameter of this name already; read it first",
        ),
        // Where that is an answer and no failure, it is taken before it comes here.
        "ParameterNotFound" | "ParameterVersionNotFound" => Meaning::new(
            ErrorKind::Conflict,
            "the parameter is gone; read again what names it",
        ),
        // The write was refused because another one is under way, not because it came late.
        "TooManyUpdates" => Meaning::new(
            ErrorKind::Unavailable,
            "another write is touching the parameter at this moment; it may be tried again",
        ),
        "ParameterLimitExceeded" => Meaning::new(
            ErrorKind::Exhausted,
            "the account has as many parameters as it may in this region; remove some, or switch \
             on advanced parameters",
        ),
        "ParameterMaxVersionLimitExceeded" => Meaning::new(
            ErrorKind::Exhausted,
            "the oldest of the parameter's 100 versions has a label and is kept; take the label off",
        ),
        "InvalidKeyId" => LOCKED,
        "HierarchyLevelLimitExceeded"
        | "HierarchyTypeMismatch"
        | "InvalidAllowedPattern"
        | "InvalidFilterKey"
        | "InvalidFilterOption"
        | "InvalidFilterValue"
        | "InvalidNextToken"
        | "ParameterPatternMismatch"
        | "PoliciesLimitExceeded"
        | "UnsupportedParameterType" => MALFORMED,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::{Client, types::ParameterType};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::retry::RetryConfig;

    use super::*;
    use crate::error::tests::{CANARY, answer, cause, printed};

    async fn put(code: &'static str) -> PortError {
        let rule = mock!(Client::put_parameter).then_http_response(move || answer(400, code));
        let once = RetryConfig::standard().with_max_attempts(1);
        let client = mock_client!(aws_sdk_ssm, RuleMode::MatchAny, [&rule], |config| {
            config.retry_config(once.clone())
        });
        let call = client
            .put_parameter()
            .name("/a/b")
            .r#type(ParameterType::SecureString)
            .value(CANARY);
        failed(
            "PutParameter",
            "keep",
            "a key",
            &call.send().await.unwrap_err(),
        )
    }

    #[tokio::test]
    async fn each_code_of_the_parameter_store_has_its_kind() {
        let table = [
            ("ParameterAlreadyExists", ErrorKind::Conflict),
            ("ParameterNotFound", ErrorKind::Conflict),
            ("ParameterVersionNotFound", ErrorKind::Conflict),
            ("TooManyUpdates", ErrorKind::Unavailable),
            ("ThrottlingException", ErrorKind::Unavailable),
            ("InternalServerError", ErrorKind::Unavailable),
            ("ParameterLimitExceeded", ErrorKind::Exhausted),
            ("ParameterMaxVersionLimitExceeded", ErrorKind::Exhausted),
            ("InvalidKeyId", ErrorKind::Denied),
            ("AccessDeniedException", ErrorKind::Denied),
            ("HierarchyLevelLimitExceededException", ErrorKind::Invalid),
            ("ParameterPatternMismatchException", ErrorKind::Invalid),
            ("ValidationException", ErrorKind::Invalid),
        ];
        for (code, kind) in table {
            let error = put(code).await;

            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(cause(&error).code(), Some(code));
            assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
        }
    }
}
