//! What `lunora-aws` does to the stand-in for AWS that `scripts/ministack` runs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dynamodb;
mod dynamodb_control;
mod dynamodb_golden;
mod dynamodb_old_clients;
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
