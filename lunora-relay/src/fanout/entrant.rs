//! One that sends, on air or not: what it would begin with, and how it does.

use std::{sync::Arc, time::Duration};

use lunora_core::domain::{MediaFacts, Priority};
use tokio::sync::Notify;

use super::{
    director::{Candidate, SILENT_AFTER},
    meter::Meter,
    packet::{Input, Role, Track},
    program::DARK_AFTER,
};
use crate::{air::Origin, wire::tag::Codec};

/// How long a gap between two messages is remembered.
const GAP_KEPT: Duration = Duration::from_secs(30);

/// A feed as the hub knows it. All times are since the hub began.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) origin: Origin,
    pub(super) priority: Priority,
    /// The enhanced codecs that it announced.
    pub(super) fourcc: Vec<String>,
    /// The latest header of each track: a receiver needs them whenever it goes on air.
    headers: [Option<Input>; Track::COUNT],
    /// When it came, and when it last sent anything.
    pub(super) spoke: Duration,
    /// When sound or a picture last came.
    heard: Option<Duration>,
    /// Since when they come without a gap that counts as silence.
    good_since: Duration,
    /// The longest gap of late that it came back from, and when.
    gap: (Duration, Duration),
    /// The time of the first sound since the last picture.
    sound_since: Option<u32>,
    /// How pictures and sound are coded, as soon as one was seen.
    codecs: [Option<Codec>; 2],
    meter: Meter,
    /// Told when it is to end.
    evicted: Arc<Notify>,
}

impl Entrant {
    pub(super) fn new(
        origin: Origin,
        priority: Priority,
        fourcc: Vec<String>,
        now: Duration,
    ) -> Self {
        Self {
            origin,
            priority,
            fourcc,
            headers: [const { None }; Track::COUNT],
            spoke: now,
            heard: None,
            good_since: now,
            gap: (Duration::ZERO, now),
            sound_since: None,
            codecs: [None; 2],
            meter: Meter::default(),
            evicted: Arc::default(),
        }
    }

    /// Takes note of what it sent; true if a receiver can start here.
    pub(super) fn take(&mut self, input: &Input, now: Duration) -> bool {
        self.spoke = now;
        self.meter.take(input, now);
        if input.is_frame() {
            self.hear(now);
        }
        match input.track {
            Track::Video if input.role != Role::Extra => self.codecs[0] = Some(input.codec),
            Track::Audio if input.role != Role::Extra => self.codecs[1] = Some(input.codec),
            _ => {}
        }
        let lacks_pictures = lacks_pictures(&mut self.sound_since, input);
        match input.role {
            Role::Header => {
                self.headers[input.track.index()] = Some(input.clone());
                false
            }
            Role::Key => true,
            Role::Frame if input.track == Track::Audio => {
                self.headers[Track::Video.index()].is_none() || lacks_pictures
            }
            Role::Frame | Role::Extra => false,
        }
    }

    fn hear(&mut self, now: Duration) {
        let Some(before) = self.heard.replace(now) else {
            self.good_since = now;
            return;
        };
        let gap = now.saturating_sub(before);
        if SILENT_AFTER < gap {
            self.good_since = now;
        }
        if self.gap.0 <= gap || GAP_KEPT < now.saturating_sub(self.gap.1) {
            self.gap = (gap, now);
        }
    }

    /// The headers in the order in which a receiver wants them: metadata, video, audio.
    pub(super) fn headers(&self) -> impl Iterator<Item = &Input> {
        let order = [Track::Data, Track::Video, Track::Audio];
        order
            .into_iter()
            .filter_map(|track| self.headers[track.index()].as_ref())
    }

    /// How long ago sound or a picture came, if any did.
    pub(super) fn silence(&self, now: Duration) -> Option<Duration> {
        self.heard.map(|heard| now.saturating_sub(heard))
    }

    /// Whether sound or a picture came within so long.
    pub(super) fn is_heard(&self, now: Duration, within: Duration) -> bool {
        self.silence(now).is_some_and(|silence| silence < within)
    }

    /// What was measured of it.
    pub(super) fn facts(&self, now: Duration) -> MediaFacts {
        self.meter.facts(now)
    }

    /// Bytes of media that it sent.
    pub(super) const fn bytes(&self) -> u64 {
        self.meter.bytes()
    }

    /// Tells whoever feeds it that it is over, once.
    pub(super) const fn evicted(&self) -> &Arc<Notify> {
        &self.evicted
    }

    /// How pictures and sound are coded.
    pub(super) const fn codecs(&self) -> [Option<Codec>; 2] {
        self.codecs
    }

    /// As the director sees it; `None` for what is never chosen.
    pub(super) fn candidate(&self, number: u64, now: Duration) -> Option<Candidate<'_>> {
        let is_recent = now.saturating_sub(self.gap.1) <= GAP_KEPT;
        let heard = self.heard?;
        (self.origin != Origin::Demo).then_some(Candidate {
            number,
            origin: &self.origin,
            priority: self.priority,
            heard,
            good_since: self.good_since,
            gap: if is_recent {
                self.gap.0
            } else {
                Duration::ZERO
            },
        })
    }
}

/// Whether so much sound came without a picture, since the time noted, that none is to be waited for.
fn lacks_pictures(sound_since: &mut Option<u32>, input: &Input) -> bool {
    match (input.track, input.role) {
        (Track::Video, Role::Key | Role::Frame) => *sound_since = None,
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
