//! Small valid values for tests.
//!
//! What takes a number gives equal values for equal numbers and different ones
//! for different numbers.

mod ingest;
mod record;

use std::time::Duration;

pub(crate) use ingest::said;
pub use ingest::{
    finding_of_media, fingerprinted, ingest, ingest_by, media_facts, nobody_there, priority,
    publish_name, source_lost,
};
pub use record::{
    Sample, failover_history, preset, preset_id, session, session_id, source, source_id, token,
    token_id,
};

use jiff::Timestamp;
use lunora_core::{
    SecretString,
    domain::{
        BackupMode, ChangeId, Destination, DestinationId, Endpoint, EventKind, Feed, Fingerprint,
        HashKey, LeaseName, Leg, NewEvent, ObservedOutput, OutputHealth, OutputId, OutputSpec,
        OutputState, OutputType, Platform, PushTarget, PushUrl, Removal, RemovalCause, SecretRef,
        SecretVersion, StreamKey, Switch, Wanted, WorkerId,
    },
    plan,
    port::{Answer, Claim, IdempotencyKey, Lease},
};

/// A text that is planted where a secret goes, and must appear nowhere else.
pub const CANARY: &str = "canary-5d0f6c1ab3e94827";

/// The time at which every sample was made.
#[must_use]
pub fn time() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// The key under which every sample is hashed.
#[must_use]
pub fn hash_key() -> HashKey {
    HashKey::new([7; 32])
}

/// The id `dest-<n>`.
#[must_use]
pub fn destination_id(n: u64) -> DestinationId {
    format!("dest-{n}").parse().unwrap()
}

/// The id of the primary output of destination `n`.
#[must_use]
pub fn output_id(n: u64) -> OutputId {
    OutputId {
        destination: destination_id(n),
        leg: Leg::Primary,
    }
}

/// The stream key `key-<n>`.
#[must_use]
pub fn stream_key(n: u64) -> StreamKey {
    StreamKey::new(&format!("key-{n}")).unwrap()
}

/// Where destination `n` goes: a loopback address on which nobody listens, and
/// the first version of its stream key.
#[must_use]
pub fn endpoint(n: u64) -> Endpoint {
    let key = stream_key(n);
    Endpoint {
        url: url(n),
        tail: None,
        key: Some(SecretRef::new(
            SecretVersion(1),
            key.as_secret(),
            &hash_key(),
        )),
    }
}

/// A destination that is meant to be live by its primary [`endpoint`] alone.
#[must_use]
pub fn destination(n: u64) -> Destination {
    Destination {
        id: destination_id(n),
        name: format!("destination {n}").parse().unwrap(),
        platform: Platform::Custom,
        preset_id: None,
        enabled: true,
        wanted: Wanted::Running,
        output_type: OutputType::Relay,
        primary: Some(endpoint(n)),
        backup: None,
        failover_enabled: false,
        backup_mode: BackupMode::Standby,
        active_leg: Leg::Primary,
        generation: 1,
        started_at: None,
        created_at: time(),
        updated_at: time(),
    }
}

/// A place of its own for each `n`, on this machine, where nobody listens.
fn url(n: u64) -> PushUrl {
    let [.., high, low] = n.to_be_bytes();
    let text = format!("rtmp://127.9.{high}.{low}:1935/app-{n}");
    text.parse().unwrap()
}

/// What the [`endpoint`] of destination `n` is on the wire.
#[must_use]
pub fn target(n: u64) -> PushTarget {
    PushTarget {
        url: endpoint(n).url,
        tail: None,
        key: Some(stream_key(n)),
    }
}

/// A feed of a channel with one pipeline, to an address of its own for each `n`.
#[must_use]
pub fn feed(n: u64) -> Feed {
    let [.., high, low] = n.to_be_bytes();
    let passphrase = "arn:aws:secretsmanager:us-west-2:111122223333:secret:lunora-feed-AbCdEf";
    Feed {
        address: format!("127.8.{high}.{low}:5000").parse().unwrap(),
        second: None,
        latency: 2_000.try_into().unwrap(),
        passphrase: passphrase.parse().unwrap(),
        stream_id: None,
    }
}

