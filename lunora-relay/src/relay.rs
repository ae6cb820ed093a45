//! The handle of a running relay.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use lunora_core::port::Clock;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    air::Air,
    channel::RelayChannel,
    config::{Idle, Ingest, RelayConfig, StartError},
    demo::Demo,
    engine::{self, Command, Parts},
    fanout::Hub,
    hls::{Hls, HlsState},
    ingest::Doorkeeper,
    ingests::RelayIngests,
    news::News,
    output::{Caller, Crowd, Names, Surroundings},
    probe::RelayProbe,
    program::{OnAir, Program, ProgramFacts},
    router::RelayRouter,
    srt::{Board, Srt, SrtParts},
    tls::Tls,
};

/// Commands that wait for the data plane; more make their senders wait.
const COMMANDS_MAX: usize = 64;
/// Within which [`Relay::shutdown`] returns.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);

/// A running relay. Dropping it stops it; [`shutdown`](Self::shutdown) also waits until it has.
#[derive(Debug)]
pub struct Relay {
    commands: mpsc::Sender<Command>,
    news: watch::Receiver<u64>,
    facts: watch::Receiver<ProgramFacts>,
    air: watch::Receiver<Air>,
    clock: Arc<dyn Clock>,
    input_rate: watch::Receiver<Option<u64>>,
    ended: Arc<OnceLock<Timestamp>>,
    hls: Option<Hls>,
    ingest: Option<SocketAddr>,
    srt: Option<Srt>,
    outputs_max: usize,
    probe: RelayProbe,
}

impl Relay {
    /// Starts on a thread and a runtime of its own; the caller needs none.
    ///
    /// That thread logs through `tracing`, so the subscriber must not block: one that waits for a
    /// full disk or a stopped terminal stops every output with it. Give it a non-blocking writer.
    pub fn start(config: RelayConfig) -> Result<Self, StartError> {
        Self::start_by(config, engine::start)
    }

    /// Starts on the current runtime, for tests in virtual time.
    #[cfg(test)]
    pub(crate) fn start_here(config: RelayConfig) -> Result<Self, StartError> {
        Self::start_by(config, |parts, inbox| {
            tokio::spawn(engine::run(parts, inbox));
            Ok(())
        })
    }

    fn start_by(
        config: RelayConfig,
        run: impl FnOnce(Parts, mpsc::Receiver<Command>) -> std::io::Result<()>,
    ) -> Result<Self, StartError> {
        let tls = Tls::new(config.certificates.as_deref())?;
        let demo = match config.idle {
            Idle::Demo => Some(Demo::load()?),
            Idle::Nothing => None,
        };
        let ingest = config.ingest.as_ref().map(listen).transpose()?;
        let address = ingest.as_ref().map(|(listener, _)| listener.local_addr());
        let address = address.transpose().map_err(StartError::System)?;

        let (clock, news) = (config.clock, News::new());
        let hub = Hub::new(
            demo.is_some(),
            config.failover,
            Arc::clone(&clock),
            news.clone(),
        );
        let hub = Arc::new(hub);
        let hls = config
            .hls
            .map(|hls| Hls::start(&hls, Arc::clone(&clock), news.clone()));
        let hls = hls
            .transpose()
            .map_err(StartError::System)?
            .map(|(hls, tap)| {
                hub.attach(tap);
                hls
            });
        // The data plane alone can send these, so they close when it ends.
        let (facts, air, changes) = (hub.facts(), hub.air(), news.subscribe());
        let (input_rate, input_rates) = watch::channel(None);
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let caller = Caller {
            policy: config.policy,
            resolver: config.resolver,
            tls,
            names: Names::default(),
        };
        let probe = RelayProbe::new(&caller, Arc::clone(&clock));
        let board = Arc::new(Board::new(Arc::clone(&clock), news.clone()));
        let publish_key = config.ingest.as_ref().map(|it| &it.publish_key);
        let srt = config.srt.map(|config| {
            let calling = (caller.policy, Arc::clone(&caller.resolver));
            let (hub, board, clock) = (Arc::clone(&hub), Arc::clone(&board), Arc::clone(&clock));
            SrtParts::new(config, publish_key, hub, board, calling, clock)
        });
        let srt_view = srt.is_some().then(|| Srt::new(board));
        let around = Surroundings {
            hub,
            caller,
            crowd: Crowd::new(),
        };
        let (outputs_max, ended) = (config.outputs_max, Arc::default());
        let parts = Parts {
            outputs_max,
            around,
            ingest,
            srt,
            demo,
            clock: Arc::clone(&clock),
            news,
            input_rate,
            ended: Arc::clone(&ended),
        };
        run(parts, inbox).map_err(StartError::System)?;
        Ok(Self {
            commands,
            news: changes,
            facts,
            air,
            clock,
            input_rate: input_rates,
            ended,
            hls,
            ingest: address,
            srt: srt_view,
            outputs_max,
            probe,
        })
    }

