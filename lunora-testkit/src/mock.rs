//! A mock of every port, made by [`mockall`].
//!
//! A mock answers single calls, and a call that nobody expects panics: it is for
//! a test that wants one certain answer, or none at all. Where a test is about
//! what becomes of things, the adapters in [`memory`](crate::memory) are shorter
//! and keep the contract.
//!
//! ```
//! use std::sync::Arc;
//!
//! use lunora_core::port::{DestinationRepo, ErrorKind, PortError};
//! use lunora_testkit::{mock::MockDestinationRepo, sample};
//!
//! let mut repo = MockDestinationRepo::new();
//! repo.expect_get()
//!     .returning(|id| Err(PortError::new(ErrorKind::Denied, "read destination", id)));
//!
//! let repo: Arc<dyn DestinationRepo> = Arc::new(repo);
//! # lunora_testkit::conformance::private::run(async {
//! assert!(repo.get(&sample::destination_id(1)).await.is_err());
//! # });
//! ```

#![expect(
    missing_debug_implementations,
    reason = "the mocks have it; what mockall makes beside them has not"
)]

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::{
    SecretString,
    domain::{
        AttachmentName, Channel, Destination, DestinationId, Event, EventSeq, FailoverHistory,
        Feed, FeedChange, FeedReceipt, Finding, IngestSpec, LeaseName, NewEvent, ObservedIngest,
        ObservedOutput, OutputId, OutputSpec, Preset, PresetId, PushTarget, Removal, SecretName,
        SecretVersion, Session, SessionId, Source, SourceId, Token, TokenId,
    },
    port::{
        Answer, ChannelController, Claim, Clock, ControlStore, Depth, DestinationProbe, EventLog,
        Expect, Forget, History, IdSource, IdempotencyKey, IngestController, Lease, OutputRouter,
        Page, PageRequest, Pause, PortError, Receives, Repo, Revealed, Revision,
        RouterCapabilities, SecretStore, SourceProbe, Versioned, Which,
    },
};
use mockall::mock;

