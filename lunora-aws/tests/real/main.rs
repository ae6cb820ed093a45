//! Destinations by the outputs of a MediaConnect flow, with real parts around them (see
//! [`lunora_testkit::real`]) and the SDK's calls going over HTTP.
//!
//! The flow is simulated, as by [`lunora_testkit::aws`]; what its outputs would push, a
//! relay pushes, and what the relay says of them, the simulator's events tell. So it is our
//! reading of MediaConnect that is tested here, and not MediaConnect: on that account only
//! a run on AWS tells whether a sibling loses a frame.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../log/mod.rs"]
mod log;
mod stage;

mod isolation;
mod stopped_flow;
