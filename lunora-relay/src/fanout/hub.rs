//! Who is on air, and the loop from each message to every lane.

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lunora_core::port::Clock;
use tokio::{sync::watch, time::Instant};

use super::{
    lane::Lane,
    packet::{Input, Packet, Role, Track},
    program::{DARK_AFTER, Program},
    tap::Tap,
    timeline::Timeline,
};
use crate::{
    lock::lock,
    news::News,
    program::{OnAir, ProgramFacts},
    wire::{message::Message, tag::Codec},
};

/// Audio that waits for a picture to go out with waits no longer, in milliseconds.
const FLUSH_EVERY: u64 = 50;
/// An encoder that sent nothing for this long is replaced by one that comes now.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// Where a feed may go on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// While no encoder is there.
    Demo,
    /// Before everything else.
    Encoder,
}

/// Another encoder is publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another encoder is publishing")]
pub(crate) struct InUse;

/// Another feed has taken this one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another encoder has taken over")]
pub(crate) struct Replaced;

/// Connects the feed that is on air with every lane.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    facts: watch::Sender<ProgramFacts>,
    bytes_in: AtomicU64,
    started: Instant,
    clock: Arc<dyn Clock>,
    news: News,
}

#[derive(Debug)]
struct Inner {
    has_demo: bool,
    /// The encoder that may publish, and when it last sent something.
    encoder: Option<(u64, Instant)>,
    on_air: Option<u64>,
    minted: u64,
    /// The enhanced codecs that the encoder on air announced.
    fourcc: Vec<String>,
    timeline: Timeline,
    /// The time of the last packet of each track.
    last: [u64; Track::COUNT],
    flushed: u64,
    /// Whether something was handed to the lanes that they have not written yet.
    held: bool,
    program: Program,
    lanes: BTreeMap<u64, Arc<Lane>>,
    tap: Option<Tap>,
}

