//! The sources that are taken in: which there are, and what is refused.
//!
//! An encoder of a source publishes by RTMP with the key of that source. Other ways in are somebody
//! else's, who feeds the hub as that source: see [`Intake`].

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{Digest, Finding, IngestSpec, IngestWay, Protocol, SourceId},
    port::{ErrorKind, PortError},
};
use tracing::info;

use crate::{
    air::Origin,
    fanout::Hub,
    ingest::{Doorkeeper, Key},
};

/// How many there may be.
const SOURCES_MAX: usize = 64;
const APPLY: &str = "take in source";

/// Brings sources in by SRT.
///
/// For each connection it asks [`Hub::feed`] for a feed of [`Origin::Source`], sends into it until
/// that fails, and drops it when the connection ends; [`Hub::fail`] takes what is wrong.
#[async_trait]
pub(crate) trait Intake: fmt::Debug + Send + Sync {
    /// Why it cannot take this one, if so.
    fn refuses(&self, spec: &IngestSpec) -> Option<PortError>;

    /// Takes in exactly these, and leaves those as they are whose fingerprint did not change. It
    /// does not wait.
    fn apply(&self, hub: &Arc<Hub>, specs: &[IngestSpec]);

    /// Looks at one that is not taken in, without putting anything on air.
    async fn probe(&self, spec: &IngestSpec) -> Result<Finding, PortError>;
}

/// What the data plane knows of sources.
#[derive(Debug)]
pub(crate) struct Sources {
    specs: BTreeMap<SourceId, IngestSpec>,
    hub: Arc<Hub>,
    /// Who lets encoders in by RTMP, if anybody does.
    doorkeeper: Option<Arc<Doorkeeper>>,
    srt: Option<Arc<dyn Intake>>,
}

impl Sources {
    pub(crate) const fn new(
        hub: Arc<Hub>,
        doorkeeper: Option<Arc<Doorkeeper>>,
        srt: Option<Arc<dyn Intake>>,
    ) -> Self {
        Self {
            specs: BTreeMap::new(),
            hub,
            doorkeeper,
            srt,
        }
    }

    /// Makes exactly these be taken in; those that cannot be are left out, and it is said why.
    pub(crate) fn apply(&mut self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        let mut accepted: BTreeMap<SourceId, IngestSpec> = BTreeMap::new();
        let mut names = Vec::new();
        let mut results = Vec::new();
        for spec in specs {
            let refusal = self.refusal(spec, &accepted, &mut names);
            if refusal.is_none() {
                accepted.insert(spec.id.clone(), spec.clone());
            }
            results.push(refusal.map_or(Ok(()), Err));
        }
        let before = std::mem::replace(&mut self.specs, accepted);
        for id in before.keys().filter(|id| !self.specs.contains_key(*id)) {
            info!(source = %id, "removed");
            self.hub.remove(id);
        }
        for (id, spec) in &self.specs {
            match before.get(id) {
                Some(before) if before.fingerprint == spec.fingerprint => continue,
                // Whoever has come in by another name or way is not this source any more.
                Some(before) if !is_same_way(before, spec) => {
                    self.hub.evict(&Origin::Source(id.clone()));
                }
                Some(_) => {}
                None => info!(source = %id, protocol = %spec.protocol, "added"),
            }
            self.hub.add(id, spec.priority, spec.fingerprint);
        }
        self.let_in();
        results
    }

    /// Whether an encoder can come in with the relay's own key.
    pub(crate) const fn has_encoder(&self) -> bool {
        self.doorkeeper.is_some()
    }

    /// Every source and how it comes in, in the order in which they are used.
    pub(crate) fn in_order(&self) -> Vec<(SourceId, String)> {
        let mut all: Vec<_> = self.specs.values().collect();
        all.sort_by_key(|spec| spec.priority);
        let told = all.iter();
        told.map(|spec| (spec.id.clone(), spec.protocol.to_string()))
            .collect()
    }

    /// Tells those who let encoders in whom to expect.
    fn let_in(&self) {
        if let Some(doorkeeper) = &self.doorkeeper {
            let keys = self.specs.values().filter_map(|spec| {
                Some(Key {
                    digest: doorkeeper.digest(rtmp_key(spec)?),
                    source: spec.id.clone(),
                    priority: spec.priority,
                })
            });
            doorkeeper.expect(keys.collect());
        }
        if let Some(srt) = &self.srt {
            let specs = self.specs.values();
            let by_srt = specs.filter(|spec| spec.protocol == Protocol::Srt);
            srt.apply(&self.hub, &by_srt.cloned().collect::<Vec<_>>());
        }
    }

