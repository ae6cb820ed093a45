use jiff::SignedDuration;
use lunora_core::{
    domain::{
        Destination, Fault, FaultClass, FaultCode, FeedProgram, Leg, ObservedOutput, OutputState,
        Platform, Severity, Status, StatusKind, ViewerFeed, Wanted,
    },
    plan::{Delivery, Evidence, SEGMENT_AGE_MAX, Viewed, status},
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

/// What the viewers' destination shows so many seconds after their newest segment.
fn viewed(row: &Destination, feed: &ViewerFeed, age: i64, delivery: Delivery) -> Status {
    let at = sample::time() + SignedDuration::from_secs(age);
    let evidence = Evidence {
        viewers: Some(Viewed { feed, at }),
        delivery,
        ..Evidence::default()
    };
    status(row, evidence)
}

#[test]
fn rule_4_the_viewers_are_live_by_the_age_of_their_newest_segment_alone() {
    let mut row = sample::destination(1);
    row.platform = Platform::Hls;
    row.updated_at = sample::time() - SignedDuration::from_secs(600);
    let feed = ViewerFeed {
        newest_segment: Some(sample::time()),
        since: Some(sample::time() - SignedDuration::from_secs(60)),
        program: FeedProgram::OnAir,
        fault: None,
    };
    let kind = |feed: &ViewerFeed, age| viewed(&row, feed, age, Delivery::Ours).kind;
    let limit = SEGMENT_AGE_MAX.as_secs();

    assert_eq!(kind(&feed, 0), StatusKind::Live);
    assert_eq!(kind(&feed, limit), StatusKind::Live);
    let live = viewed(&row, &feed, 1, Delivery::Ours);
    assert_eq!(Some(live.since), feed.since);
    assert_eq!(kind(&feed, limit + 1), StatusKind::Reconnecting);
    let ended = ViewerFeed {
        program: FeedProgram::Nothing,
        ..feed.clone()
    };
    assert_eq!(kind(&ended, limit), StatusKind::Live);
    assert_eq!(kind(&ended, limit + 1), StatusKind::WaitingForSource);
    let not_yet = ViewerFeed {
        newest_segment: None,
        since: None,
        ..feed.clone()
    };
    assert_eq!(kind(&not_yet, 0), StatusKind::Connecting);
    let full = Fault::new(
        FaultCode::Quota,
        FaultClass::Actionable,
        "full",
        sample::time(),
    );
    let full = ViewerFeed {
        fault: Some(full),
        ..feed.clone()
    };
    let failing = viewed(&row, &full, limit + 1, Delivery::Ours);
    assert_eq!(failing.kind, StatusKind::Reconnecting);
    assert_eq!(failing.severity, Severity::ActionNeeded);

    // Who is not told to run shows no segment, and another system's are not ours.
    let foreign = viewed(&row, &feed, 0, Delivery::Foreign);
    assert_eq!(foreign.kind, StatusKind::Unconfirmed);
    row.wanted = Wanted::Stopped;
    let stopped = viewed(&row, &feed, 0, Delivery::Ours);
    assert_eq!(stopped.kind, StatusKind::Idle);
    // Nor are they evidence for a destination that has an output.
    let pushed = viewed(&sample::destination(2), &feed, 0, Delivery::Ours);
    assert_eq!(pushed.kind, StatusKind::Connecting);
}
