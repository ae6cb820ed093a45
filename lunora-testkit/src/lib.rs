//! Fakes, faults and conformance suites for Lunora's ports.
//!
//! - [`memory`] has an adapter for each port that keeps everything in memory.
//!   It is strict where the real ones are lenient.
//! - `aws`, a feature, simulates MediaConnect and MediaLive over their real wire protocol.
//! - [`clock`] has time and identity that a test controls.
//! - [`fault`] wraps any adapter and makes chosen calls fail.
//! - `real`, a feature, has ffmpeg and nginx-rtmp around what is tested.
//! - [`settled`] asserts what holds of any world once everything is over.
//! - [`sweep`] repeats a scenario with a fault, or a crash, at every call it makes.
//! - [`conformance`] has one test per clause of each port's contract.
//! - `mock`, a feature, has a mock of each port, for a test that wants one certain answer.
//! - [`model`] checks random calls against what ought to come of them.
//! - [`sample`] has small valid values, and [`strategy`] draws any.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "aws")]
pub mod aws;
pub mod clock;
pub mod conformance;
pub mod fault;
pub mod memory;
#[cfg(feature = "mock")]
pub mod mock;
pub mod model;
#[cfg(feature = "real")]
pub mod real;
pub mod sample;
pub mod settled;
pub mod source_world;
pub mod strategy;
pub mod sweep;
pub mod world;
