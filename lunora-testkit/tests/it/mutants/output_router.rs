use std::{collections::BTreeSet, fmt, slice, sync::Mutex};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret,
    domain::{Leg, ObservedOutput, OutputId, OutputSpec, Scheme, Switch},
    port::{ErrorKind, OutputRouter, PortError, RouterCapabilities},
};
use lunora_testkit::{
    memory::MemoryOutputRouter,
    sample::{self, CANARY},
};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    ObservesOthers,
    RefusesRepetition,
    DetachesOnce,
    ReplacesTheSet,
    KeepsTheFirst,
    OneLegPerDestination,
    DetachesNothing,
    DetachesAll,
    RetryDetaches,
    StopsAtAFailure,
    ResultsAreReversed,
    AlwaysAResult,
    HasNoLimit,
    FullIsFull,
    RoomIsNeverFreed,
    SchemesAreIgnored,
    RetryNeedsAnOutput,
    RetrySwitchesOn,
    PrintsKeys,
    ErrorsTellKeys,
}

const OUTPUTS_MAX: usize = 4;

struct Mutant {
    inner: MemoryOutputRouter,
    mutation: Mutation,
    ever_applied: Mutex<BTreeSet<OutputId>>,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let outputs_max = match mutation {
            Mutation::HasNoLimit => 1_000,
            _ => OUTPUTS_MAX,
        };
        Self {
            inner: MemoryOutputRouter::new(RouterCapabilities::rtmp(outputs_max)),
            mutation,
            ever_applied: Mutex::default(),
        }
    }

    fn key(&self, id: &OutputId) -> OutputId {
        let mut id = id.clone();
        if self.mutation == Mutation::OneLegPerDestination {
            id.leg = Leg::Primary;
        }
        id
    }

    fn spec(&self, id: &OutputId) -> Option<OutputSpec> {
        let specs = self.inner.specs();
        specs.into_iter().find(|spec| spec.id == *id)
    }

    fn refusal(&self, spec: &OutputSpec) -> Option<ErrorKind> {
        let present = self.spec(&spec.id);
        match self.mutation {
            Mutation::RefusesRepetition => {
                let is_same =
                    |it: OutputSpec| it.fingerprint == spec.fingerprint && it.switch == spec.switch;
                present.is_some_and(is_same).then_some(ErrorKind::Conflict)
            }
            Mutation::FullIsFull => {
                let is_full = self.inner.specs().len() == OUTPUTS_MAX;
                is_full.then_some(ErrorKind::Exhausted)
            }
            Mutation::RoomIsNeverFreed => {
                let mut ever = self.ever_applied.lock().expect("no poison");
                ever.insert(spec.id.clone());
                (OUTPUTS_MAX < ever.len()).then_some(ErrorKind::Exhausted)
            }
            _ => None,
        }
    }

    async fn apply_one(&self, spec: &OutputSpec) -> Result<(), PortError> {
        let mut spec = spec.clone();
        spec.id = self.key(&spec.id);
        if let Some(kind) = self.refusal(&spec) {
            return Err(PortError::new(kind, "apply", &spec.id));
        }
        if self.mutation == Mutation::KeepsTheFirst && self.spec(&spec.id).is_some() {
            return Ok(());
        }
        let result = one(self.inner.apply(slice::from_ref(&spec)).await);
        result.map_err(|error| match self.mutation {
            Mutation::ErrorsTellKeys => {
                let key = spec
                    .target
                    .stream_name()
                    .map_or("", |key| key.expose_secret());
                PortError::new(error.kind(), "apply", key)
            }
            _ => error,
        })
    }
}

fn one(results: Vec<Result<(), PortError>>) -> Result<(), PortError> {
    results.into_iter().next().expect("a result")
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = (self.mutation == Mutation::PrintsKeys).then_some(CANARY);
        f.debug_tuple("Mutant").field(&printed).finish()
    }
}

