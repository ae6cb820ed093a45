//! What both kinds of session share.

use super::{amf0::Amf0Error, chunk::ChunkError};

/// Why a session cannot go on. The connection should be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer's bytes are no chunk stream.
    #[error("cannot read the peer's chunks")]
    Chunk(#[from] ChunkError),
    /// A command of the peer is not AMF0.
    #[error("cannot read a command of the peer")]
    Command(#[from] Amf0Error),
    /// The peer makes us answer faster than it takes the answers.
    #[error("more than {0} bytes of answers are waiting for the peer")]
    Output(usize),
    /// More events wait than the owner of the session takes.
    #[error("more than {0} events of the peer are waiting to be handled")]
    Events(usize),
    /// The server gave the stream an id that cannot be one.
    #[error("the server's createStream result holds no stream id")]
    StreamId,
}
