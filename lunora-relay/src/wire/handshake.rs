//! What comes before the first chunk.
//!
//! The plain handshake, which ffmpeg, OBS, nginx and the platforms all accept; a peer that begins
//! the one with digests is answered plainly, and goes on so. The random bytes are the caller's.
//! Bytes after the handshake belong to the session: feed it `&input[used..]`.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// How many random bytes a side sends.
pub const RANDOM_LEN: usize = 1528;

/// A packet is a time, four zero bytes and the random bytes.
const PACKET_LEN: usize = 8 + RANDOM_LEN;

const VERSION: u8 = 3;

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
pub struct ClientHandshake(Exchange);

impl ClientHandshake {
    /// Begins; the first output is ready at once.
    #[must_use]
    pub fn new(random: &[u8; RANDOM_LEN]) -> Self {
        let mut exchange = Exchange::new(random);
        exchange.greet();
        Self(exchange)
    }

    /// Takes bytes from the server.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Progress, HandshakeError> {
        self.0.handle_input(input)
    }

    /// Bytes for the server, if any are due.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.0.poll_output()
    }
}

/// The side that is connected to.
#[derive(Debug)]
pub struct ServerHandshake(Exchange);

impl ServerHandshake {
    /// Waits for a client.
    #[must_use]
    pub fn new(random: &[u8; RANDOM_LEN]) -> Self {
        Self(Exchange::new(random))
    }

    /// Takes bytes from the client.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Progress, HandshakeError> {
        self.0.handle_input(input)
    }

    /// Bytes for the client, if any are due.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.0.poll_output()
    }
}

/// Either side: greet, echo the peer's greeting, and wait for the peer's echo. The echo is not
/// compared; servers that send something else there are common.
struct Exchange {
    /// Our version and packet, until they are sent.
    greeting: Option<Bytes>,
    /// The peer's version and packet.
    received: BytesMut,
    /// How much of the peer's echo has not come yet.
    echo_left: usize,
    output: BytesMut,
}

impl Exchange {
    fn new(random: &[u8; RANDOM_LEN]) -> Self {
        let mut greeting = BytesMut::with_capacity(1 + PACKET_LEN);
        greeting.extend_from_slice(&[VERSION]);
        // Time zero, and four zeros that say "no digest": ffmpeg looks for one otherwise.
        greeting.extend_from_slice(&[0; 8]);
        greeting.extend_from_slice(random);
        Self {
            greeting: Some(greeting.freeze()),
            received: BytesMut::new(),
            echo_left: PACKET_LEN,
            output: BytesMut::new(),
        }
    }

    fn greet(&mut self) {
        if let Some(greeting) = self.greeting.take() {
            self.output.extend_from_slice(&greeting);
        }
    }

    fn handle_input(&mut self, input: &[u8]) -> Result<Progress, HandshakeError> {
        let greeting_left = (1 + PACKET_LEN) - self.received.len();
        let (greeting, rest) = input.split_at(greeting_left.min(input.len()));
        self.received.extend_from_slice(greeting);
        match self.received.split_first() {
            Some((&VERSION, packet)) if packet.len() == PACKET_LEN => {
                if !greeting.is_empty() {
                    self.answer();
                }
            }
            Some((&VERSION, _)) | None => return Ok(Progress::Pending),
            Some((&other, _)) => return Err(HandshakeError::Version(other)),
        }

        let echo = self.echo_left.min(rest.len());
        self.echo_left -= echo;
        if self.echo_left > 0 {
            return Ok(Progress::Pending);
        }
        Ok(Progress::Done {
            used: greeting.len() + echo,
        })
    }

    fn answer(&mut self) {
        self.greet();
        let packet = self.received.get(1..).unwrap_or_default();
        self.output.extend_from_slice(packet);
    }

    fn poll_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("received", &self.received.len())
            .field("echo_left", &self.echo_left)
            .finish_non_exhaustive()
    }
}
