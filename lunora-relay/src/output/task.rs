//! The states of an output, and what moves it from one to the next.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use lunora_core::domain::{OutputSpec, OutputState, Switch};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tracing::{Instrument, debug, info, info_span, warn};

use super::{
    backoff::{Backoff, random},
    chatter::Chatter,
    classify::{Trouble, Verdict},
    connect::{Caller, Published},
    crowd::Crowd,
    evidence::{DOUBTED_AFTER, Evidence},
    health::Health,
    held::Held,
    intake::{Intake, Meter, Totals},
    link::{answer, drain, say_goodbye},
};
use crate::{
    fanout::{Hub, Lane},
    program::{OnAir, ProgramFacts},
    wire::client::ClientSession,
};

/// After so long without trouble, and without dropping frames, the next trouble is the first again.
pub(super) const HEALTHY_AFTER: Duration = Duration::from_secs(30);

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
    pub(crate) crowd: Crowd,
}

/// One output, as its task holds it.
#[derive(Debug)]
pub(crate) struct Output {
    wish: watch::Receiver<Wish>,
    program: watch::Receiver<ProgramFacts>,
    around: Surroundings,
    health: Arc<Health>,
    backoff: Backoff,
    /// Whether it was live, and the far end has not agreed that this is over.
    was_live: bool,
    tried: bool,
    /// How many retries were asked for before what is being done now.
    heard: u64,
}

/// A lane that is in the hub, and leaves it whatever becomes of the task that put it there.
struct Joined {
    hub: Arc<Hub>,
    number: u64,
}

impl Joined {
    fn new(hub: &Arc<Hub>, lane: &Arc<Lane>) -> Self {
        let (hub, number) = (Arc::clone(hub), hub.join(lane));
        Self { hub, number }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.hub.leave(self.number);
    }
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
        let (backoff, was_live, tried, heard) = (Backoff::default(), false, false, 0);
        Self {
            wish,
            program,
            around,
            health,
            backoff,
            was_live,
            tried,
            heard,
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
        // Whoever has waited by himself is spread already.
        let mut spread = false;
        let mut lost = false;
        loop {
            if !self.has_source() {
                self.health.absolve();
                if std::mem::take(&mut lost) {
                    let verdict = Verdict::source_lost(self.around.hub.hold());
                    self.health.fail(OutputState::WaitingForSource, &verdict);
                } else {
                    self.health.show(OutputState::WaitingForSource);
                }
                let mut program = self.program.clone();
                let source = program.wait_for(|facts| facts.on_air != OnAir::Nothing);
                tokio::select! {
                    () = self.until_other(spec) => return,
                    _ = source => {}
                }
                spread = false;
            }
            self.heard = self.wish.borrow().retries;
            let wait = if std::mem::take(&mut spread) {
                Duration::ZERO
            } else {
                self.around.crowd.wait(random())
            };
            if !wait.is_zero() {
                self.show_attempt();
                tokio::select! {
                    () = self.until_other(spec) => return,
                    () = sleep(wait) => {}
                }
            }
            let trouble = match self.attempt(spec).await {
                End::Wish => return,
                End::SourceLost => {
                    lost = true;
                    continue;
                }
                End::Trouble(trouble) => trouble,
            };
            let lately = self.around.caller.names.are_remembered(&spec.target);
            let verdict = trouble.judge(&spec.target, lately);
            let wait = self.backoff.next(verdict.pace, random());
            warn!(code = %verdict.code, class = verdict.class.as_str(), "{}", verdict.text);
            let state = wait.map_or(OutputState::Failed, |_| OutputState::Reconnecting);
            self.health.fail(state, &verdict);

            let (heard, mut wish) = (self.heard, self.wish.clone());
            tokio::select! {
                () = self.until_other(spec) => return,
                _ = wish.wait_for(|wish| wish.retries != heard) => self.backoff.reset(),
                () = pause(wait) => spread = true,
            }
        }
    }

    fn show_attempt(&self) {
        self.health.show(if self.tried {
            OutputState::Reconnecting
        } else {
            OutputState::Connecting
        });
    }