macro_rules! mock_repo {
    ($(#[$doc:meta])* $name:ident, $record:ident, $id:ident) => {
        mock! {
            $(#[$doc])*
            #[derive(Debug)]
            pub $name {}

            #[async_trait]
            impl Repo<$record> for $name {
                async fn get(&self, id: &$id) -> Result<Option<Versioned<$record>>, PortError>;
                async fn put(&self, value: &$record, expect: Expect) -> Result<Revision, PortError>;
                async fn remove(&self, id: &$id, revision: &Revision) -> Result<(), PortError>;
                async fn list(
                    &self,
                    page: PageRequest,
                ) -> Result<Page<Versioned<$record>>, PortError>;
            }
        }
    };
}

mock_repo!(
    /// A mock of [`DestinationRepo`](lunora_core::port::DestinationRepo).
    DestinationRepo, Destination, DestinationId
);
mock_repo!(
    /// A mock of [`SourceRepo`](lunora_core::port::SourceRepo).
    SourceRepo, Source, SourceId
);
mock_repo!(
    /// A mock of [`PresetRepo`](lunora_core::port::PresetRepo).
    PresetRepo, Preset, PresetId
);
mock_repo!(
    /// A mock of [`SessionRepo`](lunora_core::port::SessionRepo).
    SessionRepo, Session, SessionId
);
mock_repo!(
    /// A mock of [`TokenRepo`](lunora_core::port::TokenRepo).
    TokenRepo, Token, TokenId
);
mock_repo!(
    /// A mock of [`FailoverRepo`](lunora_core::port::FailoverRepo).
    FailoverRepo, FailoverHistory, DestinationId
);

mock! {
    /// A mock of [`SecretStore`].
    #[derive(Debug)]
    pub SecretStore {}

    #[async_trait]
    impl SecretStore for SecretStore {
        async fn keep(
            &self,
            name: &SecretName,
            text: &SecretString,
        ) -> Result<SecretVersion, PortError>;
        async fn reveal(
            &self,
            name: &SecretName,
            which: Which,
        ) -> Result<Option<Revealed>, PortError>;
        async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError>;
        async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError>;
        fn history(&self) -> History;
    }
}

mock! {
    /// A mock of [`OutputRouter`].
    #[derive(Debug)]
    pub OutputRouter {}

    #[async_trait]
    impl OutputRouter for OutputRouter {
        fn capabilities(&self) -> RouterCapabilities;
        async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError>;
        async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>>;
        async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>>;
        async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>>;
    }
}

mock! {
    /// A mock of [`ChannelController`].
    #[derive(Debug)]
    pub ChannelController {}

    #[async_trait]
    impl ChannelController for ChannelController {
        async fn describe(&self) -> Result<Channel, PortError>;
        async fn start(&self) -> Result<(), PortError>;
        async fn stop(&self) -> Result<(), PortError>;
        async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError>;
        async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError>;
        async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError>;
        async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError>;
    }
}

mock! {
    /// A mock of [`Receives`].
    #[derive(Debug)]
    pub Receives {}

    #[async_trait]
    impl Receives for Receives {
        async fn receives(&self) -> Result<bool, PortError>;
    }
}

mock! {
    /// A mock of [`IngestController`]. A pin is expected of an owned id, because mockall
    /// takes no optional reference in a trait.
    #[derive(Debug)]
    pub IngestController {
        /// Answers an apply.
        pub fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>>;
        /// Answers an observation.
        pub fn observe(&self) -> Result<Vec<ObservedIngest>, PortError>;
        /// Answers a pin.
        pub fn pin(&self, source: Option<SourceId>) -> Result<(), PortError>;
        /// Answers what is pinned.
        pub fn pinned(&self) -> Result<Option<SourceId>, PortError>;
    }
}

#[async_trait]
impl IngestController for MockIngestController {
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        self.apply(specs)
    }

    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError> {
        self.observe()
    }

    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError> {
        self.pin(source.cloned())
    }

    async fn pinned(&self) -> Result<Option<SourceId>, PortError> {
        self.pinned()
    }
}

mock! {
    /// A mock of [`SourceProbe`].
    #[derive(Debug)]
    pub SourceProbe {}

    #[async_trait]
    impl SourceProbe for SourceProbe {
        async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError>;
    }
}

mock! {
    /// A mock of [`DestinationProbe`].
    #[derive(Debug)]
    pub DestinationProbe {}

    #[async_trait]
    impl DestinationProbe for DestinationProbe {
        async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError>;
    }
}

mock! {
    /// A mock of [`EventLog`].
    #[derive(Debug)]
    pub EventLog {}

    #[async_trait]
    impl EventLog for EventLog {
        async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError>;
        async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError>;
        async fn last(&self) -> Result<EventSeq, PortError>;
        async fn wait(&self, after: EventSeq) -> Result<(), PortError>;
    }
}

mock! {
    /// A mock of [`ControlStore`].
    #[derive(Debug)]
    pub ControlStore {}

    #[async_trait]
    impl ControlStore for ControlStore {
        async fn record_removal(&self, removal: &Removal) -> Result<(), PortError>;
        async fn removals(&self) -> Result<Vec<Removal>, PortError>;
        async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError>;
        async fn pause(&self) -> Result<Option<Pause>, PortError>;
        async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError>;
        async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError>;
        async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError>;
        async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError>;
        async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError>;
        async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError>;
    }
}

mock! {
    /// A mock of [`Clock`].
    #[derive(Debug)]
    pub Clock {}

    impl Clock for Clock {
        fn now(&self) -> Timestamp;
    }
}

mock! {
    /// A mock of [`IdSource`].
    #[derive(Debug)]
    pub IdSource {}

    impl IdSource for IdSource {
        fn mint(&self) -> u128;
    }
}
