//! The relay against far ends that misbehave, in virtual time: minutes of retries pass in a second.
//!
//! Everything runs on the one runtime of the test: the data plane, the far ends, and who watches.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stage;
mod stopping;
mod table;
mod waiting;
