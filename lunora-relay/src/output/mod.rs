//! One destination's way out: connect, publish, keep it going, say goodbye.
//!
//! - [`classify`]: from what went wrong to a fault and a pace, as one table
//! - [`backoff`]: how long to wait before the next try
//! - [`chatter`]: how much a far end may say, and have us answer
//! - [`connect`]: from a target to an accepted publish
//! - [`health`]: what is shown of an output
//! - [`task`]: the states and what moves an output from one to the next

mod backoff;
mod chatter;
mod classify;
mod connect;
mod health;
mod task;

pub(crate) use connect::Caller;
pub(crate) use health::Health;
pub(crate) use task::{Output, Surroundings, Wish};
