//! Who is on air, and the loop from each message to every lane.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lunora_core::{
    domain::{Priority, SwitchCause},
    port::Clock,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::info;

use super::{
    cut::Cut,
    director::{Choice, Director},
    entrant::Entrant,
    lane::Lane,
    packet::{Input, Packet, Role, Track},
    program::Program,
    timeline::Timeline,
};
use crate::{
    air::{Air, Origin, SwitchReason, Switched},
    config::Failover,
    lock::lock,
    news::News,
    program::{OnAir, ProgramFacts},
    wire::{message::Message, tag::Codec},
};

/// Audio that waits for a picture to go out with waits no longer, in milliseconds.
const FLUSH_EVERY: u64 = 50;
/// An encoder that sent nothing for this long is replaced by one that comes now.
const SILENT_AFTER: Duration = Duration::from_secs(2);
/// How often silence is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// With nothing on air, how long the chosen one is waited for before any other may begin.
const CHOSEN_FIRST: Duration = Duration::from_secs(1);
/// With nothing on air, how long one that sends is given to bring something to begin with.
const VACANT_MAX: Duration = Duration::from_secs(5);

/// The same encoder is publishing already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another encoder is publishing")]
pub(crate) struct InUse;

/// Another feed of the same origin has taken this one's place, or nobody wants its source any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another encoder has taken over, or the source was removed")]
pub(crate) struct Evicted;

/// What became of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It went out.
    OnAir,
    /// It was looked at: another feed is on air, or there is nothing to start with yet.
    Watched,
}

/// Connects the feed that is on air with every lane.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    facts: watch::Sender<ProgramFacts>,
    air: watch::Sender<Air>,
    bytes_in: AtomicU64,
    started: Instant,
    clock: Arc<dyn Clock>,
    news: News,
}

#[derive(Debug)]
struct Inner {
    has_demo: bool,
    entrants: BTreeMap<u64, Entrant>,
    director: Director,
    on_air: Option<u64>,
    /// What was on air last, and since when nothing is.
    vacant: Option<(Origin, Instant)>,
    minted: u64,
    /// The enhanced codecs that the feed on air announced.
    fourcc: Vec<String>,
    /// What is left out of the feed on air.
    cut: Cut,
    timeline: Timeline,
    /// The time of the last packet of each track.
    last: [u64; Track::COUNT],
    /// When a frame last went out.
    published: Option<Instant>,
    flushed: u64,
    /// Whether something was handed to the lanes that they have not written yet.
    held: bool,
    program: Program,
    lanes: BTreeMap<u64, Arc<Lane>>,
}

impl Hub {
    /// With nothing on air; with a demo, it is as good as on air from now on.
    pub(crate) fn new(has_demo: bool, rules: Failover, clock: Arc<dyn Clock>, news: News) -> Self {
        let inner = Inner {
            has_demo,
            entrants: BTreeMap::new(),
            director: Director::new(rules),
            on_air: None,
            vacant: None,
            minted: 0,
            fourcc: Vec::new(),
            cut: Cut::default(),
            timeline: Timeline::default(),
            last: [0; Track::COUNT],
            published: None,
            flushed: 0,
            held: false,
            program: Program::default(),
            lanes: BTreeMap::new(),
        };
        Self {
            facts: watch::Sender::new(ProgramFacts::new(inner.idle(), clock.now())),
            air: watch::Sender::default(),
            inner: Mutex::new(inner),
            bytes_in: AtomicU64::new(0),
            started: Instant::now(),
            clock,
            news,
        }
    }

    /// What is on air, and every change of it.
    pub(crate) fn facts(&self) -> watch::Receiver<ProgramFacts> {
        self.facts.subscribe()
    }

    /// Who is on air, and every switch.
    pub(crate) fn air(&self) -> watch::Receiver<Air> {
        self.air.subscribe()
    }

    /// Bytes of media that went on air so far.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// The enhanced codecs that the source announced, as fourCC.
    pub(crate) fn fourcc(&self) -> Vec<String> {
        lock(&self.inner).fourcc.clone()
    }

    /// Lets an origin send, and chooses by its priority when it goes on air. Of two feeds of one
    /// origin, the one that is sending stays; one that has gone silent makes room, as the newcomer
    /// is most likely the same encoder come back.
    pub(crate) fn feed(
        self: &Arc<Self>,
        origin: Origin,
        priority: Priority,
        fourcc: Vec<String>,
    ) -> Result<Feed, InUse> {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        let same = inner.entrants.iter().find(|(_, it)| it.origin == origin);
        if let Some((number, same)) = same {
            let number = *number;
            if now.duration_since(same.spoke) < SILENT_AFTER {
                return Err(InUse);
            }
            inner.remove(number, now);
        }
        inner.minted += 1;
        let number = inner.minted;
        inner
            .entrants
            .insert(number, Entrant::new(origin, priority, fourcc));
        Ok(Feed {
            hub: Arc::clone(self),
            number,
        })
    }

