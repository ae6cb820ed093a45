//! What `lunora-aws` does to MediaLive, as `lunora_testkit::aws` simulates it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod feed;
mod inputs;
#[path = "../log/mod.rs"]
mod log;
mod lost;
mod secrecy;
#[path = "../simulated/mod.rs"]
mod simulated;
mod support;
mod switch;
mod verify;
