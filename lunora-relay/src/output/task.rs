//! The states of an output, and what moves it from one to the next.

use std::{io::ErrorKind, pin::pin, sync::Arc, time::Duration};

use lunora_core::domain::{OutputSpec, OutputState, Switch};
use tokio::{
    sync::watch,
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use tracing::{Instrument, debug, info, info_span, warn};

use super::{
    backoff::Backoff,
    chatter::Chatter,
    classify::Trouble,
    connect::{Caller, Published, trouble_in},
    health::Health,
};
use crate::{
    fanout::{Hub, Lane},
    program::{OnAir, ProgramFacts},
    wire::client::ClientSession,
};

/// How long a connection outlives the program.
const LINGER: Duration = Duration::from_secs(20);
/// After so long without trouble, the next trouble is the first again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// A far end that takes nothing for this long is no longer shown as live.
const DOUBTED_AFTER: Duration = Duration::from_secs(5);
/// How long the far end remembers a session that broke, at the most.
const REMEMBERED: Duration = Duration::from_secs(120);
/// How long a goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// What an output is to do.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// As it was told last; `None` once it is detached.
    pub(crate) spec: Option<Arc<OutputSpec>>,
    /// How often somebody asked to try again now.
    pub(crate) retries: u64,
}

/// What every output works with.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) hub: Arc<Hub>,
    pub(crate) caller: Caller,
}

/// One output, as its task holds it.
#[derive(Debug)]
pub(crate) struct Output {
    wish: watch::Receiver<Wish>,
    program: watch::Receiver<ProgramFacts>,
    around: Surroundings,
    health: Arc<Health>,
    backoff: Backoff,
    lately_live: Option<Instant>,
    tried: bool,
}

/// Why a publish ended.
enum End {
    /// Somebody wants something else.
    Wish,
    /// Nothing comes in any more.
    SourceLost,
    Trouble(Trouble),
}

impl Output {
    pub(crate) fn new(
        wish: watch::Receiver<Wish>,
        around: Surroundings,
        health: Arc<Health>,
    ) -> Self {
        let program = around.hub.facts();
        let (backoff, lately_live, tried) = (Backoff::default(), None, false);
        Self {
            wish,
            program,
            around,
            health,
            backoff,
            lately_live,
            tried,
        }
    }

    /// Does as is wished, until the output is detached and its publish has ended.
    pub(crate) async fn run(mut self) {
        while let Some(spec) = self.wished() {
            match spec.switch {
                Switch::Off => {
                    self.health.absolve();
                    self.health.show(OutputState::Off);
                    self.until_other(&spec).await;
                    if self.wished().is_some_and(|next| next.switch == Switch::On) {
                        self.health.restart();
                    }
                }
                Switch::On => {
                    let span = info_span!("output", id = %spec.id);
                    self.push(&spec).instrument(span).await;
                }
            }
            // What failed, failed as it was told before.
            self.backoff.reset();
            self.tried = false;
            self.health.absolve();
        }
    }

    fn wished(&self) -> Option<Arc<OutputSpec>> {
        // Without an engine nobody can wish for anything.
        self.wish.has_changed().ok()?;
        self.wish.borrow().spec.clone()
    }

    /// Waits until something other than this is wished.
    async fn until_other(&mut self, spec: &OutputSpec) {
        let is_other = |wish: &Wish| {
            wish.spec.as_ref().is_none_or(|next| {
                (next.fingerprint, next.switch) != (spec.fingerprint, spec.switch)
            })
        };
        // An error means that the engine is gone: see `wished`.
        let _ = self.wish.wait_for(is_other).await;
    }

    /// Tries and tries again, until something else is wished.
    async fn push(&mut self, spec: &OutputSpec) {
        loop {
            if !self.has_source() {
                self.health.absolve();
                self.health.show(OutputState::WaitingForSource);
                let mut program = self.program.clone();
                let source = program.wait_for(|facts| facts.on_air != OnAir::Nothing);
                tokio::select! {
                    () = self.until_other(spec) => return,
                    _ = source => {}
                }
            }
            let trouble = match self.attempt(spec).await {
                End::Wish => return,
                End::SourceLost => continue,
                End::Trouble(trouble) => trouble,
            };
            let lately = self
                .lately_live
                .is_some_and(|live| live.elapsed() < REMEMBERED);
            let verdict = trouble.judge(&spec.target, lately);
            let wait = self.backoff.next(verdict.pace, random());
            warn!(code = %verdict.code, class = verdict.class.as_str(), "{}", verdict.text);
            let state = wait.map_or(OutputState::Failed, |_| OutputState::Reconnecting);
            self.health.fail(state, &verdict);

            let retries = self.wish.borrow().retries;
            let mut wish = self.wish.clone();
            tokio::select! {
                () = self.until_other(spec) => return,
                _ = wish.wait_for(|wish| wish.retries != retries) => self.backoff.reset(),
                () = pause(wait) => {}
            }
        }
    }

