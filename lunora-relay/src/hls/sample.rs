//! One frame at its place, and how places are counted.

use bytes::Bytes;

use super::tracks::{Audio, VIDEO_TIMESCALE};

/// Which of the two tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Video,
    Audio,
}

/// Whether a decoder can begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Key,
    Other,
}

/// A frame of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) kind: Kind,
    pub(super) entry: Entry,
    /// Milliseconds on the program's timeline.
    pub(super) time: u64,
    /// The same in ticks of its track, each after the one before.
    pub(super) ticks: u64,
    /// By how many ticks it is shown later.
    pub(super) composition: i32,
    pub(super) data: Bytes,
}

/// Gives samples their ticks.
///
/// RTMP rounds every time to a millisecond. A player that puts frames of sound where they say gets
/// gaps and overlaps of less than one, hence clicks. So as long as a frame of known length is about
/// where the one before ends, it is exactly there.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticks {
    video: Option<u64>,
    audio: Option<u64>,
}

/// How far from the end of the one before sound may be that goes on from there, in milliseconds.
const SLACK: u64 = 12;

impl Ticks {
    /// What comes next begins anew.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// The ticks of a picture at this time.
    pub(super) fn of_picture(&mut self, time: u64) -> u64 {
        let ticks = self.video.map_or(time, |last| time.max(last + 1));
        *self.video.insert(ticks)
    }

    /// The ticks of a frame of sound at this time.
    pub(super) fn of_sound(&mut self, time: u64, audio: &Audio) -> u64 {
        let scale = |ms: u64| ms * u64::from(audio.timescale) / u64::from(VIDEO_TIMESCALE);
        let wanted = scale(time);
        let ticks = match (self.audio, audio.frame) {
            (None, _) => wanted,
            (Some(last), frame) => {
                let exact = last + u64::from(frame.unwrap_or(1));
                let is_near = frame.is_some() && exact.abs_diff(wanted) <= scale(SLACK);
                if is_near { exact } else { wanted.max(last + 1) }
            }
        };
        *self.audio.insert(ticks)
    }
}

#[cfg(test)]
mod tests {
    use crate::{hls::tests::aac, wire::tag::Codec};

    use super::*;

    #[test]
    fn sound_with_rounded_times_has_no_gap_and_no_overlap() {
        let audio = aac();
        let mut ticks = Ticks::default();
        let exact = (0..100_000_u64).map(|n| n * 1_024);

        for ticks_wanted in exact {
            let rounded = ticks_wanted * 1_000 / 48_000;
            assert_eq!(ticks.of_sound(rounded, &audio), ticks_wanted);
        }
    }

    #[test]
    fn sound_that_was_away_comes_back_at_its_time_and_none_goes_back() {
        let audio = aac();
        let mut ticks = Ticks::default();
        ticks.of_sound(0, &audio);

        assert_eq!(ticks.of_sound(1_000, &audio), 48_000);
        assert_eq!(ticks.of_sound(900, &audio), 48_001);
        ticks.restart();
        assert_eq!(ticks.of_sound(2_000, &audio), 96_000);
    }

    #[test]
    fn two_pictures_at_one_time_are_one_after_the_other() {
        let mut ticks = Ticks::default();
        let of = [40, 40, 40, 41, 80].map(|time| ticks.of_picture(time));
        assert_eq!(of, [40, 41, 42, 43, 80]);
        assert_eq!(Codec::Aac.to_string(), "aac");
    }
}
