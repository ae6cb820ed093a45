//! What `lunora-aws` promises, without AWS or a stand-in for it.

mod config;
#[cfg(feature = "dynamodb")]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod dynamodb;
#[cfg(any(feature = "dynamodb", feature = "ssm"))]
#[path = "../log/mod.rs"]
mod log;
#[cfg(feature = "ssm")]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod ssm;
