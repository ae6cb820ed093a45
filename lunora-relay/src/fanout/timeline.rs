//! Every message gets its place on one time that never goes back.
//!
//! A timestamp of an encoder means nothing by itself: it starts anywhere, wraps after 2^31 or 2^32
//! milliseconds, jumps when a file loops and starts anew with the next encoder. So only the way
//! from one message to the next is taken over, and a way that cannot be meant (back, or more than
//! [`LEAP_MAX`] ahead) becomes a step of the usual length, or of as long as nothing came in.
//!
//! Audio and video keep their distance: a jump gives *both* the same new offset, and the track that
//! comes to the jump later finds it there. Until then it goes on with the offset before.

use std::time::Duration;

/// Further ahead is a jump, in milliseconds.
const LEAP_MAX: i64 = 2_000;
/// Less far back is an encoder that does not count well, and no jump: the time stands still.
const JITTER_MAX: i64 = 100;
/// What a step may measure to be the usual one, in milliseconds.
const STEP_MAX: u64 = 200;

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    tracks: [Option<Progress>; 2],
    /// From an encoder's time to ours. The older one is for the track that has not jumped yet.
    offsets: [Option<i64>; 2],
    /// When the last message was placed.
    at: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    last: u64,
    step: u64,
    /// By which offset it was placed last.
    offset: Option<i64>,
}

impl Timeline {
    /// What comes next is from another source: whatever its time, it goes on from here.
    pub(crate) const fn restart(&mut self) {
        self.offsets = [None; 2];
    }

    /// The newest time of any track.
    pub(crate) fn newest(&self) -> u64 {
        let all = self.tracks.iter().flatten();
        all.map(|track| track.last).max().unwrap_or(0)
    }

    /// Places an audio (0) or video (1) message that comes in at `now`, on a clock that cannot jump.
    pub(crate) fn place(&mut self, track: usize, timestamp: u32, now: Duration) -> u64 {
        let continued = self.continued(track, timestamp);
        let (time, offset) = continued.unwrap_or_else(|| self.jump(timestamp, now));
        self.at = now;
        if let Some(slot) = self.tracks.get_mut(track) {
            let (last, usual) = slot.map_or((time, FIRST_STEP), |own| (own.last, own.step));
            let step = match time.saturating_sub(last) {
                step @ 1..=STEP_MAX => step,
                _ => usual,
            };
            *slot = Some(Progress {
                last: time,
                step,
                offset: Some(offset),
            });
        }
        time
    }

    /// The place of a message that goes on from an earlier one, by the offset that fits best.
    fn continued(&self, track: usize, timestamp: u32) -> Option<(u64, i64)> {
        let newest = signed(self.newest());
        let own = self.tracks.get(track).copied().flatten();
        let last = own.map_or(newest, |own| signed(own.last));
        let expected = own.map_or(newest, |own| signed(own.last + own.step));

        let offsets = self.offsets.iter().enumerate();
        let places = offsets.filter_map(|(age, offset)| {
            let offset = (*offset)?;
            let place = nearest_to(expected, timestamp, offset);
            // A track that was silent, or comes to a jump, appears where the other one is by now.
            let beside = age == 0 && (place - newest).abs() <= LEAP_MAX;
            let arrives = age == 0 && own.is_none_or(|own| own.offset != Some(offset));
            let back_max = if arrives { LEAP_MAX } else { JITTER_MAX };
            let fits = last - back_max <= place && (place <= last + LEAP_MAX || beside);
            fits.then_some((place, offset))
        });
        let (place, offset) = places.min_by_key(|(place, _)| (place - expected).abs())?;
        let floor = own.map_or(0, |own| own.last);
        Some((u64::try_from(place).unwrap_or(0).max(floor), offset))
    }

    /// Starts a new offset: after all that was placed, and after as long as nothing came in.
    fn jump(&mut self, timestamp: u32, now: Duration) -> (u64, i64) {
        let tracks = self.tracks.iter().flatten();
        let behind_all = tracks.map(|track| track.last + track.step).max();
        let place = behind_all.map_or(0, |behind_all| {
            let silence = now.saturating_sub(self.at).as_millis();
            let waited = u64::try_from(silence)
                .unwrap_or(0)
                .saturating_add(self.newest());
            behind_all.max(waited)
        });
        let offset = signed(place) - i64::from(timestamp);
        self.offsets = [Some(offset), self.offsets[0]];
        (place, offset)
    }
}

/// Until a track has shown its own: between an audio frame and a picture.
const FIRST_STEP: u64 = 30;

/// The place that this timestamp means near `expected`, whichever wrap it is in.
const fn nearest_to(expected: i64, timestamp: u32, offset: i64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "wraps on purpose"
    )]
    let wanted = (expected - offset) as u32;
    #[expect(clippy::cast_possible_wrap, reason = "the shorter way round")]
    let way = timestamp.wrapping_sub(wanted) as i32;
    expected + way as i64
}

