//! Every clause of every port of state.

use std::sync::Arc;

use lunora_core::port::{
    ControlStore, DestinationRepo, EventLog, FailoverRepo, PresetRepo, Repo as _, RepoExt as _,
    SecretStore, SessionRepo, SourceRepo, TokenRepo,
};
use lunora_studio::store::Store;
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
                    let store = data.open();
                    forget_seeds(&store).await;
                    Self(store.$adapter(), data)
                }

                fn port(&self) -> &Self::Port {
                    &*self.0
                }
            }

            lunora_testkit::$conformance!(Sqlite<dyn $port>);
        }
    };
}

/// A suite begins with nothing.
async fn forget_seeds(store: &Store) {
    let presets = store.presets();
    for seed in presets.list_all().await.unwrap() {
        presets
            .remove(&seed.value.id, &seed.revision)
            .await
            .unwrap();
    }
}

suite!(
    destination_repo,
    DestinationRepo,
    destinations,
    destination_repo_conformance
);
suite!(source_repo, SourceRepo, sources, source_repo_conformance);
suite!(preset_repo, PresetRepo, presets, preset_repo_conformance);
suite!(
    session_repo,
    SessionRepo,
    sessions,
    session_repo_conformance
);
suite!(token_repo, TokenRepo, tokens, token_repo_conformance);
suite!(
    failover_repo,
    FailoverRepo,
    failovers,
    failover_repo_conformance
);
suite!(secret_store, SecretStore, secrets, secret_store_conformance);
suite!(event_log, EventLog, events, event_log_conformance);
suite!(
    control_store,
    ControlStore,
    control,
    control_store_conformance
);
