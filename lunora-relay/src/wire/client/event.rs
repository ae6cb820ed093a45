//! What a publishing session is told, and what it tells.

use secrecy::SecretString;

/// Where and as what to publish. Nothing in its `Debug` is secret.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The application with its query, which may hold a credential.
    pub app: SecretString,
    /// The URL up to and with the application, which may hold a credential.
    pub tc_url: SecretString,
    /// The stream name: on most platforms the stream key.
    pub stream_name: SecretString,
    /// What to call ourselves.
    pub flash_ver: String,
    /// The enhanced codecs the publisher announced, as fourCC; none for a plain `connect`.
    pub fourcc: Vec<String>,
}

/// What a refusal refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The application.
    Connect,
    /// The message stream.
    CreateStream,
    /// The stream name.
    Publish,
}

/// What happened on a connection to a server. Texts of the server are bounded and hold neither the
/// stream name nor the application's query.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// The server accepted the application.
    Connected {
        /// The enhanced codecs the server announced; empty if it said nothing.
        fourcc: Vec<String>,
    },
    /// The server accepted the stream: media may be written.
    Publishing {
        /// The message stream to write media on.
        stream_id: u32,
    },
    /// The server refused; it may close the connection or leave that to us.
    Rejected {
        /// What it refused.
        stage: Stage,
        /// Its code, such as `NetStream.Publish.BadName`; may be empty.
        code: String,
        /// Its words; may be empty.
        description: String,
    },
    /// The server complained after it had accepted the stream.
    StatusError {
        /// Its code.
        code: String,
        /// Its words; may be empty.
        description: String,
    },
    /// The server has received so many bytes (modulo 2^32).
    Acknowledged {
        /// The running total.
        bytes: u32,
    },
    /// The server asks us to connect again, elsewhere if it says where.
    ReconnectRequested {
        /// The URL to connect to, if not the same.
        tc_url: Option<SecretString>,
        /// Its words; may be empty.
        description: String,
    },
    /// The server said that it closes the connection.
    Closed,
}
