use jiff::Timestamp;

use super::Refusal;
use crate::domain::{
    BackupMode, Destination, Digest, Endpoint, Fingerprint, HashKey, Leg, OutputId, OutputType,
    Scheme, SecretRef, Switch, Wanted,
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
    /// Whether viewers depend on it.
    pub share: Share,
    /// The older wish has the older right.
    pub since: Timestamp,
}

/// The share of an output in what a destination shows its viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// It is the one in use.
    Active,
    /// It is pushed as well, so that it can take over at once (hot). What is short goes to
    /// those in use first.
    Spare,
}

/// What a destination wants of one of its legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegWish {
    /// This output.
    Output(WishedOutput),
    /// It is to run, and cannot as it is set up.
    Impossible(OutputId, Refusal),
}

/// What a destination wants of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its outputs are another system's: leave them alone (rule 13).
    Foreign,
    /// These legs, the one in use first, and no other; none if it does not take part.
    Ours(Vec<LegWish>),
}

impl Wish {
    /// The outputs that are wanted, on or off.
    pub fn outputs(&self) -> impl Iterator<Item = &WishedOutput> {
        let legs = match self {
            Self::Foreign => &[][..],
            Self::Ours(legs) => legs,
        };
        legs.iter().filter_map(|leg| match leg {
            LegWish::Output(output) => Some(output),
            LegWish::Impossible(..) => None,
        })
    }
}

/// Says what a destination wants of the router that delivers `ours` (rule 1): the leg in use,
/// and the other one as well if its backup is hot and both are set up.
#[must_use]
pub fn wish(destination: &Destination, ours: &OutputType, hash_key: &HashKey) -> Wish {
    if destination.output_type != *ours {
        return Wish::Foreign;
    }
    if !destination.enabled || !destination.has_output() {
        return Wish::Ours(Vec::new());
    }
    let mut legs = vec![wish_of_leg(destination, destination.active_leg, hash_key)];
    if destination.backup_mode == BackupMode::Hot {
        legs.push(wish_of_leg(
            destination,
            destination.active_leg.other(),
            hash_key,
        ));
    }
    // Only a leg in use that is to run is missed.
    let is_missed =
        |id: &OutputId| destination.wanted == Wanted::Running && id.leg == destination.active_leg;
    legs.retain(|leg| match leg {
        LegWish::Output(_) => true,
        LegWish::Impossible(id, _) => is_missed(id),
    });
    Wish::Ours(legs)
}

fn wish_of_leg(destination: &Destination, leg: Leg, hash_key: &HashKey) -> LegWish {
    let id = destination.output(leg);
    let endpoint = match destination.complete(leg) {
        Ok(endpoint) => endpoint,
        Err(missing) => return LegWish::Impossible(id, Refusal::Incomplete { missing }),
    };
    LegWish::Output(WishedOutput {
        id,
        switch: match destination.wanted {
            Wanted::Running => Switch::On,
            Wanted::Stopped => Switch::Off,
        },
        scheme: endpoint.url.scheme(),
        fingerprint: fingerprint(endpoint, hash_key),
        target: target_digest(endpoint, hash_key),
        share: if leg == destination.active_leg {
            Share::Active
        } else {
            Share::Spare
        },
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
