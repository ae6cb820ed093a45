use jiff::Timestamp;

use super::Refusal;
use crate::domain::{
    Destination, Digest, Endpoint, Fingerprint, HashKey, OutputId, OutputType, Scheme, SecretRef,
    Switch, Wanted,
};

/// An output that a destination wants to have, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishedOutput {
    /// Which.
    pub id: OutputId,
    /// On or off.
    pub switch: Switch,
    /// How bytes would travel.
    pub scheme: Scheme,
    /// Of everything that the output is to be told.
    pub fingerprint: Fingerprint,
    /// Of what may not run twice.
    pub target: Digest,
    /// The older wish has the older right.
    pub since: Timestamp,
}

/// What a destination wants of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its outputs are another system's: leave them alone (rule 13).
    Foreign,
    /// No output at all.
    Nothing,
    /// This one.
    Output(WishedOutput),
    /// It wants to run, and cannot as it is set up.
    Impossible(OutputId, Refusal),
}

/// Says what a destination wants of the router that delivers `ours` (rule 1).
#[must_use]
pub fn wish(destination: &Destination, ours: &OutputType, hash_key: &HashKey) -> Wish {
    if destination.output_type != *ours {
        return Wish::Foreign;
    }
    if !destination.enabled || !destination.has_output() {
        return Wish::Nothing;
    }
    let id = OutputId {
        destination: destination.id.clone(),
        leg: destination.active_leg,
    };
    let endpoint = destination.endpoint(id.leg);
    let Some(endpoint) = endpoint.filter(|it| it.has_its_key()) else {
        return match destination.wanted {
            Wanted::Stopped => Wish::Nothing,
            Wanted::Running => {
                let missing = if endpoint.is_none() {
                    "it has no push URL; set `rtmp_url`"
                } else {
                    "it has no stream key; set `stream_key`"
                };
                Wish::Impossible(id, Refusal::Incomplete { missing })
            }
        };
    };
    if endpoint.tail.is_none() && endpoint.url.hides_a_tail() {
        // Without it, the key would go to another place than was meant.
        return match destination.wanted {
            Wanted::Stopped => Wish::Nothing,
            Wanted::Running => {
                let missing = "a part of its push URL is not known; set the whole `rtmp_url`";
                Wish::Impossible(id, Refusal::Incomplete { missing })
            }
        };
    }
    Wish::Output(WishedOutput {
        id,
        switch: match destination.wanted {
            Wanted::Running => Switch::On,
            Wanted::Stopped => Switch::Off,
        },
        scheme: endpoint.url.scheme(),
        fingerprint: fingerprint(endpoint, hash_key),
        target: target_digest(endpoint, hash_key),
        since: destination.started_at.unwrap_or(destination.created_at),
    })
}

/// Hashes everything that the output of an endpoint is told.
#[must_use]
pub fn fingerprint(endpoint: &Endpoint, hash_key: &HashKey) -> Fingerprint {
    let target = target_digest(endpoint, hash_key);
    let scheme = endpoint.url.scheme();
    let word = scheme.as_str().as_bytes();
    if scheme.needs_a_key() {
        return Fingerprint(hash_key.digest([b"spec", word, target.as_bytes()]));
    }
    // What a link is told besides its target: how, and with which passphrase.
    let tail = endpoint.tail.map(|secret| secret.digest);
    let tail: &[u8] = tail.as_ref().map_or(&[], |it| it.as_bytes());
    let query = endpoint.url.query().unwrap_or_default().as_bytes();
    Fingerprint(hash_key.digest([b"spec", word, target.as_bytes(), query, tail]))
}

/// Hashes what may not run twice: host, port, application with its query, and key
/// (rule 5). A link has no application; its parameters make it no other place.
#[must_use]
pub fn target_digest(endpoint: &Endpoint, hash_key: &HashKey) -> Digest {
    let url = &endpoint.url;
    let host = url.host().to_string();
    let has_app = url.scheme().needs_a_key();
    let digest = |secret: SecretRef| secret.digest;
    let tail = endpoint.tail.filter(|_| has_app).map(digest);
    let key = endpoint.key.filter(|_| url.scheme().takes_a_key());
    let key = key.map(digest);
    let tail: &[u8] = tail.as_ref().map_or(&[], |it| it.as_bytes());
    let key: &[u8] = key.as_ref().map_or(&[], |it| it.as_bytes());
    hash_key.digest([
        b"target",
        host.as_bytes(),
        &url.port().to_be_bytes(),
        url.app().as_bytes(),
        url.query()
            .filter(|_| has_app)
            .unwrap_or_default()
            .as_bytes(),
        tail,
        key,
    ])
}