fn signed(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AUDIO: usize = 0;
    const VIDEO: usize = 1;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Places pictures every 40 ms and audio every 20 ms, both from `start`, and returns the last
    /// place of each.
    fn play(timeline: &mut Timeline, start: u32, pictures: u32, now: &mut u64) -> [u64; 2] {
        let mut last = [0; 2];
        for picture in 0..pictures {
            let ts = start.wrapping_add(picture * 40);
            last[VIDEO] = timeline.place(VIDEO, ts, at(*now));
            last[AUDIO] = timeline.place(AUDIO, ts, at(*now));
            *now += 20;
            last[AUDIO] = timeline.place(AUDIO, ts.wrapping_add(20), at(*now));
            *now += 20;
        }
        last
    }

    #[test]
    fn time_begins_at_zero_wherever_the_encoder_begins() {
        for start in [0, 1, 5_000, 0xFF_FFFE, u32::MAX - 3] {
            let mut timeline = Timeline::default();

            let last = play(&mut timeline, start, 3, &mut 0);

            assert_eq!(last, [100, 80], "from {start}");
        }
    }

    #[test]
    fn a_wrap_at_2_to_32_and_one_at_2_to_31_are_steps_like_any_other() {
        let mut timeline = Timeline::default();
        let now = &mut 0;
        play(&mut timeline, u32::MAX - 399, 10, now);
        assert_eq!(timeline.place(VIDEO, 0, at(*now)), 400);

        let mut timeline = Timeline::default();
        let now = &mut 0;
        play(&mut timeline, (1 << 31) - 400, 10, now);
        assert_eq!(timeline.place(VIDEO, 0, at(*now)), 400);
        assert_eq!(timeline.place(AUDIO, 0, at(*now)), 400);
    }

    #[test]
    fn a_loop_and_a_leap_shift_audio_and_video_alike() {
        for next in [0, 3_600_000] {
            let mut timeline = Timeline::default();
            let now = &mut 0;
            play(&mut timeline, 0, 250, now);

            let last = play(&mut timeline, next, 250, now);

            assert_eq!(last, [499 * 40 + 20, 499 * 40], "after a jump to {next}");
        }
    }

    #[test]
    fn audio_that_comes_late_to_a_jump_still_ends_at_its_old_place() {
        let mut timeline = Timeline::default();
        play(&mut timeline, 0, 30, &mut 0);

        assert_eq!(timeline.place(VIDEO, 0, at(1_200)), 1_200);
        assert_eq!(timeline.place(AUDIO, 1_200, at(1_200)), 1_200);
        assert_eq!(timeline.place(VIDEO, 40, at(1_240)), 1_240);
        assert_eq!(timeline.place(AUDIO, 60, at(1_240)), 1_260);
    }

    #[test]
    fn an_encoder_that_comes_back_goes_on_after_as_long_as_it_was_away() {
        let mut timeline = Timeline::default();
        let now = &mut 0;
        play(&mut timeline, 0, 25, now);
        *now += 3_000;
        timeline.restart();

        // The last message, audio at 980, was 3,020 ms ago.
        assert_eq!(timeline.place(VIDEO, 77, at(*now)), 4_000);
        assert_eq!(timeline.place(AUDIO, 60, at(*now)), 3_983);
    }

    #[test]
    fn a_track_that_was_silent_for_long_comes_back_beside_the_other() {
        let mut timeline = Timeline::default();
        timeline.place(AUDIO, 0, at(0));
        for ts in (0..60_000).step_by(40) {
            timeline.place(VIDEO, ts, at(ts.into()));
        }

        assert_eq!(timeline.place(AUDIO, 59_990, at(60_000)), 59_990);
        assert_eq!(timeline.place(VIDEO, 60_000, at(60_000)), 60_000);
    }

    #[test]
    fn a_timestamp_a_little_back_stands_still_and_shifts_nothing() {
        let mut timeline = Timeline::default();
        timeline.place(VIDEO, 1_000, at(0));
        timeline.place(VIDEO, 1_040, at(40));

        assert_eq!(timeline.place(VIDEO, 1_039, at(80)), 40);
        assert_eq!(timeline.place(VIDEO, 1_120, at(120)), 120);
    }

    proptest! {
        #[test]
        fn time_never_goes_back_whatever_comes_in(
            inputs in prop::collection::vec((0..2_usize, any::<u32>(), 0..5_000_u64, any::<bool>()), 1..200)
        ) {
            let mut timeline = Timeline::default();
            let (mut last, mut now) = ([0; 2], 0);
            for (track, timestamp, wait, restart) in inputs {
                if restart && wait < 500 {
                    timeline.restart();
                }
                now += wait;
                let place = timeline.place(track, timestamp, at(now));
                prop_assert!(last[track] <= place);
                last[track] = place;
            }
        }

        #[test]
        fn audio_and_video_keep_their_distance_over_any_jumps(
            starts in prop::collection::vec((any::<u32>(), 60..200_u32), 1..8)
        ) {
            let mut timeline = Timeline::default();
            let now = &mut 0;
            for (start, pictures) in starts {
                let [audio, video] = play(&mut timeline, start, pictures, now);
                prop_assert_eq!(audio, video + 20);
            }
        }

        #[test]
        fn what_is_placed_runs_no_faster_than_the_clock(
            starts in prop::collection::vec((any::<u32>(), 60..200_u32), 1..8)
        ) {
            let mut timeline = Timeline::default();
            let now = &mut 0;
            let jumps = starts.len() as u64;
            for (start, pictures) in starts {
                play(&mut timeline, start, pictures, now);
            }
            prop_assert!(timeline.newest() <= *now + 20 * jumps);
        }
    }
}
