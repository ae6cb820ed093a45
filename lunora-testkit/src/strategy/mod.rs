//! Values of the domain, drawn at random.
//!
//! Together they reach every variant and every optional part. What is a choice
//! among few is drawn evenly, so that small samples meet all of it.

mod channel;
mod control;
mod event;
mod failover;
mod output;
mod preset;
mod session;
mod source;
mod token;

use std::{net::IpAddr, ops::Range};

pub use channel::{feed, feed_address, feed_receipt};
pub use control::{answer, claim, idempotency_key, lease, lease_name, removal, worker_id};
pub use event::new_event;
pub use failover::failover_history;
pub use output::{fault, observed_output, observed_output_of, output_health};
pub use preset::preset;
pub use session::session;
pub use source::{source, source_name};
pub use token::token;

use jiff::Timestamp;
use lunora_core::{
    SecretString,
    domain::{
        BackupMode, Destination, DestinationId, DestinationName, Digest, Endpoint, Label, Leg,
        OutputType, Platform, PresetId, PushUrl, Scheme, SecretName, SecretRef, SecretVersion,
        SourceId, StreamKey, Wanted,
    },
};
use proptest::{option, prelude::*, sample::select};

use crate::sample;

/// The largest count that is drawn: what a signed column holds.
const COUNT_MAX: u64 = i64::MAX as u64;

/// A time, to the nanosecond, of the years 2020 to 2100.
pub fn time() -> impl Strategy<Value = Timestamp> {
    let seconds = 1_577_836_800..4_102_444_800_i64;
    (seconds, 0..1_000_000_000_i32)
        .prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).unwrap())
}

/// The text of any id that is accepted.
fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_.-]{1,128}"
}

/// Any id that is accepted.
pub fn destination_id() -> impl Strategy<Value = DestinationId> {
    id().prop_map(|text| text.parse().unwrap())
}

/// Any id that is accepted.
pub fn source_id() -> impl Strategy<Value = SourceId> {
    id().prop_map(|text| text.parse().unwrap())
}

/// Any name.
pub fn destination_name() -> impl Strategy<Value = DestinationName> {
    name().prop_map(|text| text.parse().unwrap())
}

/// Any short text for people.
pub fn label() -> impl Strategy<Value = Label> {
    name().prop_map(|text| text.parse().unwrap())
}

/// The text of any name.
fn name() -> impl Strategy<Value = String> {
    r"\PC{1,120}".prop_filter("only space", |text| !text.trim().is_empty())
}

/// Any text for people, which may have no characters or many lines.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        7 => r"[\PC\n]{0,300}",
    ]
}

/// Any stream key.
pub fn stream_key() -> impl Strategy<Value = StreamKey> {
    "[!-~]{1,64}".prop_map(|text| StreamKey::new(&text).unwrap())
}

/// A secret text that fits where any secret does.
pub fn secret() -> impl Strategy<Value = SecretString> {
    "[!-~]{1,1024}".prop_map(SecretString::from)
}

/// Any name of a secret.
pub fn secret_name() -> impl Strategy<Value = SecretName> {
    prop_oneof![
        1 => Just(SecretName::PublishKey),
        4 => (destination_id(), leg()).prop_map(|(id, leg)| SecretName::StreamKey(id, leg)),
        4 => (destination_id(), leg()).prop_map(|(id, leg)| SecretName::UrlTail(id, leg)),
        2 => source_id().prop_map(SecretName::SourceUrl),
        2 => source_id().prop_map(SecretName::SourceStreamId),
        2 => source_id().prop_map(SecretName::SourcePassphrase),
    ]
}

/// The public part of any push URL, with or without a hidden tail.
pub fn push_url() -> impl Strategy<Value = PushUrl> {
    any::<bool>().prop_flat_map(push_url_with_tail)
}

