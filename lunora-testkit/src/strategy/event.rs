use lunora_core::domain::{
    EventKind, NewEvent, ProgramKind, Severity, SourceHealth, StatusKind, SwitchCause,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{destination_id, destination_name, fault, label, leg, source_id, source_name, time};

/// Any event.
pub fn new_event() -> impl Strategy<Value = NewEvent> {
    let whose = (option::of(destination_id()), option::of(label()));
    (time(), whose, event_kind()).prop_map(|(at, (destination, by), kind)| NewEvent {
        at,
        destination,
        by,
        kind,
    })
}

fn event_kind() -> impl Strategy<Value = EventKind> {
    let bare = [
        EventKind::RemovalFinished,
        EventKind::DestinationStarted,
        EventKind::DestinationStopped,
        EventKind::DestinationRetried,
        EventKind::KeyAdopted,
        EventKind::ReconcileResumed,
        EventKind::FailoverReleased,
        EventKind::Unknown,
    ];
    let programs = [
        ProgramKind::Nothing,
        ProgramKind::TestStream,
        ProgramKind::Encoder,
    ];
    let changed = || vec("[a-z_]{1,20}", 0..5);
    prop_oneof![
        destination_name().prop_map(|name| EventKind::DestinationCreated { name }),
        changed().prop_map(|changed| EventKind::DestinationUpdated { changed }),
        destination_name().prop_map(|name| EventKind::DestinationRemoved { name }),
        select(bare.to_vec()),
        status_changed(),
        (0..1000_usize).prop_map(|outputs| EventKind::DriftRepaired { outputs }),
        (0..1000_usize, 0..1000_usize)
            .prop_map(|(outputs, of)| EventKind::MassDetachHeld { outputs, of }),
        time().prop_map(|until| EventKind::ReconcilePaused { until }),
        leg().prop_map(|leg| EventKind::FailoverPinned { leg }),
        select(programs.to_vec()).prop_map(|program| EventKind::ProgramChanged { program }),
        (leg(), leg(), cause(), label()).prop_map(|(from, to, cause, reason)| {
            EventKind::DestinationFailedOver {
                from,
                to,
                cause,
                reason,
            }
        }),
        (source_id(), source_name())
            .prop_map(|(source, name)| EventKind::SourceCreated { source, name }),
        (source_id(), changed())
            .prop_map(|(source, changed)| EventKind::SourceUpdated { source, changed }),
        (source_id(), source_name())
            .prop_map(|(source, name)| EventKind::SourceRemoved { source, name }),
        option::of(source_id()).prop_map(|source| EventKind::SourcePinned { source }),
        source_switched(),
        (source_id(), select(SourceHealth::ALL))
            .prop_map(|(source, health)| EventKind::SourceHealthChanged { source, health }),
    ]
}

fn cause() -> impl Strategy<Value = SwitchCause> {
    select(vec![SwitchCause::Manual, SwitchCause::Automatic])
}

fn source_switched() -> impl Strategy<Value = EventKind> {
    let ends = (option::of(source_id()), option::of(source_id()));
    let gap_ms = option::of(any::<u64>());
    (ends, cause(), label(), gap_ms).prop_map(|((from, to), cause, reason, gap_ms)| {
        EventKind::SourceSwitched {
            from,
            to,
            cause,
            reason,
            gap_ms,
        }
    })
}

fn status_changed() -> impl Strategy<Value = EventKind> {
    let severity = select(vec![
        Severity::Ok,
        Severity::SelfHealing,
        Severity::ActionNeeded,
    ]);
    (
        option::of(status_kind()),
        status_kind(),
        severity,
        option::of(fault()),
        option::of(fault()),
    )
        .prop_map(
            |(from, to, severity, fault, last_fault)| EventKind::StatusChanged {
                from,
                to,
                severity,
                fault,
                last_fault,
            },
        )
}

fn status_kind() -> impl Strategy<Value = StatusKind> {
    select(vec![
        StatusKind::Disabled,
        StatusKind::Idle,
        StatusKind::WaitingForSource,
        StatusKind::Connecting,
        StatusKind::Live,
        StatusKind::Unconfirmed,
        StatusKind::Reconnecting,
        StatusKind::FailedOver,
        StatusKind::Failed,
        StatusKind::Stopping,
    ])
}
