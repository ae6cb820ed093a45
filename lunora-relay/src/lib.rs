//! The local media engine of Lunora: encoders publish RTMP to it, one of them
//! is on air, and it pushes RTMP and RTMPS to many destinations, each of which
//! is added, edited, switched and removed without any other noticing.
//!
//! A [`Relay`] runs on a thread and a runtime of its own. Its ports to the domain
//! are [`Relay::router`] for destinations, [`Relay::ingests`] for sources and
//! [`Relay::channel`] for all of it; [`Relay::air`] tells every switch.
//!
//! - `ingest` and `demo` are where a program comes from: encoders, each with a
//!   key of its own, or a test stream that plays while none of them does.
//!   `sources` knows which there are, and `ingests` is how others talk of them.
//! - `fanout` chooses one of them and brings it to every output: one timeline,
//!   each message serialised once, one bounded queue an output.
//! - `hls` writes what viewers get, on a thread of its own.
//! - `output` is the life of one output: connect, publish, retry, say goodbye.
//!   `dial` and `tls` are its only way to the network.
//! - `probe` goes the first steps of that way, to tell what a push would meet.
//! - `engine` runs all of these; `router` is how others talk to it.
//! - `srt` looks after the process that takes SRT in.
//! - [`wire`] is RTMP and FLV as bytes and values, without a socket.
//! - [`sink`] is a receiver: it shows what arrives, and can misbehave for tests.

mod air;
mod alone;
mod channel;
mod config;
mod demo;
mod dial;
mod engine;
mod fanout;
mod hls;
mod ingest;
mod ingests;
mod lobby;
mod lock;
mod news;
mod output;
mod probe;
mod program;
mod relay;
mod router;
pub mod sink;
mod sources;
mod srt;
mod tls;
mod transport;
#[cfg(test)]
mod trials;
pub mod wire;

pub use air::{Air, Origin, SwitchReason, Switched};
pub use channel::RelayChannel;
pub use config::{Failover, Idle, Ingest, RelayConfig, SrtConfig, StartError, WorkerCommand};
pub use dial::{DialPolicy, Resolver, SystemResolver};
pub use hls::{HlsConfig, HlsFault, HlsFile, HlsState, HlsTrouble, NotHls};
pub use ingests::RelayIngests;
pub use probe::RelayProbe;
pub use program::{OnAir, Program};
pub use relay::Relay;
pub use router::RelayRouter;
pub use srt::{Srt, SrtLink, SrtService, SrtStatus};
pub use tls::CertificatesError;
