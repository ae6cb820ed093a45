//! One destination's way out: connect, publish, keep it going, say goodbye.
//!
//! - [`classify`]: from what went wrong to a fault and a pace, as one table
//! - [`backoff`]: how long to wait before the next try
//! - [`chatter`]: how much a far end may say, and have us answer
//! - [`connect`]: from a target to an accepted publish
//! - [`crowd`]: many that begin at once are spread
//! - [`evidence`]: whether media moves
//! - [`health`]: what is shown of an output
//! - [`keeper`]: what a panic of an output ends
//! - [`task`]: the states and what moves an output from one to the next

mod backoff;
mod chatter;
mod classify;
mod connect;
mod crowd;
mod evidence;
mod health;
mod keeper;
mod task;

pub(crate) use backoff::{Backoff, Pace, random};
pub(crate) use connect::Caller;
pub(crate) use crowd::Crowd;
pub(crate) use health::Health;
pub(crate) use keeper::keep;
pub(crate) use task::{Surroundings, Wish};
