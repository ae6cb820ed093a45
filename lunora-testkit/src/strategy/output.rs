use lunora_core::domain::{
    Fault, FaultClass, FaultCode, FaultText, Fingerprint, ObservedOutput, OutputHealth, OutputId,
    OutputState, Progress, Switch,
};
use proptest::{option, prelude::*, sample::select};

use super::{COUNT_MAX, destination_id, digest, leg, time};

/// Any fault.
pub fn fault() -> impl Strategy<Value = Fault> {
    (
        select(FaultCode::ALL.to_vec()),
        select(FaultClass::ALL.to_vec()),
        r"\PC{0,300}",
        time(),
        1..=u32::MAX,
    )
        .prop_map(|(code, class, text, at, count)| Fault {
            code,
            class,
            text: FaultText::from(text),
            at,
            count,
        })
}

/// How an output may fare whose switch is this.
pub fn output_health(switch: Switch) -> impl Strategy<Value = OutputHealth> {
    let states = match switch {
        Switch::On => vec![
            OutputState::WaitingForSource,
            OutputState::Connecting,
            OutputState::Live,
            OutputState::Unconfirmed,
            OutputState::Reconnecting,
            OutputState::Failed,
        ],
        Switch::Off => vec![OutputState::Off, OutputState::Stopping],
    };
    let faults = (option::of(fault()), option::of(fault()));
    (select(states), time(), faults, progress()).prop_map(
        |(state, since, (fault, last_fault), progress)| OutputHealth {
            state,
            since,
            fault,
            last_fault,
            progress,
        },
    )
}

fn progress() -> impl Strategy<Value = Progress> {
    (
        0..=COUNT_MAX,
        0..=COUNT_MAX,
        0..=COUNT_MAX,
        any::<u32>(),
        option::of(0..=COUNT_MAX),
        (option::of(time()), option::of(time())),
    )
        .prop_map(
            |(bytes_sent, frames_sent, frames_dropped, reconnects, bitrate_bps, times)| {
                let (last_progress, publishing_since) = times;
                Progress {
                    bytes_sent,
                    frames_sent,
                    frames_dropped,
                    reconnects,
                    bitrate_bps,
                    last_progress,
                    publishing_since,
                }
            },
        )
}

/// Any output, as its router sees it.
pub fn observed_output() -> impl Strategy<Value = ObservedOutput> {
    (destination_id(), leg())
        .prop_flat_map(|(destination, leg)| observed_output_of(OutputId { destination, leg }))
}

/// That output, as its router may see it.
pub fn observed_output_of(id: OutputId) -> impl Strategy<Value = ObservedOutput> {
    select(vec![Switch::On, Switch::Off])
        .prop_flat_map(|switch| (Just(switch), digest(), output_health(switch)))
        .prop_map(move |(switch, digest, health)| ObservedOutput {
            id: id.clone(),
            fingerprint: Fingerprint(digest),
            switch,
            health,
        })
}
