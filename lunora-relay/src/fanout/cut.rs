//! Where one feed ends and the next begins: what of the next one may not be sent.
//!
//! A receiver that gets a feed from a keyframe on has nothing that came before it there. So sound
//! from before that picture is left out, and so are the pictures that are shown before it though
//! they come after it (an open group): they refer to pictures that were never sent.

use super::packet::{Input, Role, Track};

/// An encoder whose sound is further behind than this, in milliseconds, does not count well, and
/// its sound is not held back.
const BEHIND_MAX: i64 = 2_000;

/// What is left out after the frame that a feed went on air with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    /// The times of the first picture while others may be shown before it: sent, and shown.
    picture: Option<(u32, i64)>,
    /// The time of the first picture, until there is sound from after it.
    sound: Option<u32>,
}

impl Cut {
    /// After the frame that goes out first.
    pub(super) fn after(first: &Input) -> Self {
        let is_picture = first.track == Track::Video;
        Self {
            picture: is_picture.then_some((first.timestamp, first.composition.into())),
            sound: is_picture.then_some(first.timestamp),
        }
    }

    /// Whether this may be sent.
    pub(super) fn passes(&mut self, input: &Input) -> bool {
        match (input.track, input.role) {
            (Track::Video, Role::Key) => {
                self.picture = None;
                true
            }
            (Track::Video, Role::Frame) => self.picture.is_none_or(|(sent, shown)| {
                shown <= since(sent, input.timestamp) + i64::from(input.composition)
            }),
            (Track::Audio, Role::Frame) => {
                let behind = self.sound.map_or(0, |sent| since(input.timestamp, sent));
                if (1..=BEHIND_MAX).contains(&behind) {
                    return false;
                }
                self.sound = None;
                true
            }
            _ => true,
        }
    }
}

/// From one timestamp to another, the shorter way round.
fn since(one: u32, other: u32) -> i64 {
    #[expect(clippy::cast_possible_wrap, reason = "the shorter way round")]
    let way = other.wrapping_sub(one) as i32;
    i64::from(way)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::message::{Message, MessageKind};

    fn input(kind: MessageKind, timestamp: u32, payload: &[u8]) -> Input {
        let payload = Bytes::copy_from_slice(payload);
        Input::new(Message {
            kind,
            timestamp,
            stream_id: 1,
            payload,
        })
        .unwrap()
    }

    /// A picture that is shown so long after it is sent.
    fn picture(first: u8, timestamp: u32, composition: u8) -> Input {
        input(
            MessageKind::Video,
            timestamp,
            &[first, 1, 0, 0, composition, 9],
        )
    }

    fn sound(timestamp: u32) -> Input {
        input(MessageKind::Audio, timestamp, &[0xaf, 1, 9])
    }

    #[test]
    fn pictures_of_an_open_group_that_are_shown_before_its_first_are_left_out() {
        for start in [1_000, u32::MAX - 50] {
            let at = |after: u32| start.wrapping_add(after);
            let mut cut = Cut::after(&picture(0x17, start, 120));

            assert!(!cut.passes(&picture(0x27, at(40), 0)), "shown 80 ms before");
            assert!(!cut.passes(&picture(0x27, at(80), 0)), "shown 40 ms before");
            assert!(cut.passes(&picture(0x27, at(120), 120)));
            assert!(cut.passes(&picture(0x27, at(160), 0)), "shown 40 ms after");
            // Everything that the next group refers to was sent.
            assert!(cut.passes(&picture(0x17, at(200), 120)));
            assert!(cut.passes(&picture(0x27, at(240), 0)));
        }
    }

    #[test]
    fn sound_from_before_the_first_picture_is_left_out() {
        let mut cut = Cut::after(&picture(0x17, 1_000, 0));

        assert!(!cut.passes(&sound(960)));
        assert!(!cut.passes(&sound(981)));
        assert!(cut.passes(&sound(1_002)));
        // From here on it is the encoder's own business.
        assert!(cut.passes(&sound(990)));
    }

    #[test]
    fn sound_that_is_far_behind_is_not_held_back_for_ever() {
        let mut cut = Cut::after(&picture(0x17, 60_000, 0));

        assert!(cut.passes(&sound(1_000)));
    }
}
