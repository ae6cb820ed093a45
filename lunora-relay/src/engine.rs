//! The data plane: a thread and a runtime of its own.
//!
//! Nothing that an API or a store does can delay a frame, because nothing but this thread ever
//! takes a lock or a turn that a frame waits for. Others send it a [`Command`] and wait.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use lunora_core::{
    domain::{
        IngestSpec, MediaFacts, ObservedIngest, ObservedOutput, OutputId, OutputSpec, OutputState,
        SourceId, Switch,
    },
    port::{Clock, PortError},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{Instrument, error, info, info_span};

use crate::{
    air::Origin,
    alone::over_and_over,
    channel::Described,
    demo::Demo,
    ingest::{self, Doorkeeper},
    news::News,
    output::{Health, Surroundings, Wish, keep},
    sources::{Intake, Prober, Sources},
    srt::{self, SrtParts},
};

/// Within which the last goodbye is said.
const SHUTDOWN_MAX: Duration = Duration::from_millis(1_700);

/// What the data plane is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Apply(Vec<OutputSpec>, oneshot::Sender<Vec<Result<(), NoRoom>>>),
    Detach(Vec<OutputId>, oneshot::Sender<()>),
    Retry(Vec<OutputId>, oneshot::Sender<()>),
    Observe(oneshot::Sender<Vec<ObservedOutput>>),
    Sources(SourceCommand),
    Channel(ChannelCommand),
    Shutdown(oneshot::Sender<()>),
}

/// What it is asked to do with what comes in.
#[derive(Debug)]
pub(crate) enum SourceCommand {
    Apply(Vec<IngestSpec>, oneshot::Sender<Vec<Result<(), PortError>>>),
    Observe(oneshot::Sender<Vec<ObservedIngest>>),
    /// Answers whether the source is known.
    Pin(Option<SourceId>, oneshot::Sender<bool>),
    Pinned(oneshot::Sender<Option<Origin>>),
    /// Answers what is on air, and what was measured of it.
    OnAir(oneshot::Sender<Option<(Origin, MediaFacts)>>),
    Prober(IngestSpec, oneshot::Sender<Result<Prober, PortError>>),
}

/// What it is asked to do as a whole.
#[derive(Debug)]
pub(crate) enum ChannelCommand {
    Describe(oneshot::Sender<Described>),
    /// Whether what comes in is to go out.
    Run(bool, oneshot::Sender<()>),
    /// Answers whether there is such a one.
    Pin(Origin, oneshot::Sender<bool>),
}

/// There are as many outputs as there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many outputs are there as there may be")]
pub(crate) struct NoRoom;

/// Everything that the data plane starts with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) around: Surroundings,
    pub(crate) ingest: Option<(std::net::TcpListener, Arc<Doorkeeper>)>,
    /// Who brings sources in by SRT.
    pub(crate) srt: Option<SrtParts>,
    pub(crate) demo: Option<Demo>,
    pub(crate) outputs_max: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) news: News,
    pub(crate) input_rate: watch::Sender<Option<u64>>,
    /// When the data plane ended, in good order or by a panic, once it has.
    pub(crate) ended: Arc<OnceLock<Timestamp>>,
}

/// Starts the thread. It ends after a [`Command::Shutdown`], or when no sender is left.
pub(crate) fn start(parts: Parts, commands: mpsc::Receiver<Command>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new().name("lunora-relay".into());
    thread.spawn(move || {
        runtime.block_on(Engine::new(parts).run(commands));
        // A look-up of a name cannot be stopped, and is not worth waiting for.
        runtime.shutdown_background();
    })?;
    Ok(())
}

/// The same on the current runtime, for tests in virtual time.
#[cfg(test)]
pub(crate) async fn run(parts: Parts, commands: mpsc::Receiver<Command>) {
    Engine::new(parts).run(commands).await;
}

struct Engine {
    // Before the rest: whoever learns that no news will come sees why.
    _end: End,
    parts: Parts,
    outputs: BTreeMap<OutputId, Running>,
    /// Detached, with a publish that has not ended yet.
    leaving: BTreeMap<OutputId, Ended>,
    sources: Sources,
    feeders: JoinSet<()>,
    bytes_in: u64,
}

/// Closed once the task of an output has ended.
type Ended = watch::Receiver<()>;

struct Running {
    wish: watch::Sender<Wish>,
    health: Arc<Health>,
    ended: Ended,
}

impl Running {
    fn wants(&self, spec: &OutputSpec) -> bool {
        let wish = self.wish.borrow();
        wish.spec
            .as_ref()
            .is_some_and(|now| (now.fingerprint, now.switch) == (spec.fingerprint, spec.switch))
    }

    fn detach(&self) {
        self.wish.send_modify(|wish| wish.spec = None);
    }
}

