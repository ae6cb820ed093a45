//! A receiver: it takes whatever is published to it and tells what arrived.
//!
//! It is what a newcomer watches a push arrive with, and what tests push to: on
//! demand it is as unfriendly as platforms can be, see [`Behaviour`].

mod dump;
mod facts;
mod visit;
mod words;

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use lunora_core::{ExposeSecret, SecretString};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use socket2::SockRef;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

pub use facts::Facts;

use crate::{lock::lock, wire::message::Message};

/// What the kernel may hold for a sink that trickles.
const TRICKLE_BUFFER: usize = 8 << 10;
/// The bytes in one segment of it, as on most lines. On loopback there would be 64 K.
#[cfg(target_os = "linux")]
const TRICKLE_SEGMENT: u32 = 1_400;

/// What a sink is started with.
#[derive(Debug)]
pub struct SinkConfig {
    /// The address to listen on; port 0 takes any that is free.
    pub address: SocketAddr,
    /// For RTMPS, what the sink proves itself with.
    pub identity: Option<Identity>,
    /// What is kept of a publish.
    pub keep: Keep,
    /// Where each publish is written as an FLV file of its own.
    pub dump: Option<PathBuf>,
}

impl SinkConfig {
    /// In the clear, keeping facts alone.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            identity: None,
            keep: Keep::Facts,
            dump: None,
        }
    }
}

/// A certificate with its chain, and its private key.
pub struct Identity {
    /// The certificates, the sink's own first, as a PEM text.
    pub certificates: Vec<u8>,
    /// The private key, as a PEM text.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(hidden)")
    }
}

/// What is kept of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Counts and extremes.
    Facts,
    /// Also every message, which grows without end.
    Messages,
}

/// How a sink treats those who publish, from now on and until it is told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    Take,
    /// It lets them connect and says nothing.
    Silence,
    /// It refuses every publish with this code and these words.
    Reject {
        /// Such as `NetStream.Publish.BadName`.
        code: String,
        /// For people.
        description: String,
    },
    /// It accepts a publish and reads nothing of it.
    Stall,
    /// It closes the connection after so many frames.
    CloseAfter {
        /// Audio and video.
        frames: u64,
    },
    /// It answers the handshake with what is no RTMP.
    Babble,
    /// It closes the connection at this moment.
    HangUp {
        /// Which.
        at: Moment,
    },
    /// It hears all that is said, and answers nothing from this moment on.
    Mute {
        /// Which.
        at: Moment,
    },
    /// It refuses every application with this code and these words.
    Refuse {
        /// Such as `NetConnection.Connect.Rejected`.
        code: String,
        /// For people.
        description: String,
    },
    /// It accepts a publish and reads so much of it: what comes faster has to wait.
    Trickle {
        /// In ten pieces a second.
        bytes_per_second: u32,
    },
    /// It breaks the connection off after so many frames, as a machine does that is switched off
    /// and on again.
    ResetAfter {
        /// Audio and video.
        frames: u64,
    },
    /// It says this after so many frames, once, and goes on.
    SayAfter {
        /// Audio and video.
        frames: u64,
        /// What.
        words: Words,
    },
}

/// A moment in the visit of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has begun the handshake.
    Handshake,
    /// It has named the application.
    Connect,
    /// It has asked to publish.
    Publish,
}

/// What a sink says to one that publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// What is no RTMP.
    Garbage,
    /// That something is wrong.
    Complaint {
        /// Such as `NetStream.Publish.Denied`.
        code: String,
        /// For people.
        description: String,
    },
    /// That it is to connect again, to this URL.
    Elsewhere {
        /// The URL with its application.
        url: String,
    },
    /// That chunks are of another size from now on, again and again, and pings in such chunks.
    ChunkSizes,
}

/// Why a sink did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Nobody can listen there.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or the key is not in the PEM format.
    #[error("the certificate or its key is not in the PEM format")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// The certificate and the key do not work.
    #[error("the certificate or its key cannot be used")]
    Identity(#[from] rustls::Error),
}

/// A publish, as far as it has come.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Which of all that came to this sink, from 1 on.
    pub number: u64,
    /// What arrived.
    pub facts: Facts,
    /// Every audio, video and data message, if they are kept.
    pub messages: Vec<Message>,
    /// How it ended, if it did.
    pub end: Option<End>,
    stream_name: SecretString,
}