    /// Ends whatever an origin sends.
    pub(crate) fn evict(&self, origin: &Origin) {
        let mut inner = lock(&self.inner);
        let same = inner.entrants.iter().find(|(_, it)| it.origin == *origin);
        if let Some(number) = same.map(|(number, _)| *number) {
            inner.remove(number, Instant::now());
            drop(inner);
            self.look();
        }
    }

    /// Puts an origin on air as soon as it has something to start with, until it is released (rule 28).
    pub(crate) fn pin(&self, origin: Option<Origin>) {
        if lock(&self.inner).director.pin(origin.clone()) {
            self.air.send_modify(|air| air.pinned = origin);
            self.news.tell();
        }
    }

    /// Looks for silence, for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// Notes if nothing is on air any more, and nothing is about to be.
    fn look(&self) {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        let Some((was, since)) = &inner.vacant else {
            return;
        };
        let (was, since) = (was.clone(), *since);
        if now.duration_since(since) < VACANT_MAX && inner.choose(now).is_some() {
            return;
        }
        inner.vacant = None;
        let idle = inner.idle();
        drop(inner);
        self.tell(Switched {
            at: self.clock.now(),
            from: Some(was),
            to: None,
            cause: SwitchCause::Automatic,
            reason: SwitchReason::Ended,
            gap: None,
        });
        self.show(idle, false, [None; 2]);
    }

    fn tell(&self, switched: Switched) {
        let name = |origin: &Option<Origin>| {
            let named = origin.as_ref().map(ToString::to_string);
            named.unwrap_or_else(|| "nothing".to_owned())
        };
        let gap = switched.gap.map(|gap| gap.as_millis());
        let (from, to) = (name(&switched.from), name(&switched.to));
        info!(from, to, gap, "on air: {}", switched.reason);
        self.air.send_modify(|air| air.add(switched));
        self.news.tell();
    }

    /// Sends a lane all that comes, beginning with what newcomers get.
    pub(crate) fn join(&self, lane: &Arc<Lane>) -> u64 {
        let mut inner = lock(&self.inner);
        inner.minted += 1;
        let number = inner.minted;
        lane.join(&inner.program);
        inner.lanes.insert(number, Arc::clone(lane));
        number
    }

    /// Sends a lane nothing more.
    pub(crate) fn leave(&self, number: u64) {
        lock(&self.inner).lanes.remove(&number);
    }

    fn show(&self, on_air: OnAir, begins: bool, codecs: [Option<Codec>; 2]) {
        let now = || self.clock.now();
        let update = |facts: &mut ProgramFacts| facts.update(on_air, begins, codecs, now);
        if self.facts.send_if_modified(update) {
            self.news.tell();
        }
    }
}

impl Inner {
    const fn idle(&self) -> OnAir {
        if self.has_demo {
            OnAir::Demo
        } else {
            OnAir::Nothing
        }
    }

    /// What is to go on air in place of what is.
    fn choose(&mut self, now: Instant) -> Option<Choice> {
        let candidates = self.entrants.iter();
        let candidates = candidates.filter_map(|(number, it)| it.candidate(*number, now));
        self.director
            .choose(self.on_air, &candidates.collect::<Vec<_>>(), now)
    }

    /// Whether, and why, this feed may go on air with what it just sent.
    fn admits(&mut self, number: u64, now: Instant) -> Option<Choice> {
        if self.entrants.get(&number)?.origin == Origin::Demo {
            let is_free = self.on_air.is_none() && self.vacant.is_none();
            return is_free.then_some(Choice {
                number,
                cause: SwitchCause::Automatic,
                reason: SwitchReason::Vacant,
            });
        }
        let choice = self.choose(now)?;
        let waited = self
            .vacant
            .as_ref()
            .map(|(_, since)| now.duration_since(*since));
        let any = waited.is_some_and(|waited| CHOSEN_FIRST < waited);
        (choice.number == number || any).then_some(Choice { number, ..choice })
    }

    fn remove(&mut self, number: u64, now: Instant) {
        let Some(entrant) = self.entrants.remove(&number) else {
            return;
        };
        if self.on_air == Some(number) {
            self.flush();
            self.on_air = None;
            self.vacant = Some((entrant.origin, now));
            self.director.ended();
        }
    }

