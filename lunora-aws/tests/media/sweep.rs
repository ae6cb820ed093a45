//! Every use case with a mishap at every call on MediaConnect: nothing is orphaned,
//! lost or doubled, no sibling is disturbed, and the next worker puts it right.

use std::fmt;

use lunora_core::{
    domain::{Edit, KeyInput},
    service::{Cause, DestinationError, DestinationPatch, LegEdit, Scope, Start},
};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes, Omitted, SamePlace, StreamName, Updating},
    sample,
    world::new_destination,
};

use crate::{
    cloud::{Cloud, Process, Repeats, Weather, is_whole_proof},
    support::name_of,
};

/// What happens at one call.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    RequestLost,
    ReplyLost,
    /// And the SDK tries again.
    ReplyLostOnce,
    Throttled,
    /// Nothing that is sent after it arrives.
    Crash,
}

struct Run {
    modes: Modes,
    scenario: &'static str,
    mishap: Option<(usize, Mishap)>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {:?} in {:?}",
            self.scenario, self.mishap, self.modes
        )
    }
}

/// A change of destination 1, or of 9, which is not there at first.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    Create,
    EditUrl,
    EditKey,
    Stop,
    Start,
    Disable,
    Remove,
    Pass,
}

const SCENARIOS: [Scenario; 8] = [
    Scenario::Create,
    Scenario::EditUrl,
    Scenario::EditKey,
    Scenario::Stop,
    Scenario::Start,
    Scenario::Disable,
    Scenario::Remove,
    Scenario::Pass,
];

impl Scenario {
    async fn run(self, process: &Process) -> Result<(), DestinationError> {
        let (one, two, nine) = (
            sample::destination_id(1),
            sample::destination_id(2),
            sample::destination_id(9),
        );
        let service = &process.service;
        match self {
            Self::Create => service
                .create(nine, new_destination(9, Start::Now))
                .await
                .map(drop),
            Self::EditUrl => {
                let url = Edit::Set("rtmp://127.9.0.77:1935/other");
                let edit = LegEdit::parse(url, KeyInput::Omitted).unwrap();
                edit_primary(process, edit).await
            }
            Self::EditKey => {
                let key = KeyInput::from_text("another-key").unwrap();
                edit_primary(process, LegEdit::parse(Edit::Keep, key).unwrap()).await
            }
            Self::Stop => service.stop(&one).await.map(drop),
            Self::Start => {
                service.stop(&one).await?;
                service.start(&one).await.map(drop)
            }
            Self::Disable => {
                let patch = DestinationPatch {
                    enabled: Some(false),
                    ..DestinationPatch::default()
                };
                service.update(&one, &patch, None).await.map(drop)
            }
            Self::Remove => match service.remove(&one, None).await {
                // A repetition after the reply was lost.
                Err(DestinationError::NotFound { .. }) => Ok(()),
                outcome => outcome,
            },
            Self::Pass => {
                service.stop(&two).await?;
                drop(
                    process
                        .reconciler
                        .reconcile(Scope::All, Cause::Routine)
                        .await,
                );
                Ok(())
            }
        }
    }

    /// Whose outputs may be written to.
    const fn whose(self) -> u64 {
        match self {
            Self::Create => 9,
            Self::Pass => 2,
            _ => 1,
        }
    }
}

async fn edit_primary(process: &Process, primary: LegEdit) -> Result<(), DestinationError> {
    let patch = DestinationPatch {
        primary,
        ..DestinationPatch::default()
    };
    let one = sample::destination_id(1);
    process.service.update(&one, &patch, None).await.map(drop)
}

