//! What comes before the first chunk.
//!
//! The plain handshake, which ffmpeg, OBS, nginx and the platforms all accept. The random bytes
//! are the caller's. Bytes after the handshake belong to the session: feed it `&input[used..]`.

use bytes::Bytes;

/// How many random bytes a side sends.
pub const RANDOM_LEN: usize = 1528;

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// More input is needed.
    Pending,
    /// Over; the input from byte `used` on belongs to the session.
    Done {
        /// How many bytes of this input were part of the handshake.
        used: usize,
    },
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The first byte is not RTMP's version.
    #[error("peer speaks no plain rtmp: its first byte is {0:#04x}")]
    Version(u8),
}

/// The side that connects.
#[derive(Debug)]
pub struct ClientHandshake {
    output: Option<Bytes>,
}

impl ClientHandshake {
    /// Begins; the first output is ready at once.
    #[must_use]
    pub fn new(random: &[u8; RANDOM_LEN]) -> Self {
        let _ = random;
        todo!()
    }

    /// Takes bytes from the server.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Progress, HandshakeError> {
        let _ = input;
        todo!()
    }

    /// Bytes for the server, if any are due.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.take()
    }
}

/// The side that is connected to.
#[derive(Debug)]
pub struct ServerHandshake {
    output: Option<Bytes>,
}

impl ServerHandshake {
    /// Waits for a client.
    #[must_use]
    pub fn new(random: &[u8; RANDOM_LEN]) -> Self {
        let _ = random;
        todo!()
    }

    /// Takes bytes from the client.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Progress, HandshakeError> {
        let _ = input;
        todo!()
    }

    /// Bytes for the client, if any are due.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.take()
    }
}
