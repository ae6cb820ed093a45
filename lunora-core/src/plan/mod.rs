//! Decisions, as functions of values: no port is called and no clock is read here.
//!
//! [`wish`] says what outputs a destination wants; [`plan`] compares the wishes
//! of all with what is observed and gives the steps between them; [`status`]
//! says what a destination shows.

mod status;
mod steps;
mod viewers;
mod wish;

pub use status::{Delivery, Evidence, status};
pub use steps::{DetachReason, Plan, Refusal, Step, plan};
pub use viewers::{SEGMENT_AGE_MAX, Viewed};
pub use wish::{Wish, WishedOutput, fingerprint, target_digest, wish};
