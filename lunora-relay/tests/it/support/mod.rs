//! What the tests of the running relay share.

mod encoder;
mod footage;
mod log;
mod stage;

pub(crate) use encoder::Encoder;
pub(crate) use footage::{Footage, payloads};
pub(crate) use log::logged;
pub(crate) use stage::{PUBLISH_KEY, Stage, sink, spec, until};
