//! How the Parameter Store is called: what no log shows, and what is tried again.

use std::mem;

use aws_sdk_ssm::{Client, operation::put_parameter::PutParameterError};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
                InterceptorContext,
            },
        },
        orchestrator::SensitiveOutput,
        retries::classifiers::{ClassifyRetry, RetryAction},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};

/// The same client, on the same connections, that keeps secrets out of logs and
/// waits for its turn.
pub(super) fn discreet(client: &Client) -> Client {
    let config = client.config().to_builder();
    let config = config.interceptor(Unseen).retry_classifier(OneWriteAtATime);
    Client::from_conf(config.build())
}

/// Keeps the bodies of requests and answers out of what the SDK logs at `TRACE`.
#[derive(Debug)]
struct Unseen;

impl Intercept for Unseen {
    fn name(&self) -> &'static str {
        "Unseen"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK says so of what reads a secret, but not of what writes one.
        config.interceptor_state().store_put(SensitiveOutput);
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        *body = unseen(mem::replace(body, SdkBody::taken()));
        Ok(())
    }
}

/// The same body, as a stream: `Debug` prints what is in memory, and no stream.
///
/// The SDK counts bytes on the way and so makes a stream of it as well, for now
/// and by chance.
fn unseen(body: SdkBody) -> SdkBody {
    body.map_preserve_contents(SdkBody::from_body_1_x)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_not_seen_can_still_be_signed_and_sent_again() {
        let seen = SdkBody::from("canary");
        assert!(format!("{seen:?}").contains("canary"));

        let unseen = unseen(seen);

        assert!(!format!("{unseen:?}").contains("canary"));
        assert_eq!(unseen.bytes(), Some(&b"canary"[..]));
        assert!(unseen.try_clone().is_some());
    }
}
