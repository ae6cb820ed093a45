//! The promises of the relay, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wire;
