//! SRT for Lunora, by libsrt in a process of its own.
//!
//! libsrt is a C++ library with threads of its own, and reports of crashes and of cores that it
//! keeps busy exist. So it runs in a *worker*: a process that a program starts from itself, with
//! [`run_child`] behind a subcommand, and that it can kill and start again while everything else
//! goes on. The library is found at run time; without it a worker says [`FromWorker::Missing`].
//!
//! - [`protocol`] is what the two say to each other, over the standard input and output: secrets
//!   stand in no argument and in no environment.
//! - `library` is libsrt, as far as it is needed, and all that is unsafe.
//! - `worker` is what runs in the process: who may call, who is called, and what they send.
//!
//! [`FromWorker::Missing`]: protocol::FromWorker::Missing

mod library;
#[forbid(unsafe_code)]
pub mod protocol;
mod worker;

pub use worker::run_child;