    /// Connects, publishes, and says goodbye unless the connection broke.
    async fn attempt(&mut self, spec: &OutputSpec) -> End {
        let again = std::mem::replace(&mut self.tried, true);
        self.health.show(if again {
            OutputState::Reconnecting
        } else {
            OutputState::Connecting
        });
        let caller = self.around.caller.clone();
        let fourcc = self.around.hub.fourcc();
        let published = tokio::select! {
            () = self.until_other(spec) => return End::Wish,
            published = caller.publish(&spec.target, fourcc) => published,
        };
        let Published {
            transport,
            mut session,
            stream_id,
        } = match published {
            Ok(published) => published,
            Err(trouble) => return End::Trouble(trouble),
        };
        debug!("the far end accepted the publish");
        if self.lately_live.is_some() && again {
            self.health.count_reconnect();
        }
        let lane = Arc::new(Lane::new(transport, stream_id, self.health.moved()));
        let number = self.around.hub.join(&lane);
        let end = self.carry(spec, &lane, &mut session).await;
        self.around.hub.leave(number);
        match end {
            End::Trouble(_) => {}
            End::SourceLost => {
                say_goodbye(&lane, &mut session).await;
                (self.tried, self.lately_live) = (false, None);
                self.backoff.reset();
            }
            End::Wish => {
                let goes_on = self.wished().is_some_and(|next| next.switch == Switch::On);
                self.health.show(if goes_on {
                    OutputState::Connecting
                } else {
                    OutputState::Stopping
                });
                say_goodbye(&lane, &mut session).await;
                // It was ended in good order, so nothing is left over at the far end.
                self.lately_live = None;
            }
        }
        end
    }

    /// Looks after a connection while the fan-out writes into it.
    async fn carry(
        &mut self,
        spec: &OutputSpec,
        lane: &Arc<Lane>,
        session: &mut ClientSession,
    ) -> End {
        let mut program = self.program.clone();
        let mut other = self.wish.clone();
        let health = Arc::clone(&self.health);
        let is_other = |wish: &Wish| {
            wish.spec.as_ref().is_none_or(|next| {
                (next.fingerprint, next.switch) != (spec.fingerprint, spec.switch)
            })
        };
        let mut draining = pin!(drain(lane));
        let mut look = interval(Duration::from_secs(1));
        let (mut buffer, mut chatter) = (vec![0; 4096], Chatter::default());
        let mut live_since: Option<Instant> = None;
        let mut lost: Option<Instant> = None;
        loop {
            let linger = async {
                match lost {
                    Some(lost) => sleep_until(lost + LINGER).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = other.wait_for(is_other) => return End::Wish,
                () = linger => return End::SourceLost,
                trouble = &mut draining => return End::Trouble(trouble),
                read = lane.transport().read(&mut buffer) => {
                    let input = match read {
                        Ok(0) => return End::Trouble(Trouble::Closed("while it was sent to")),
                        Ok(len) => buffer.get(..len).unwrap_or_default(),
                        Err(error) => return End::Trouble(Trouble::Broken(error)),
                    };
                    if let Some(trouble) = answer(lane, session, &mut chatter, input) {
                        return End::Trouble(trouble);
                    }
                }
                () = lane.started(), if live_since.is_none() => {
                    info!("live");
                    live_since = Some(Instant::now());
                    self.lately_live = live_since;
                    health.show(OutputState::Live);
                }
                _ = program.changed() => {
                    let nothing = program.borrow_and_update().on_air == OnAir::Nothing;
                    lost = nothing.then(Instant::now);
                    if nothing {
                        health.show(OutputState::WaitingForSource);
                    }
                }
                _ = look.tick() => {
                    let Some(since) = live_since else { continue };
                    self.lately_live = Some(Instant::now());
                    if HEALTHY_AFTER < since.elapsed() {
                        self.backoff.reset();
                    }
                    if lost.is_none() {
                        let stuck = lane.stuck_since().is_some_and(|stuck| DOUBTED_AFTER < stuck.elapsed());
                        health.show(if stuck { OutputState::Unconfirmed } else { OutputState::Live });
                    }
                }
            }
        }
    }

    fn has_source(&self) -> bool {
        self.program.borrow().on_air != OnAir::Nothing
    }
}

/// Empties the lane whenever its socket was full, until that fails.
async fn drain(lane: &Lane) -> Trouble {
    loop {
        if let Err(error) = lane.drained().await {
            return match error.kind() {
                ErrorKind::TimedOut => Trouble::Wedged,
                _ => Trouble::Broken(error),
            };
        }
        lane.turned().await;
    }
}

/// Gives what the far end sent to the session, and the session's answers to the far end.
fn answer(
    lane: &Lane,
    session: &mut ClientSession,
    chatter: &mut Chatter,
    input: &[u8],
) -> Option<Trouble> {
    let answered = chatter
        .answer(session, input)
        .and_then(|bytes| bytes.map_or(Ok(()), |bytes| lane.interject(bytes)));
    if let Err(error) = answered {
        return Some(Trouble::Session(error));
    }
    std::iter::from_fn(|| session.poll_event()).find_map(trouble_in)
}

/// Ends the publish in good order: what is half sent, unpublish, close, and wait for the far end to
/// do the same, so that the name is free when it is used next.
async fn say_goodbye(lane: &Lane, session: &mut ClientSession) {
    lane.finish();
    session.close();
    if let Some(bytes) = session.take_output() {
        // With no room for it, what comes next breaks off in the middle, which is one end too.
        let _ = lane.interject(bytes);
    }
    let goodbye = async {
        lane.drained().await?;
        lane.transport().end().await?;
        let mut buffer = [0; 1024];
        while lane.transport().read(&mut buffer).await? != 0 {}
        std::io::Result::Ok(())
    };
    match timeout(GOODBYE_MAX, goodbye).await {
        Ok(Ok(())) => debug!("ended, and so did the far end"),
        Ok(Err(_)) | Err(_) => debug!("ended; the far end did not"),
    }
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// For spreading retries only; without randomness they are not spread.
fn random() -> u32 {
    getrandom::u32().unwrap_or(0)
}
