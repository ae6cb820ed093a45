//! Who is on air, and the loop from each message to every lane.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;
use lunora_core::{
    domain::{Fault, Fingerprint, MediaFacts, ObservedIngest, Priority, SourceId, SwitchCause},
    port::Clock,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::info;

use super::{
    entrant::Entrant, feed::Feed, lane::Lane, post::Post, switchboard::Switchboard, tap::Tap,
};
use crate::{
    air::{Air, Origin, SwitchReason, Switched},
    config::Failover,
    lock::lock,
    news::News,
    program::{OnAir, ProgramFacts},
    wire::tag::Codec,
};

/// An encoder that sent nothing for this long is replaced by one that comes now.
const SILENT_AFTER: Duration = Duration::from_secs(2);
/// How often silence is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a feed is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The same encoder is publishing already.
    #[error("another encoder is publishing")]
    InUse,
    /// There is no such source, or it was removed a moment ago.
    #[error("there is no such source")]
    Unknown,
}

/// Connects the feed that is on air with every lane.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) inner: Mutex<Switchboard>,
    facts: watch::Sender<ProgramFacts>,
    air: watch::Sender<Air>,
    bytes_in: AtomicU64,
    started: Instant,
    /// How long outputs are held while nothing is on air.
    hold: Duration,
    pub(super) clock: Arc<dyn Clock>,
    news: News,
}

