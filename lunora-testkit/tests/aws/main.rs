//! The simulator of AWS: each refusal that AWS documents, and what a test can see.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod budget;
mod fault;
mod flow;
mod mode;
mod output;
mod seen;
mod source;
mod support;
