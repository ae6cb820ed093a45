use std::{collections::BTreeMap, fmt, slice, sync::Mutex, time::Duration};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret,
    domain::{IngestSpec, IngestState, IngestWay, ObservedIngest, Protocol, SourceId},
    port::{ErrorKind, IngestController, PortError},
};
use lunora_testkit::{
    memory::MemoryIngestController,
    sample::{self, CANARY},
};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    HasOne,
    PinsTheFirst,
    KeepsWhatWas,
    NothingIsLeftAlone,
    NothingEndsNothing,
    KeepsTheFirst,
    PrioritiesAreIgnored,
    BeginsAllAnew,
    StopsAtAFailure,
    ResultsAreReversed,
    TakesAnything,
    RefusesWithoutAReason,
    RefusesTheEarlier,
    TakesTwoAlike,
    NamesAreTakenForEver,
    PinsAnything,
    ARefusedPinReleases,
    PinningTwiceFails,
    PinningBeginsAnew,
    ReleasingNothingFails,
    ReleasesNothing,
    AChangeReleases,
    AnApplyReleases,
    PinsAreKeptForLater,
    AllAreOnAir,
    PrintsNames,
    ErrorsTellNames,
    ObservesNames,
}

struct Mutant {
    inner: MemoryIngestController,
    mutation: Mutation,
    ever: Mutex<BTreeMap<String, SourceId>>,
    pinned: Mutex<Option<SourceId>>,
    begun_anew: Mutex<u64>,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        Self {
            inner: MemoryIngestController::default(),
            mutation,
            ever: Mutex::default(),
            pinned: Mutex::default(),
            begun_anew: Mutex::default(),
        }
    }

    /// What is told on, if anything is.
    fn told(&self, specs: &[IngestSpec]) -> Vec<IngestSpec> {
        let there = self.inner.specs();
        let mut told = specs.to_vec();
        match self.mutation {
            Mutation::KeepsWhatWas => {
                let gone = |it: &IngestSpec| specs.iter().all(|spec| spec.id != it.id);
                told.extend(there.into_iter().filter(gone));
            }
            Mutation::NothingEndsNothing if specs.is_empty() => told = there,
            Mutation::KeepsTheFirst | Mutation::PrioritiesAreIgnored => {
                for spec in &mut told {
                    let before = there.iter().find(|it| it.id == spec.id);
                    let before = before.filter(|it| {
                        self.mutation == Mutation::KeepsTheFirst || it.priority != spec.priority
                    });
                    *spec = before.cloned().unwrap_or_else(|| spec.clone());
                }
            }
            _ => (),
        }
        told
    }

    fn refused(&self, spec: &IngestSpec) -> Option<ErrorKind> {
        match self.mutation {
            Mutation::NamesAreTakenForEver => {
                let mut ever = self.ever.lock().expect("no poison");
                let by = ever.entry(name(spec)).or_insert_with(|| spec.id.clone());
                (*by != spec.id).then_some(ErrorKind::Conflict)
            }
            _ => None,
        }
    }
}

fn name(spec: &IngestSpec) -> String {
    let (IngestWay::Listen { stream_name } | IngestWay::Call { stream_name, .. }) = &spec.way;
    let name = stream_name.as_ref().map_or("", |it| it.expose_secret());
    name.to_owned()
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = (self.mutation == Mutation::PrintsNames).then_some(CANARY);
        f.debug_tuple("Mutant").field(&printed).finish()
    }
}

/// As the relay could, which takes in whatever it is told: under another protocol.
fn disguised(spec: &IngestSpec) -> IngestSpec {
    let mut spec = spec.clone();
    spec.protocol = Protocol::Srt;
    if let IngestWay::Listen { stream_name } = &mut spec.way {
        *stream_name = Some(format!("alone-{}", spec.id).into());
    }
    spec
}