#[async_trait]
impl OutputRouter for Mutant {
    fn capabilities(&self) -> RouterCapabilities {
        let mut capabilities = RouterCapabilities::rtmp(OUTPUTS_MAX);
        if self.mutation == Mutation::SchemesAreIgnored {
            capabilities.schemes = vec![Scheme::Rtmp];
        }
        capabilities
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        let mut outputs = self.inner.observe().await?;
        if self.mutation == Mutation::ObservesOthers {
            outputs.push(sample::observed(99));
        }
        Ok(outputs)
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        let mut results = Vec::new();
        for spec in specs {
            let stopped = results.iter().any(Result::is_err);
            results.push(match self.mutation {
                Mutation::StopsAtAFailure if stopped => {
                    Err(PortError::new(ErrorKind::Unavailable, "apply", &spec.id))
                }
                _ => self.apply_one(spec).await,
            });
        }
        match self.mutation {
            Mutation::ReplacesTheSet => {
                let mut others = self.inner.specs();
                others.retain(|it| specs.iter().all(|spec| spec.id != it.id));
                let others: Vec<OutputId> = others.into_iter().map(|it| it.id).collect();
                self.inner.detach(&others).await;
            }
            Mutation::ResultsAreReversed => results.reverse(),
            Mutation::AlwaysAResult if results.is_empty() => results.push(Ok(())),
            _ => (),
        }
        results
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let mut results = Vec::new();
        for id in ids {
            let id = self.key(id);
            results.push(match self.mutation {
                Mutation::DetachesOnce if self.spec(&id).is_none() => {
                    Err(PortError::new(ErrorKind::Invalid, "detach", id))
                }
                Mutation::DetachesNothing => Ok(()),
                Mutation::DetachesAll => {
                    let all = self.inner.specs().into_iter().map(|it| it.id);
                    self.inner.detach(&all.collect::<Vec<_>>()).await;
                    Ok(())
                }
                _ => one(self.inner.detach(&[id]).await),
            });
        }
        results
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let mut results = Vec::new();
        for id in ids {
            results.push(match (self.mutation, self.spec(id)) {
                (Mutation::RetryNeedsAnOutput, None) => {
                    Err(PortError::new(ErrorKind::Invalid, "retry", id))
                }
                (Mutation::RetryDetaches, _) => one(self.inner.detach(slice::from_ref(id)).await),
                (Mutation::RetrySwitchesOn, Some(mut spec)) => {
                    spec.switch = Switch::On;
                    one(self.inner.apply(&[spec]).await)
                }
                _ => one(self.inner.retry(slice::from_ref(id)).await),
            });
        }
        results
    }
}

noticed! { output_router:
    ObservesOthers by nothing_is_there_at_first;
    RefusesRepetition by applying_again_changes_nothing;
    DetachesOnce by detaching_what_is_not_there_changes_nothing;
    ReplacesTheSet by what_was_applied_is_observed, a_change_of_one_leaves_the_others;
    KeepsTheFirst by a_change_is_observed_under_the_same_id, a_switch_is_observed;
    OneLegPerDestination by both_legs_of_a_destination_are_told_apart;
    DetachesNothing by what_was_detached_is_not_observed;
    DetachesAll by a_detach_of_one_leaves_the_others;
    RetryDetaches by a_retry_of_one_leaves_the_others;
    StopsAtAFailure by results_stand_at_the_places_of_their_outputs;
    ResultsAreReversed by results_stand_at_the_places_of_their_outputs;
    AlwaysAResult by a_call_on_nothing_returns_nothing;
    HasNoLimit by one_output_too_many_is_refused_and_changes_nothing;
    FullIsFull by a_full_router_still_changes_what_is_there;
    RoomIsNeverFreed by a_detach_makes_room;
    SchemesAreIgnored by a_scheme_that_is_not_named_is_unsupported;
    RetryNeedsAnOutput by a_retry_of_what_is_not_there_changes_nothing;
    RetrySwitchesOn by a_retry_of_what_is_off_changes_nothing;
    PrintsKeys by no_secret_is_printed;
    ErrorsTellKeys by no_secret_is_printed;
}
