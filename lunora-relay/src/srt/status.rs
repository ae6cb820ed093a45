//! How SRT fares, for whoever asks.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use lunora_core::{domain::Fault, port::Clock};
use lunora_srt::protocol::Stats;
use tokio::sync::watch;

use super::SrtSource;
use crate::{
    air::Origin,
    lock::lock,
    news::News,
    wire::ts::{Counters, StreamKind},
};

/// Whether SRT can come in at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SrtService {
    /// The worker starts, for the first time or again.
    Starting,
    /// It runs.
    Running {
        /// Where callers are waited for; nothing if the port is taken.
        listens: Option<SocketAddr>,
        /// The version of libsrt.
        libsrt: [u8; 3],
    },
    /// libsrt is not on this machine, or is too old. It is looked for again every half minute.
    Missing,
    /// The worker cannot be run, or died, hung or kept a core busy. It is started again soon.
    Broken,
}

impl fmt::Display for SrtService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("the SRT worker starts"),
            Self::Running {
                listens: Some(address),
                libsrt: [major, minor, patch],
            } => write!(
                f,
                "SRT comes in at {address}, by libsrt {major}.{minor}.{patch}"
            ),
            Self::Running { listens: None, .. } => {
                f.write_str("SRT calls out, but cannot be called: the port is taken")
            }
            Self::Missing => f.write_str(
                "libsrt is missing, so nothing comes in by SRT; on Debian and Ubuntu install it \
                 with `apt-get install libsrt1.5-openssl`, and it is found within half a minute",
            ),
            Self::Broken => f.write_str("the SRT worker failed, and is started again"),
        }
    }
}

/// Whether a source is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtLink {
    /// Nobody called yet, or it is called again in a while.
    Waiting,
    /// It is being called.
    Calling,
    /// It is connected.
    Connected,
}

/// How a source fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtStatus {
    /// Whether it is connected.
    pub link: SrtLink,
    /// Since when that is so.
    pub since: Timestamp,
    /// Connections that were tried or made since media last came in.
    pub attempts: u32,
    /// What is wrong now.
    pub fault: Option<Fault>,
    /// Bytes that came in since it was added.
    pub bytes: u64,
    /// What libsrt tells of this connection, or of the last one.
    pub stats: Stats,
    /// What happened to the stream of this connection, or of the last one.
    pub stream: Counters,
    /// What is in the stream and is not taken.
    pub ignored: Vec<StreamKind>,
}

impl SrtStatus {
    fn new(now: Timestamp) -> Self {
        Self {
            link: SrtLink::Waiting,
            since: now,
            attempts: 0,
            fault: None,
            bytes: 0,
            stats: Stats::default(),
            stream: Counters::default(),
            ignored: Vec::new(),
        }
    }
}

/// The view of SRT in a relay. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Srt {
    board: Arc<Board>,
}

impl Srt {
    pub(crate) const fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// Whether SRT can come in, and every change of that.
    #[must_use]
    pub fn service(&self) -> watch::Receiver<SrtService> {
        self.board.service.subscribe()
    }

    /// How a source fares, if it comes by SRT.
    #[must_use]
    pub fn status(&self, origin: &Origin) -> Option<SrtStatus> {
        lock(&self.board.sources).get(origin).cloned()
    }
}

/// Where the supervisor writes how things are.
#[derive(Debug)]
pub(crate) struct Board {
    pub(super) service: watch::Sender<SrtService>,
    sources: Mutex<BTreeMap<Origin, SrtStatus>>,
    clock: Arc<dyn Clock>,
    news: News,
}

/// What is wanted, as it changes.
pub(crate) type Wishes = watch::Sender<Vec<Arc<SrtSource>>>;

impl Board {
    pub(crate) fn new(clock: Arc<dyn Clock>, news: News) -> Self {
        Self {
            service: watch::Sender::new(SrtService::Starting),
            sources: Mutex::default(),
            clock,
            news,
        }
    }

    pub(super) fn now(&self) -> SrtService {
        *self.service.borrow()
    }

    /// What time it is for people.
    pub(super) fn clock(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn service(&self, service: SrtService) {
        let is_news = |now: &mut SrtService| std::mem::replace(now, service) != service;
        if self.service.send_if_modified(is_news) {
            match service {
                SrtService::Missing | SrtService::Broken => tracing::warn!("{service}"),
                _ => tracing::info!("{service}"),
            }
            self.news.tell();
        }
    }

    /// Shows these and no others.
    pub(super) fn keep(&self, wanted: &[Arc<SrtSource>]) {
        let mut sources = lock(&self.sources);
        sources.retain(|origin, _| wanted.iter().any(|it| it.origin == *origin));
        for source in wanted {
            let origin = source.origin.clone();
            sources
                .entry(origin)
                .or_insert_with(|| SrtStatus::new(self.clock.now()));
        }
    }

    /// Changes what is shown of one, silently.
    pub(super) fn update(&self, origin: &Origin, change: impl FnOnce(&mut SrtStatus)) {
        if let Some(status) = lock(&self.sources).get_mut(origin) {
            change(status);
        }
    }

    /// It is connected, or not any more.
    pub(super) fn link(&self, origin: &Origin, link: SrtLink) {
        self.update(origin, |status| {
            if std::mem::replace(&mut status.link, link) != link {
                status.since = self.clock.now();
            }
            if link == SrtLink::Connected {
                status.fault = None;
            }
        });
        self.news.tell();
    }

    /// Something is wrong with it.
    pub(super) fn fault(&self, origin: &Origin, mut fault: Fault) {
        self.update(origin, |status| {
            if let Some(before) = status.fault.as_ref().filter(|it| it.is_like(&fault)) {
                fault.count = before.count.saturating_add(1);
            }
            status.fault = Some(fault);
        });
        self.news.tell();
    }
}
