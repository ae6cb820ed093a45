//! Every fake keeps the contract of its port, by itself and under an idle plan.

use lunora_core::{
    domain::{ChannelClass, Destination, FailoverHistory, Preset, Scheme, Session, Source, Token},
    port::{
        ChannelController, Clock, ControlStore, DestinationProbe, DestinationRepo, EventLog,
        FailoverRepo, History, IdSource, IngestController, OutputRouter, Parking, PresetRepo,
        RouterCapabilities, SecretStore, SessionRepo, SourceRepo, TokenRepo,
    },
};
use lunora_testkit::{
    clock::{ManualClock, Sequence},
    conformance::{Fixture, source_probe::Engine},
    fault::{FaultPlan, Faulty},
    memory::{
        MemoryChannelController, MemoryControlStore, MemoryDestinationProbe, MemoryDestinationRepo,
        MemoryEventLog, MemoryFailoverRepo, MemoryIngestController, MemoryOutputRouter,
        MemoryPresetRepo, MemorySecretStore, MemorySessionRepo, MemorySourceProbe,
        MemorySourceRepo, MemoryTokenRepo,
    },
    model::random_calls_agree,
};

/// Makes a module with the suite of one port on the adapter that is given.
macro_rules! proves {
    ($module:ident: dyn $port:ident, $suite:ident, $adapter:ty, $set_up:expr) => {
        mod $module {
            use super::*;

            pub(super) struct It($adapter);

            impl Fixture for It {
                type Port = dyn $port;

                async fn set_up() -> Self {
                    Self($set_up)
                }

                fn port(&self) -> &Self::Port {
                    &self.0
                }
            }

            lunora_testkit::$suite!(It);
        }
    };
}

fn under_an_idle_plan<P>(inner: P) -> Faulty<P> {
    Faulty::new(inner, &FaultPlan::none())
}

/// One that cannot keep what is off says so.
fn detaching_output_router() -> MemoryOutputRouter {
    let mut capabilities = RouterCapabilities::rtmp(3);
    capabilities.schemes = vec![Scheme::Rtmp];
    capabilities.parking = Parking::Detaches;
    MemoryOutputRouter::new(capabilities)
}

proves!(
    clock: dyn Clock, clock_conformance,
    ManualClock, ManualClock::default()
);
proves!(
    id_source: dyn IdSource, id_source_conformance,
    Sequence, Sequence::default()
);
proves!(
    control_store: dyn ControlStore, control_store_conformance,
    MemoryControlStore, MemoryControlStore::default()
);
proves!(
    faulty_control_store: dyn ControlStore, control_store_conformance,
    Faulty<MemoryControlStore>, under_an_idle_plan(MemoryControlStore::default())
);
proves!(
    event_log: dyn EventLog, event_log_conformance,
    MemoryEventLog, MemoryEventLog::default()
);
proves!(
    faulty_event_log: dyn EventLog, event_log_conformance,
    Faulty<MemoryEventLog>, under_an_idle_plan(MemoryEventLog::default())
);
proves!(
    output_router: dyn OutputRouter, output_router_conformance,
    MemoryOutputRouter, MemoryOutputRouter::default()
);
proves!(
    detaching_output_router: dyn OutputRouter, output_router_conformance,
    MemoryOutputRouter, detaching_output_router()
);
proves!(
    faulty_output_router: dyn OutputRouter, output_router_conformance,
    Faulty<MemoryOutputRouter>, under_an_idle_plan(MemoryOutputRouter::default())
);
proves!(
    channel_controller: dyn ChannelController, channel_controller_conformance,
    MemoryChannelController, MemoryChannelController::default()
);
proves!(
    standard_channel_controller: dyn ChannelController, channel_controller_conformance,
    MemoryChannelController, MemoryChannelController::new(ChannelClass::Standard)
);
proves!(
    faulty_channel_controller: dyn ChannelController, channel_controller_conformance,
    Faulty<MemoryChannelController>, under_an_idle_plan(MemoryChannelController::default())
);
proves!(
    ingest_controller: dyn IngestController, ingest_controller_conformance,
    MemoryIngestController, MemoryIngestController::default()
);
proves!(
    faulty_ingest_controller: dyn IngestController, ingest_controller_conformance,
    Faulty<MemoryIngestController>, under_an_idle_plan(MemoryIngestController::default())
);
proves!(
    destination_probe: dyn DestinationProbe, destination_probe_conformance,
    MemoryDestinationProbe, MemoryDestinationProbe::default()
);
proves!(
    faulty_destination_probe: dyn DestinationProbe, destination_probe_conformance,
    Faulty<MemoryDestinationProbe>, under_an_idle_plan(MemoryDestinationProbe::default())
);

mod source_probe {
    use std::sync::Arc;

    use super::*;

    struct It(Engine);

    impl Fixture for It {
        type Port = Engine;

        async fn set_up() -> Self {
            let ingests = MemoryIngestController::default();
            let probe = MemorySourceProbe::over(ingests.clone());
            Self(Engine {
                probe: Arc::new(under_an_idle_plan(probe)),
                ingests: Arc::new(ingests),
            })
        }

        fn port(&self) -> &Engine {
            &self.0
        }
    }

    lunora_testkit::source_probe_conformance!(It);
}

proves!(
    secret_store: dyn SecretStore, secret_store_conformance,
    MemorySecretStore, MemorySecretStore::default()
);
proves!(
    secret_store_whose_history_stays: dyn SecretStore, secret_store_conformance,
    MemorySecretStore, MemorySecretStore::with_history(History::Stays)
);
proves!(
    faulty_secret_store: dyn SecretStore, secret_store_conformance,
    Faulty<MemorySecretStore>, under_an_idle_plan(MemorySecretStore::default())
);
proves!(
    destination_repo: dyn DestinationRepo, destination_repo_conformance,
    MemoryDestinationRepo, MemoryDestinationRepo::default()
);
proves!(
    faulty_destination_repo: dyn DestinationRepo, destination_repo_conformance,
    Faulty<MemoryDestinationRepo>, under_an_idle_plan(MemoryDestinationRepo::default())
);
proves!(
    source_repo: dyn SourceRepo, source_repo_conformance,
    MemorySourceRepo, MemorySourceRepo::default()
);
proves!(
    preset_repo: dyn PresetRepo, preset_repo_conformance,
    MemoryPresetRepo, MemoryPresetRepo::default()
);
proves!(
    session_repo: dyn SessionRepo, session_repo_conformance,
    MemorySessionRepo, MemorySessionRepo::default()
);
proves!(
    token_repo: dyn TokenRepo, token_repo_conformance,
    MemoryTokenRepo, MemoryTokenRepo::default()
);
proves!(
    failover_repo: dyn FailoverRepo, failover_repo_conformance,
    MemoryFailoverRepo, MemoryFailoverRepo::default()
);

#[test]
fn random_calls_on_repos_agree_with_the_model() {
    random_calls_agree::<Destination, destination_repo::It>(200);
    random_calls_agree::<Destination, faulty_destination_repo::It>(20);
    random_calls_agree::<Source, source_repo::It>(20);
    random_calls_agree::<Preset, preset_repo::It>(20);
    random_calls_agree::<Session, session_repo::It>(20);
    random_calls_agree::<Token, token_repo::It>(20);
    random_calls_agree::<FailoverHistory, failover_repo::It>(20);
}
