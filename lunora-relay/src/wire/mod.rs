//! RTMP as bytes and values: no socket, no clock, no task.
//!
//! Every type here is fed with bytes and asked for what came out of them, so each can be tested,
//! fuzzed and driven at any cut of the input. All of it reads what strangers send: nothing panics,
//! nothing grows with what a peer merely announces, and every queue has an end.
//!
//! - [`message`]: one RTMP message, the unit everything else speaks of
//! - [`chunk`]: messages to chunks and back, and the headers the shared fan-out writes itself
//! - [`amf0`]: the values commands are made of; [`data_frame`]: the wrapper around `onMetaData`
//! - [`handshake`]: what comes before the first chunk
//! - [`client`]: we publish to a server; [`server`]: an encoder publishes to us
//! - [`ts`]: MPEG-TS, as the same messages
//! - [`tag`]: what an audio or video payload is; [`coded`]: what stands in it; [`flv`]: a file of such payloads

pub mod amf0;
pub mod chunk;
pub mod client;
pub mod coded;
mod command;
pub mod data_frame;
pub mod flv;
pub mod handshake;
mod link;
pub mod message;
mod scrub;
pub mod server;
pub mod tag;
pub mod ts;

pub use link::SessionError;