    /// Connects, publishes, and says goodbye unless the connection broke.
    async fn attempt(&mut self, spec: &OutputSpec) -> End {
        self.show_attempt();
        let again = std::mem::replace(&mut self.tried, true);
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
            held,
        } = match published {
            Ok(published) => published,
            Err(trouble) => return End::Trouble(trouble),
        };
        debug!("the far end accepted the publish");
        self.health.begin_publish();
        if self.was_live && again {
            self.health.count_reconnect();
        }
        let lane = Arc::new(Lane::new(transport, stream_id, self.health.moved()));
        let joined = Joined::new(&self.around.hub, &lane);
        let end = self.carry(spec, &lane, &mut session).await;
        drop(joined);
        self.health.end_publish();
        // What was asked for while it went well has been granted.
        self.heard = self.wish.borrow().retries;
        match end {
            End::Trouble(_) => {}
            End::SourceLost => {
                self.part(&lane, &mut session, held).await;
                self.tried = false;
                self.backoff.reset();
            }
            End::Wish => {
                let goes_on = self.wished().is_some_and(|next| next.switch == Switch::On);
                self.health.show(if goes_on {
                    OutputState::Connecting
                } else {
                    OutputState::Stopping
                });
                self.part(&lane, &mut session, held).await;
            }
        }
        end
    }

    /// Says goodbye. If the far end does too, nothing is left over there.
    async fn part(&mut self, lane: &Lane, session: &mut ClientSession, held: Held) {
        if say_goodbye(lane, session).await {
            self.was_live = false;
            held.part();
        }
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
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut buffer, mut chatter) = (vec![0; 4096], Chatter::default());
        let mut live_since: Option<Instant> = None;
        let mut lost = (!self.has_source()).then(Instant::now);
        if lost.is_some() {
            health.show(OutputState::WaitingForSource);
        }
        let (hub, moved) = (Arc::clone(&self.around.hub), health.moved());
        // How long a connection outlives the program.
        let hold = hub.hold();
        let measure = || (hub.bytes_in(), moved.frames.load(Relaxed));
        let (came, taken) = measure();
        let mut evidence = Evidence::new(Instant::now(), came, taken);
        let totals = || Totals {
            offered: lane.offered(),
            taken: moved.bytes.load(Relaxed),
            dropped: moved.dropped.load(Relaxed),
        };
        let (mut meter, mut well_since, mut is_slow) = (Meter::default(), Instant::now(), false);
        loop {
            let linger = async {
                match lost {
                    Some(lost) => sleep_until(lost + hold).await,
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
                    (live_since, well_since) = (Some(Instant::now()), Instant::now());
                    self.was_live = true;
                    evidence.begin(Instant::now());
                    look.reset_immediately();
                }
                _ = program.changed() => {
                    let nothing = program.borrow_and_update().on_air == OnAir::Nothing;
                    if nothing {
                        lost.get_or_insert_with(Instant::now);
                        health.show(OutputState::WaitingForSource);
                    } else if lost.take().is_some() {
                        evidence.restart(Instant::now());
                    }
                }
                _ = look.tick() => {
                    if live_since.is_none() {
                        continue;
                    }
                    let intake = meter.weigh(totals());
                    match intake {
                        Intake::Little => return End::Trouble(Trouble::Trickles),
                        Intake::Some => well_since = Instant::now(),
                        Intake::All => {}
                    }
                    if HEALTHY_AFTER < well_since.elapsed() {
                        self.backoff.reset();
                    }
                    let (came, taken) = measure();
                    let shown = evidence.weigh(Instant::now(), came, taken);
                    let stuck = lane.stuck_since().is_some_and(|stuck| DOUBTED_AFTER < stuck.elapsed());
                    match shown.filter(|_| lost.is_none()) {
                        Some(OutputState::Live) if stuck => health.show(OutputState::Unconfirmed),
                        Some(state) => health.show(state),
                        None => {}
                    }
                    match intake {
                        Intake::Some => {
                            is_slow = true;
                            health.warn(&Trouble::Slow.judge(&spec.target, true));
                        }
                        _ if std::mem::take(&mut is_slow) => health.absolve(),
                        _ => {}
                    }
                }
            }
        }
    }

    fn has_source(&self) -> bool {
        self.program.borrow().on_air != OnAir::Nothing
    }
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, net::SocketAddr};

    use async_trait::async_trait;
    use lunora_core::domain::{Fingerprint, HashKey, Leg, OutputId, PushTarget, StreamKey};
    use lunora_testkit::clock::ManualClock;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        config::Failover,
        dial::{DialPolicy, Resolver},
        news::News,
        output::Names,
        tls::Tls,
    };

    /// Tells that it was asked, and answers with what may not be called once it may.
    #[derive(Debug)]
    struct Gate {
        asked: mpsc::UnboundedSender<Instant>,
        open: watch::Receiver<bool>,
    }

    #[async_trait]
    impl Resolver for Gate {
        async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            self.asked.send(Instant::now()).unwrap();
            self.open.clone().wait_for(|open| *open).await.unwrap();
            Ok(vec!["169.254.169.254:1935".parse().unwrap()])
        }
    }

    fn spec() -> OutputSpec {
        let target = PushTarget {
            url: "rtmp://a.test/app".parse().unwrap(),
            tail: None,
            key: Some(StreamKey::new("k").unwrap()),
        };
        let id = OutputId {
            destination: "dest-1".parse().unwrap(),
            leg: Leg::Primary,
        };
        OutputSpec {
            id,
            target,
            switch: Switch::On,
            fingerprint: Fingerprint(HashKey::new([1; 32]).digest([])),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_that_is_asked_for_during_a_try_is_not_forgotten() {
        let (clock, news) = (Arc::new(ManualClock::default()), News::new());
        let (asked, mut tries) = mpsc::unbounded_channel();
        let open = watch::Sender::new(false);
        let caller = Caller {
            policy: DialPolicy::Local,
            resolver: Arc::new(Gate {
                asked,
                open: open.subscribe(),
            }),
            tls: Tls::new(None).unwrap(),
            names: Names::default(),
        };
        let around = Surroundings {
            hub: Arc::new(Hub::new(
                true,
                Failover::default(),
                Arc::clone(&clock) as _,
                news.clone(),
            )),
            caller,
            crowd: Crowd::new(),
        };
        let health = Arc::new(Health::new(OutputState::Connecting, clock, news));
        let wish = watch::Sender::new(Wish {
            spec: Some(Arc::new(spec())),
            retries: 0,
        });
        let output = Output::new(wish.subscribe(), around, Arc::clone(&health));
        let running = tokio::spawn(output.run());

        let first = tries.recv().await.unwrap();
        wish.send_modify(|wish| wish.retries += 1);
        open.send_replace(true);
        let second = tries.recv().await.unwrap();
        // Nobody asked for this one, and a person should act: it waits.
        let third = tries.recv().await.unwrap();

        assert_eq!(second, first, "by a clock that stands while nobody waits");
        assert!(second + Duration::from_secs(10) <= third);
        wish.send_modify(|wish| wish.spec = None);
        running.await.unwrap();
    }
}
