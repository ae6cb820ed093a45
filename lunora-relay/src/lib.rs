//! In the making.

pub mod wire;
