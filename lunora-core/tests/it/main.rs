//! The planner and the use cases over the fakes of `lunora-testkit`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adopt;
mod destinations;
mod failover;
mod failover_crash;
mod failover_evidence;
mod failover_policy;
mod foresee;
mod handover;
mod lease;
mod others;
mod plan;
mod preflight;
mod reconciler;
mod source_health;
mod source_sweep;
mod sources;
mod status;
mod support;
mod sweep;
mod time_box;
mod workers;
