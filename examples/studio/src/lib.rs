//! In the making.

pub mod store;
