//! Every fake keeps the contract of its port, by itself and under an idle plan.

use lunora_core::{
    domain::Scheme,
    port::{
        Clock, ControlStore, DestinationRepo, EventLog, IdSource, OutputRouter, Parking,
        RouterCapabilities, SecretStore,
    },
};
use lunora_testkit::{
    clock::{ManualClock, Sequence},
    conformance::Fixture,
    fault::{FaultPlan, Faulty},
    memory::{
        MemoryControlStore, MemoryDestinationRepo, MemoryEventLog, MemoryOutputRouter,
        MemorySecretStore,
    },
    model,
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
    destination_repo: dyn DestinationRepo, destination_repo_conformance,
    MemoryDestinationRepo, MemoryDestinationRepo::default()
);
proves!(
    faulty_destination_repo: dyn DestinationRepo, destination_repo_conformance,
    Faulty<MemoryDestinationRepo>, under_an_idle_plan(MemoryDestinationRepo::default())
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
    faulty_output_router: dyn OutputRouter, output_router_conformance,
    Faulty<MemoryOutputRouter>, under_an_idle_plan(MemoryOutputRouter::default())
);
proves!(
    secret_store: dyn SecretStore, secret_store_conformance,
    MemorySecretStore, MemorySecretStore::default()
);
proves!(
    faulty_secret_store: dyn SecretStore, secret_store_conformance,
    Faulty<MemorySecretStore>, under_an_idle_plan(MemorySecretStore::default())
);

/// One that cannot keep what is off says so.
mod detaching_output_router {
    use super::*;

    struct It(MemoryOutputRouter);

    impl Fixture for It {
        type Port = dyn OutputRouter;

        async fn set_up() -> Self {
            let mut capabilities = RouterCapabilities::rtmp(3);
            capabilities.schemes = vec![Scheme::Rtmp];
            capabilities.parking = Parking::Detaches;
            Self(MemoryOutputRouter::new(capabilities))
        }

        fn port(&self) -> &Self::Port {
            &self.0
        }
    }

    lunora_testkit::output_router_conformance!(It);
}

#[test]
fn random_calls_on_destination_repos_agree_with_the_model() {
    model::random_calls_agree::<destination_repo::It>(200);
    model::random_calls_agree::<faulty_destination_repo::It>(20);
}
