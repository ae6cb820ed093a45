//! SRT: the process that takes it in, and what becomes of what it hands over.
//!
//! - [`intake`]: where the relay hands its sources over
//! - [`source`]: what is wanted; [`status`]: how it fares
//! - [`worker`]: one run of the process, and what is wrong with it
//! - [`live`]: one connection, from its bytes to the hub
//! - [`supervisor`]: keeps a worker running and tells it what is wanted
//!
//! What a worker says is read as strictly as what a stranger says: it is one that runs C++ code.

mod intake;
mod live;
mod source;
mod status;
mod supervisor;
mod worker;

use source::{SrtSource, SrtWay};
pub use status::{Srt, SrtLink, SrtService, SrtStatus};
use supervisor::Supervisor;

pub(crate) use intake::SrtParts;
pub(crate) use status::Board;
use status::Wishes;
pub(crate) use supervisor::run;
