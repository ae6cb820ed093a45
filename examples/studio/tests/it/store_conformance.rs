//! Every clause of every port of state.

use std::sync::Arc;

use lunora_core::port::{ControlStore, DestinationRepo, EventLog, SecretStore};
use lunora_testkit::conformance::Fixture;

use crate::store_data::Data;

/// An adapter, which is closed before its folder goes.
struct Sqlite<T: ?Sized>(
    Arc<T>,
    #[expect(dead_code, reason = "held for its drop")] Data,
);

macro_rules! suite {
    ($name:ident, $port:ident, $adapter:ident, $conformance:ident) => {
        mod $name {
            use super::*;

            impl Fixture for Sqlite<dyn $port> {
                type Port = dyn $port;

                async fn set_up() -> Self {
                    let data = Data::new();
                    Self(data.open().$adapter(), data)
                }

                fn port(&self) -> &Self::Port {
                    &*self.0
                }
            }

            lunora_testkit::$conformance!(Sqlite<dyn $port>);
        }
    };
}

suite!(
    destination_repo,
    DestinationRepo,
    destinations,
    destination_repo_conformance
);
suite!(secret_store, SecretStore, secrets, secret_store_conformance);
suite!(event_log, EventLog, events, event_log_conformance);
suite!(
    control_store,
    ControlStore,
    control,
    control_store_conformance
);
