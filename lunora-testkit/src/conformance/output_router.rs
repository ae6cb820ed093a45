//! The contract of [`OutputRouter`], clause by clause.
//!
//! Every output pushes to a loopback address on which nobody listens, so the
//! suite asks only what holds whether or not anything is connected. The adapter
//! should have room for few outputs, because the suite fills it.

use std::{error::Error, time::Duration};

use lunora_core::{
    SecretString,
    domain::{Fingerprint, OutputId, OutputSpec, OutputState, PushTarget, StreamKey, Switch},
    port::{ErrorKind, OutputRouter, Parking, PortError},
};

use crate::sample::{self, CANARY};

/// Makes one test per clause of the contract of
/// [`OutputRouter`](lunora_core::port::OutputRouter).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! output_router_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [output_router], [$(#[$attribute])*], $fixture,
            [
                nothing_is_there_at_first
                applying_again_changes_nothing
                detaching_what_is_not_there_changes_nothing
                what_was_applied_is_observed
                a_change_is_observed_under_the_same_id
                a_switch_is_observed
                both_legs_of_a_destination_are_told_apart
                what_was_detached_is_not_observed
                a_change_of_one_leaves_the_others
                a_detach_of_one_leaves_the_others
                a_retry_of_one_leaves_the_others
                results_stand_at_the_places_of_their_outputs
                a_call_on_nothing_returns_nothing
                one_output_too_many_is_refused_and_changes_nothing
                a_full_router_still_changes_what_is_there
                a_detach_makes_room
                a_scheme_that_is_not_named_is_unsupported
                a_retry_of_what_is_not_there_changes_nothing
                a_retry_of_what_is_off_changes_nothing
                no_secret_is_printed
            ]
        }
    };
}

type Seen = (OutputId, Fingerprint, Switch);

async fn observed(router: &dyn OutputRouter) -> Vec<Seen> {
    let outputs = router.observe().await.unwrap();
    let mut seen: Vec<Seen> = outputs
        .into_iter()
        .map(|output| (output.id, output.fingerprint, output.switch))
        .collect();
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    seen
}

fn told(specs: &[OutputSpec]) -> Vec<Seen> {
    let mut told: Vec<Seen> = specs
        .iter()
        .map(|spec| (spec.id.clone(), spec.fingerprint, spec.switch))
        .collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    told
}

async fn apply(router: &dyn OutputRouter, specs: &[OutputSpec]) {
    assert_all_ok(&router.apply(specs).await, specs.len());
}

async fn detach(router: &dyn OutputRouter, ids: &[OutputId]) {
    assert_all_ok(&router.detach(ids).await, ids.len());
}

async fn retry(router: &dyn OutputRouter, ids: &[OutputId]) {
    assert_all_ok(&router.retry(ids).await, ids.len());
}

