//! The simulator of AWS: each refusal that AWS documents, and what a test can see.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge;
mod budget;
mod clock;
mod fault;
mod flow;
mod mode;
mod output;
mod seen;
mod serve;
mod source;
mod support;
mod together;
