//! What `lunora-aws` does to the stand-in for AWS that `scripts/ministack` runs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dynamodb;
mod dynamodb_control;
#[cfg(feature = "mediaconnect")]
mod dynamodb_evidence;
mod dynamodb_golden;
mod dynamodb_old_clients;
#[cfg(feature = "mediaconnect")]
#[path = "../media/evidence_contract.rs"]
mod evidence_contract;
mod interpose;
#[path = "../log/mod.rs"]
mod log;
mod migrate;
#[cfg(feature = "cli")]
mod migrate_command;
mod smoke;
mod ssm;
mod support;
mod tap;
mod wire;
mod workers;
