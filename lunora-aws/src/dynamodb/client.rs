//! Rows of old clients may hold secrets, and the SDK logs at `TRACE` what it sends
//! and gets.

use aws_sdk_dynamodb::Client;

use crate::unseen::Unseen;
pub(super) use crate::unseen::unlogged;

/// The same client, on the same connections, that logs no body.
pub(super) fn discreet(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.interceptor(Unseen).build())
}
