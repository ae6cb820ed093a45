//! The contract of [`IngestController`], clause by clause.
//!
//! Nobody publishes to it, and what it calls is a loopback address where nobody
//! listens, so the suite asks only what holds whether or not anything comes in.
//! It takes in sources that publish to it by RTMP, and room for four is enough.

use std::{error::Error, time::Duration};

use jiff::Timestamp;
use lunora_core::{
    SecretString,
    domain::{
        Encryption, Fingerprint, IngestSpec, IngestState, IngestWay, ObservedIngest, Protocol,
        SourceId,
    },
    port::{ErrorKind, IngestController, PortError},
};

use crate::sample::{self, CANARY};

/// Makes one test per clause of the contract of
/// [`IngestController`](lunora_core::port::IngestController).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! ingest_controller_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [ingest_controller], [$(#[$attribute])*], $fixture,
            [
                nothing_is_taken_in_at_first
                exactly_what_was_applied_is_observed
                applying_again_changes_nothing
                an_apply_of_nothing_ends_all
                a_change_is_observed_under_the_same_id
                a_change_of_one_leaves_the_others
                results_stand_at_the_places_of_their_sources
                what_cannot_be_taken_is_unsupported_and_says_what_can
                two_that_cannot_be_told_apart_conflict
                a_name_that_is_free_again_is_taken
                what_is_not_taken_in_cannot_be_pinned
                pinning_again_changes_nothing
                a_release_of_nothing_changes_nothing
                the_last_pin_is_told
                a_pin_outlives_a_change_of_its_source
                a_pin_goes_with_its_source
                at_most_one_is_on_air
                no_secret_is_printed
            ]
        }
    };
}

type Controller = dyn IngestController;

async fn seen(controller: &Controller) -> Vec<ObservedIngest> {
    let mut seen = controller.observe().await.unwrap();
    seen.sort_by(|one, other| one.id.cmp(&other.id));
    seen
}

async fn taken_in(controller: &Controller) -> Vec<(SourceId, Fingerprint)> {
    let seen = seen(controller).await.into_iter();
    seen.map(|it| (it.id, it.fingerprint)).collect()
}

fn told(specs: &[IngestSpec]) -> Vec<(SourceId, Fingerprint)> {
    let told = specs.iter().map(|it| (it.id.clone(), it.fingerprint));
    let mut told: Vec<_> = told.collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    told
}

async fn apply(controller: &Controller, specs: &[IngestSpec]) {
    let results = controller.apply(specs).await;
    assert_eq!(results.len(), specs.len(), "one result each: {results:?}");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

async fn pin(controller: &Controller, n: u64) {
    controller.pin(Some(&sample::source_id(n))).await.unwrap();
}

async fn assert_pinned(controller: &Controller, n: Option<u64>) {
    let pinned = controller.pinned().await.unwrap();
    assert_eq!(pinned, n.map(sample::source_id));
}

fn kind(result: &Result<(), PortError>) -> Option<ErrorKind> {
    result.as_ref().err().map(PortError::kind)
}

/// Source `n` by the name of `other`.
fn named(n: u64, other: u64) -> IngestSpec {
    let stream_name = Some(sample::publish_name(other));
    sample::ingest_by(n, Protocol::Rtmp, IngestWay::Listen { stream_name })
}

/// Source `n` as a backup, which changes nothing else.
fn as_backup(n: u64) -> IngestSpec {
    let mut spec = sample::ingest(n);
    spec.priority = sample::priority(2);
    sample::fingerprinted(spec)
}

/// What an ingest that goes on undisturbed keeps.
fn course(seen: &[ObservedIngest]) -> Vec<(SourceId, IngestState, Timestamp, u64)> {
    let course = seen.iter();
    course
        .map(|it| (it.id.clone(), it.state, it.since, it.bytes))
        .collect()
}

/// Long enough that what begins anew says so by its time.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Clause 1.
pub async fn nothing_is_taken_in_at_first(controller: &Controller) {
    assert_eq!(taken_in(controller).await, []);
    assert_pinned(controller, None).await;
}

/// Clause 1.
pub async fn exactly_what_was_applied_is_observed(controller: &Controller) {
    let first = [sample::ingest(1), sample::ingest(2)];
    apply(controller, &first).await;
    assert_eq!(taken_in(controller).await, told(&first));

    let second = [sample::ingest(3), sample::ingest(2)];
    apply(controller, &second).await;
    assert_eq!(taken_in(controller).await, told(&second));
}

/// Clauses 1 and 2.
pub async fn applying_again_changes_nothing(controller: &Controller) {
    let specs = [sample::ingest(1), sample::ingest(2)];
    apply(controller, &specs).await;
    let before = seen(controller).await;
    a_while().await;
    apply(controller, &specs).await;

    assert_eq!(taken_in(controller).await, told(&specs));
    assert_eq!(course(&seen(controller).await), course(&before));
}

/// Clause 1.
pub async fn an_apply_of_nothing_ends_all(controller: &Controller) {
    apply(controller, &[]).await;
    apply(controller, &[sample::ingest(1), sample::ingest(2)]).await;
    apply(controller, &[]).await;
    assert_eq!(taken_in(controller).await, []);
}

/// Clause 1.
pub async fn a_change_is_observed_under_the_same_id(controller: &Controller) {
    for spec in [
        sample::ingest(1),
        named(1, 2),
        as_backup(1),
        sample::ingest(1),
    ] {
        apply(controller, std::slice::from_ref(&spec)).await;
        assert_eq!(taken_in(controller).await, told(&[spec]));
    }
}

/// Clause 2.
pub async fn a_change_of_one_leaves_the_others(controller: &Controller) {
    let specs = [sample::ingest(1), sample::ingest(2), sample::ingest(3)];
    apply(controller, &specs).await;
    let others = |seen: Vec<ObservedIngest>| {
        let changed = sample::source_id(2);
        let others = seen.into_iter().filter(|it| it.id != changed);
        course(&others.collect::<Vec<_>>())
    };
    let before = others(seen(controller).await);
    a_while().await;
    let [first, second, third] = specs;
    for now in [named(2, 4), second] {
        apply(controller, &[third.clone(), now, first.clone()]).await;
        assert_eq!(others(seen(controller).await), before);
    }
    apply(controller, &[first, third]).await;
    assert_eq!(others(seen(controller).await), before);
}

/// Clause 3.
pub async fn results_stand_at_the_places_of_their_sources(controller: &Controller) {
    let (one, alike, two) = (sample::ingest(1), named(3, 1), sample::ingest(2));
    let results = controller.apply(&[one.clone(), alike, two.clone()]).await;

    let kinds: Vec<_> = results.iter().map(kind).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Conflict), None]);
    assert_eq!(taken_in(controller).await, told(&[one, two]));
}

