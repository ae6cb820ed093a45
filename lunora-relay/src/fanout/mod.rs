//! One program in, many outputs out.
//!
//! - [`timeline`]: every message gets its place on one time that never goes back
//! - [`packet`]: a message serialised once, for all outputs
//! - [`program`]: what a newcomer needs: metadata, sequence headers, the current group of pictures
//! - [`queue`]: what waits for one output, bounded, and in which form it goes out
//! - [`lane`]: a queue and the connection it empties into
//! - [`entrant`]: one that sends, on air or not, and what it would begin with
//! - [`director`]: which of them is to be on air
//! - [`cut`]: what of the next one is left out where it begins
//! - [`hub`]: who is on air, and the loop from each message to every lane
//!
//! All but the last two of these hold no socket; all but [`lane`], [`hub`] and [`entrant`] no clock.

mod cut;
mod director;
mod entrant;
mod hub;
mod lane;
mod packet;
mod program;
mod queue;
#[cfg(test)]
mod queue_tests;
mod timeline;

pub(crate) use hub::{Evicted, Feed, Hub, InUse, Standing};
pub(crate) use lane::{Lane, Moved};
