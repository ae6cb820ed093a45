//! The adapters of DynamoDB keep the contracts of their ports.

use lunora_aws::dynamodb::{
    DynamoDbControlStore, DynamoDbDestinationRepo, DynamoDbEventLog, DynamoDbFailoverRepo,
    DynamoDbPresetRepo, DynamoDbSessionRepo, DynamoDbSourceRepo, DynamoDbTokenRepo, InlineSecrets,
};
use lunora_core::port::{
    ControlStore, DestinationRepo, EventLog, FailoverRepo, PresetRepo, SecretStore, SessionRepo,
    SourceRepo, TokenRepo,
};
use lunora_testkit::{conformance::Fixture, memory::MemorySecretStore, sample};

use crate::support::Stack;

impl Stack {
    pub(crate) fn destinations(&self) -> DynamoDbDestinationRepo {
        let (table, prefix) = (
            &self.config.tables.destinations,
            &self.config.parameter_prefix,
        );
        let hash_key = sample::hash_key();
        DynamoDbDestinationRepo::new(self.dynamodb(), table.clone(), prefix.clone(), hash_key)
    }

    pub(crate) fn sources(&self) -> DynamoDbSourceRepo {
        let table = self.config.tables.sources.clone();
        DynamoDbSourceRepo::new(self.dynamodb(), table, sample::hash_key())
    }

    pub(crate) fn presets(&self) -> DynamoDbPresetRepo {
        let table = self.config.tables.presets.clone();
        DynamoDbPresetRepo::new(self.dynamodb(), table, sample::hash_key())
    }

    pub(crate) fn sessions(&self) -> DynamoDbSessionRepo {
        let table = self.config.tables.sessions.clone();
        DynamoDbSessionRepo::new(self.dynamodb(), table, sample::hash_key())
    }

    pub(crate) fn tokens(&self) -> DynamoDbTokenRepo {
        let table = self.config.tables.control.clone();
        DynamoDbTokenRepo::new(self.dynamodb(), table, sample::hash_key())
    }

    pub(crate) fn failovers(&self) -> DynamoDbFailoverRepo {
        let table = self.config.tables.control.clone();
        DynamoDbFailoverRepo::new(self.dynamodb(), table, sample::hash_key())
    }

    fn control(&self) -> DynamoDbControlStore {
        DynamoDbControlStore::new(self.dynamodb(), self.config.tables.control.clone())
    }

    pub(crate) fn events(&self) -> DynamoDbEventLog {
        DynamoDbEventLog::new(self.dynamodb(), self.config.tables.control.clone())
    }

    fn inline_secrets(&self) -> InlineSecrets {
        let inner = std::sync::Arc::new(MemorySecretStore::default());
        InlineSecrets::new(inner, &self.destinations(), &self.sources())
    }
}

macro_rules! conformance {
    ($suite:ident, $port:ident, $make:ident $(, $record:ident)?) => {
        mod $suite {
            use super::*;

            struct Adapter(Box<dyn $port>);

            impl Fixture for Adapter {
                type Port = dyn $port;

                async fn set_up() -> Self {
                    Self(Box::new(Stack::set_up().await.$make()))
                }

                fn port(&self) -> &dyn $port {
                    &*self.0
                }
            }

            lunora_testkit::$suite! {
                #[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
                Adapter
            }

            $(
            #[test]
            #[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
            fn random_calls_do_what_the_model_does() {
                use lunora_core::domain::$record;

                lunora_testkit::model::random_calls_agree::<$record, Adapter>(6);
            }
            )?
        }
    };
}

conformance!(
    destination_repo_conformance,
    DestinationRepo,
    destinations,
    Destination
);
conformance!(source_repo_conformance, SourceRepo, sources, Source);
conformance!(preset_repo_conformance, PresetRepo, presets, Preset);
conformance!(session_repo_conformance, SessionRepo, sessions, Session);
conformance!(token_repo_conformance, TokenRepo, tokens, Token);
conformance!(
    failover_repo_conformance,
    FailoverRepo,
    failovers,
    FailoverHistory
);
conformance!(control_store_conformance, ControlStore, control);
conformance!(event_log_conformance, EventLog, events);
conformance!(secret_store_conformance, SecretStore, inline_secrets);