    /// The port through which outputs are added, changed and observed.
    #[must_use]
    pub fn router(&self) -> RelayRouter {
        RelayRouter::new(self.commands.clone(), self.outputs_max)
    }

    /// The port through which sources are taken in and pinned, and a probe that looks at them.
    #[must_use]
    pub fn ingests(&self) -> RelayIngests {
        RelayIngests::new(self.commands.clone(), Arc::clone(&self.clock))
    }

    /// The relay as a channel, whose inputs are the sources.
    #[must_use]
    pub fn channel(&self) -> RelayChannel {
        RelayChannel::new(self.commands.clone())
    }

    /// What is on air and what is pinned, and every switch as it happens.
    #[must_use]
    pub fn air(&self) -> watch::Receiver<Air> {
        self.air.clone()
    }

    /// The port through which destinations are tested, by who asks and not by the data plane.
    #[must_use]
    pub fn probe(&self) -> RelayProbe {
        self.probe.clone()
    }

    /// Changes whenever the state or a fault of any output does, or what is on air. What it counts means nothing.
    ///
    /// It closes when the relay has stopped. If nobody told it to stop, that was a bug of ours which
    /// only a new process mends.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        let mut changes = self.news.clone();
        changes.mark_unchanged();
        changes
    }

    /// What comes in now.
    #[must_use]
    pub fn program(&self) -> Program {
        match self.ended.get() {
            Some(since) => Program::new(ProgramFacts::new(OnAir::Nothing, *since), None),
            None => Program::new(*self.facts.borrow(), *self.input_rate.borrow()),
        }
    }

    /// How the HLS fares; `None` if the relay was started without.
    #[must_use]
    pub fn hls(&self) -> Option<HlsState> {
        self.hls.as_ref().map(Hls::state)
    }

    /// Where encoders publish.
    #[must_use]
    pub const fn ingest_address(&self) -> Option<SocketAddr> {
        self.ingest
    }

    /// How SRT fares, if the relay was told to take it in.
    #[must_use]
    pub const fn srt(&self) -> Option<&Srt> {
        self.srt.as_ref()
    }

    /// Ends every publish in good order and stops, within two seconds. Needs a Tokio runtime with
    /// a timer: it returns in time whatever the data plane does.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        let stopping = async {
            // An error in either means that it has stopped already.
            if self.commands.send(Command::Shutdown(reply)).await.is_ok() {
                let _ = done.await;
            }
            // Behind all that has come in: the last segment is whole.
            if let Some(hls) = &self.hls {
                hls.stop().await;
            }
        };
        if timeout(SHUTDOWN_MAX, stopping).await.is_err() {
            tracing::error!("the relay did not stop in time");
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let (reply, _) = oneshot::channel();
        // With the inbox full, it stops when the last router is dropped.
        let _ = self.commands.try_send(Command::Shutdown(reply));
    }
}

fn listen(ingest: &Ingest) -> Result<(std::net::TcpListener, Arc<Doorkeeper>), StartError> {
    let address = ingest.address;
    let failed = |source| StartError::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let doorkeeper = Doorkeeper::new(&ingest.publish_key).map_err(StartError::System)?;
    Ok((listener, Arc::new(doorkeeper)))
}