/// Every protocol in every way, each under a name of its own from 2 on.
pub(super) fn every_way() -> Vec<IngestSpec> {
    let mut all = Vec::new();
    for protocol in Protocol::ALL {
        for calls in [false, true] {
            let n = 2 + all.len() as u64;
            let stream_name = Some(sample::publish_name(n));
            let way = match calls {
                false => IngestWay::Listen { stream_name },
                true => sample::nobody_there(n),
            };
            all.push(sample::ingest_by(n, *protocol, way));
        }
    }
    all
}

/// Asserts that a refusal is one of what cannot be taken, and names a way that works.
pub(super) fn assert_names_a_way(spec: &IngestSpec, error: &PortError) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let reason = error.reason().unwrap_or_default();
    let names_one = ["SRT", "RTMP"].iter().any(|way| reason.contains(way));
    assert!(names_one, "{}: what works instead? {error}", spec.protocol);
}

/// Clause 3.
pub async fn what_cannot_be_taken_is_unsupported_and_says_what_can(controller: &Controller) {
    let good = sample::ingest(1);
    for spec in every_way() {
        let results = controller.apply(&[spec.clone(), good.clone()]).await;
        assert_eq!(kind(&results[1]), None, "{results:?}");
        let expected = match &results[0] {
            Ok(()) => told(&[spec, good.clone()]),
            Err(error) => {
                assert_names_a_way(&spec, error);
                told(std::slice::from_ref(&good))
            }
        };
        assert_eq!(taken_in(controller).await, expected);
    }
}

/// Clause 3.
pub async fn two_that_cannot_be_told_apart_conflict(controller: &Controller) {
    let results = controller.apply(&[sample::ingest(1), named(2, 1)]).await;
    let kinds: Vec<_> = results.iter().map(kind).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Conflict)], "the later one");
    assert_eq!(taken_in(controller).await, told(&[sample::ingest(1)]));
}

/// Clauses 1 and 3.
pub async fn a_name_that_is_free_again_is_taken(controller: &Controller) {
    apply(controller, &[sample::ingest(1), sample::ingest(2)]).await;
    // In one call, each takes the name of the other.
    let swapped = [named(1, 2), named(2, 1)];
    apply(controller, &swapped).await;
    assert_eq!(taken_in(controller).await, told(&swapped));

    let left = [named(3, 2)];
    apply(controller, &left).await;
    assert_eq!(taken_in(controller).await, told(&left));
}