/// The hash of everything in the target, as the planner hashes it under [`hash_key`].
#[must_use]
pub fn fingerprint(target: &PushTarget) -> Fingerprint {
    let refer = |text| SecretRef::new(SecretVersion(1), text, &hash_key());
    let endpoint = Endpoint {
        url: target.url.clone(),
        tail: target.tail.as_ref().map(refer),
        key: target.stream_name().map(refer),
    };
    plan::fingerprint(&endpoint, &hash_key())
}

/// What the planner wants of [`destination`] `n`: its primary output, switched on.
#[must_use]
pub fn spec(n: u64) -> OutputSpec {
    spec_to(n, target(n))
}

/// The primary output of destination `n`, switched on and pushing elsewhere.
#[must_use]
pub fn spec_to(n: u64, target: PushTarget) -> OutputSpec {
    OutputSpec {
        id: output_id(n),
        switch: Switch::On,
        fingerprint: fingerprint(&target),
        target,
    }
}

/// What a router shows of [`spec`] `n` once it is live.
#[must_use]
pub fn observed(n: u64) -> ObservedOutput {
    let OutputSpec {
        id,
        switch,
        fingerprint,
        ..
    } = spec(n);
    ObservedOutput {
        id,
        fingerprint,
        switch,
        health: OutputHealth::new(OutputState::Live, time()),
    }
}

/// A secret text.
#[must_use]
pub fn secret(n: u64) -> SecretString {
    format!("secret-{n}").into()
}

/// An event that tells of the creation of [`destination`] `n`.
#[must_use]
pub fn new_event(n: u64) -> NewEvent {
    let Destination { id, name, .. } = destination(n);
    NewEvent {
        at: time(),
        destination: Some(id),
        by: None,
        kind: EventKind::DestinationCreated { name },
    }
}

/// The removal of destination `n`.
#[must_use]
pub fn removal(n: u64) -> Removal {
    Removal {
        destination: destination_id(n),
        cause: RemovalCause::Deleted,
        generation: 1,
        recorded_at: time(),
        leftovers: Vec::new(),
    }
}

/// Change `k` of destination `n`, which may have stopped half way.
#[must_use]
pub fn unfinished(n: u64, k: u128) -> Removal {
    Removal {
        cause: RemovalCause::ChangeUnfinished(ChangeId(k)),
        ..removal(n)
    }
}

/// The name `lease-<n>`.
#[must_use]
pub fn lease_name(n: u64) -> LeaseName {
    format!("lease-{n}").parse().unwrap()
}

/// The worker `worker-<n>`.
#[must_use]
pub fn worker_id(n: u64) -> WorkerId {
    format!("worker-{n}").parse().unwrap()
}

/// Worker `n` asks, so many seconds after [`time`], for 10 seconds.
#[must_use]
pub fn lease(n: u64, seconds: u64) -> Lease {
    let at = time() + Duration::from_secs(seconds);
    Lease {
        holder: worker_id(n),
        at,
        until: at + Duration::from_secs(10),
    }
}

/// The key `request-<n>`.
#[must_use]
pub fn idempotency_key(n: u64) -> IdempotencyKey {
    format!("request-{n}").parse().unwrap()
}

/// A claim for the creation of destination `n`, unanswered.
#[must_use]
pub fn claim(n: u64) -> Claim {
    Claim {
        request: hash_key().digest([n.to_string().as_bytes()]),
        destination: destination_id(n),
        at: time(),
        answer: None,
    }
}

/// The answer that destination `n` was created.
#[must_use]
pub fn answer(n: u64) -> Answer {
    Answer {
        status: 201,
        body: format!(r#"{{"id":"{}"}}"#, destination_id(n)),
    }
}