fn assert_all_ok(results: &[Result<(), PortError>], things: usize) {
    assert_eq!(results.len(), things, "one result each: {results:?}");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

fn kind(result: &Result<(), PortError>) -> Option<ErrorKind> {
    result.as_ref().err().map(PortError::kind)
}

fn parks(router: &dyn OutputRouter) -> bool {
    router.capabilities().parking == Parking::Keeps
}

fn off(mut spec: OutputSpec) -> OutputSpec {
    spec.switch = Switch::Off;
    spec
}

/// Output `n` as it is with the target of `other`.
fn changed(n: u64, other: u64) -> OutputSpec {
    sample::spec_to(n, sample::target(other))
}

/// As many outputs as there is room for.
async fn fill(router: &dyn OutputRouter) -> Vec<OutputSpec> {
    let most = router.capabilities().outputs_max as u64;
    let specs: Vec<OutputSpec> = (1..=most).map(sample::spec).collect();
    apply(router, &specs).await;
    specs
}

/// Clause 1.
pub async fn nothing_is_there_at_first(router: &dyn OutputRouter) {
    assert_eq!(observed(router).await, []);
}

/// Clause 1.
pub async fn applying_again_changes_nothing(router: &dyn OutputRouter) {
    let specs = [sample::spec(1), sample::spec(2)];
    apply(router, &specs).await;
    apply(router, &specs[..1]).await;
    apply(router, &specs).await;

    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 1.
pub async fn detaching_what_is_not_there_changes_nothing(router: &dyn OutputRouter) {
    let spec = sample::spec(1);
    apply(router, std::slice::from_ref(&spec)).await;
    detach(router, &[sample::output_id(2)]).await;

    assert_eq!(observed(router).await, told(&[spec]));
}

/// Clause 2.
pub async fn what_was_applied_is_observed(router: &dyn OutputRouter) {
    let specs = [sample::spec(1), sample::spec(2), sample::spec(3)];
    apply(router, &specs[..1]).await;
    apply(router, &specs[1..]).await;

    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 2.
pub async fn a_change_is_observed_under_the_same_id(router: &dyn OutputRouter) {
    apply(router, &[sample::spec(1)]).await;
    let mut target = sample::target(1);
    target.key = Some(sample::stream_key(2));
    let other_key = sample::spec_to(1, target);

    for spec in [changed(1, 3), other_key, sample::spec(1)] {
        apply(router, std::slice::from_ref(&spec)).await;
        assert_eq!(observed(router).await, told(&[spec]));
    }
}

/// Clauses 2 and 6.
pub async fn a_switch_is_observed(router: &dyn OutputRouter) {
    let on = sample::spec(1);
    apply(router, std::slice::from_ref(&on)).await;

    let parked = off(on.clone());
    if !parks(router) {
        let refused = router.apply(&[parked]).await;
        assert_eq!(kind(&refused[0]), Some(ErrorKind::Unsupported));
        assert_eq!(observed(router).await, told(&[on]));
        return;
    }
    let changed = off(changed(1, 2));
    for spec in [parked, on, changed] {
        apply(router, std::slice::from_ref(&spec)).await;
        assert_eq!(observed(router).await, told(&[spec]));
    }
}

/// Clause 2.
pub async fn both_legs_of_a_destination_are_told_apart(router: &dyn OutputRouter) {
    let primary = sample::spec(1);
    let mut backup = changed(1, 2);
    backup.id.leg = lunora_core::domain::Leg::Backup;
    apply(router, &[primary.clone(), backup.clone()]).await;
    assert_eq!(
        observed(router).await,
        told(&[primary.clone(), backup.clone()])
    );

    detach(router, &[primary.id]).await;
    assert_eq!(observed(router).await, told(&[backup]));
}

/// Clause 3.
pub async fn what_was_detached_is_not_observed(router: &dyn OutputRouter) {
    let specs = [sample::spec(1), sample::spec(2)];
    apply(router, &specs).await;
    detach(router, &[sample::output_id(1), sample::output_id(2)]).await;
    assert_eq!(observed(router).await, []);

    apply(router, &specs).await;
    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 4.
pub async fn a_change_of_one_leaves_the_others(router: &dyn OutputRouter) {
    let mut specs = [sample::spec(1), sample::spec(2), sample::spec(3)];
    apply(router, &specs).await;
    specs[1] = changed(2, 4);
    apply(router, &specs[1..2]).await;
    assert_eq!(observed(router).await, told(&specs));

    if parks(router) {
        specs[1] = off(specs[1].clone());
        apply(router, &specs[1..2]).await;
        assert_eq!(observed(router).await, told(&specs));
    }
}

/// Clause 4.
pub async fn a_detach_of_one_leaves_the_others(router: &dyn OutputRouter) {
    let specs = [sample::spec(1), sample::spec(2), sample::spec(3)];
    apply(router, &specs).await;
    detach(router, &[sample::output_id(2)]).await;

    let [first, _, third] = specs;
    assert_eq!(observed(router).await, told(&[first, third]));
}

/// Clause 4.
pub async fn a_retry_of_one_leaves_the_others(router: &dyn OutputRouter) {
    let specs = [sample::spec(1), sample::spec(2), sample::spec(3)];
    apply(router, &specs).await;
    retry(router, &[sample::output_id(2)]).await;

    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 5.
pub async fn results_stand_at_the_places_of_their_outputs(router: &dyn OutputRouter) {
    let mut specs = fill(router).await;
    let most = specs.len() as u64;
    // A full router changes what is there and has no room for what is not.
    specs[0] = changed(1, most + 1);
    let new = sample::spec(most + 2);
    let results = router.apply(&[new, specs[0].clone()]).await;

    let kinds: Vec<_> = results.iter().map(kind).collect();
    assert_eq!(kinds, [Some(ErrorKind::Exhausted), None]);
    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 5.
pub async fn a_call_on_nothing_returns_nothing(router: &dyn OutputRouter) {
    apply(router, &[]).await;
    detach(router, &[]).await;
    retry(router, &[]).await;
}

/// Clause 6.
pub async fn one_output_too_many_is_refused_and_changes_nothing(router: &dyn OutputRouter) {
    let specs = fill(router).await;
    let results = router.apply(&[sample::spec(specs.len() as u64 + 1)]).await;

    assert_eq!(kind(&results[0]), Some(ErrorKind::Exhausted));
    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 6.
pub async fn a_full_router_still_changes_what_is_there(router: &dyn OutputRouter) {
    let mut specs = fill(router).await;
    specs[0] = changed(1, specs.len() as u64 + 1);
    apply(router, &specs[..1]).await;

    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 6.
pub async fn a_detach_makes_room(router: &dyn OutputRouter) {
    let mut specs = fill(router).await;
    let new = sample::spec(specs.len() as u64 + 1);
    let gone = specs.pop().unwrap();
    detach(router, &[gone.id]).await;
    apply(router, std::slice::from_ref(&new)).await;

    specs.push(new);
    assert_eq!(observed(router).await, told(&specs));
}

/// Clause 6.
pub async fn a_scheme_that_is_not_named_is_unsupported(router: &dyn OutputRouter) {
    let spec = sample::spec(1);
    apply(router, std::slice::from_ref(&spec)).await;
    for url in [
        "rtmp://localhost:1935/app",
        "rtmps://localhost:1935/app",
        "srt://localhost:5000",
        "srt://:5000?mode=listener&allow=127.0.0.1/32",
        "rist://127.0.0.1:5000",
        "rtp://127.0.0.1:5000",
        "rtp-fec://127.0.0.1:5000",
        "zixi://localhost:2088?latency=200",
    ] {
        let mut target = sample::target(2);
        target.url = url.parse().unwrap();
        let scheme = target.url.scheme();
        target.key = target.key.filter(|_| scheme.needs_a_key());
        let is_named = router.capabilities().schemes.contains(&scheme);
        let results = router.apply(&[sample::spec_to(2, target)]).await;
        let expected = (!is_named).then_some(ErrorKind::Unsupported);
        assert_eq!(kind(&results[0]), expected, "{url}");

        detach(router, &[sample::output_id(2)]).await;
        assert_eq!(observed(router).await, told(std::slice::from_ref(&spec)));
    }
}

/// Clause 7.
pub async fn a_retry_of_what_is_not_there_changes_nothing(router: &dyn OutputRouter) {
    retry(router, &[sample::output_id(1)]).await;
    assert_eq!(observed(router).await, []);
}

/// Clause 7.
pub async fn a_retry_of_what_is_off_changes_nothing(router: &dyn OutputRouter) {
    if !parks(router) {
        return;
    }
    let spec = off(sample::spec(1));
    apply(router, std::slice::from_ref(&spec)).await;
    retry(router, std::slice::from_ref(&spec.id)).await;

    assert_eq!(observed(router).await, told(&[spec]));
    let outputs = router.observe().await.unwrap();
    assert_eq!(outputs[0].health.state, OutputState::Off);
}

/// Clause 8.
pub async fn no_secret_is_printed(router: &dyn OutputRouter) {
    let most = router.capabilities().outputs_max as u64;
    let specs: Vec<OutputSpec> = (1..=most + 1).map(with_canaries).collect();
    let results = router.apply(&specs).await;
    assert!(results.iter().any(Result::is_err), "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_clean(&chain(&error));
    }

    // What an output meets on its way may be told in its health.
    for _ in 0..20 {
        let outputs = router.observe().await.unwrap();
        assert_clean(&format!("{router:?} {outputs:?}"));
        let is_connecting = |state| state == OutputState::Connecting;
        if !outputs.iter().any(|it| is_connecting(it.health.state)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn with_canaries(n: u64) -> OutputSpec {
    let PushTarget { url, .. } = sample::target(n);
    let tail = Some(SecretString::from(format!("/{CANARY}?token={CANARY}")));
    let key = Some(StreamKey::new(CANARY).unwrap());
    sample::spec_to(n, PushTarget { url, tail, key })
}

fn chain(error: &PortError) -> String {
    let mut printed = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        printed += &format!(" {error:?} {error}");
        cause = error.source();
    }
    printed
}

fn assert_clean(printed: &str) {
    assert!(!printed.contains(CANARY), "{printed}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("output_router.rs"));
    }
}
