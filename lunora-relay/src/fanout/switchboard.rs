//! Who sends, which of them is on air, and what goes out of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use lunora_core::domain::{ObservedIngest, SourceId, SwitchCause};

use super::{
    cut::Cut,
    director::{Choice, Director},
    entrant::Entrant,
    lane::Lane,
    packet::{Input, Packet, Role, Track},
    post::Post,
    program::Program,
    tap::Tap,
    timeline::Timeline,
};
use crate::{
    air::{Origin, SwitchReason},
    config::Failover,
    program::OnAir,
};

/// Audio that waits for a picture to go out with waits no longer, in milliseconds.
pub(super) const FLUSH_EVERY: u64 = 50;
/// With nothing going out, how long the chosen one is waited for before any other may begin.
const CHOSEN_FIRST: Duration = Duration::from_secs(1);
/// With nothing on air, how long one that sends is given to bring something to begin with.
const VACANT_MAX: Duration = Duration::from_secs(5);
/// Looks in a row that find nothing new of what is on air, and no other to take its place, until it
/// is off: ten seconds. Looks are counted and not time, so a stall of this machine is one of them.
const SILENT_LOOKS: u32 = 200;

/// What the lock of the hub guards. All times are since the hub began, but for those of packets.
#[derive(Debug)]
pub(super) struct Switchboard {
    has_demo: bool,
    /// Whether what comes in goes out.
    pub(super) is_open: bool,
    pub(super) entrants: BTreeMap<u64, Entrant>,
    /// The sources that were added, and no feed of any other source is let in.
    pub(super) posts: BTreeMap<SourceId, Post>,
    pub(super) director: Director,
    pub(super) on_air: Option<u64>,
    /// What was on air last, and since when nothing is.
    vacant: Option<(Origin, Duration)>,
    /// What was last heard of the feed on air, and how many looks ago.
    silent: (Option<Duration>, u32),
    /// What was decided and has nothing to start with yet, and when that was.
    decided: Option<(u64, Duration)>,
    minted: u64,
    /// The enhanced codecs that the feed on air announced.
    pub(super) fourcc: Vec<String>,
    /// What is left out of the feed on air.
    pub(super) cut: Cut,
    timeline: Timeline,
    /// The time of the last packet of each track.
    last: [u64; Track::COUNT],
    /// When a frame last went out.
    pub(super) published: Option<Duration>,
    flushed: u64,
    /// Whether something was handed to the lanes that they have not written yet.
    pub(super) held: bool,
    pub(super) program: Program,
    pub(super) lanes: BTreeMap<u64, Arc<Lane>>,
    pub(super) tap: Option<Tap>,
}

/// What a switch did, beside the choice.
#[derive(Debug)]
pub(super) struct Begun {
    /// What was on air before.
    pub(super) from: Option<Origin>,
    /// How long nothing went out.
    pub(super) gap: Option<Duration>,
    /// From the decision to the frame to start with.
    pub(super) waited: Duration,
}

impl Switchboard {
    pub(super) fn new(has_demo: bool, rules: Failover) -> Self {
        Self {
            has_demo,
            is_open: true,
            entrants: BTreeMap::new(),
            posts: BTreeMap::new(),
            director: Director::new(rules),
            on_air: None,
            vacant: None,
            silent: (None, 0),
            decided: None,
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
            tap: None,
        }
    }

    /// What is on air while nothing comes in.
    pub(super) const fn idle(&self) -> OnAir {
        if self.has_demo && self.is_open {
            OnAir::Demo
        } else {
            OnAir::Nothing
        }
    }

    /// A number that nothing else has.
    pub(super) const fn mint(&mut self) -> u64 {
        self.minted += 1;
        self.minted
    }

    /// What an origin sends, and its number.
    pub(super) fn feed_of(&self, origin: &Origin) -> Option<(u64, &Entrant)> {
        let mut all = self.entrants.iter();
        let found = all.find(|(_, it)| it.origin == *origin);
        found.map(|(number, it)| (*number, it))
    }

    /// What is to go on air in place of what is; notes when that was decided first.
    pub(super) fn decide(&mut self, now: Duration) -> Option<Choice> {
        let candidates = self.entrants.iter();
        let candidates: Vec<_> = candidates
            .filter_map(|(number, it)| it.candidate(*number, now))
            .collect();
        let choice = self.director.choose(self.on_air, &candidates, now);
        let decided = choice.map(|choice| choice.number);
        if self.decided.map(|(number, _)| number) != decided {
            self.decided = decided.map(|number| (number, now));
        }
        choice
    }

    /// Whether, and why, this feed may go on air with what it just sent.
    pub(super) fn admits(&mut self, number: u64, now: Duration) -> Option<Choice> {
        if !self.is_open {
            return None;
        }
        if self.entrants.get(&number)?.origin == Origin::Demo {
            let is_free = self.on_air.is_none() && self.vacant.is_none();
            return is_free.then_some(Choice {
                number,
                cause: SwitchCause::Automatic,
                reason: SwitchReason::Vacant,
            });
        }
        let choice = self.decide(now)?;
        if choice.number == number {
            return Some(choice);
        }
        // What was chosen, by hand or not, has nothing to start with, and keeps nothing off air.
        let before = self.on_air.and_then(|it| self.entrants.get(&it));
        let before = before.filter(|it| it.origin != Origin::Demo);
        let is_dark = before.is_none_or(|it| !it.is_heard(now, CHOSEN_FIRST));
        let waits = self.decided.map(|(_, since)| now.saturating_sub(since));
        let is_for_any = is_dark && waits.is_some_and(|waits| CHOSEN_FIRST < waits);
        is_for_any.then(|| Choice {
            number,
            cause: SwitchCause::Automatic,
            reason: self.director.left(before.and_then(|it| it.silence(now))),
        })
    }

