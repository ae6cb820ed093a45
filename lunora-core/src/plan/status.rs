use jiff::Timestamp;

use super::{Refusal, Viewed};
use crate::domain::{
    Destination, Fault, FaultClass, FaultCode, Leg, ObservedOutput, OutputState, Severity, Status,
    StatusKind, Switch, Wanted,
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
    /// Why no stored key can be read, if that is so.
    pub key_fault: Option<&'a Fault>,
    /// What was wrong last that no router knows of.
    pub last_fault: Option<&'a Fault>,
    /// What was wrong last with the leg that is not in use.
    pub other_leg: Option<&'a Fault>,
    /// What viewers get, if it is known here.
    pub viewers: Option<Viewed<'a>>,
    /// Whose output it is.
    pub delivery: Delivery,
}

/// Whose business the output of a destination is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Ours: what is known of it is all that there is.
    #[default]
    Ours,
    /// Another system's: nothing is known of it here (rule 13).
    Foreign,
}

/// Says what a destination shows, from evidence alone (rule 3).
#[must_use]
pub fn status(destination: &Destination, evidence: Evidence<'_>) -> Status {
    let leg = destination.active_leg;
    let health = evidence.observed.map(|it| &it.health);
    let (kind, since, fault) = situation(destination, evidence);
    let of_router = health.and_then(|health| health.last_fault.as_ref());
    // Who is live by the backup is asked why: by what was wrong with the primary.
    let of_primary = evidence
        .other_leg
        .filter(|_| kind == StatusKind::FailedOver);
    let earlier = [of_router, evidence.last_fault, of_primary]
        .into_iter()
        .flatten();
    let last_fault = fault
        .clone()
        .or_else(|| earlier.max_by_key(|fault| fault.at).cloned());
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
    if evidence.delivery == Delivery::Foreign
        && let Some(left) = evidence.observed.filter(|it| it.switch == Switch::On)
    {
        let text = "another client took its row over, and its output goes on: stop it here, or \
                    give the row back";
        let (code, class) = (FaultCode::Internal, FaultClass::Actionable);
        let fault = Fault::new(code, class, text, left.health.since);
        return (StatusKind::Unconfirmed, left.health.since, Some(fault));
    }
    if !destination.is_running() {
        if let Some(health) = ending {
            return (StatusKind::Stopping, health.since, None);
        }
        let kind = match (destination.enabled, destination.wanted) {
            (false, _) => StatusKind::Disabled,
            (true, Wanted::Stopped | Wanted::Running) => StatusKind::Idle,
        };
        let key_fault = evidence.key_fault.filter(|_| has_key(destination)).cloned();
        let fault = key_fault.or_else(|| missing_key(destination));
        return (kind, changed_at, fault);
    }
    if let Some(viewed) = evidence.viewers.filter(|_| !destination.has_output())
        && evidence.delivery == Delivery::Ours
    {
        return viewed.situation(changed_at);
    }
    if !destination.has_output() || evidence.delivery == Delivery::Foreign {
        // Neither a segment of the viewers' HLS nor another system's output is
        // known here, and nothing is guessed.
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

fn has_key(destination: &Destination) -> bool {
    let endpoint = destination.endpoint(destination.active_leg);
    endpoint.is_some_and(|it| it.key.is_some())
}

/// A destination that was emptied of its key says so, running or not (rule 22).
fn missing_key(destination: &Destination) -> Option<Fault> {
    let endpoint = destination.endpoint(destination.active_leg)?;
    let complete = endpoint.has_its_key() || !destination.has_output() || !destination.enabled;
    (!complete).then(|| {
        let text = match destination.active_leg {
            Leg::Primary => "it has no stream key; set `stream_key`",
            Leg::Backup => {
                "its backup, which is in use, has no stream key; set `backup_stream_key`, or use \
                 the primary"
            }
        };
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
        // Its viewers miss something, such as frames that it is too slow for.
        StatusKind::Live if fault.is_some() => Severity::SelfHealing,
        _ => Severity::Ok,
    }
}
