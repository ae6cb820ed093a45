//! How much a far end may say, and have us answer.
//!
//! A server has little to say to a publisher: a few answers, a ping now and then, a count of what it
//! got. One that never stops takes time that belongs to all outputs.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::wire::{SessionError, client::ClientSession};

/// The most that is read in a second: thousands of counts of what it got.
const INPUT_MAX: usize = 256 << 10;
/// The most that is answered in a second: hundreds of pings, or our own words with a long key.
const OUTPUT_MAX: usize = 16 << 10;
const SECOND: Duration = Duration::from_secs(1);

/// What was said on one connection in this second.
#[derive(Debug, Default)]
pub(super) struct Chatter {
    since: Option<Instant>,
    input: usize,
    output: usize,
}

impl Chatter {
    /// Gives what the far end sent to the session, and returns all of its answers in one.
    pub(super) fn answer(
        &mut self,
        session: &mut ClientSession,
        input: &[u8],
    ) -> Result<Option<Bytes>, SessionError> {
        session.handle_input(input)?;
        let output = session.take_output();
        self.count(
            Instant::now(),
            input.len(),
            output.as_ref().map_or(0, Bytes::len),
        )?;
        Ok(output)
    }

    fn count(&mut self, now: Instant, input: usize, output: usize) -> Result<(), SessionError> {
        if self.since.is_none_or(|since| SECOND <= now - since) {
            *self = Self {
                since: Some(now),
                ..Self::default()
            };
        }
        self.input += input;
        self.output += output;
        if INPUT_MAX < self.input || OUTPUT_MAX < self.output {
            return Err(SessionError::Chatter);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the answer to a ping takes.
    const PONG: usize = 18;

    #[test]
    fn a_ping_now_and_then_is_answered_for_ever_and_a_flood_is_not() {
        let (mut chatter, start) = (Chatter::default(), Instant::now());
        for ping in 0..100_000 {
            let now = start + ping * SECOND / 64;
            chatter.count(now, PONG, PONG).unwrap();
        }

        let mut chatter = Chatter::default();
        let pings = (0..100_000_u32).map(|ping| start + ping * SECOND / 100_000);
        let answered = pings
            .take_while(|now| chatter.count(*now, PONG, PONG).is_ok())
            .count();

        assert_eq!(answered, OUTPUT_MAX / PONG);
    }

    #[test]
    fn words_that_need_no_answer_are_bounded_too() {
        let (mut chatter, now) = (Chatter::default(), Instant::now());

        assert_eq!(chatter.count(now, INPUT_MAX, 0), Ok(()));
        assert_eq!(chatter.count(now, 1, 0), Err(SessionError::Chatter));
        assert_eq!(chatter.count(now + SECOND, 1, 0), Ok(()));
    }
}
