//! One destination's way out: connect, publish, keep it going, say goodbye.
//!
//! - [`classify`]: from what went wrong to a fault and a pace, as one table
//! - [`backoff`]: how long to wait before the next try
//! - [`chatter`]: how much a far end may say, and have us answer
//! - [`connect`]: from a target to an accepted publish
//! - [`crowd`]: many that begin at once are spread
//! - [`evidence`]: whether media moves
//! - [`held`]: the names that are published under
//! - [`health`]: what is shown of an output
//! - [`intake`]: how much the far end takes of what is sent to it
//! - [`keeper`]: what a panic of an output ends
//! - [`link`]: what is done on a connection while media goes out on it
//! - [`task`]: the states and what moves an output from one to the next

mod backoff;
mod chatter;
mod classify;
#[cfg(test)]
mod classify_tests;
mod connect;
mod crowd;
mod evidence;
mod health;
mod held;
mod intake;
mod keeper;
mod link;
mod task;

pub(crate) use backoff::{Backoff, Pace, random};
pub(crate) use classify::Trouble;
pub(crate) use connect::{Caller, part};
pub(crate) use crowd::Crowd;
pub(crate) use health::Health;
pub(crate) use held::Names;
pub(crate) use keeper::keep;
pub(crate) use task::{Surroundings, Wish};
