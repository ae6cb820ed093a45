use std::{fmt, ops::Deref, sync::Arc};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret,
    domain::{Aspect, Check, Finding, IngestSpec, IngestWay, Outcome},
    port::{ErrorKind, IngestController, PortError, SourceProbe},
};
use lunora_testkit::{
    conformance::source_probe::Engine,
    memory::{MemoryIngestController, MemorySourceProbe},
    sample::{self, CANARY},
};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    Releases,
    TakesIn,
    MakesMediaUp,
    FailsWhereNobodyIs,
    RefusesWithoutAReason,
    IsSilentOfMedia,
    NamesAspectsTwice,
    GivesNoReason,
    NeverEnds,
    PrintsNames,
    FindingsTellNames,
    ErrorsTellNames,
}

struct Mutant(Engine);

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let ingests = MemoryIngestController::default();
        let inner = MemorySourceProbe::over(ingests.clone());
        let probe = Arc::new(Probe {
            inner,
            ingests: ingests.clone(),
            mutation,
        });
        let ingests = Arc::new(ingests);
        Self(Engine { probe, ingests })
    }
}

/// So that a clause takes a mutant as it takes the port of a fixture.
impl Deref for Mutant {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

struct Probe {
    inner: MemorySourceProbe,
    ingests: MemoryIngestController,
    mutation: Mutation,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = (self.mutation == Mutation::PrintsNames).then_some(CANARY);
        f.debug_tuple("Probe").field(&printed).finish()
    }
}

fn name(spec: &IngestSpec) -> &str {
    let (IngestWay::Listen { stream_name } | IngestWay::Call { stream_name, .. }) = &spec.way;
    stream_name.as_ref().map_or("", |it| it.expose_secret())
}

#[async_trait]
impl SourceProbe for Probe {
    async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError> {
        match self.mutation {
            Mutation::Releases => self.ingests.pin(None).await?,
            Mutation::TakesIn => drop(self.ingests.apply(std::slice::from_ref(source)).await),
            Mutation::NeverEnds => std::future::pending().await,
            _ => (),
        }
        let mut finding = match (self.mutation, self.inner.probe(source).await) {
            (Mutation::RefusesWithoutAReason, Err(error)) => {
                return Err(PortError::new(error.kind(), "test", &source.id));
            }
            (Mutation::ErrorsTellNames, Err(error)) => {
                return Err(PortError::new(error.kind(), "test", name(source)));
            }
            (Mutation::FailsWhereNobodyIs, Ok(_)) => {
                return Err(PortError::new(ErrorKind::Unavailable, "test", &source.id));
            }
            (_, outcome) => outcome?,
        };
        match self.mutation {
            Mutation::MakesMediaUp => {
                finding = sample::finding_of_media(Some(sample::media_facts()));
            }
            Mutation::IsSilentOfMedia => finding.checks.clear(),
            Mutation::NamesAspectsTwice => finding.checks.extend(finding.checks.clone()),
            Mutation::GivesNoReason => finding.checks.insert(
                0,
                Check {
                    aspect: Aspect::Name,
                    outcome: Outcome::NotChecked(""),
                },
            ),
            Mutation::FindingsTellNames => {
                let mut fault = sample::source_lost();
                fault.text = name(source).into();
                finding.checks[0].outcome = Outcome::Failed(fault);
            }
            _ => (),
        }
        Ok(finding)
    }
}

noticed! { source_probe:
    Releases by a_probe_changes_nothing;
    NeverEnds by a_probe_changes_nothing;
    TakesIn by a_probe_takes_nothing_in;
    MakesMediaUp by a_source_that_is_not_there_is_told_in_the_finding;
    FailsWhereNobodyIs by a_source_that_is_not_there_is_told_in_the_finding;
    RefusesWithoutAReason by what_cannot_be_taken_is_unsupported_and_says_what_can;
    IsSilentOfMedia by each_aspect_is_named_once_and_with_a_reason;
    NamesAspectsTwice by each_aspect_is_named_once_and_with_a_reason;
    GivesNoReason by each_aspect_is_named_once_and_with_a_reason;
    PrintsNames by no_secret_is_printed;
    FindingsTellNames by no_secret_is_printed;
    ErrorsTellNames by no_secret_is_printed;
}
