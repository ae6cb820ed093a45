//! Telling the media engine which sources to take in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{SourceError, Sources, board::Refusal, spec::Unusable};
use crate::{
    domain::{
        Fault, FaultClass, FaultCode, Fingerprint, IngestSpec, ObservedIngest, Source, SourceId,
    },
    plan::source_fingerprint,
    port::{Clock as _, ErrorKind, IngestController as _, Listing, PortError},
};

/// How soon the same is tried again that failed and may succeed.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Why a source is not taken in as it is wanted.
#[derive(Debug)]
pub struct NotTakenIn {
    /// What it shows for it.
    pub fault: Fault,
    /// What the media engine said, if it was asked.
    pub error: Option<PortError>,
}

impl NotTakenIn {
    pub(super) fn into_error(self) -> SourceError {
        match self.error {
            Some(error) => SourceError::refused(error),
            None => SourceError::invalid(self.fault.text.as_str()),
        }
    }
}

/// What came of telling the media engine.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// Whether it was told anything: what is as it should be is left alone.
    pub told: bool,
    /// The sources that are not taken in as they are wanted, each with the reason.
    pub failed: Vec<(SourceId, NotTakenIn)>,
}

impl Sources {
    /// Makes the media engine take in exactly the enabled sources, each as its row
    /// says. One that cannot be taken in stops no other, and shows why; one whose row
    /// or secrets cannot be read just now goes on as it is.
    pub async fn sync(&self) -> Result<SyncReport, PortError> {
        let _turn = self.board.turn.lock().await;
        let Listing { items, unreadable } = self.survey().await?;
        let rows = items.into_iter().map(|it| it.value);
        let rows: Vec<Source> = rows.filter(|it| it.enabled).collect();
        let unreadable: BTreeSet<&str> = unreadable.iter().map(|it| it.id.as_str()).collect();
        self.tell(&rows, &unreadable).await
    }

    async fn tell(
        &self,
        rows: &[Source],
        unreadable: &BTreeSet<&str>,
    ) -> Result<SyncReport, PortError> {
        let now = self.ports.clock.now();
        let mut report = SyncReport::default();
        let mut refused = BTreeMap::new();
        let told = self.board.state().told.clone();
        let mut specs = Vec::new();
        for row in rows {
            let wanted = source_fingerprint(row, &self.hash_key);
            let before = told.get(&row.id);
            let same = before.filter(|it| it.fingerprint == wanted);
            let spec = match same {
                Some(same) => Ok(same.clone()),
                None => self.spec(row).await,
            };
            match spec {
                Ok(spec) => specs.push(spec),
                Err(unusable) => {
                    if stays(&unusable) {
                        specs.extend(before.cloned());
                    }
                    let fault = unusable.as_fault(now);
                    refused.insert(row.id.clone(), refusal(wanted, &fault, now));
                    let error = None;
                    let failed = NotTakenIn { fault, error };
                    report.failed.push((row.id.clone(), failed));
                }
            }
        }
        specs.extend(
            told.into_values()
                .filter(|it| unreadable.contains(it.id.as_str())),
        );
        let rank = |it: &IngestSpec| (it.priority, it.id.clone());
        specs.sort_by_key(rank);

        let seen = self.ports.ingests.observe().await?;
        if is_so(&specs, &seen) {
            self.board.state().refused = refused;
            return Ok(report);
        }
        let results = self.ports.ingests.apply(&specs).await;
        report.told = true;
        let mut taken = BTreeMap::new();
        for (spec, result) in specs.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    taken.insert(spec.id.clone(), spec);
                }
                Err(error) => {
                    let fault = as_fault(&error, now);
                    refused.insert(spec.id.clone(), refusal(spec.fingerprint, &fault, now));
                    let error = Some(error);
                    let failed = NotTakenIn { fault, error };
                    report.failed.push((spec.id.clone(), failed));
                }
            }
        }
        let mut state = self.board.state();
        state.told = taken;
        state.refused = refused;
        Ok(report)
    }

    /// Whether a tick has to tell the engine anything.
    pub(super) fn is_due(
        &self,
        rows: &[Source],
        unreadable: &BTreeSet<&str>,
        seen: &[ObservedIngest],
        now: Timestamp,
    ) -> bool {
        let state = self.board.state();
        let enabled: BTreeMap<&SourceId, Fingerprint> = rows
            .iter()
            .filter(|it| it.enabled)
            .map(|it| (&it.id, source_fingerprint(it, &self.hash_key)))
            .collect();
        let is_wanted = |it: &ObservedIngest| {
            enabled.contains_key(&it.id) || unreadable.contains(it.id.as_str())
        };
        if !seen.iter().all(is_wanted) {
            return true;
        }
        enabled.iter().any(|(id, wanted)| {
            let is_seen = |it: &ObservedIngest| it.id == **id && it.fingerprint == *wanted;
            if seen.iter().any(is_seen) {
                return false;
            }
            match state
                .refused
                .get(*id)
                .filter(|it| it.fingerprint == *wanted)
            {
                None => true,
                Some(refused) => refused.again_at.is_some_and(|at| at <= now),
            }
        })
    }
}

/// Whether what was taken in before goes on meanwhile.
const fn stays(unusable: &Unusable) -> bool {
    matches!(unusable, Unusable::Port(_) | Unusable::Changing)
}

fn is_so(specs: &[IngestSpec], seen: &[ObservedIngest]) -> bool {
    let is_seen = |spec: &IngestSpec| {
        let mut same = seen.iter().filter(|it| it.id == spec.id);
        same.any(|it| it.fingerprint == spec.fingerprint)
    };
    specs.len() == seen.len() && specs.iter().all(is_seen)
}

fn refusal(fingerprint: Fingerprint, fault: &Fault, now: Timestamp) -> Refusal {
    let is_transient = fault.class == FaultClass::Transient;
    Refusal {
        fingerprint,
        fault: fault.clone(),
        again_at: is_transient
            .then(|| now.checked_add(RETRY_AFTER).ok())
            .flatten(),
    }
}

fn as_fault(error: &PortError, at: Timestamp) -> Fault {
    let (code, class) = match error.kind() {
        ErrorKind::Unsupported | ErrorKind::Invalid | ErrorKind::Conflict => {
            (FaultCode::Invalid, FaultClass::Actionable)
        }
        ErrorKind::Exhausted => (FaultCode::Quota, FaultClass::Actionable),
        ErrorKind::Unavailable => (FaultCode::Provider, FaultClass::Transient),
        _ => (FaultCode::Provider, FaultClass::Actionable),
    };
    let text = error.reason().unwrap_or(match class {
        FaultClass::Transient => "the media engine does not answer; that is tried again",
        _ => "the media engine did not take it in; the log of the server says why",
    });
    Fault::new(error.fault().unwrap_or(code), class, text, at)
}