/// Tells that the data plane has ended, whichever way it did.
struct End {
    ended: Arc<OnceLock<Timestamp>>,
    clock: Arc<dyn Clock>,
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("the data plane ended by a panic: nothing is pushed any more");
        }
        let _ = self.ended.set(self.clock.now());
    }
}

impl Engine {
    fn new(parts: Parts) -> Self {
        let _end = End {
            ended: Arc::clone(&parts.ended),
            clock: Arc::clone(&parts.clock),
        };
        let doorkeeper = parts.ingest.as_ref();
        let doorkeeper = doorkeeper.map(|(_, doorkeeper)| Arc::clone(doorkeeper));
        let hub = Arc::clone(&parts.around.hub);
        let intake = parts.srt.as_ref();
        let intake = intake.map(|srt| Arc::clone(&srt.intake) as Arc<dyn Intake>);
        let sources = Sources::new(hub, doorkeeper, intake);
        let (outputs, leaving) = (BTreeMap::new(), BTreeMap::new());
        Self {
            _end,
            parts,
            outputs,
            leaving,
            sources,
            feeders: JoinSet::new(),
            bytes_in: 0,
        }
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.start_feeders();
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                _ = second.tick() => {
                    self.meter();
                    continue;
                }
            };
            // Whoever asked may have given up meanwhile; then nobody hears the answer.
            match command {
                Some(Command::Apply(specs, reply)) => {
                    let _ = reply.send(specs.into_iter().map(|spec| self.apply(spec)).collect());
                }
                Some(Command::Detach(ids, reply)) => self.detach(&ids, reply),
                Some(Command::Retry(ids, reply)) => {
                    self.retry(&ids);
                    let _ = reply.send(());
                }
                Some(Command::Observe(reply)) => {
                    let _ = reply.send(self.observe());
                }
                Some(Command::Sources(command)) => self.ask_sources(command),
                Some(Command::Channel(command)) => self.ask_channel(command),
                Some(Command::Shutdown(reply)) => {
                    self.shut_down().await;
                    let _ = reply.send(());
                    return;
                }
                None => return self.shut_down().await,
            }
        }
    }

    fn ask_sources(&mut self, command: SourceCommand) {
        let hub = &self.parts.around.hub;
        match command {
            SourceCommand::Apply(specs, reply) => {
                let _ = reply.send(self.sources.apply(&specs));
            }
            SourceCommand::Observe(reply) => {
                let _ = reply.send(hub.observe());
            }
            SourceCommand::Pin(source, reply) => {
                let is_known = source.as_ref().is_none_or(|id| hub.knows(id));
                if is_known {
                    hub.pin(source.map(Origin::Source));
                }
                let _ = reply.send(is_known);
            }
            SourceCommand::Pinned(reply) => {
                let _ = reply.send(hub.pinned());
            }
            SourceCommand::OnAir(reply) => {
                let _ = reply.send(hub.measured());
            }
            SourceCommand::Prober(spec, reply) => {
                let _ = reply.send(self.sources.prober(&spec));
            }
        }
    }

    fn ask_channel(&self, command: ChannelCommand) {
        let hub = &self.parts.around.hub;
        match command {
            ChannelCommand::Describe(reply) => {
                let air = hub.air().borrow().clone();
                let _ = reply.send(Described {
                    runs: hub.is_open(),
                    has_encoder: self.sources.has_encoder(),
                    sources: self.sources.in_order(),
                    on_air: air.on_air,
                    pinned: air.pinned,
                    outputs: self.outputs.len(),
                });
            }
            ChannelCommand::Run(runs, reply) => {
                hub.open(runs);
                let _ = reply.send(());
            }
            ChannelCommand::Pin(origin, reply) => {
                let is_known = match &origin {
                    Origin::Source(id) => hub.knows(id),
                    Origin::Encoder => self.sources.has_encoder(),
                    Origin::Demo => false,
                };
                if is_known {
                    hub.pin(Some(origin));
                }
                let _ = reply.send(is_known);
            }
        }
    }

    fn start_feeders(&mut self) {
        let hub = &self.parts.around.hub;
        let watched = Arc::clone(hub);
        let watch = move || Arc::clone(&watched).watch();
        self.feeders.spawn(over_and_over("the director", watch));
        if let Some(demo) = self.parts.demo.take() {
            let hub = Arc::clone(hub);
            let play = move || {
                let playing = demo.clone().run(Arc::clone(&hub));
                playing.instrument(info_span!("demo"))
            };
            self.feeders.spawn(over_and_over("the test stream", play));
        }
        if let Some(SrtParts { supervisor, intake }) = &self.parts.srt {
            let (supervisor, wishes) = (supervisor.clone(), intake.wishes());
            let supervise = move || srt::run(supervisor.clone(), wishes.clone());
            self.feeders
                .spawn(over_and_over("the supervisor of SRT", supervise));
        }
        let Some((listener, doorkeeper)) = self.parts.ingest.take() else {
            return;
        };
        let hub = Arc::clone(hub);
        let admit = move || {
            // A copy, so that the port stays ours and who waits there is let in after all.
            let listener = listener.try_clone();
            let (doorkeeper, hub) = (Arc::clone(&doorkeeper), Arc::clone(&hub));
            async move {
                match listener.and_then(tokio::net::TcpListener::from_std) {
                    Ok(listener) => ingest::run(listener, doorkeeper, hub).await,
                    Err(error) => error!(%error, "no encoder can publish"),
                }
            }
        };
        self.feeders.spawn(over_and_over("the ingest", admit));
    }

    fn apply(&mut self, spec: OutputSpec) -> Result<(), NoRoom> {
        if let Some(running) = self.outputs.get(&spec.id) {
            if !running.wants(&spec) {
                info!(output = %spec.id, switch = ?spec.switch, "changed");
                running
                    .wish
                    .send_modify(|wish| wish.spec = Some(Arc::new(spec)));
            }
            return Ok(());
        }
        if self.parts.outputs_max <= self.outputs.len() {
            return Err(NoRoom);
        }
        info!(output = %spec.id, switch = ?spec.switch, "added");
        let running = self.spawn(spec.clone());
        self.outputs.insert(spec.id, running);
        Ok(())
    }

    fn spawn(&mut self, spec: OutputSpec) -> Running {
        let state = match spec.switch {
            Switch::Off => OutputState::Off,
            Switch::On => OutputState::Connecting,
        };
        let predecessor = self.leaving.remove(&spec.id);
        let wish = watch::Sender::new(Wish {
            spec: Some(Arc::new(spec)),
            retries: 0,
        });
        let Parts {
            around,
            clock,
            news,
            ..
        } = &self.parts;
        let health = Arc::new(Health::new(state, Arc::clone(clock), news.clone()));
        let output = keep(wish.subscribe(), around.clone(), Arc::clone(&health));
        let (ending, ended) = watch::channel(());
        tokio::spawn(async move {
            // The same name again: not before its last publish has ended.
            if let Some(mut predecessor) = predecessor {
                let _ = predecessor.changed().await;
            }
            output.await;
            drop(ending);
        });
        news.tell();
        Running {
            wish,
            health,
            ended,
        }
    }

    fn detach(&mut self, ids: &[OutputId], reply: oneshot::Sender<()>) {
        self.leaving.retain(|_, ended| ended.has_changed().is_ok());
        for id in ids {
            if let Some(running) = self.outputs.remove(id) {
                info!(output = %id, "removed");
                running.detach();
                self.leaving.insert(id.clone(), running.ended);
            }
        }
        let leaving = ids.iter().filter_map(|id| self.leaving.get(id).cloned());
        let leaving: Vec<Ended> = leaving.collect();
        let news = self.parts.news.clone();
        tokio::spawn(async move {
            until_ended(leaving).await;
            news.tell();
            let _ = reply.send(());
        });
    }

    fn retry(&self, ids: &[OutputId]) {
        for running in ids.iter().filter_map(|id| self.outputs.get(id)) {
            running.wish.send_modify(|wish| wish.retries += 1);
        }
    }

    fn observe(&self) -> Vec<ObservedOutput> {
        let observed = self.outputs.iter().filter_map(|(id, running)| {
            let spec = running.wish.borrow().spec.clone()?;
            Some(ObservedOutput {
                id: id.clone(),
                fingerprint: spec.fingerprint,
                switch: spec.switch,
                health: running.health.observe(),
            })
        });
        observed.collect()
    }

    fn meter(&mut self) {
        self.outputs
            .values()
            .for_each(|running| running.health.meter());
        let bytes_in = self.parts.around.hub.bytes_in();
        let rate = (bytes_in - std::mem::replace(&mut self.bytes_in, bytes_in)) * 8;
        self.parts
            .input_rate
            .send_replace((0 < rate).then_some(rate));
    }

    async fn shut_down(&mut self) {
        // The sources stay until the end: without one, outputs would wait for it to come back.
        let outputs = std::mem::take(&mut self.outputs).into_values();
        let ended = outputs.map(|running| {
            running.detach();
            running.ended
        });
        let leaving = std::mem::take(&mut self.leaving).into_values();
        let all = ended
            .collect::<Vec<_>>()
            .into_iter()
            .chain(leaving)
            .collect();
        let _ = timeout(SHUTDOWN_MAX, until_ended(all)).await;
        self.feeders.abort_all();
    }
}

async fn until_ended(outputs: Vec<Ended>) {
    for mut output in outputs {
        // An error is what is waited for: nothing is ever sent.
        let _ = output.changed().await;
    }
}
