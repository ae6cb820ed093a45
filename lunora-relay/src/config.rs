//! What a relay is started with, and why it may not start.

use std::{ffi::OsString, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

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
    /// Where encoders publish by SRT, if they may.
    pub srt: Option<SrtConfig>,
    /// What plays while no encoder publishes.
    pub idle: Idle,
    /// How one of several sources takes the place of another.
    pub failover: Failover,
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

/// Where SRT comes in, and the process that takes it in.
///
/// libsrt runs in a process of its own, which is started, watched, and started again when it
/// crashes, hangs or spins; nothing else notices. If libsrt is missing, all but SRT works.
#[derive(Clone, Debug)]
pub struct SrtConfig {
    /// The address to listen on, by UDP; port 0 takes any that is free. With an
    /// [`Ingest`], an encoder that gives its publish key as stream id is the encoder.
    pub listen: SocketAddr,
    /// What to run as the worker.
    pub worker: WorkerCommand,
    /// The file of libsrt, where it has none of the usual names.
    pub library: Option<PathBuf>,
}

/// A program that calls `lunora_srt::run_child`, with the arguments that make it do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// What plays while no encoder publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Nothing: outputs wait for a source.
    Nothing,
    /// The test stream in this crate, over and over.
    Demo,
}

/// How one of several sources takes the place of another (rule 28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// How long one of a better priority must have been good before it goes on air again.
    pub fail_back_after: Duration,
    /// How often in an hour that may be. A source that is lost is left in any case.
    pub fail_backs_per_hour: usize,
    /// How long outputs are held while nothing comes in, before their publish is ended.
    pub hold: Duration,
}

impl Default for Failover {
    /// After 10 s, six times an hour; outputs are held for 20 s.
    fn default() -> Self {
        Self {
            fail_back_after: Duration::from_secs(10),
            fail_backs_per_hour: 6,
            hold: Duration::from_secs(20),
        }
    }
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
