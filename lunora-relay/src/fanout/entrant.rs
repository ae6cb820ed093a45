//! One that sends, on air or not: what it would begin with, and how it does.

use std::time::Duration;

use lunora_core::domain::Priority;
use tokio::time::Instant;

use super::{
    director::{Candidate, SILENT_AFTER},
    packet::{Input, Role, Track},
    program::DARK_AFTER,
};
use crate::{air::Origin, wire::tag::Codec};

/// How long a gap between two messages is remembered.
const GAP_KEPT: Duration = Duration::from_secs(30);

/// A feed as the hub knows it.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) origin: Origin,
    pub(super) priority: Priority,
    /// The enhanced codecs that it announced.
    pub(super) fourcc: Vec<String>,
    /// The latest header of each track: a receiver needs them whenever it goes on air.
    headers: [Option<Input>; Track::COUNT],
    /// When it came, and when it last sent anything.
    pub(super) spoke: Instant,
    /// When sound or a picture last came.
    heard: Option<Instant>,
    /// Since when they come without a gap that counts as silence.
    good_since: Instant,
    /// The longest gap of late that it came back from, and when.
    gap: (Duration, Instant),
    /// The time of the first sound since the last picture.
    sound_since: Option<u32>,
    /// How pictures and sound are coded, as soon as one was seen.
    codecs: [Option<Codec>; 2],
}

impl Entrant {
    pub(super) fn new(origin: Origin, priority: Priority, fourcc: Vec<String>) -> Self {
        let now = Instant::now();
        Self {
            origin,
            priority,
            fourcc,
            headers: [None, None, None],
            spoke: now,
            heard: None,
            good_since: now,
            gap: (Duration::ZERO, now),
            sound_since: None,
            codecs: [None; 2],
        }
    }

    /// Takes note of what it sent; true if a receiver can start here.
    pub(super) fn take(&mut self, input: &Input, now: Instant) -> bool {
        self.spoke = now;
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

    fn hear(&mut self, now: Instant) {
        let Some(before) = self.heard.replace(now) else {
            self.good_since = now;
            return;
        };
        let gap = now.duration_since(before);
        if SILENT_AFTER < gap {
            self.good_since = now;
        }
        if self.gap.0 <= gap || GAP_KEPT < now.duration_since(self.gap.1) {
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

    /// How pictures and sound are coded.
    pub(super) const fn codecs(&self) -> [Option<Codec>; 2] {
        self.codecs
    }

    /// As the director sees it; `None` for what is never chosen.
    pub(super) fn candidate(&self, number: u64, now: Instant) -> Option<Candidate<'_>> {
        let is_recent = now.duration_since(self.gap.1) <= GAP_KEPT;
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
