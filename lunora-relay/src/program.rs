//! What is on air.

use jiff::Timestamp;

use crate::wire::tag::Codec;

/// Where the program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAir {
    /// Nothing comes in.
    Nothing,
    /// The test stream that this crate brings along.
    Demo,
    /// An encoder publishes.
    Encoder,
}

/// What is on air, as the fan-out knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProgramFacts {
    pub(crate) on_air: OnAir,
    pub(crate) since: Timestamp,
    pub(crate) video: Option<Codec>,
    pub(crate) audio: Option<Codec>,
}

impl ProgramFacts {
    pub(crate) const fn new(on_air: OnAir, since: Timestamp) -> Self {
        Self {
            on_air,
            since,
            video: None,
            audio: None,
        }
    }

    /// Takes note of what was just sent, by a feed that maybe begins with it; true if it is news.
    pub(crate) fn update(
        &mut self,
        on_air: OnAir,
        begins: bool,
        [video, audio]: [Option<Codec>; 2],
        now: impl FnOnce() -> Timestamp,
    ) -> bool {
        let before = *self;
        if begins || self.on_air != on_air {
            *self = Self::new(on_air, now());
        }
        self.video = video.or(self.video);
        self.audio = audio.or(self.audio);
        *self != before
    }
}

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it comes from.
    pub on_air: OnAir,
    /// Since when.
    pub since: Timestamp,
    /// How the pictures are coded, as soon as one was seen.
    pub video: Option<Codec>,
    /// How the sound is coded, as soon as some was heard.
    pub audio: Option<Codec>,
    /// Bits of media in the last second; `None` if there were none.
    pub bitrate_bps: Option<u64>,
}

impl Program {
    pub(crate) const fn new(facts: ProgramFacts, bitrate_bps: Option<u64>) -> Self {
        let ProgramFacts {
            on_air,
            since,
            video,
            audio,
        } = facts;
        Self {
            on_air,
            since,
            video,
            audio,
            bitrate_bps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_encoder_has_neither_the_codecs_nor_the_age_of_the_one_before() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut facts = ProgramFacts::new(OnAir::Nothing, at(0));
        facts.update(
            OnAir::Encoder,
            true,
            [Some(Codec::Avc), Some(Codec::Aac)],
            || at(1),
        );

        assert!(facts.update(OnAir::Encoder, true, [None, Some(Codec::Aac)], || at(2)));

        assert_eq!((facts.video, facts.since), (None, at(2)));
        assert!(!facts.update(OnAir::Encoder, false, [None, None], || at(3)));
    }
}