/// Runs a scenario with three destinations live, and returns how many calls it made.
async fn run(modes: Modes, scenario: Scenario, mishap: Option<(usize, Mishap)>) -> usize {
    let cloud = Cloud::new(modes, 2, 3);
    let set_up = cloud.process("set-up");
    for n in 1..=3 {
        let new = new_destination(n, Start::Now);
        set_up
            .service
            .create(sample::destination_id(n), new)
            .await
            .unwrap();
    }
    let settled = std::time::Duration::from_secs(5);
    tokio::time::sleep(settled).await;
    cloud.simulator.forget_calls();
    let at = Run {
        modes,
        scenario: match scenario {
            Scenario::Create => "create",
            Scenario::EditUrl => "edit of the URL",
            Scenario::EditKey => "edit of the key",
            Scenario::Stop => "stop",
            Scenario::Start => "stop and start",
            Scenario::Disable => "disable",
            Scenario::Remove => "removal",
            Scenario::Pass => "stop and pass",
        },
        mishap,
    };

    let repeats = match mishap {
        Some((_, Mishap::ReplyLostOnce)) | None => Repeats::Yes,
        Some(_) => Repeats::No,
    };
    let process = cloud.process_in(
        "one",
        Weather {
            repeats,
            ..Weather::default()
        },
    );
    if let Some((index, mishap)) = mishap {
        let at = Matcher::next().after(index);
        match mishap {
            Mishap::RequestLost => cloud.simulator.fault(at, Fault::RequestLost),
            Mishap::ReplyLost | Mishap::ReplyLostOnce => {
                cloud.simulator.fault(at, Fault::ReplyLost);
            }
            Mishap::Throttled => cloud.simulator.fault(at, Fault::Status(429)),
            Mishap::Crash => cloud.simulator.crash_after(index),
        }
    }
    let outcome = scenario.run(&process).await;
    let calls = cloud.simulator.calls().len();
    if mishap.is_none() {
        outcome.unwrap();
    }
    drop(process);
    cloud.simulator.clear_faults();
    // As a caller would, who repeats what failed; in another process.
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    scenario.run(&cloud.process("two")).await.unwrap();
    cloud.assert_settled(&at).await;

    for n in (1..=3).filter(|n| *n != scenario.whose()) {
        let name = name_of(&sample::output_id(n));
        assert!(
            !cloud.written().contains(&name),
            "{at}: {name} was written to"
        );
        let interruptions = cloud.interruptions(&sample::destination_id(n));
        assert_eq!(interruptions, 0, "{at}: {name} was disturbed");
    }
    calls
}

/// No scenario here has two outputs at one place or reads a stream name back, and
/// an update that resets what it leaves out is the harder case.
fn is_worth_it(modes: &Modes) -> bool {
    let hard = Modes {
        same_place: SamePlace::Refuses,
        stream_name: StreamName::Echoed,
        omitted: Omitted::Reset,
        ..*modes
    };
    hard == *modes || is_whole_proof()
}

fn mishaps() -> &'static [Mishap] {
    const ALL: [Mishap; 5] = [
        Mishap::ReplyLost,
        Mishap::ReplyLostOnce,
        Mishap::Crash,
        Mishap::RequestLost,
        Mishap::Throttled,
    ];
    // The last two are what the others are made of.
    if is_whole_proof() { &ALL } else { &ALL[..3] }
}

async fn sweep(modes: Modes) {
    for scenario in SCENARIOS {
        let calls = run(modes, scenario, None).await;
        assert!(0 < calls, "{scenario:?} calls nobody");
        for index in 0..calls {
            for mishap in mishaps() {
                run(modes, scenario, Some((index, *mishap))).await;
            }
        }
    }
}

macro_rules! in_each_mode {
    ($($name:ident $updating:expr)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                let modes = Modes::all().into_iter();
                for modes in modes.filter(|it| it.updating == $updating && is_worth_it(it)) {
                    sweep(modes).await;
                }
            }
        )*
    };
}

in_each_mode! {
    property_4_a_mishap_at_any_call_leaves_nothing_behind_where_updating_refuses Updating::Refuses
    property_4_a_mishap_at_any_call_leaves_nothing_behind_where_updating_takes Updating::Takes
    property_4_a_mishap_at_any_call_leaves_nothing_behind_where_nothing_is_updating Updating::Unseen
}
