//! The HTTP API of Lunora, as an [`axum::Router`] and nothing more.
//!
//! A server binds it to a socket, and a Lambda function hands it events; it knows
//! neither, and reads no environment. Give [`Api::new`] the services and the ports
//! that they work over, and take [`Api::into_router`].
//!
//! Every reply is JSON and carries `status`: `"success"` or `"error"`. An error
//! also carries `code`, a word for programs, and `message`, a sentence for people
//! that says what to do. No reply, event or log line shows a stream key.
//!
//! A destination carries two statuses. `streaming_status` (`ready`, `streaming`,
//! `error`) is for clients that know no other; `state` says all that is known:
//! `status`, `since`, `severity`, `leg`, `fault`, `last_fault` and `progress`.

mod access;
mod api;
mod body;
mod destinations;
mod dry_run;
mod events;
mod fallback;
mod finding;
mod health;
mod idempotency;
mod problem;
mod program;
mod reconcile;
mod reply;
mod request_log;
mod sources;
mod streaming_status;

#[cfg(test)]
mod canary;

#[cfg(test)]
mod world;

pub use access::{Access, is_loopback};
pub use api::{Api, ApiParts, Service};
pub use program::{Program, ProgramMonitor};
