//! The interfaces that an adapter implements.
//!
//! Every trait here is object-safe, so that a service holds an `Arc<dyn …>` and
//! a deployment picks its adapters at run time. A trait states its contract in
//! its documentation, clause by clause; `lunora-testkit` has at least one test
//! per clause, and an adapter is done when it passes them.

mod channel_controller;
mod clock;
mod control_store;
mod destination_probe;
mod error;
mod event_log;
mod forward;
mod id_source;
mod ingest_controller;
mod output_router;
mod repo;
mod revision;
mod secret_store;
mod source_probe;
mod viewer_monitor;

pub use channel_controller::{ChannelController, Receives};
pub use clock::Clock;
pub use control_store::{
    Answer, Claim, ControlStore, IdempotencyKey, IdempotencyKeyError, Lease, Pause,
};
pub use destination_probe::{Depth, DestinationProbe};
pub use error::{BoxError, ErrorKind, PortError};
pub use event_log::EventLog;
pub use id_source::IdSource;
pub use ingest_controller::IngestController;
pub use output_router::{OutputRouter, Parking, RouterCapabilities};
pub use repo::{
    DestinationRepo, FailoverRepo, Listing, PresetRepo, Record, Repo, RepoExt, SessionRepo,
    SourceRepo, TokenRepo,
};
pub use revision::{Expect, Page, PageRequest, PageToken, Revision, Unreadable, Versioned};
pub use secret_store::{Forget, History, Revealed, SecretStore, Which};
pub use source_probe::SourceProbe;
pub use viewer_monitor::ViewerMonitor;