impl Hub {
    /// With nothing on air; with a demo, it is as good as on air from now on.
    pub(crate) fn new(has_demo: bool, clock: Arc<dyn Clock>, news: News) -> Self {
        let inner = Inner {
            has_demo,
            encoder: None,
            on_air: None,
            minted: 0,
            fourcc: Vec::new(),
            timeline: Timeline::default(),
            last: [0; Track::COUNT],
            flushed: 0,
            held: false,
            program: Program::default(),
            lanes: BTreeMap::new(),
            tap: None,
        };
        Self {
            facts: watch::Sender::new(ProgramFacts::new(inner.idle(), clock.now())),
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

    /// Bytes of media that came in so far.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// The enhanced codecs that the source announced, as fourCC.
    pub(crate) fn fourcc(&self) -> Vec<String> {
        lock(&self.inner).fourcc.clone()
    }

    /// Lets the demo or an encoder send. Of two encoders, the one that is sending stays; one that
    /// has gone silent makes room, as the newcomer is most likely the same one come back.
    pub(crate) fn feed(self: &Arc<Self>, place: Place, fourcc: Vec<String>) -> Result<Feed, InUse> {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        let is_sending = |(_, sent): &(u64, Instant)| now.duration_since(*sent) < SILENT_AFTER;
        if place == Place::Encoder && inner.encoder.as_ref().is_some_and(is_sending) {
            return Err(InUse);
        }
        inner.minted += 1;
        let number = inner.minted;
        if place == Place::Encoder {
            inner.encoder = Some((number, now));
        }
        Ok(Feed {
            hub: Arc::clone(self),
            number,
            place,
            fourcc,
            was_on_air: false,
            opening: Default::default(),
            sound_since: None,
        })
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

    /// Hands all that comes to a reader on another thread, too.
    pub(crate) fn attach(&self, tap: Tap) {
        lock(&self.inner).tap = Some(tap);
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
    place: Place,
    fourcc: Vec<String>,
    was_on_air: bool,
    /// Headers that wait for the frame with which the feed goes on air.
    opening: [Option<Input>; Track::COUNT],
    /// The time of the first sound since the last picture, while it waits for a keyframe.
    sound_since: Option<u32>,
}

impl Feed {
    /// Sends a message, or keeps it until there is something to start with.
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Replaced> {
        let Some(input) = Input::new(message) else {
            return Ok(());
        };
        let now = Instant::now();
        let mut inner = lock(&self.hub.inner);
        self.hold(&mut inner, now)?;
        self.hub.bytes_in.fetch_add(input.len() as u64, Relaxed);
        let begins = inner.on_air != Some(self.number);
        if begins {
            if self.was_on_air {
                // Its headers were sent and are forgotten: it has to begin anew.
                return Err(Replaced);
            }
            if !self.opens(&input) && !lacks_pictures(&mut self.sound_since, &input) {
                if input.role == Role::Header {
                    let track = input.track.index();
                    self.opening[track] = Some(input);
                }
                return Ok(());
            }
            self.was_on_air = true;
            inner.on_air = Some(self.number);
            inner.fourcc.clone_from(&self.fourcc);
            inner.timeline.restart();
            inner.program.restart();
            inner.tap.iter().for_each(Tap::begin);
            if input.track == Track::Audio {
                // A header of pictures may be there; of pictures there is none in sight.
                inner.program.expect_no_picture();
            }
        }
        let codec_of = |track: Track, opening: &[Option<Input>; Track::COUNT]| {
            let header = opening[track.index()].as_ref().map(|input| input.codec);
            let shows = input.track == track && input.role != Role::Extra;
            header.or_else(|| shows.then_some(input.codec))
        };
        let codecs = [
            codec_of(Track::Video, &self.opening),
            codec_of(Track::Audio, &self.opening),
        ];
        let [audio, video, data] = std::mem::take(&mut self.opening);
        let opening = [data, video, audio].into_iter().flatten();
        let elapsed = now.duration_since(self.hub.started);
        for input in opening.chain(iter::once(input)) {
            inner.publish(&input, elapsed);
        }
        drop(inner);
        let on_air = match self.place {
            Place::Demo => OnAir::Demo,
            Place::Encoder => OnAir::Encoder,
        };
        self.hub.show(on_air, begins, codecs);
        Ok(())
    }

    /// How long what was sent last may wait for more to go out with; `None` if nothing waits.
    pub(crate) fn patience(&self) -> Option<Duration> {
        lock(&self.hub.inner)
            .held
            .then_some(Duration::from_millis(FLUSH_EVERY))
    }

    /// Sends on what waits.
    pub(crate) fn flush(&self) {
        lock(&self.hub.inner).flush();
    }

    /// Whether the feed may still send.
    fn hold(&self, inner: &mut Inner, now: Instant) -> Result<(), Replaced> {
        match (self.place, &mut inner.encoder) {
            (Place::Encoder, Some((number, sent))) if *number == self.number => *sent = now,
            (Place::Encoder, _) => return Err(Replaced),
            (Place::Demo, encoder) => {
                let encoder = encoder.as_ref().map(|(number, _)| *number);
                if encoder.is_some() && inner.on_air == encoder {
                    return Err(Replaced);
                }
            }
        }
        Ok(())
    }

    /// Whether a feed can go on air with this: a receiver can start here.
    fn opens(&self, input: &Input) -> bool {
        let has_video = self.opening[Track::Video.index()].is_some();
        match input.role {
            Role::Key => true,
            Role::Frame => input.track == Track::Audio && !has_video,
            Role::Header | Role::Extra => false,
        }
    }
}

/// Whether so much sound came without a picture, since the time noted, that none is to be waited for.
fn lacks_pictures(sound_since: &mut Option<u32>, input: &Input) -> bool {
    match (input.track, input.role) {
        (Track::Video, Role::Frame) => *sound_since = None,
        (Track::Audio, Role::Frame) => {
            let since = *sound_since.get_or_insert(input.timestamp);
            let waited = u64::from(input.timestamp.wrapping_sub(since));
            // Half of all numbers are ahead, the other half behind.
            return (DARK_AFTER..1 << 31).contains(&waited);
        }
        _ => {}
    }
    false
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut inner = lock(&self.hub.inner);
        if inner
            .encoder
            .is_some_and(|(number, _)| number == self.number)
        {
            inner.encoder = None;
        }
        if inner.on_air == Some(self.number) {
            inner.flush();
            inner.on_air = None;
            inner.tap.iter().for_each(Tap::end);
            let idle = inner.idle();
            drop(inner);
            self.hub.show(idle, false, [None; 2]);
        }
    }
}
