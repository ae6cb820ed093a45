use lunora_core::domain::{Feed, FeedAddress, FeedReceipt};
use proptest::{collection, option, prelude::*};

use super::{digest, host, stream_key};

/// Where a feed may call.
pub fn feed_address() -> impl Strategy<Value = FeedAddress> {
    (host(), 1..=u16::MAX).prop_map(|(host, port)| format!("{host}:{port}").parse().unwrap())
}

/// Any feed, of a channel with one pipeline or two.
pub fn feed() -> impl Strategy<Value = Feed> {
    let addresses = (feed_address(), option::of(feed_address()));
    (
        addresses,
        40..=16_000_u16,
        "[!-~]{1,80}",
        option::of(stream_key()),
    )
        .prop_map(|((address, second), latency, passphrase, stream_id)| Feed {
            second: second.filter(|second| *second != address),
            address,
            latency: latency.try_into().unwrap(),
            passphrase: passphrase.parse().unwrap(),
            stream_id,
        })
}

/// Any receipt of a feed.
pub fn feed_receipt() -> impl Strategy<Value = FeedReceipt> {
    let feed = collection::vec(feed_address(), 1..=2);
    (feed, digest()).prop_map(|(feed, rest)| FeedReceipt { feed, rest })
}