    /// Begins anew with this feed and what it just sent; returns what was on air before.
    fn begin(&mut self, choice: Choice, first: &Input, at: (Instant, Duration)) -> Option<Origin> {
        let (now, elapsed) = at;
        self.flush();
        let before = self.on_air.replace(choice.number);
        let before = before.and_then(|number| self.entrants.get(&number));
        let vacant = self.vacant.take().map(|(origin, _)| origin);
        let before = before.map(|it| it.origin.clone()).or(vacant);
        self.timeline.restart();
        self.program.restart();
        self.cut = Cut::after(first);
        if first.track == Track::Audio {
            // A header of pictures may be there; of pictures there is none in sight.
            self.program.expect_no_picture();
        }
        let Some(entrant) = self.entrants.get(&choice.number) else {
            return before;
        };
        self.fourcc.clone_from(&entrant.fourcc);
        self.director.switched(&entrant.origin, choice.reason, now);
        let headers: Vec<Input> = entrant.headers().cloned().collect();
        for header in &headers {
            self.publish(header, elapsed);
        }
        before
    }

    fn publish(&mut self, input: &Input, now: Duration) {
        let track = input.track.index();
        let previous = self.last[track];
        let time = match (input.track, input.role) {
            (Track::Data, _) => self.timeline.newest().max(previous),
            (_, Role::Key | Role::Frame) => self
                .timeline
                .place(track, input.timestamp, now)
                .max(previous),
            // A header's own time is often zero, or that of a frame which is not there yet.
            (_, Role::Header | Role::Extra) => previous,
        };
        self.last[track] = time;
        let packet = Packet::new(input, time, previous);
        self.program.take(&packet);

        let flush = packet.track == Track::Video || self.flushed + FLUSH_EVERY <= time;
        if flush {
            self.flushed = time;
        }
        self.held = !flush;
        for lane in self.lanes.values() {
            lane.offer(&packet, &self.program, flush);
        }
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.held) {
            self.lanes.values().for_each(|lane| lane.flush());
        }
    }
}

/// The right to send. Dropping it ends what was sent.
#[derive(Debug)]
pub(crate) struct Feed {
    hub: Arc<Hub>,
    number: u64,
}

impl Feed {
    /// Sends a message, or has it looked at while another feed is on air.
    pub(crate) fn send(&mut self, message: Message) -> Result<Standing, Evicted> {
        let Some(input) = Input::new(message) else {
            return Ok(Standing::Watched);
        };
        let now = Instant::now();
        let elapsed = now.duration_since(self.hub.started);
        let mut inner = lock(&self.hub.inner);
        let entrant = inner.entrants.get_mut(&self.number).ok_or(Evicted)?;
        let opens = entrant.take(&input, now);
        let mut switched = None;
        if inner.on_air != Some(self.number) {
            let Some(choice) = opens.then(|| inner.admits(self.number, now)).flatten() else {
                return Ok(Standing::Watched);
            };
            let gap = inner.published.map(|before| now.duration_since(before));
            let from = inner.begin(choice, &input, (now, elapsed));
            switched = Some((choice, from, gap));
        } else if !inner.cut.passes(&input) {
            return Ok(Standing::OnAir);
        }
        inner.publish(&input, elapsed);
        if input.is_frame() {
            inner.published = Some(now);
        }
        self.hub.bytes_in.fetch_add(input.len() as u64, Relaxed);
        let entrant = inner.entrants.get(&self.number).ok_or(Evicted)?;
        let on_air = match entrant.origin {
            Origin::Demo => OnAir::Demo,
            Origin::Encoder | Origin::Source(_) => OnAir::Encoder,
        };
        let codecs = entrant.codecs();
        let begins = switched.is_some();
        let to = begins.then(|| entrant.origin.clone());
        drop(inner);
        if let Some((choice, from, gap)) = switched {
            self.hub.tell(Switched {
                at: self.hub.clock.now(),
                from,
                to,
                cause: choice.cause,
                reason: choice.reason,
                gap,
            });
        }
        self.hub.show(on_air, begins, codecs);
        Ok(Standing::OnAir)
    }

    /// How long what was sent last may wait for more to go out with; `None` if nothing waits.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let inner = lock(&self.hub.inner);
        let waits = inner.held && inner.on_air == Some(self.number);
        waits.then_some(Duration::from_millis(FLUSH_EVERY))
    }

    /// Sends on what waits.
    pub(crate) fn flush(&self) {
        lock(&self.hub.inner).flush();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        lock(&self.hub.inner).remove(self.number, Instant::now());
        self.hub.look();
    }
}
