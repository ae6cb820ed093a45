//! Adapters that keep everything in memory.
//!
//! A clone shares its state with the original, as two handles on one table do.

mod channel_controller;
mod control_store;
mod destination_probe;
mod event_log;
mod ingest_controller;
mod output_router;
mod repo;
mod secret_store;
mod source_probe;

pub use channel_controller::MemoryChannelController;
pub use control_store::MemoryControlStore;
pub use destination_probe::MemoryDestinationProbe;
pub use event_log::MemoryEventLog;
pub use ingest_controller::MemoryIngestController;
pub use output_router::MemoryOutputRouter;
pub use repo::{
    MemoryDestinationRepo, MemoryFailoverRepo, MemoryPresetRepo, MemoryRepo, MemorySessionRepo,
    MemorySourceRepo, MemoryTokenRepo,
};
pub use secret_store::MemorySecretStore;
pub use source_probe::MemorySourceProbe;
