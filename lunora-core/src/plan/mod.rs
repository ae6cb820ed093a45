//! Decisions, as functions of values: no port is called and no clock is read here.
//!
//! [`wish`] says what outputs a destination wants; [`plan`] compares the wishes
//! of all with what is observed and gives the steps between them; [`status`]
//! says what a destination shows; [`failover`] says which leg, or which source, is used.

pub mod failover;
mod status;
mod steps;
mod wish;

pub use status::{Delivery, Evidence, status};
pub use steps::{DetachReason, Plan, Refusal, Step, plan};
pub use wish::{Wish, WishedOutput, fingerprint, target_digest, wish};
