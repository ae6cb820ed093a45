//! The contract of [`SourceProbe`], clause by clause.
//!
//! A probe looks at an engine that takes sources in, so a fixture gives both.
//! Nobody publishes to it, and what it calls is a loopback address where nobody
//! listens.

use std::{future::Future, sync::Arc, time::Duration};

use lunora_core::{
    domain::{Aspect, Check, Finding, IngestSpec, IngestState, Outcome, Protocol, SourceId},
    port::{IngestController, PortError, SourceProbe},
};
use tokio::time::timeout;

use super::ingest_controller::{assert_clean, assert_names_a_way, chain, every_way, with_canaries};
use crate::sample;

/// What the suite of [`SourceProbe`] is run on: the port of its fixture.
#[derive(Clone, Debug)]
pub struct Engine {
    /// What is tested.
    pub probe: Arc<dyn SourceProbe>,
    /// What takes in the sources that it looks at.
    pub ingests: Arc<dyn IngestController>,
}

/// Makes one test per clause of the contract of
/// [`SourceProbe`](lunora_core::port::SourceProbe), on a fixture whose port is an
/// [`Engine`](crate::conformance::source_probe::Engine).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! source_probe_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [source_probe], [$(#[$attribute])*], $fixture,
            [
                a_probe_changes_nothing
                a_probe_takes_nothing_in
                a_source_that_is_not_there_is_told_in_the_finding
                what_cannot_be_taken_is_unsupported_and_says_what_can
                each_aspect_is_named_once_and_with_a_reason
                no_secret_is_printed
            ]
        }
    };
}

/// Ten seconds, and some for a slow machine.
async fn in_time<T>(probe: impl Future<Output = T>) -> T {
    let probe = timeout(Duration::from_secs(15), probe).await;
    probe.expect("a probe ends within 10 s")
}

async fn probe(engine: &Engine, spec: &IngestSpec) -> Result<Finding, PortError> {
    in_time(engine.probe.probe(spec)).await
}

type Seen = (Vec<(SourceId, IngestState)>, Option<SourceId>);

async fn seen(engine: &Engine) -> Seen {
    let seen = engine.ingests.observe().await.unwrap().into_iter();
    let mut seen: Vec<_> = seen.map(|it| (it.id, it.state)).collect();
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    (seen, engine.ingests.pinned().await.unwrap())
}

/// Clause 1.
pub async fn a_probe_changes_nothing(engine: &Engine) {
    let specs = [sample::ingest(1), sample::ingest(2)];
    for result in engine.ingests.apply(&specs).await {
        result.unwrap();
    }
    let pin = engine.ingests.pin(Some(&sample::source_id(1))).await;
    pin.unwrap();
    let before = seen(engine).await;
    probe(engine, &specs[1]).await.unwrap();
    assert_eq!(seen(engine).await, before);
}

/// Clause 1.
pub async fn a_probe_takes_nothing_in(engine: &Engine) {
    probe(engine, &sample::ingest(1)).await.unwrap();
    assert_eq!(seen(engine).await, (Vec::new(), None));
}

fn media(finding: &Finding) -> &Check {
    let media = finding.checks.iter().find(|it| it.aspect == Aspect::Media);
    media.expect("whether media comes in is what the test is for")
}

/// Clause 2.
pub async fn a_source_that_is_not_there_is_told_in_the_finding(engine: &Engine) {
    let finding = probe(engine, &sample::ingest(1)).await.unwrap();
    assert_ne!(media(&finding).outcome, Outcome::Passed, "{finding:?}");
    assert_eq!(finding.media, None);

    let called = sample::ingest_by(2, Protocol::Srt, sample::nobody_there(2));
    // Where SRT cannot be taken, the next clause is about it.
    if let Ok(finding) = probe(engine, &called).await {
        assert!(!finding.is_good(), "{finding:?}");
        assert_eq!(finding.media, None);
    }
}

/// Clause 3.
pub async fn what_cannot_be_taken_is_unsupported_and_says_what_can(engine: &Engine) {
    for spec in every_way() {
        if matches!(spec.protocol, Protocol::Srt | Protocol::Rtmp) {
            continue; // One of them may take its time to find that nobody is there.
        }
        match probe(engine, &spec).await {
            Ok(finding) => assert!(!finding.is_good(), "{finding:?}"),
            Err(error) => assert_names_a_way(&spec, &error),
        }
    }
}

/// Clause 4.
pub async fn each_aspect_is_named_once_and_with_a_reason(engine: &Engine) {
    let finding = probe(engine, &sample::ingest(1)).await.unwrap();
    assert_orderly(&finding);
    media(&finding);
}

pub(super) fn assert_orderly(finding: &Finding) {
    let aspects: Vec<Aspect> = finding.checks.iter().map(|it| it.aspect).collect();
    assert!(aspects.is_sorted_by(|one, next| one < next), "{aspects:?}");
    for Check { aspect, outcome } in &finding.checks {
        if let Outcome::NotChecked(why) = outcome {
            assert!(!why.trim().is_empty(), "why was {aspect} not looked at?");
        }
    }
}

/// Clause 5.
pub async fn no_secret_is_printed(engine: &Engine) {
    for spec in every_way() {
        let spec = with_canaries(1, spec.protocol, spec.way);
        let printed = match probe(engine, &spec).await {
            Ok(finding) => format!("{finding:?}"),
            Err(error) => chain(&error),
        };
        assert_clean(&format!("{:?} {printed}", engine.probe));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("source_probe.rs"));
    }
}
