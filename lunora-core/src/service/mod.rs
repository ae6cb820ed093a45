//! The use cases, written against [`port`](crate::port) alone.
//!
//! - [`Destinations`] changes what is wanted.
//! - [`Reconciler`] makes it so, and tells how it fares.
//! - [`Sources`] does both for what comes in.
//! - [`Failover`] decides which leg is used, and says why.

mod adopt;
mod board;
mod destinations;
mod edits;
mod failover;
mod foresee;
mod intent;
mod lease;
mod reconciler;
mod removals;
mod secrets;
mod sources;
mod spec;
mod test;

pub use board::{Entry, Snapshot};
pub use destinations::{Changed, DestinationError, Destinations, StartOutcome, StopOutcome};
pub use edits::{DestinationPatch, LegEdit, NewDestination, Start};
pub use failover::{
    Explanation, FailOverOutcome, FailOverTo, FailedOver, Failover, LegView, NextStep,
};
pub use foresee::{Change, Effect, Foresight, Gap};
pub use lease::WriteLease;
pub use reconciler::{Cause, PassReport, Ports, Reconciler, Scope, StepFailure};
pub use sources::{
    AddressEdit, NewSource, NotTakenIn, SourceEntry, SourceError, SourcePatch, SourcePorts,
    SourceSnapshot, SourceState, Sources, SyncReport, TickReport,
};
pub use test::{DestinationTest, DestinationTestError};