    /// Why a source cannot be taken in beside those before it.
    fn refusal(
        &self,
        spec: &IngestSpec,
        accepted: &BTreeMap<SourceId, IngestSpec>,
        names: &mut Vec<Digest>,
    ) -> Option<PortError> {
        if let Some(refusal) = self.unsupported(spec) {
            return Some(refusal);
        }
        let refuse = |kind, reason| PortError::new(kind, APPLY, &spec.id).with_reason(reason);
        if accepted.contains_key(&spec.id) {
            let reason = "it stands twice in one call";
            return Some(refuse(ErrorKind::Conflict, reason));
        }
        if SOURCES_MAX <= accepted.len() {
            let reason = "there are as many sources as there may be; remove one first";
            return Some(refuse(ErrorKind::Exhausted, reason));
        }
        if spec.protocol == Protocol::Srt {
            return accepted
                .values()
                .any(|other| is_alike(spec, other))
                .then(|| {
                    let reason =
                        "another source has the same SRT stream id; give it one of its own";
                    refuse(ErrorKind::Conflict, reason)
                });
        }
        let Some((doorkeeper, key)) = self.doorkeeper.as_ref().zip(rtmp_key(spec)) else {
            let reason = "an encoder that publishes by RTMP needs a stream key; give it one";
            return Some(refuse(ErrorKind::Invalid, reason));
        };
        let digest = doorkeeper.digest(key);
        if doorkeeper.is_own(digest) || names.contains(&digest) {
            let reason = "another source has the same stream key; give it one of its own";
            return Some(refuse(ErrorKind::Conflict, reason));
        }
        names.push(digest);
        None
    }

    /// Why a source cannot be taken in at all.
    fn unsupported(&self, spec: &IngestSpec) -> Option<PortError> {
        let reason = match (spec.protocol, &spec.way) {
            (Protocol::Srt, _) => match &self.srt {
                Some(srt) => return srt.refuses(spec),
                None => {
                    "SRT is not set up here: install libsrt and start with --srt, or let the \
                     encoder publish to this machine by RTMP"
                }
            },
            (Protocol::Rtmp, IngestWay::Listen { .. }) if self.doorkeeper.is_some() => return None,
            (Protocol::Rtmp, IngestWay::Listen { .. }) => {
                "this relay does not listen for encoders; give it an address for RTMP"
            }
            (Protocol::Rtmp, IngestWay::Call { .. }) => {
                "RTMP is not fetched from here: let the encoder publish to this machine, or \
                 call it by SRT"
            }
            (Protocol::Rtp, _) => "RTP cannot be taken in here: send it by SRT or RTMP",
            (Protocol::Ndi, _) => {
                "NDI cannot be taken in here: bridge it to SRT or RTMP, and send that"
            }
        };
        Some(PortError::new(ErrorKind::Unsupported, APPLY, &spec.id).with_reason(reason))
    }

    /// Who looks at a source: nobody else if it cannot be taken in.
    pub(crate) fn prober(&self, spec: &IngestSpec) -> Result<Prober, PortError> {
        if let Some(refusal) = self.unsupported(spec) {
            return Err(refusal);
        }
        let is_taken_in = self
            .specs
            .get(&spec.id)
            .is_some_and(|known| known.fingerprint == spec.fingerprint);
        Ok(match &self.srt {
            Some(srt) if spec.protocol == Protocol::Srt && !is_taken_in => {
                Prober::Intake(Arc::clone(srt))
            }
            _ if is_taken_in => Prober::Observer,
            _ => Prober::Nobody,
        })
    }
}

/// Who looks at a source.
#[derive(Clone, Debug)]
pub(crate) enum Prober {
    /// It is taken in, so what is seen of it tells.
    Observer,
    /// Nobody could have come in as this source.
    Nobody,
    /// Whoever brings it in otherwise.
    Intake(Arc<dyn Intake>),
}

fn rtmp_key(spec: &IngestSpec) -> Option<&SecretString> {
    match (spec.protocol, &spec.way) {
        (Protocol::Rtmp, IngestWay::Listen { stream_name }) => stream_name.as_ref(),
        _ => None,
    }
}

/// Whether who calls for the one could be who calls for the other.
fn is_alike(one: &IngestSpec, other: &IngestSpec) -> bool {
    match (&one.way, &other.way) {
        (IngestWay::Listen { stream_name: a }, IngestWay::Listen { stream_name: b }) => {
            one.protocol == other.protocol && is_same_secret(a.as_ref(), b.as_ref())
        }
        _ => false,
    }
}

/// Whether what comes in by the one comes in by the other: all but the priority is the same.
pub(crate) fn is_same_way(one: &IngestSpec, other: &IngestSpec) -> bool {
    let same_name = match (&one.way, &other.way) {
        (IngestWay::Listen { stream_name: a }, IngestWay::Listen { stream_name: b }) => {
            is_same_secret(a.as_ref(), b.as_ref())
        }
        (
            IngestWay::Call {
                host: h1,
                port: p1,
                stream_name: a,
            },
            IngestWay::Call {
                host: h2,
                port: p2,
                stream_name: b,
            },
        ) => (h1, p1) == (h2, p2) && is_same_secret(a.as_ref(), b.as_ref()),
        _ => false,
    };
    same_name
        && one.protocol == other.protocol
        && one.encryption == other.encryption
        && is_same_secret(one.passphrase.as_ref(), other.passphrase.as_ref())
}

/// Both are ours, so how long this takes tells nobody anything.
fn is_same_secret(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    use lunora_core::ExposeSecret;

    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}