/// Clause 4.
pub async fn what_is_not_taken_in_cannot_be_pinned(controller: &Controller) {
    let unknown = sample::source_id(9);
    let specs = [sample::ingest(1), sample::ingest(2)];
    apply(controller, &specs).await;
    for pinned in [None, Some(2)] {
        if let Some(n) = pinned {
            pin(controller, n).await;
        }
        let refused = controller.pin(Some(&unknown)).await;
        assert_eq!(kind(&refused), Some(ErrorKind::Invalid));
        assert_pinned(controller, pinned).await;
        assert_eq!(taken_in(controller).await, told(&specs));
    }
}

/// Clause 4.
pub async fn pinning_again_changes_nothing(controller: &Controller) {
    apply(controller, &[sample::ingest(1), sample::ingest(2)]).await;
    pin(controller, 2).await;
    let before = seen(controller).await;
    a_while().await;
    pin(controller, 2).await;

    assert_pinned(controller, Some(2)).await;
    assert_eq!(course(&seen(controller).await), course(&before));
}

/// Clause 4.
pub async fn a_release_of_nothing_changes_nothing(controller: &Controller) {
    let specs = [sample::ingest(1)];
    apply(controller, &specs).await;
    controller.pin(None).await.unwrap();
    assert_pinned(controller, None).await;
    assert_eq!(taken_in(controller).await, told(&specs));
}

/// Clause 5.
pub async fn the_last_pin_is_told(controller: &Controller) {
    apply(controller, &[sample::ingest(1), sample::ingest(2)]).await;
    for n in [1, 2, 1] {
        pin(controller, n).await;
        assert_pinned(controller, Some(n)).await;
    }
    controller.pin(None).await.unwrap();
    assert_pinned(controller, None).await;
}

/// Clause 5.
pub async fn a_pin_outlives_a_change_of_its_source(controller: &Controller) {
    apply(controller, &[sample::ingest(1), sample::ingest(2)]).await;
    pin(controller, 2).await;
    apply(controller, &[sample::ingest(1), as_backup(2)]).await;
    assert_pinned(controller, Some(2)).await;
    apply(controller, &[as_backup(2)]).await;
    assert_pinned(controller, Some(2)).await;
}

/// Clause 5.
pub async fn a_pin_goes_with_its_source(controller: &Controller) {
    let specs = [sample::ingest(1), sample::ingest(2)];
    apply(controller, &specs).await;
    pin(controller, 2).await;
    apply(controller, &specs[..1]).await;
    assert_pinned(controller, None).await;

    // It comes back as any other.
    apply(controller, &specs).await;
    assert_pinned(controller, None).await;
}

/// Clause 6.
pub async fn at_most_one_is_on_air(controller: &Controller) {
    apply(controller, &[sample::ingest(1), sample::ingest(2)]).await;
    for n in [1, 2] {
        pin(controller, n).await;
        let seen = seen(controller).await;
        let on_air = seen.iter().filter(|it| it.state == IngestState::OnAir);
        assert!(on_air.count() < 2, "{seen:?}");
    }
}

/// A source whose every secret is a canary.
pub(super) fn with_canaries(n: u64, protocol: Protocol, mut way: IngestWay) -> IngestSpec {
    let (IngestWay::Listen { stream_name } | IngestWay::Call { stream_name, .. }) = &mut way;
    *stream_name = Some(CANARY.into());
    let mut spec = sample::ingest_by(n, protocol, way);
    spec.passphrase = Some(SecretString::from(CANARY));
    spec.encryption = Encryption::Aes128;
    sample::fingerprinted(spec)
}

/// Clause 7.
pub async fn no_secret_is_printed(controller: &Controller) {
    for spec in every_way() {
        let IngestSpec { protocol, way, .. } = spec;
        let specs = [
            with_canaries(1, protocol, way.clone()),
            with_canaries(2, protocol, way),
        ];
        for error in controller.apply(&specs).await.iter().filter_map(error) {
            assert_clean(&chain(error));
        }
        // Pinning what may not be there tells of it.
        let pinned = controller.pin(Some(&sample::source_id(2))).await;
        assert_clean(&pinned.err().as_ref().map_or_else(String::new, chain));
        a_while().await;
        let seen = seen(controller).await;
        assert_clean(&format!("{controller:?} {seen:?}"));
    }
}

fn error(result: &Result<(), PortError>) -> Option<&PortError> {
    result.as_ref().err()
}

pub(super) fn chain(error: &PortError) -> String {
    let mut printed = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        printed += &format!(" {error:?} {error}");
        cause = error.source();
    }
    printed
}

pub(super) fn assert_clean(printed: &str) {
    assert!(!printed.contains(CANARY), "{printed}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("ingest_controller.rs"));
    }
}