    /// Ends a feed.
    pub(super) fn remove(&mut self, number: u64, now: Duration) {
        let Some(entrant) = self.entrants.remove(&number) else {
            return;
        };
        entrant.evicted().notify_one();
        if let Some(post) = self.post_of(&entrant.origin) {
            post.ended(entrant.bytes());
        }
        if self.on_air == Some(number) {
            self.vacate(entrant.origin, now);
        }
    }

    fn vacate(&mut self, origin: Origin, now: Duration) {
        self.flush();
        self.on_air = None;
        self.vacant = Some((origin, now));
        self.director.ended();
    }

    /// Takes off what has long been silent though nobody took its place: who is connected by SRT
    /// may be so for ever. It goes on air again as whoever comes first.
    pub(super) fn leave_silent(&mut self, now: Duration) {
        let feed = self.on_air.and_then(|it| self.entrants.get(&it));
        let silence = feed.and_then(|it| it.silence(now));
        let since = silence.map(|silence| now.saturating_sub(silence));
        let (before, looks) = self.silent;
        self.silent = (since, if since == before { looks + 1 } else { 0 });
        if let Some(feed) = feed.filter(|_| SILENT_LOOKS <= self.silent.1) {
            let origin = feed.origin.clone();
            self.vacate(origin, now);
        }
    }

    pub(super) fn post_of(&mut self, origin: &Origin) -> Option<&mut Post> {
        match origin {
            Origin::Source(id) => self.posts.get_mut(id),
            Origin::Encoder | Origin::Demo => None,
        }
    }

    /// Sees how every source does; true if there is news.
    pub(super) fn see_posts(&mut self, now: Duration, clock: impl Fn() -> Timestamp) -> bool {
        let mut is_news = false;
        for (id, post) in &mut self.posts {
            let mut all = self.entrants.iter();
            let feed = all.find(|(_, it)| matches!(&it.origin, Origin::Source(its) if its == id));
            let is_on_air = feed.is_some_and(|(number, _)| self.on_air == Some(*number));
            is_news |= post.see(feed.map(|(_, it)| it), is_on_air, now, &clock);
        }
        is_news
    }

    /// What is seen of every source.
    pub(super) fn observe_posts(&self, now: Duration) -> Vec<ObservedIngest> {
        let observed = self.posts.iter().map(|(id, post)| {
            let feed = self.feed_of(&Origin::Source(id.clone()));
            post.observe(id, feed.map(|(_, it)| it), now)
        });
        observed.collect()
    }

    /// Lets nothing go out any more; returns what did.
    pub(super) fn close(&mut self) -> Option<Origin> {
        self.is_open = false;
        self.flush();
        let before = self.on_air.take();
        let before = before.and_then(|number| self.entrants.get(&number));
        let vacant = self.vacant.take().map(|(origin, _)| origin);
        let was = before.map(|it| it.origin.clone()).or(vacant)?;
        self.tap.iter().for_each(Tap::end);
        self.director.vacated();
        Some(was)
    }

    /// Whether what was on air last has no successor; returns it once.
    pub(super) fn give_up(&mut self, now: Duration) -> Option<Origin> {
        let (_, since) = self.vacant.as_ref()?;
        let is_late = VACANT_MAX <= now.saturating_sub(*since);
        if self.decided.is_some() && !is_late {
            return None;
        }
        self.tap.iter().for_each(Tap::end);
        self.director.vacated();
        self.vacant.take().map(|(was, _)| was)
    }

    /// Begins anew with this feed, which goes on with a frame to start with.
    pub(super) fn begin(&mut self, choice: Choice, first: &Input, now: Duration) -> Begun {
        self.flush();
        let before = self.on_air.replace(choice.number);
        let before = before.and_then(|number| self.entrants.get(&number));
        let vacant = self.vacant.take().map(|(origin, _)| origin);
        let decided = self.decided.take().filter(|(it, _)| *it == choice.number);
        let begun = Begun {
            from: before.map(|it| it.origin.clone()).or(vacant),
            gap: self.published.map(|before| now.saturating_sub(before)),
            waited: decided.map_or(Duration::ZERO, |(_, at)| now.saturating_sub(at)),
        };
        self.timeline.restart();
        self.program.restart();
        self.tap.iter().for_each(Tap::begin);
        self.cut = Cut::after(first);
        if first.track == Track::Audio {
            // A header of pictures may be there; of pictures there is none in sight.
            self.program.expect_no_picture();
        }
        if let Some(entrant) = self.entrants.get(&choice.number) {
            self.fourcc.clone_from(&entrant.fourcc);
            self.director.switched(&entrant.origin, choice.reason, now);
            let headers: Vec<Input> = entrant.headers().cloned().collect();
            for header in &headers {
                self.publish(header, now);
            }
        }
        begun
    }

    /// Sends a message of the feed on air to all.
    pub(super) fn publish(&mut self, input: &Input, now: Duration) {
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
        if let Some(tap) = &mut self.tap {
            tap.take(input, &packet, &self.program);
        }

        let flush = packet.track == Track::Video || self.flushed + FLUSH_EVERY <= time;
        if flush {
            self.flushed = time;
        }
        self.held = !flush;
        for lane in self.lanes.values() {
            lane.offer(&packet, &self.program, flush);
        }
    }

    /// Sends on what waits.
    pub(super) fn flush(&mut self) {
        if std::mem::take(&mut self.held) {
            self.lanes.values().for_each(|lane| lane.flush());
        }
    }
}
