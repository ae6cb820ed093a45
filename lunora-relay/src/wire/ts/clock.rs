//! From 33 bits of 90 kHz to the milliseconds of RTMP, over any number of wraps.

const BITS: u32 = 33;

/// Ticks a millisecond.
const PER_MS: i64 = 90;

/// Carries times on by how far each is from the one before, so that a wrap is a step like any other.
///
/// All tracks of a program share one: so the wrap of one is the wrap of all.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<(u64, i64)>,
}

impl Clock {
    /// The time without a wrap, in ticks.
    pub(super) fn follow(&mut self, time: u64) -> i64 {
        let (last, ticks) = self.last.unwrap_or((time, time.cast_signed()));
        let ticks = ticks.wrapping_add(distance(last, time));
        self.last = Some((time, ticks));
        ticks
    }
}

/// From one time to another, the shorter way round.
pub(super) const fn distance(from: u64, to: u64) -> i64 {
    const UNUSED: u32 = u64::BITS - BITS;
    (to.wrapping_sub(from) << UNUSED).cast_signed() >> UNUSED
}

/// As RTMP counts, which wraps at 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "wraps on purpose"
)]
pub(super) const fn milliseconds(ticks: i64) -> u32 {
    ticks.div_euclid(PER_MS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_of_33_bits_is_a_step_like_any_other_for_both_tracks() {
        let mut clock = Clock::default();
        let end = 1 << 33;
        let video = clock.follow(end - 900);
        let audio = clock.follow(end - 1_800);

        assert_eq!(clock.follow(900) - video, 1_800);
        assert_eq!(clock.follow(0) - audio, 1_800);
        assert_eq!(clock.follow(end - 90) - video, 810, "and back");
        assert_eq!(milliseconds(clock.follow(90)) - milliseconds(video), 11);
    }

    #[test]
    fn a_thousand_wraps_add_up() {
        let mut clock = Clock::default();
        let begin = clock.follow(0);
        let mut last = 0;
        for step in 1..=4_000_u64 {
            last = clock.follow((step << 31) % (1 << 33));
        }
        assert_eq!(last - begin, 4_000 << 31);
    }
}
