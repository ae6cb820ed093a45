//! What a relay is started with, and why it may not start.

use std::{io, net::SocketAddr, sync::Arc};

use lunora_core::{SecretString, port::Clock};

use crate::{
    dial::{DialPolicy, Resolver},
    hls::HlsConfig,
    tls::CertificatesError,
    wire::flv::FlvError,
};

/// What a relay is started with.
#[derive(Debug)]
pub struct RelayConfig {
    /// Where encoders publish; port 0 takes any that is free.
    pub ingest: Option<Ingest>,
    /// What plays while no encoder publishes.
    pub idle: Idle,
    /// What viewers get; `None` for nothing.
    pub hls: Option<HlsConfig>,
    /// The most outputs, on or off: each that is on takes a connection, hence a file descriptor.
    pub outputs_max: usize,
    /// Who may be called.
    pub policy: DialPolicy,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolver>,
    /// Authorities to trust besides the public ones, as a PEM text.
    pub certificates: Option<Vec<u8>>,
    /// Tells what time it is for people; waits go by the runtime's own time.
    pub clock: Arc<dyn Clock>,
}

/// Where and how encoders publish.
#[derive(Debug)]
pub struct Ingest {
    /// The address to listen on.
    pub address: SocketAddr,
    /// What an encoder must know: it publishes to `rtmp://address/live/<key>`.
    pub publish_key: SecretString,
}

/// What plays while no encoder publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Nothing: outputs wait for a source.
    Nothing,
    /// The test stream in this crate, over and over.
    Demo,
}

/// Why a relay did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody can listen there, maybe because somebody does already.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The extra certificates are of no use.
    #[error("cannot use the extra certificates")]
    Certificates(#[from] CertificatesError),
    /// The test stream in this crate is damaged.
    #[error("cannot read the test stream")]
    Demo(#[from] FlvError),
    /// No thread, no timer or no randomness.
    #[error("the operating system refuses what the relay needs")]
    System(#[source] io::Error),
}
