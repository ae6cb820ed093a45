//! One program in, many outputs out.
//!
//! - [`timeline`]: every message gets its place on one time that never goes back
//! - [`packet`]: a message serialised once, for all outputs
//! - [`program`]: what a newcomer needs: metadata, sequence headers, the current group of pictures
//! - [`queue`]: what waits for one output, bounded, and in which form it goes out
//! - [`lane`]: a queue and the connection it empties into
//! - [`tap`]: a look at all of it for a reader on another thread, which never holds it up
//! - [`entrant`]: one that sends, on air or not, and what it would begin with
//! - [`meter`]: what it sends, measured from headers and counts
//! - [`post`]: a source that was added, whether or not anybody feeds it
//! - [`director`]: which of them is to be on air
//! - [`cut`]: what of the next one is left out where it begins
//! - [`switchboard`]: who sends, who of them is on air, and the loop from each message to every lane
//! - [`feed`] and [`hub`]: how others send and listen to that
//!
//! Only [`lane`] holds a socket, and only [`lane`] and [`hub`] look at a clock.

mod cut;
mod director;
mod entrant;
mod feed;
mod hub;
#[cfg(test)]
mod hub_tests;
mod lane;
mod meter;
mod packet;
mod post;
mod program;
mod queue;
#[cfg(test)]
mod queue_tests;
mod switchboard;
mod tap;
#[cfg(test)]
mod tap_tests;
mod timeline;

pub(crate) use feed::{Evicted, Feed, Standing};
pub(crate) use hub::{Hub, Refused};
pub(crate) use lane::{Lane, Moved};
pub(crate) use packet::{Role, Track};
pub(crate) use tap::{Tap, TapHandle, TapLimits, TapPacket, TapReader, Tapped, tap};
