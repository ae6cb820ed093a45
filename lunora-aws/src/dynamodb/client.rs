//! Rows of old clients may hold secrets, and the SDK logs at `TRACE` what it sends
//! and gets.

use aws_sdk_dynamodb::Client;
use tracing::{
    instrument::{WithDispatch, WithSubscriber as _},
    subscriber::NoSubscriber,
};

use crate::unseen::Unseen;

/// The same client, on the same connections, that logs no body.
pub(super) fn discreet(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.interceptor(Unseen).build())
}

/// The same call, of which nothing is logged.
///
/// What is read is logged once more when it is no body any longer, and no
/// interceptor is asked about that.
pub(super) fn unlogged<F>(call: F) -> WithDispatch<F> {
    call.with_subscriber(NoSubscriber::new())
}
