use jiff::Timestamp;

use super::Refusal;
use crate::domain::{
    Destination, Fault, FaultClass, Leg, ObservedOutput, OutputState, Severity, Status, StatusKind,
    Wanted,
};

/// What is known about the output of a destination's active leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// What the router shows, if it has it.
    pub observed: Option<&'a ObservedOutput>,
    /// Why the planner gives it no output.
    pub refusal: Option<&'a Refusal>,
    /// Why the router did not take the last step for it.
    pub step_fault: Option<&'a Fault>,
}

/// Says what a destination shows, from evidence alone (rule 3).
#[must_use]
pub fn status(destination: &Destination, evidence: Evidence<'_>) -> Status {
    let leg = destination.active_leg;
    let health = evidence.observed.map(|it| &it.health);
    let (kind, since, fault) = situation(destination, evidence);
    let last_fault = fault
        .clone()
        .or_else(|| health.and_then(|health| health.last_fault.clone()));
    Status {
        kind,
        since,
        severity: severity(kind, fault.as_ref()),
        fault,
        last_fault,
        leg,
        progress: health.map(|health| health.progress.clone()),
    }
}

fn situation(
    destination: &Destination,
    evidence: Evidence<'_>,
) -> (StatusKind, Timestamp, Option<Fault>) {
    let changed_at = destination.updated_at;
    let ending = evidence.observed.map(|it| &it.health).filter(|health| {
        let at_rest = matches!(health.state, OutputState::Off | OutputState::Failed);
        !at_rest
    });
    if !destination.is_running() {
        if let Some(health) = ending {
            return (StatusKind::Stopping, health.since, None);
        }
        let kind = match (destination.enabled, destination.wanted) {
            (false, _) => StatusKind::Disabled,
            (true, Wanted::Stopped | Wanted::Running) => StatusKind::Idle,
        };
        return (kind, changed_at, missing_key(destination));
    }
    if !destination.has_output() {
        // No segment of the viewers' HLS is known here, and nothing is guessed.
        return (StatusKind::Unconfirmed, changed_at, None);
    }
    if let Some(refusal) = evidence.refusal {
        let (code, class, text) = refusal.as_fault();
        let fault = Fault::new(code, class, text, changed_at);
        return (StatusKind::Failed, changed_at, Some(fault));
    }
    if let Some(fault) = evidence.step_fault {
        let kind = match fault.class {
            FaultClass::Transient => StatusKind::Reconnecting,
            FaultClass::Actionable | FaultClass::Terminal => StatusKind::Failed,
        };
        return (kind, fault.at, Some(fault.clone()));
    }
    match evidence.observed {
        None => (StatusKind::Connecting, changed_at, None),
        Some(observed) => {
            let health = &observed.health;
            let kind = kind_of(health.state, destination.active_leg);
            (kind, health.since, health.fault.clone())
        }
    }
}

fn kind_of(state: OutputState, leg: Leg) -> StatusKind {
    match (state, leg) {
        (OutputState::Live, Leg::Primary) => StatusKind::Live,
        (OutputState::Live, Leg::Backup) => StatusKind::FailedOver,
        (OutputState::WaitingForSource, _) => StatusKind::WaitingForSource,
        // Wanted on and shown off: the switch is about to be thrown.
        (OutputState::Connecting | OutputState::Off, _) => StatusKind::Connecting,
        (OutputState::Unconfirmed, _) => StatusKind::Unconfirmed,
        (OutputState::Reconnecting, _) => StatusKind::Reconnecting,
        (OutputState::Failed, _) => StatusKind::Failed,
        (OutputState::Stopping, _) => StatusKind::Stopping,
    }
}

/// A destination that was emptied of its key says so, running or not (rule 22).
fn missing_key(destination: &Destination) -> Option<Fault> {
    use crate::domain::FaultCode;

    let endpoint = destination.endpoint(destination.active_leg)?;
    let complete = endpoint.key.is_some() || !destination.has_output() || !destination.enabled;
    (!complete).then(|| {
        let text = "it has no stream key; set `stream_key`";
        let class = FaultClass::Actionable;
        Fault::new(FaultCode::Invalid, class, text, destination.updated_at)
    })
}

fn severity(kind: StatusKind, fault: Option<&Fault>) -> Severity {
    let person = fault.is_some_and(|fault| fault.class != FaultClass::Transient);
    match kind {
        StatusKind::Failed => Severity::ActionNeeded,
        _ if person => Severity::ActionNeeded,
        StatusKind::WaitingForSource
        | StatusKind::Reconnecting
        | StatusKind::Unconfirmed
        | StatusKind::FailedOver => Severity::SelfHealing,
        _ => Severity::Ok,
    }
}
