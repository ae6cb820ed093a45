//! What the programs of the benchmarks share. Start with `scripts/bench-relay`
//! and `docs/benchmarks.md`; these programs are only its hands.
//!
//! - [`recording`] is the input as a list of messages, and the one way to tell
//!   which of its frames arrived: by the order of their lengths.
//! - [`scan`] finds the messages in a stream of chunks and copies none of them.
//! - [`tally`] is what arrived of one publish, as counts and extremes.
//! - [`receiver`] takes publishes from any RTMP client, for little CPU time: it
//!   shares two cores with what is measured.
//! - [`http`] is a client for one API on this machine.

pub mod http;
pub mod receiver;
pub mod recording;
pub mod scan;
pub mod tally;
