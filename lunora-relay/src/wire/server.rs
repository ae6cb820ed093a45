//! An encoder publishes to us.

use bytes::Bytes;
use secrecy::SecretString;

use super::{SessionError, message::Message};

/// What an encoder did.
#[derive(Clone, Debug)]
pub enum ServerEvent {
    /// It connected; the session has answered already.
    ConnectRequested {
        /// The application with its query.
        app: SecretString,
        /// The URL it says it used.
        tc_url: SecretString,
        /// What it calls itself.
        flash_ver: String,
        /// The enhanced codecs it announces, as fourCC; empty if it said nothing.
        fourcc: Vec<String>,
    },
    /// It wants to publish; answer with [`ServerSession::accept_publish`] or
    /// [`ServerSession::reject_publish`]. Media sent meanwhile waits behind this event.
    PublishRequested {
        /// The application with its query.
        app: SecretString,
        /// The stream name with its query: the publish key.
        stream_name: SecretString,
    },
    /// Audio, video or data, `@setDataFrame` taken off.
    Media(Message),
    /// It ended the stream in good order.
    Unpublished,
}

/// A connection of an encoder, after the handshake.
pub struct ServerSession {
    _private: (),
}

impl std::fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSession").finish_non_exhaustive()
    }
}

impl Default for ServerSession {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerSession {
    /// A session that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { _private: () }
    }

    /// Takes bytes from the encoder.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), SessionError> {
        let _ = input;
        todo!()
    }

    /// The next bytes for the encoder.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        todo!()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        todo!()
    }

    /// Lets the encoder publish; does nothing if it did not ask.
    pub fn accept_publish(&mut self) {
        todo!()
    }

    /// Refuses, with a code such as `NetStream.Publish.BadName`, and drops what the encoder sent
    /// meanwhile; does nothing if it did not ask.
    pub fn reject_publish(&mut self, code: &str, description: &str) {
        let _ = (code, description);
        todo!()
    }
}
