//! A simulator of MediaConnect and MediaLive, strict enough to trust it: it
//! refuses what AWS says that it refuses. It is our reading of AWS, and no more.

mod mediaconnect;
mod medialive;
pub mod model;
mod wire;

pub use wire::{Call, Event, Refusal, Reply, Request, Service};
