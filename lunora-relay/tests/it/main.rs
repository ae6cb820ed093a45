//! The promises of the relay, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod control;
mod hls;
mod hostile;
mod isolation;
mod joining;
mod legs;
mod panics;
mod probe;
mod secrecy;
mod sources;
mod srt;
mod support;
mod takeover;
mod tls;
mod trouble;
mod wire;
