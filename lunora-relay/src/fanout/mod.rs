//! One program in, many outputs out.
//!
//! - [`timeline`]: every message gets its place on one time that never goes back
//! - [`packet`]: a message serialised once, for all outputs
//! - [`program`]: what a newcomer needs: metadata, sequence headers, the current group of pictures
//! - [`queue`]: what waits for one output, bounded, and in which form it goes out
//! - [`lane`]: a queue and the connection it empties into
//! - [`tap`]: a look at all of it for a reader on another thread, which never holds it up
//! - [`hub`]: who is on air, and the loop from each message to every lane
//!
//! The first four hold no socket and no clock.

mod hub;
mod lane;
mod packet;
mod program;
mod queue;
#[cfg(test)]
mod queue_tests;
mod tap;
#[cfg(test)]
mod tap_tests;
mod timeline;

pub(crate) use hub::{Feed, Hub, InUse, Place, Replaced};
pub(crate) use lane::{Lane, Moved};
pub(crate) use packet::{Role, Track};
pub(crate) use tap::{Tap, TapHandle, TapLimits, TapPacket, TapReader, Tapped, tap};
