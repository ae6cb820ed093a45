//! The relay against far ends that misbehave, in virtual time: minutes of retries pass in a second.
//!
//! Everything runs on the one runtime of the test: the data plane, the far ends, and who watches.

mod stage;
mod stopping;
mod table;
mod waiting;
