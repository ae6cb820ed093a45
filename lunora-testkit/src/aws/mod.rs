//! A simulator of MediaConnect and MediaLive, strict enough to trust it: it
//! refuses what AWS says that it refuses. It is our reading of AWS, and no more.
//!
//! [`Simulator::answer`] takes a request as it came over the wire; [`Modes`] says how AWS
//! behaves where nobody knows; a [`Fault`] makes a call go wrong; and the simulator
//! remembers what must not happen to a stream, for a test to ask.

mod answer;
mod bridge;
mod budget;
mod control;
mod fault;
mod mediaconnect;
mod medialive;
pub mod model;
mod modes;
mod seen;
mod serve;
mod simulator;
mod wire;

pub use answer::{Answer, Outcome, Response};
pub use fault::{Fault, Matcher};
pub use mediaconnect::{FlowStatus, HealthState, OutputStatus, Owner, Signal};
pub use medialive::Durations;
pub use modes::{Modes, Omitted, SamePlace, StreamName, Timing, Updating};
pub use seen::{Double, SeenCall, SeenOutput};
pub use simulator::{ACCOUNT, REGION, Simulator};
pub use wire::{Call, Event, Refusal, Reply, Request, Service};
