//! Keeps a worker running, and tells it what is wanted.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use lunora_core::domain::{Fault, FaultClass, FaultCode, Host};
use lunora_srt::protocol::{End, FromWorker, Open, Refusal, ToWorker, Way};
use tokio::{
    sync::watch,
    task::{JoinSet, yield_now},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Board, SrtLink, SrtService, SrtSource, SrtWay,
    live::Live,
    worker::{Trouble, Worker},
};
use crate::{
    air::Origin,
    config::SrtConfig,
    dial::{DialPolicy, Resolver},
    fanout::Hub,
    output::{Backoff, Pace, random},
};

/// How often libsrt is looked for again where it was missing.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Before a worker that failed is started again, at first and at last.
const RESTART: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(10)];
/// A worker that ran for this long was well.
const WELL_AFTER: Duration = Duration::from_secs(30);
/// Within which a name is looked up.
const RESOLVE_MAX: Duration = Duration::from_secs(5);

/// What it takes to take SRT in.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    pub(crate) config: SrtConfig,
    pub(crate) hub: Arc<Hub>,
    pub(crate) board: Arc<Board>,
    pub(crate) policy: DialPolicy,
    pub(crate) resolver: Arc<dyn Resolver>,
}

/// Takes in what is wanted, for ever.
pub(crate) async fn run(supervisor: Supervisor, wishes: watch::Receiver<Vec<Arc<SrtSource>>>) {
    let [first, longest] = RESTART;
    let mut pause = first;
    loop {
        let begun = Instant::now();
        let trouble = supervisor.run_once(wishes.clone()).await;
        let board = &supervisor.board;
        if WELL_AFTER < begun.elapsed() {
            pause = first;
        }
        if let Trouble::Missing = trouble {
            board.service(SrtService::Missing);
            let text = SrtService::Missing.to_string();
            let (code, class) = (FaultCode::Provider, FaultClass::Actionable);
            let fault = Fault::new(code, class, text, board.clock());
            let wanted = wishes.borrow().clone();
            for source in wanted {
                supervisor.fault(&source.origin, fault.clone());
            }
            sleep(LOOK_AGAIN).await;
            continue;
        }
        warn!("the SRT worker is started again: {trouble}");
        board.service(SrtService::Broken);
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

impl Supervisor {
    /// Shows what is wrong with a source, here and among the others.
    fn fault(&self, origin: &Origin, fault: Fault) {
        if let Origin::Source(id) = origin {
            self.hub.fail(id, fault.clone());
        }
        self.board.fault(origin, fault);
    }

    /// One run of a worker, until something is wrong with it.
    async fn run_once(&self, mut wishes: watch::Receiver<Vec<Arc<SrtSource>>>) -> Trouble {
        self.board.keep(&wishes.borrow_and_update());
        let worker = match Worker::start(&self.config).await {
            Ok(worker) => worker,
            Err(trouble) => return trouble,
        };
        let mut session = Session {
            around: self,
            worker,
            sources: BTreeMap::new(),
            numbers: 0,
            listens: None,
            libsrt: None,
            look_ups: JoinSet::new(),
        };
        let Err(trouble) = session.run(wishes).await;
        session.part();
        trouble
    }
}

/// A source as one worker knows it.
struct Known {
    source: Arc<SrtSource>,
    /// Its number there; nothing while it is to be called later.
    number: Option<u32>,
    live: Option<Live>,
    call: Call,
}

/// When and how often a source is called.
#[derive(Default)]
struct Call {
    due: Option<Instant>,
    looks_up: bool,
    backoff: Backoff,
}

/// What one worker was told and has said.
struct Session<'a> {
    around: &'a Supervisor,
    worker: Worker,
    sources: BTreeMap<Origin, Known>,
    numbers: u32,
    listens: Option<SocketAddr>,
    libsrt: Option<[u8; 3]>,
    look_ups: JoinSet<(Origin, Result<SocketAddr, NoAddress>)>,
}

/// Why a source is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    Unresolved,
    Denied,
}

