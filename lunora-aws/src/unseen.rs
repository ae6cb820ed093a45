//! What no log shows.

use std::mem;

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
            },
        },
        orchestrator::SensitiveOutput,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
#[cfg(any(feature = "dynamodb", feature = "mediaconnect", feature = "medialive"))]
use tracing::{
    instrument::{WithDispatch, WithSubscriber as _},
    subscriber::NoSubscriber,
};

/// Keeps the bodies of requests and answers out of what the SDK logs at `TRACE`.
#[derive(Debug)]
pub(crate) struct Unseen;

impl Intercept for Unseen {
    fn name(&self) -> &'static str {
        "Unseen"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK says so of what it knows to be a secret, and of what reads one alone.
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

/// The same call, of which nothing is logged.
///
/// What is read is logged once more when it is no body any longer, and no
/// interceptor is asked about that.
#[cfg(any(feature = "dynamodb", feature = "mediaconnect", feature = "medialive"))]
pub(crate) fn unlogged<F>(call: F) -> WithDispatch<F> {
    call.with_subscriber(NoSubscriber::new())
}

/// The same body, as a stream: `Debug` prints what is in memory, and no stream.
///
/// The SDK counts bytes on the way and so makes a stream of it as well, for now
/// and by chance.
fn unseen(body: SdkBody) -> SdkBody {
    body.map_preserve_contents(SdkBody::from_body_1_x)
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
