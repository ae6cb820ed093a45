use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        Fault, IngestSpec, IngestState, IngestWay, MediaFacts, ObservedIngest, Protocol, SourceId,
    },
    port::{Clock, ErrorKind, IngestController, PortError},
};

use crate::{clock::ManualClock, sample};

/// An [`IngestController`] in memory, to which nobody connects unless a test says so.
///
/// Like a machine without an encoder at hand, it takes SRT in both ways and lets
/// encoders publish to it by RTMP; everything else is unsupported.
#[derive(Clone, Debug)]
pub struct MemoryIngestController {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    ingests: BTreeMap<SourceId, Ingest>,
    pinned: Option<SourceId>,
    interruptions: BTreeMap<SourceId, u32>,
}

#[derive(Debug)]
struct Ingest {
    spec: IngestSpec,
    seen: ObservedIngest,
}

impl Default for MemoryIngestController {
    fn default() -> Self {
        let clock = Arc::new(ManualClock::default());
        let state = Arc::default();
        Self { clock, state }
    }
}

impl MemoryIngestController {
    /// The same, which takes the times of its states from this clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        let clock = Arc::new(clock);
        Self { clock, ..self }
    }

    /// What each source was told last, without observing it.
    #[must_use]
    pub fn specs(&self) -> Vec<IngestSpec> {
        let spec = |ingest: &Ingest| ingest.spec.clone();
        self.with(|state| state.ingests.values().map(spec).collect())
    }

    /// How often the source was begun anew or taken away while it was taken in.
    #[must_use]
    pub fn interruptions(&self, id: &SourceId) -> u32 {
        self.with(|state| state.interruptions.get(id).copied().unwrap_or(0))
    }

    /// Makes media of these facts come in from a source.
    ///
    /// # Panics
    ///
    /// If the source is not taken in.
    pub fn receive(&self, id: &SourceId, media: MediaFacts) {
        self.fare(id, |seen| {
            seen.state = IngestState::Standby;
            seen.media = media;
            seen.attempts = 0;
            seen.fault = None;
            seen.bytes += 1_000;
        });
    }

    /// Makes a source fare so, with nothing coming in, after so many attempts.
    ///
    /// # Panics
    ///
    /// If the source is not taken in.
    pub fn lose(&self, id: &SourceId, state: IngestState, attempts: u32, fault: Option<Fault>) {
        self.fare(id, |seen| {
            seen.state = state;
            seen.media = MediaFacts::default();
            seen.attempts = attempts;
            seen.fault = fault;
        });
    }

    /// Gives a source a fault beside what comes in, or takes it away.
    ///
    /// # Panics
    ///
    /// If the source is not taken in.
    pub fn set_fault(&self, id: &SourceId, fault: Option<Fault>) {
        self.fare(id, |seen| seen.fault = fault);
    }

    /// What is seen of one source.
    #[must_use]
    pub fn seen(&self, id: &SourceId) -> Option<ObservedIngest> {
        self.with(|state| state.ingests.get(id).map(|it| it.seen.clone()))
    }

    fn fare(&self, id: &SourceId, change: impl FnOnce(&mut ObservedIngest)) {
        let now = self.clock.now();
        self.with(|state| {
            let ingest = state.ingests.get_mut(id);
            let seen = &mut ingest.unwrap_or_else(|| panic!("{id} is not there")).seen;
            let before = seen.state;
            change(seen);
            if seen.state != before {
                seen.since = now;
            }
            state.choose(now);
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Puts the pinned source on air if it is good, else the good one of the lowest priority.
    fn choose(&mut self, now: jiff::Timestamp) {
        let good =
            |it: &&Ingest| matches!(it.seen.state, IngestState::Standby | IngestState::OnAir);
        let pinned = self.pinned.as_ref().and_then(|id| self.ingests.get(id));
        let order = |it: &&Ingest| (it.spec.priority, it.spec.id.clone());
        let first = || self.ingests.values().filter(good).min_by_key(order);
        let chosen = pinned.filter(good).or_else(first);
        let chosen = chosen.map(|it| it.spec.id.clone());
        for (id, ingest) in &mut self.ingests {
            let state = match ingest.seen.state {
                IngestState::Standby | IngestState::OnAir if chosen.as_ref() == Some(id) => {
                    IngestState::OnAir
                }
                IngestState::OnAir => IngestState::Standby,
                state => state,
            };
            if state != ingest.seen.state {
                ingest.seen.state = state;
                ingest.seen.since = now;
            }
        }
    }

    fn apply_one(&mut self, spec: &IngestSpec, now: jiff::Timestamp) {
        let same = |it: &Ingest| it.spec.fingerprint == spec.fingerprint;
        match self.ingests.get(&spec.id) {
            Some(there) if same(there) => return,
            Some(_) => *self.interruptions.entry(spec.id.clone()).or_default() += 1,
            None => (),
        }
        let seen = ObservedIngest {
            id: spec.id.clone(),
            fingerprint: spec.fingerprint,
            state: IngestState::Waiting,
            since: now,
            attempts: 0,
            fault: None,
            media: MediaFacts::default(),
            bytes: 0,
        };
        let spec = spec.clone();
        self.ingests.insert(spec.id.clone(), Ingest { spec, seen });
    }

    fn refusal(&self, spec: &IngestSpec, accepted: &[&IngestSpec]) -> Option<PortError> {
        let refuse = |kind| PortError::new(kind, "take in source", &spec.id);
        if let Some(reason) = why_not(spec) {
            return Some(refuse(ErrorKind::Unsupported).with_reason(reason));
        }
        if accepted.iter().any(|it| is_alike(it, spec)) {
            let reason = "another source is called by the same name; give it one of its own";
            return Some(refuse(ErrorKind::Conflict).with_reason(reason));
        }
        let there = self.ingests.get(&spec.id).map(|it| &it.spec);
        let same = there.filter(|it| it.fingerprint == spec.fingerprint);
        // The real ones would not notice the change.
        let silent = same.is_some_and(|it| sample::said(it) != sample::said(spec));
        silent.then(|| refuse(ErrorKind::Invalid))
    }
}

pub(super) fn why_not(spec: &IngestSpec) -> Option<&'static str> {
    match (spec.protocol, &spec.way) {
        (Protocol::Srt, _) | (Protocol::Rtmp, IngestWay::Listen { .. }) => None,
        (Protocol::Rtmp, IngestWay::Call { .. }) => {
            Some("let the encoder publish to this machine by RTMP, or call it by SRT")
        }
        (Protocol::Rtp, _) => Some("send it by SRT or RTMP"),
        (Protocol::Ndi, _) => Some("bridge it to SRT"),
    }
}

/// Whether who calls for the one could be who calls for the other.
fn is_alike(one: &IngestSpec, other: &IngestSpec) -> bool {
    let name = |it: &IngestSpec| match &it.way {
        IngestWay::Listen { stream_name } => {
            let text = |it: &SecretString| it.expose_secret().to_owned();
            Some((it.protocol, stream_name.as_ref().map(text)))
        }
        IngestWay::Call { .. } => None,
    };
    one.id == other.id || name(one).is_some_and(|it| Some(it) == name(other))
}

#[async_trait]
impl IngestController for MemoryIngestController {
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        let now = self.clock.now();
        self.with(|state| {
            let mut accepted: Vec<&IngestSpec> = Vec::new();
            let mut results = Vec::new();
            for spec in specs {
                results.push(match state.refusal(spec, &accepted) {
                    Some(error) => Err(error),
                    None => {
                        accepted.push(spec);
                        Ok(())
                    }
                });
            }
            let gone: Vec<SourceId> = state.ingests.keys().cloned().collect();
            let stays = |id: &SourceId| accepted.iter().any(|it| it.id == *id);
            for id in gone.into_iter().filter(|id| !stays(id)) {
                state.ingests.remove(&id);
                state.pinned = state.pinned.take().filter(|pinned| *pinned != id);
                *state.interruptions.entry(id).or_default() += 1;
            }
            for spec in accepted {
                state.apply_one(spec, now);
            }
            state.choose(now);
            results
        })
    }

    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError> {
        let seen = |ingest: &Ingest| ingest.seen.clone();
        Ok(self.with(|state| state.ingests.values().map(seen).collect()))
    }

    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError> {
        let now = self.clock.now();
        self.with(|state| {
            if let Some(id) = source.filter(|id| !state.ingests.contains_key(id)) {
                let error = PortError::new(ErrorKind::Invalid, "pin source", id);
                return Err(error.with_reason("it is not taken in; enable it first"));
            }
            state.pinned = source.cloned();
            state.choose(now);
            Ok(())
        })
    }

    async fn pinned(&self) -> Result<Option<SourceId>, PortError> {
        Ok(self.with(|state| state.pinned.clone()))
    }
}