fn push_url_with_tail(has_tail: bool) -> impl Strategy<Value = PushUrl> {
    let scheme = select(vec![Scheme::Rtmp, Scheme::Rtmps]);
    let port = option::of(1..=u16::MAX);
    let query = select(vec!["", "?backup=0", "?backup=1"]);
    let parts = (scheme, host(), port, "[a-z0-9_-]{1,20}", query);
    parts.prop_map(move |(scheme, host, port, app, query)| {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let tail = if has_tail { "/***" } else { "" };
        let text = format!("{scheme}://{host}{port}/{app}{tail}{query}");
        text.parse().unwrap()
    })
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9]{0,10}){1,3}",
        any::<[u8; 4]>().prop_map(|bytes| IpAddr::from(bytes).to_string()),
        any::<[u8; 16]>().prop_map(|bytes| format!("[{}]", IpAddr::from(bytes))),
    ]
}

/// Any digest.
pub fn digest() -> impl Strategy<Value = Digest> {
    "[0-9a-f]{32}".prop_map(|text| text.parse().unwrap())
}

/// Any reference to a secret.
pub fn secret_ref() -> impl Strategy<Value = SecretRef> {
    (1..=COUNT_MAX, digest()).prop_map(|(version, digest)| SecretRef {
        version: SecretVersion(version),
        digest,
    })
}

/// An endpoint with or without a key and a tail.
pub fn endpoint() -> impl Strategy<Value = Endpoint> {
    let tail = option::of(secret_ref());
    (tail, option::of(secret_ref())).prop_flat_map(|(tail, key)| {
        push_url_with_tail(tail.is_some()).prop_map(move |url| Endpoint { url, tail, key })
    })
}

/// Either leg.
pub fn leg() -> impl Strategy<Value = Leg> {
    select(vec![Leg::Primary, Leg::Backup])
}

/// Any platform, also one that this version does not know.
pub fn platform() -> impl Strategy<Value = Platform> {
    let known = [
        Platform::YouTube,
        Platform::Twitch,
        Platform::LinkedIn,
        Platform::X,
        Platform::Facebook,
        Platform::Custom,
        Platform::Hls,
    ];
    prop_oneof![
        7 => select(known.to_vec()),
        1 => "[a-z0-9_-]{1,40}".prop_map(|word| word.parse().unwrap()),
    ]
}

/// Any way of delivery, also one that this version does not know.
pub fn output_type() -> impl Strategy<Value = OutputType> {
    let known = [
        OutputType::MediaLive,
        OutputType::MediaConnect,
        OutputType::Router,
        OutputType::Channel,
        OutputType::Relay,
    ];
    prop_oneof![
        5 => select(known.to_vec()),
        1 => "[a-z0-9_-]{1,40}".prop_map(|word| word.parse().unwrap()),
    ]
}

/// Any destination: on or off, meant to be live or not, complete or not, ours or not.
pub fn destination() -> impl Strategy<Value = Destination> {
    let identity = (
        destination_id(),
        destination_name(),
        platform(),
        option::of(preset_id()),
    );
    let intent = (any::<bool>(), wanted(), output_type());
    let legs = (
        option::of(endpoint()),
        option::of(endpoint()),
        any::<bool>(),
        select(BackupMode::ALL),
        leg(),
    );
    let history = (0..=COUNT_MAX, option::of(time()), time(), time());
    (identity, intent, legs, history).prop_map(|(identity, intent, legs, history)| {
        let (id, name, platform, preset_id) = identity;
        let (enabled, wanted, output_type) = intent;
        let (primary, backup, failover_enabled, backup_mode, active_leg) = legs;
        let (generation, started_at, created_at, updated_at) = history;
        Destination {
            id,
            name,
            platform,
            preset_id,
            enabled,
            wanted,
            output_type,
            primary,
            backup,
            failover_enabled,
            backup_mode,
            active_leg,
            generation,
            started_at,
            created_at,
            updated_at,
        }
    })
}

/// So many destinations, whose ids are those of [`sample::destination_id`] from 0 on.
pub fn destinations(count: Range<usize>) -> impl Strategy<Value = Vec<Destination>> {
    proptest::collection::vec(destination(), count).prop_map(|mut all| {
        for (n, destination) in all.iter_mut().enumerate() {
            destination.id = sample::destination_id(n as u64);
        }
        all
    })
}

fn preset_id() -> impl Strategy<Value = PresetId> {
    id().prop_map(|text| text.parse().unwrap())
}

fn wanted() -> impl Strategy<Value = Wanted> {
    select(vec![Wanted::Running, Wanted::Stopped])
}