#[async_trait]
impl IngestController for Mutant {
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        let mut told = self.told(specs);
        let refused: Vec<_> = told.iter().map(|it| self.refused(it)).collect();
        match self.mutation {
            Mutation::NothingIsLeftAlone => {
                self.inner.apply(&[]).await;
                *self.begun_anew.lock().expect("no poison") += 1;
            }
            Mutation::BeginsAllAnew if told.len() != self.inner.specs().len() => {
                *self.begun_anew.lock().expect("no poison") += 1;
            }
            Mutation::TakesTwoAlike => told.iter_mut().for_each(|it| *it = disguised(it)),
            Mutation::RefusesTheEarlier => told.reverse(),
            Mutation::AChangeReleases => {
                let there = self.inner.specs();
                let changes = |it: &IngestSpec| {
                    let before = there.iter().find(|old| old.id == it.id);
                    before.is_some_and(|old| old.fingerprint != it.fingerprint)
                };
                if told.iter().any(changes) {
                    self.inner.pin(None).await.expect("a release");
                }
            }
            Mutation::AnApplyReleases => self.inner.pin(None).await.expect("a release"),
            Mutation::PinsAreKeptForLater => {
                let pinned = self.inner.pinned().await.expect("a pin");
                let mut kept = self.pinned.lock().expect("no poison");
                *kept = pinned.or_else(|| kept.clone());
            }
            _ => (),
        }
        let mut results = self.inner.apply(&told).await;
        if self.mutation == Mutation::PinsAreKeptForLater {
            let kept = self.pinned.lock().expect("no poison").clone();
            let pin = self.inner.pin(kept.as_ref()).await;
            drop(pin);
        }
        if self.mutation == Mutation::RefusesTheEarlier {
            results.reverse();
        }
        results.truncate(specs.len());
        for (at, spec) in specs.iter().enumerate() {
            let stopped = results[..at].iter().any(Result::is_err);
            let result = &mut results[at];
            match (self.mutation, &result) {
                (Mutation::StopsAtAFailure, _) if stopped => {
                    *result = Err(PortError::new(ErrorKind::Unavailable, "apply", &spec.id));
                }
                (Mutation::TakesAnything, Err(_)) => *result = Ok(()),
                (Mutation::RefusesWithoutAReason, Err(error)) => {
                    *result = Err(PortError::new(error.kind(), "apply", &spec.id));
                }
                (Mutation::ErrorsTellNames, Err(error)) => {
                    *result = Err(PortError::new(error.kind(), "apply", name(spec)));
                }
                _ => (),
            }
            if let Some(kind) = refused[at] {
                *result = Err(PortError::new(kind, "apply", &spec.id));
            }
        }
        if self.mutation == Mutation::ResultsAreReversed {
            results.reverse();
        }
        results
    }

    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError> {
        let mut seen = self.inner.observe().await?;
        let later = Duration::from_secs(*self.begun_anew.lock().expect("no poison"));
        for it in &mut seen {
            it.since += later;
            match self.mutation {
                Mutation::AllAreOnAir => it.state = IngestState::OnAir,
                Mutation::ObservesNames => {
                    let specs = self.inner.specs();
                    let spec = specs.iter().find(|spec| spec.id == it.id);
                    let mut fault = sample::source_lost();
                    fault.text = spec.map_or_else(String::new, name).into();
                    it.fault = Some(fault);
                }
                _ => (),
            }
        }
        if self.mutation == Mutation::HasOne && seen.is_empty() {
            let inner = MemoryIngestController::default();
            inner.apply(slice::from_ref(&sample::ingest(99))).await;
            seen = inner.observe().await?;
        }
        Ok(seen)
    }

    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError> {
        let before = self.inner.pinned().await?;
        let refuse = |what: &str| Err(PortError::new(ErrorKind::Invalid, "pin", what));
        match (self.mutation, source) {
            (Mutation::PinningTwiceFails, Some(_)) if source == before.as_ref() => {
                return refuse("again");
            }
            (Mutation::ReleasingNothingFails, None) if before.is_none() => {
                return refuse("nothing");
            }
            (Mutation::ReleasesNothing, None) => return Ok(()),
            (Mutation::PinningBeginsAnew, Some(_)) => {
                *self.begun_anew.lock().expect("no poison") += 1;
            }
            (Mutation::PinsTheFirst, Some(_)) if before.is_some() => return Ok(()),
            _ => (),
        }
        match (self.mutation, self.inner.pin(source).await) {
            (Mutation::PinsAnything, Err(_)) => Ok(()),
            (Mutation::ARefusedPinReleases, Err(error)) => {
                self.inner.pin(None).await?;
                Err(error)
            }
            (_, outcome) => outcome,
        }
    }

    async fn pinned(&self) -> Result<Option<SourceId>, PortError> {
        self.inner.pinned().await
    }
}

noticed! { ingest_controller:
    HasOne by nothing_is_taken_in_at_first;
    KeepsWhatWas by exactly_what_was_applied_is_observed;
    NothingIsLeftAlone by applying_again_changes_nothing;
    NothingEndsNothing by an_apply_of_nothing_ends_all;
    KeepsTheFirst by a_change_is_observed_under_the_same_id;
    PrioritiesAreIgnored by a_change_is_observed_under_the_same_id;
    BeginsAllAnew by a_change_of_one_leaves_the_others;
    StopsAtAFailure by results_stand_at_the_places_of_their_sources;
    ResultsAreReversed by two_that_cannot_be_told_apart_conflict;
    TakesAnything by what_cannot_be_taken_is_unsupported_and_says_what_can;
    RefusesWithoutAReason by what_cannot_be_taken_is_unsupported_and_says_what_can;
    RefusesTheEarlier by two_that_cannot_be_told_apart_conflict;
    TakesTwoAlike by two_that_cannot_be_told_apart_conflict,
        results_stand_at_the_places_of_their_sources;
    NamesAreTakenForEver by a_name_that_is_free_again_is_taken;
    PinsAnything by what_is_not_taken_in_cannot_be_pinned;
    ARefusedPinReleases by what_is_not_taken_in_cannot_be_pinned;
    PinningTwiceFails by pinning_again_changes_nothing;
    PinningBeginsAnew by pinning_again_changes_nothing;
    ReleasingNothingFails by a_release_of_nothing_changes_nothing;
    PinsTheFirst by the_last_pin_is_told;
    ReleasesNothing by the_last_pin_is_told;
    AChangeReleases by a_pin_outlives_a_change_of_its_source;
    AnApplyReleases by a_pin_outlives_a_change_of_its_source;
    PinsAreKeptForLater by a_pin_goes_with_its_source;
    AllAreOnAir by at_most_one_is_on_air;
    PrintsNames by no_secret_is_printed;
    ErrorsTellNames by no_secret_is_printed;
    ObservesNames by no_secret_is_printed;
}
