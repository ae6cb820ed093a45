//! Decisions, as functions of values: no port is called and no clock is read here.
//!
//! [`wish`] says what outputs a destination wants; [`plan`] compares the wishes
//! of all with what is observed and gives the steps between them; [`status`]
//! says what a destination shows; [`failover`] says which leg, or which source, is used.
//! [`source_health`] says how a source is found, and [`preflight`] whether a platform takes
//! what comes in.

pub mod failover;
mod preflight;
mod source_health;
mod status;
mod steps;
mod wish;

pub use preflight::{Fit, Rule, Verdict, preflight};
pub use source_health::{source_fingerprint, source_health};
pub use status::{Delivery, Evidence, status};
pub use steps::{DetachReason, Plan, Refusal, Step, plan};
pub use wish::{LegWish, Share, Wish, WishedOutput, fingerprint, target_digest, wish};
