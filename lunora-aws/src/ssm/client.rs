//! How the Parameter Store is called: what no log shows, and what is tried again.

use aws_sdk_ssm::{Client, operation::put_parameter::PutParameterError};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};

use crate::unseen::Unseen;

/// The same client, on the same connections, that keeps secrets out of logs and
/// waits for its turn.
pub(super) fn discreet(client: &Client) -> Client {
    let config = client.config().to_builder();
    let config = config.interceptor(Unseen).retry_classifier(OneWriteAtATime);
    Client::from_conf(config.build())
}

/// Tries a write again that met another one of the same parameter.
///
/// The store refuses the one that came second and did nothing. The SDK waits and
/// tries again as it does when it is told to slow down, within the same limits.
#[derive(Debug)]
struct OneWriteAtATime;

impl ClassifyRetry for OneWriteAtATime {
    fn name(&self) -> &'static str {
        "OneWriteAtATime"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let outcome = context.output_or_error();
        let error = outcome
            .and_then(|outcome| outcome.err())
            .and_then(|error| error.as_operation_error())
            .and_then(|error| error.downcast_ref::<PutParameterError>());
        match error {
            Some(error) if error.is_too_many_updates() => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }
}