impl NoAddress {
    pub(super) fn fault(self, at: Timestamp) -> Fault {
        let (code, class, text) = match self {
            Self::Unresolved => (
                FaultCode::Dns,
                FaultClass::Transient,
                "the name of its host has no address",
            ),
            Self::Denied => (
                FaultCode::Invalid,
                FaultClass::Actionable,
                "the address of its host may not be called from here",
            ),
        };
        Fault::new(code, class, text, at)
    }
}

enum Never {}

impl Session<'_> {
    async fn run(
        &mut self,
        mut wishes: watch::Receiver<Vec<Arc<SrtSource>>>,
    ) -> Result<Never, Trouble> {
        let listen = ToWorker::Listen(self.around.config.listen);
        self.worker.tell(&listen).await?;
        let wanted = wishes.borrow_and_update().clone();
        self.obey(&wanted).await?;
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_wanted = true;
        loop {
            let live = self.sources.values().filter_map(|it| it.live.as_ref());
            let patience = live.filter_map(Live::patience).min();
            tokio::select! {
                biased;
                changed = wishes.changed(), if is_wanted => {
                    // Nobody can wish any more: what is wanted stays so until all ends.
                    is_wanted = changed.is_ok();
                    let wanted = wishes.borrow_and_update().clone();
                    self.obey(&wanted).await?;
                }
                _ = second.tick() => {
                    self.worker.look_after().await?;
                    self.look_after();
                }
                Some(found) = self.look_ups.join_next() => {
                    if let Ok((origin, found)) = found {
                        self.call(&origin, found).await?;
                    }
                }
                said = self.worker.listen() => {
                    said?;
                    while let Some(said) = self.worker.hear()? {
                        self.hear(said);
                    }
                    // However much there is to hear, outputs and encoders have their turn.
                    yield_now().await;
                }
                () = sleep(patience.unwrap_or_default()), if patience.is_some() => {
                    let live = self.sources.values().filter_map(|it| it.live.as_ref());
                    live.for_each(Live::flush);
                }
            }
        }
    }

    /// Makes the worker take in exactly these.
    async fn obey(&mut self, wanted: &[Arc<SrtSource>]) -> Result<(), Trouble> {
        self.around.board.keep(wanted);
        let is_as_before = |known: &Known| {
            let same = wanted.iter().find(|it| it.origin == known.source.origin);
            same.is_some_and(|it| it.comes_as(&known.source))
        };
        let gone = self.sources.iter().filter(|(_, it)| !is_as_before(it));
        let gone: Vec<Origin> = gone.map(|(origin, _)| origin.clone()).collect();
        for origin in gone {
            let Some(known) = self.sources.remove(&origin) else {
                continue;
            };
            if let Some(source) = known.number {
                self.worker.tell(&ToWorker::Close { source }).await?;
            }
            if let Some(live) = known.live {
                live.finish();
            }
            self.around.board.link(&origin, SrtLink::Waiting);
        }
        for source in wanted {
            if let Some(known) = self.sources.get_mut(&source.origin) {
                known.source = Arc::clone(source);
                if let Some(live) = &mut known.live {
                    live.retell(source);
                }
                continue;
            }
            let mut known = Known {
                source: Arc::clone(source),
                number: None,
                live: None,
                call: Call::default(),
            };
            match &source.way {
                SrtWay::Listen { stream_id } => {
                    let stream_id = stream_id.clone();
                    let number = self.open(source, Way::Listen { stream_id }).await?;
                    known.number = Some(number);
                }
                SrtWay::Call { .. } => known.call.due = Some(Instant::now()),
            }
            self.sources.insert(source.origin.clone(), known);
        }
        self.look_after();
        Ok(())
    }

    async fn open(&mut self, source: &SrtSource, way: Way) -> Result<u32, Trouble> {
        self.numbers += 1;
        let open = Open {
            source: self.numbers,
            way,
            passphrase: source.passphrase.clone(),
            key_length: source.key_length,
            latency_ms: source.latency_ms,
        };
        self.worker.tell(&ToWorker::Open(open)).await?;
        Ok(self.numbers)
    }

    /// Shows how all fare, and begins the calls that are due.
    fn look_after(&mut self) {
        let now = Instant::now();
        for known in self.sources.values_mut() {
            if let Some(live) = &mut known.live {
                live.show();
            }
            let SrtWay::Call { host, port, .. } = &known.source.way else {
                continue;
            };
            if known.call.looks_up || known.call.due.is_none_or(|due| now < due) {
                continue;
            }
            known.call.looks_up = true;
            let (origin, host, port) = (known.source.origin.clone(), host.clone(), *port);
            let (policy, resolver) = (self.around.policy, Arc::clone(&self.around.resolver));
            self.look_ups.spawn(async move {
                let found = look_up(&host, port, policy, &*resolver).await;
                (origin, found)
            });
        }
    }

    /// Calls a source whose address is known, or says why not (rule 25).
    async fn call(
        &mut self,
        origin: &Origin,
        found: Result<SocketAddr, NoAddress>,
    ) -> Result<(), Trouble> {
        let Some(known) = self.sources.get_mut(origin) else {
            return Ok(());
        };
        // The look-up of one that was changed meanwhile: it has one of its own.
        if !std::mem::take(&mut known.call.looks_up) {
            return Ok(());
        }
        known.call.due = None;
        let source = Arc::clone(&known.source);
        let SrtWay::Call { stream_id, .. } = &source.way else {
            return Ok(());
        };
        let address = match found {
            Ok(address) => address,
            Err(why) => {
                self.around
                    .fault(origin, why.fault(self.around.board.clock()));
                self.again(origin, Pace::Normal);
                return Ok(());
            }
        };
        self.around.board.link(origin, SrtLink::Calling);
        let board = &self.around.board;
        board.update(origin, |it| it.attempts = it.attempts.saturating_add(1));
        let stream_id = stream_id.clone();
        let number = self.open(&source, Way::Call { address, stream_id }).await?;
        if let Some(known) = self.sources.get_mut(origin) {
            known.number = Some(number);
        }
        Ok(())
    }

    /// Calls it again in a while.
    fn again(&mut self, origin: &Origin, pace: Pace) {
        if let Some(known) = self.sources.get_mut(origin)
            && let SrtWay::Call { .. } = known.source.way
        {
            let wait = known.call.backoff.next(pace, random());
            known.call.due = wait.map(|wait| Instant::now() + wait);
        }
    }

    fn by_number(&mut self, number: u32) -> Option<&mut Known> {
        let mut sources = self.sources.values_mut();
        sources.find(|known| known.number == Some(number))
    }

    fn hear(&mut self, said: FromWorker) {
        match said {
            // Until it is known whether callers are waited for, it still starts.
            FromWorker::Hello { libsrt, .. } => self.libsrt = Some(libsrt),
            FromWorker::Listening(address) => {
                self.listens = Some(address);
                self.show();
            }
            FromWorker::NoListener => {
                warn!("no SRT caller can be let in: the port is taken");
                self.listens = None;
                self.show();
            }
            FromWorker::Connected { source, peer } => self.connected(source, peer),
            FromWorker::Media { source, bytes } => {
                if let Some(live) = self.by_number(source).and_then(|it| it.live.as_mut()) {
                    live.take(&bytes);
                }
            }
            FromWorker::Gap { source } => {
                if let Some(live) = self.by_number(source).and_then(|it| it.live.as_mut()) {
                    live.interrupt();
                }
            }
            FromWorker::Ended { source, why } => self.ended(source, why),
            FromWorker::Refused { source, why, count } => self.refused(source, why, count),
            FromWorker::Stats { source, stats } => {
                if let Some(origin) = self.by_number(source).map(|it| it.source.origin.clone()) {
                    self.around.board.update(&origin, |it| it.stats = stats);
                }
            }
            FromWorker::Pong { .. } | FromWorker::Missing => {}
        }
    }

    fn show(&self) {
        if let Some(libsrt) = self.libsrt {
            let listens = self.listens;
            let running = SrtService::Running { listens, libsrt };
            self.around.board.service(running);
        }
    }

    fn connected(&mut self, number: u32, peer: SocketAddr) {
        let (hub, board) = (Arc::clone(&self.around.hub), Arc::clone(&self.around.board));
        let Some(known) = self.by_number(number) else {
            return;
        };
        let source = Arc::clone(&known.source);
        let origin = source.origin.clone();
        info!(%origin, %peer, "connected by SRT");
        known.call.backoff.reset();
        let listens = matches!(source.way, SrtWay::Listen { .. });
        if let Some(before) = known.live.take() {
            before.finish();
        }
        known.live = Some(Live::new(source, hub, Arc::clone(&board)));
        board.link(&origin, SrtLink::Connected);
        if listens {
            board.update(&origin, |it| it.attempts = it.attempts.saturating_add(1));
        }
    }

    fn ended(&mut self, number: u32, why: End) {
        let Some(known) = self.by_number(number) else {
            return;
        };
        let origin = known.source.origin.clone();
        if let Some(live) = known.live.take() {
            live.finish();
        }
        let calls = matches!(known.source.way, SrtWay::Call { .. });
        if calls {
            known.number = None;
        }
        self.around.board.link(&origin, SrtLink::Waiting);
        info!(%origin, ?why, "not connected by SRT any more");
        use {FaultClass as Class, FaultCode as Code};
        let fault = match why {
            End::Ours => return,
            End::Lost => (
                Code::RemoteClosed,
                Class::Transient,
                "it left, or its network broke",
            ),
            End::NoAnswer => (Code::Timeout, Class::Transient, "nobody answers there"),
            End::Passphrase => (
                Code::AuthRejected,
                Class::Actionable,
                "it refuses the passphrase, or the lack of one",
            ),
            // Those of SRT's access control that speak of who calls.
            End::Rejected(1_401 | 1_403 | 1_404) => (
                Code::AuthRejected,
                Class::Actionable,
                "it refuses the stream id",
            ),
            End::Rejected(1_409) => (
                Code::NameInUse,
                Class::Transient,
                "it says that the stream is in use",
            ),
            End::Rejected(_) => (Code::Refused, Class::Transient, "it refuses the connection"),
            End::Failed => (Code::Internal, Class::Transient, "libsrt failed"),
        };
        let (code, class, text) = fault;
        let fault = Fault::new(code, class, text, self.around.board.clock());
        self.around.fault(&origin, fault);
        let pace = match class {
            Class::Transient => Pace::Normal,
            Class::Actionable | Class::Terminal => Pace::Slow,
        };
        self.again(&origin, pace);
    }

    fn refused(&mut self, number: Option<u32>, why: Refusal, count: u32) {
        let Some(known) = number.and_then(|number| self.by_number(number)) else {
            debug!(count, "refused SRT callers with an unknown stream id");
            return;
        };
        let (origin, is_live) = (known.source.origin.clone(), known.live.is_some());
        debug!(%origin, count, ?why, "refused an SRT caller");
        let board = &self.around.board;
        board.update(&origin, |it| {
            it.attempts = it.attempts.saturating_add(count);
        });
        // Whoever is connected is not at fault for what others try.
        if is_live {
            return;
        }
        let text = match why {
            Refusal::Passphrase => {
                "a caller was refused in the handshake: its passphrase is not that of the \
                 source, or only one of the two has one"
            }
            Refusal::Receiver => "a caller was refused: it wanted to receive, not to send",
            Refusal::Busy | Refusal::UnknownStream => return,
        };
        let (code, class) = (FaultCode::AuthRejected, FaultClass::Actionable);
        let fault = Fault::new(code, class, text, board.clock());
        self.around.fault(&origin, fault);
    }

    /// The worker is no more, and with it all its connections.
    fn part(&mut self) {
        for (origin, known) in std::mem::take(&mut self.sources) {
            if let Some(live) = known.live {
                live.finish();
            }
            self.around.board.link(&origin, SrtLink::Waiting);
        }
    }
}

pub(super) async fn look_up(
    host: &Host,
    port: u16,
    policy: DialPolicy,
    resolver: &dyn Resolver,
) -> Result<SocketAddr, NoAddress> {
    let addresses = match host {
        Host::Address(address) => vec![SocketAddr::new(*address, port)],
        Host::Name(name) => {
            let resolved = timeout(RESOLVE_MAX, resolver.resolve(name, port)).await;
            let resolved = resolved.map_err(|_| NoAddress::Unresolved)?;
            resolved.map_err(|_| NoAddress::Unresolved)?
        }
    };
    if addresses.is_empty() {
        return Err(NoAddress::Unresolved);
    }
    let allowed = addresses.into_iter().find(|it| policy.allows(it.ip()));
    allowed.ok_or(NoAddress::Denied)
}