impl Publish {
    /// Whether it came with this stream key.
    #[must_use]
    pub fn is_for(&self, stream_key: &str) -> bool {
        self.stream_name.expose_secret() == stream_key
    }
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The publisher said so.
    Unpublished,
    /// The publisher closed the connection, or it broke.
    Closed,
    /// By the sink itself.
    Ours,
}

/// A running sink. It stops when it is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    behaviour: watch::Sender<Behaviour>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    publishes: Mutex<Vec<Publish>>,
    news: watch::Sender<u64>,
    /// Told when all who are there are to go.
    cut: watch::Sender<u64>,
    keep: Keep,
    dump: Option<PathBuf>,
}

impl Sink {
    /// Starts on the current runtime.
    pub async fn start(config: SinkConfig) -> Result<Self, SinkError> {
        let acceptor = config.identity.as_ref().map(acceptor).transpose()?;
        let failed = |source| SinkError::Listen {
            address: config.address,
            source,
        };
        let listener = TcpListener::bind(config.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let behaviour = watch::Sender::new(Behaviour::Take);
        let shared = Arc::new(Shared {
            publishes: Mutex::default(),
            news: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            keep: config.keep,
            dump: config.dump,
        });
        let task = serve(
            listener,
            acceptor,
            Arc::clone(&shared),
            behaviour.subscribe(),
        );
        Ok(Self {
            address,
            shared,
            behaviour,
            task: tokio::spawn(task),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves in this way from now on, also towards those who are there already.
    pub fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Closes every connection there is. Who comes from now on is not affected.
    pub fn disconnect(&self) {
        self.shared.cut.send_modify(|number| *number += 1);
    }

    /// Every publish so far, the oldest first.
    #[must_use]
    pub fn publishes(&self) -> Vec<Publish> {
        lock(&self.shared.publishes).clone()
    }

    /// Changes whenever something arrived. What it counts means nothing.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.news.subscribe()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn begin(&self, stream_name: SecretString) -> usize {
        let mut publishes = lock(&self.publishes);
        let number = publishes.len() as u64 + 1;
        let (facts, messages) = (Facts::default(), Vec::new());
        publishes.push(Publish {
            number,
            facts,
            messages,
            end: None,
            stream_name,
        });
        drop(publishes);
        self.tell();
        number as usize - 1
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Publish)) {
        if let Some(publish) = lock(&self.publishes).get_mut(index) {
            change(publish);
        }
        self.tell();
    }

    fn tell(&self) {
        self.news.send_modify(|number| *number += 1);
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    behaviour: watch::Receiver<Behaviour>,
) {
    // Dropped with this task, so that those who are there lose their connection with it.
    let mut visits = JoinSet::new();
    let mut told = behaviour.clone();
    told.mark_changed();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = visits.join_next() => continue,
            Ok(()) = told.changed() => {
                narrow(&listener, &told.borrow());
                continue;
            }
        };
        let Ok((socket, _)) = accepted else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (acceptor, shared, behaviour) =
            (acceptor.clone(), Arc::clone(&shared), behaviour.clone());
        // What is said in several pieces is not held back until the first is confirmed.
        let _ = socket.set_nodelay(true);
        if matches!(*behaviour.borrow(), Behaviour::ResetAfter { .. }) {
            // What is closed with no time to linger is reset.
            let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
        visits.spawn(async move {
            match acceptor {
                None => visit::receive(socket, shared, behaviour).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        visit::receive(stream, shared, behaviour).await;
                    }
                }
            }
        });
    }
}

/// Lets the kernel hold little for a sink that trickles, as for one at the end of a real line, so
/// that who pushes sees it. It is so for those who connect from now on.
fn narrow(listener: &TcpListener, behaviour: &Behaviour) {
    if matches!(behaviour, Behaviour::Trickle { .. }) {
        let options = SockRef::from(listener);
        // Without it, who pushes sees less of this. There is nobody to tell.
        let _ = options.set_recv_buffer_size(TRICKLE_BUFFER);
        #[cfg(target_os = "linux")]
        let _ = options.set_tcp_mss(TRICKLE_SEGMENT);
    }
}

fn acceptor(identity: &Identity) -> Result<TlsAcceptor, SinkError> {
    let certificates = CertificateDer::pem_slice_iter(&identity.certificates);
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
