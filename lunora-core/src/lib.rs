//! The domain of Lunora: destinations of a live stream, each added, edited,
//! started, stopped and removed without any other noticing.
//!
//! This crate knows no cloud, no HTTP and no runtime. Read it in this order:
//!
//! - [`domain`]: the values; each refuses what is not valid when it is made.
//! - [`port`]: the interfaces that an adapter implements, with numbered contracts.
//! - [`plan`]: the decisions, as pure functions of values.
//! - [`service`]: the use cases, written against the ports alone.
//!
//! `lunora-testkit` has an in-memory adapter for every port and a suite that
//! proves any other.

pub mod domain;
pub mod plan;
pub mod port;
pub mod service;

/// The type in which a stream key travels; it neither prints nor compares.
pub use secrecy::{ExposeSecret, SecretString};
