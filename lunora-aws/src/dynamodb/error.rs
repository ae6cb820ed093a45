//! What a failed call on DynamoDB means to a port.

use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lunora_core::port::{ErrorKind, PortError};

use crate::error::{Meaning, SLOW_DOWN, Service};

const DYNAMODB: Service = Service {
    name: "DynamoDB",
    meaning,
};

/// Says that `operation` on `subject` failed in the call named `api`, as in
/// `failed("PutItem", "store destination", id, &error)`.
pub(super) fn failed<E: ProvideErrorMetadata>(
    api: &'static str,
    operation: &'static str,
    subject: impl fmt::Display,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    DYNAMODB.failed(api, operation, subject, error)
}

const CHANGED: Meaning = Meaning::new(
    ErrorKind::Conflict,
    "the row is not as it was read; read it again",
);
const BUSY: Meaning = Meaning::new(
    ErrorKind::Unavailable,
    "another write is touching the row at this moment; it may be tried again",
);
const FULL: Meaning = Meaning::new(
    ErrorKind::Exhausted,
    "the rows under one key are at the limit of DynamoDB; remove some",
);

fn meaning(code: &str) -> Option<Meaning> {
    Some(match code {
        "ConditionalCheckFailed" | "DuplicateItem" => CHANGED,
        "TransactionConflict" | "TransactionInProgress" | "ReplicatedWriteConflict" => BUSY,
        // `LimitExceeded` is about tables that are made or changed at once, and passes.
        "ProvisionedThroughputExceeded" | "LimitExceeded" => SLOW_DOWN,
        "ItemCollectionSizeLimitExceeded" => FULL,
        // Nothing that is asked for can be right before an operator acts, so it is
        // like a missing permission. Another account or region looks the same.
        "ResourceNotFound" | "TableNotFound" => Meaning::new(
            ErrorKind::Denied,
            "there is no such table or index in this account and region; deploy the tables, or \
             correct their names, AWS_REGION or the credentials",
        ),
        "ResourceInUse" | "TableInUse" | "TableAlreadyExists" => Meaning::new(
            ErrorKind::Conflict,
            "the table is there already or is being changed; look at it again",
        ),
        "IdempotentParameterMismatch" => Meaning::new(
            ErrorKind::Unexpected,
            "one token was used for two different writes; please report it",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{Client, types::AttributeValue};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::retry::RetryConfig;

    use super::*;
    use crate::error::tests::{CANARY, answer, cause, printed};

    fn secret() -> AttributeValue {
        AttributeValue::S(CANARY.to_owned())
    }

    async fn put(status: u16, code: &'static str) -> PortError {
        let rule = mock!(Client::put_item).then_http_response(move || answer(status, code));
        let once = RetryConfig::standard().with_max_attempts(1);
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule], |config| {
            config.retry_config(once.clone())
        });
        let call = client.put_item().table_name("table").item("text", secret());
        failed("PutItem", "store", "a row", &call.send().await.unwrap_err())
    }

    #[tokio::test]
    async fn each_code_of_dynamodb_has_its_kind() {
        let table = [
            ("ConditionalCheckFailedException", ErrorKind::Conflict),
            ("TransactionConflictException", ErrorKind::Unavailable),
            ("ReplicatedWriteConflictException", ErrorKind::Unavailable),
            (
                "ProvisionedThroughputExceededException",
                ErrorKind::Unavailable,
            ),
            ("LimitExceededException", ErrorKind::Unavailable),
            (
                "ItemCollectionSizeLimitExceededException",
                ErrorKind::Exhausted,
            ),
            ("ResourceNotFoundException", ErrorKind::Denied),
            ("ResourceInUseException", ErrorKind::Conflict),
            ("ValidationException", ErrorKind::Invalid),
            ("AccessDeniedException", ErrorKind::Denied),
        ];
        for (code, kind) in table {
            let error = put(400, code).await;

            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(cause(&error).code(), Some(code));
            assert!(!printed(&error).contains(CANARY), "{}", printed(&error));
        }
    }

    #[tokio::test]
    async fn a_missing_table_is_an_operators_business() {
        let error = put(400, "ResourceNotFoundException").await;

        assert!(cause(&error).hint().contains("AWS_REGION"), "{error:?}");
    }
}