impl Hub {
    /// With nothing on air; with a demo, it is as good as on air from now on.
    pub(crate) fn new(has_demo: bool, rules: Failover, clock: Arc<dyn Clock>, news: News) -> Self {
        let inner = Switchboard::new(has_demo, rules);
        Self {
            facts: watch::Sender::new(ProgramFacts::new(inner.idle(), clock.now())),
            air: watch::Sender::default(),
            inner: Mutex::new(inner),
            bytes_in: AtomicU64::new(0),
            started: Instant::now(),
            hold: rules.hold,
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

    /// How long outputs are held while nothing is on air, before their publish is ended.
    pub(crate) const fn hold(&self) -> Duration {
        self.hold
    }

    /// Bytes of media that went on air so far.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Counts bytes of media that go on air.
    pub(super) fn count(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
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
    ) -> Result<Feed, Refused> {
        let now = self.now();
        let mut inner = lock(&self.inner);
        if let Some((number, same)) = inner.feed_of(&origin) {
            if now.saturating_sub(same.spoke) < SILENT_AFTER {
                return Err(Refused::InUse);
            }
            inner.remove(number, now);
        }
        match &origin {
            Origin::Source(id) => {
                let post = inner.posts.get_mut(id).ok_or(Refused::Unknown)?;
                post.attempt();
            }
            Origin::Encoder | Origin::Demo => {}
        }
        let number = inner.mint();
        let entrant = Entrant::new(origin, priority, fourcc, now);
        let evicted = Arc::clone(entrant.evicted());
        inner.entrants.insert(number, entrant);
        Ok(Feed::new(Arc::clone(self), number, evicted))
    }

    /// Adds a source, or tells it anew. What feeds it stays, and goes by the new priority.
    pub(crate) fn add(&self, id: &SourceId, priority: Priority, fingerprint: Fingerprint) {
        let at = self.clock.now();
        let mut inner = lock(&self.inner);
        let post = inner.posts.entry(id.clone());
        let post = post.or_insert_with(|| Post::new(fingerprint, at));
        post.retell(fingerprint);
        let origin = Origin::Source(id.clone());
        let mut feeds = inner.entrants.values_mut();
        if let Some(feed) = feeds.find(|it| it.origin == origin) {
            feed.priority = priority;
        }
        drop(inner);
        self.news.tell();
    }

    /// Removes a source, and ends whatever feeds it. It is no longer pinned.
    pub(crate) fn remove(&self, id: &SourceId) {
        let origin = Origin::Source(id.clone());
        self.evict(&origin);
        let mut inner = lock(&self.inner);
        inner.posts.remove(id);
        let is_pinned = inner.director.pinned() == Some(&origin);
        drop(inner);
        if is_pinned {
            self.pin(None);
        }
        self.news.tell();
    }

    /// Ends whatever an origin sends.
    pub(crate) fn evict(&self, origin: &Origin) {
        let now = self.now();
        let mut inner = lock(&self.inner);
        if let Some((number, _)) = inner.feed_of(origin) {
            inner.remove(number, now);
            drop(inner);
            self.look();
        }
    }

    /// Says what is wrong with a source, as whoever tries to bring it in found: another attempt.
    pub(crate) fn fail(&self, id: &SourceId, fault: Fault) {
        let mut inner = lock(&self.inner);
        if let Some(post) = inner.posts.get_mut(id) {
            post.attempt();
            post.set_fault(Some(fault));
        }
        drop(inner);
        self.look();
    }

    /// What is seen of every source.
    pub(crate) fn observe(&self) -> Vec<ObservedIngest> {
        self.look();
        lock(&self.inner).observe_posts(self.now())
    }

    /// What is on air, and what was measured of it.
    pub(crate) fn measured(&self) -> Option<(Origin, MediaFacts)> {
        let now = self.now();
        let inner = lock(&self.inner);
        let feed = inner.entrants.get(&inner.on_air?)?;
        Some((feed.origin.clone(), feed.facts(now)))
    }

    /// Whether a source was added.
    pub(crate) fn knows(&self, id: &SourceId) -> bool {
        lock(&self.inner).posts.contains_key(id)
    }

    /// Puts an origin on air as soon as it has something to start with, until it is released (rule 28).
    pub(crate) fn pin(&self, origin: Option<Origin>) {
        if lock(&self.inner).director.pin(origin.clone()) {
            self.air.send_modify(|air| air.pinned = origin);
            self.news.tell();
        }
    }

    /// Whether what comes in goes out.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.inner).is_open
    }

    /// Lets what comes in go out, or not. What goes on air begins with a keyframe as ever.
    pub(crate) fn open(&self, is_open: bool) {
        let mut inner = lock(&self.inner);
        if inner.is_open == is_open {
            return;
        }
        let was = if is_open {
            inner.is_open = true;
            None
        } else {
            inner.close()
        };
        let idle = inner.idle();
        drop(inner);
        let at = self.clock.now();
        if was.is_some() {
            self.tell(Switched {
                at,
                from: was,
                to: None,
                cause: SwitchCause::Manual,
                reason: SwitchReason::Stopped,
                gap: None,
                waited: Duration::ZERO,
            });
        }
        self.show(idle, Some(at), [None; 2]);
    }

    /// Which origin is pinned.
    pub(crate) fn pinned(&self) -> Option<Origin> {
        lock(&self.inner).director.pinned().cloned()
    }

    /// Looks for silence, for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            lock(&self.inner).leave_silent(self.now());
            self.look();
        }
    }

    /// Decides, and notes if nothing is on air any more, nor about to be.
    pub(super) fn look(&self) {
        let now = self.now();
        let mut inner = lock(&self.inner);
        inner.decide(now);
        let is_news = inner.see_posts(now, || self.clock.now());
        let given_up = inner.give_up(now);
        let idle = inner.idle();
        // One that has only gone silent is still there.
        let silence = given_up.as_ref().and_then(|was| inner.feed_of(was));
        let silence = silence.and_then(|(_, it)| it.silence(now));
        drop(inner);
        if is_news {
            self.news.tell();
        }
        let Some(was) = given_up else {
            return;
        };
        let at = self.clock.now();
        self.tell(Switched {
            at,
            from: Some(was),
            to: None,
            cause: SwitchCause::Automatic,
            reason: silence.map_or(SwitchReason::Ended, SwitchReason::Silent),
            gap: None,
            waited: Duration::ZERO,
        });
        self.show(idle, Some(at), [None; 2]);
    }

    /// On a clock that cannot jump, since the hub began.
    pub(super) fn now(&self) -> Duration {
        Instant::now().duration_since(self.started)
    }

    pub(super) fn tell(&self, switched: Switched) {
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
        let number = inner.mint();
        lane.join(&inner.program);
        inner.lanes.insert(number, Arc::clone(lane));
        number
    }

    /// Sends a lane nothing more.
    pub(crate) fn leave(&self, number: u64) {
        lock(&self.inner).lanes.remove(&number);
    }

    /// Hands all that comes to a reader on another thread, too.
    pub(crate) fn attach(&self, tap: Tap) {
        lock(&self.inner).tap = Some(tap);
    }

    /// Shows what is on air: since then, if it has just begun.
    pub(super) fn show(&self, on_air: OnAir, begun: Option<Timestamp>, codecs: [Option<Codec>; 2]) {
        let now = || begun.unwrap_or_else(|| self.clock.now());
        let update = |facts: &mut ProgramFacts| facts.update(on_air, begun.is_some(), codecs, now);
        if self.facts.send_if_modified(update) {
            self.news.tell();
        }
    }
}
