use lunora_core::{
    domain::{
        Destination, Fault, FaultClass, FaultCode, Leg, ObservedOutput, OutputState, Severity,
        Status, StatusKind, Wanted,
    },
    plan::{Evidence, status},
};
use lunora_testkit::sample;

fn seen(state: OutputState) -> ObservedOutput {
    let mut observed = sample::observed(1);
    observed.health.state = state;
    observed
}

/// What a destination shows whose output is seen like this.
fn shown(row: &Destination, observed: &ObservedOutput) -> Status {
    let evidence = Evidence {
        observed: Some(observed),
        ..Evidence::default()
    };
    status(row, evidence)
}

#[test]
fn rule_3_live_needs_evidence_and_a_wish_alone_is_connecting() {
    let row = sample::destination(1);
    let wished = status(&row, Evidence::default());
    assert_eq!(wished.kind, StatusKind::Connecting);

    for (state, kind) in [
        (OutputState::Connecting, StatusKind::Connecting),
        (OutputState::WaitingForSource, StatusKind::WaitingForSource),
        (OutputState::Live, StatusKind::Live),
        (OutputState::Unconfirmed, StatusKind::Unconfirmed),
        (OutputState::Reconnecting, StatusKind::Reconnecting),
        (OutputState::Failed, StatusKind::Failed),
    ] {
        assert_eq!(shown(&row, &seen(state)).kind, kind);
    }
}

#[test]
fn what_is_told_to_stop_shows_stopping_until_its_output_is_off() {
    let mut row = sample::destination(1);
    row.wanted = Wanted::Stopped;
    for (state, kind) in [
        (OutputState::Live, StatusKind::Stopping),
        (OutputState::Stopping, StatusKind::Stopping),
        (OutputState::Off, StatusKind::Idle),
    ] {
        assert_eq!(shown(&row, &seen(state)).kind, kind);
    }
}

#[test]
fn live_by_the_backup_is_failed_over() {
    let mut row = sample::destination(1);
    row.active_leg = Leg::Backup;
    let live = seen(OutputState::Live);
    assert_eq!(shown(&row, &live).kind, StatusKind::FailedOver);
}

#[test]
fn red_means_that_a_person_must_act() {
    let row = sample::destination(1);
    for (class, severity) in [
        (FaultClass::Transient, Severity::SelfHealing),
        (FaultClass::Actionable, Severity::ActionNeeded),
        (FaultClass::Terminal, Severity::ActionNeeded),
    ] {
        let mut observed = seen(OutputState::Reconnecting);
        let fault = Fault::new(FaultCode::Refused, class, "refused", sample::time());
        observed.health.fault = Some(fault);
        assert_eq!(shown(&row, &observed).severity, severity);
    }
}

#[test]
fn live_with_a_fault_is_not_all_well() {
    let row = sample::destination(1);
    let mut observed = seen(OutputState::Live);
    assert_eq!(shown(&row, &observed).severity, Severity::Ok);
    let (code, class) = (FaultCode::Wedged, FaultClass::Transient);
    let fault = Fault::new(code, class, "too slow", sample::time());
    observed.health.fault = Some(fault);
    let status = shown(&row, &observed);
    assert_eq!(
        (status.kind, status.severity),
        (StatusKind::Live, Severity::SelfHealing)
    );
}

#[test]
fn the_last_fault_survives_success() {
    let row = sample::destination(1);
    let mut observed = seen(OutputState::Live);
    let fault = Fault::new(
        FaultCode::Dns,
        FaultClass::Transient,
        "gone",
        sample::time(),
    );
    observed.health.last_fault = Some(fault.clone());
    let status = shown(&row, &observed);
    assert_eq!((status.fault, status.last_fault), (None, Some(fault)));
}
