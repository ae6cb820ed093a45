//! What `lunora-aws` does to MediaConnect, as `lunora_testkit::aws` simulates it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(all(feature = "cli", feature = "medialive"))]
mod check;
mod cloud;
mod conformance;
mod drift;
mod evidence;
mod evidence_contract;
mod flow_control;
mod health;
#[path = "../log/mod.rs"]
mod log;
mod lost;
mod placing;
mod pool;
mod refusals;
mod schedules;
mod secrecy;
#[path = "../simulated/mod.rs"]
mod simulated;
mod support;
mod sweep;
mod worker;
