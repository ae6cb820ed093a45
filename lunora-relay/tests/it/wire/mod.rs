//! RTMP as bytes and values.

mod amf0;
mod chunk;
mod chunk_any;
mod client;
mod handshake;
mod hostile;
mod pair;
mod server;
mod tag;
mod ts;
