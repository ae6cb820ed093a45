//! What sends: an encoder, a source or the test stream.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{hub::Hub, packet::Input, switchboard::FLUSH_EVERY};
use crate::{
    air::{Origin, Switched},
    lock::lock,
    program::OnAir,
    wire::message::Message,
};

/// Another feed of the same origin has taken this one's place, or nobody wants its source any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another encoder has taken over, or the source was removed")]
pub(crate) struct Evicted;

/// What became of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It went out.
    OnAir,
    /// It was looked at: another feed is on air, or there is nothing to start with yet.
    Watched,
}

/// The right to send. Dropping it ends what was sent.
#[derive(Debug)]
pub(crate) struct Feed {
    hub: Arc<Hub>,
    number: u64,
    evicted: Arc<Notify>,
}

impl Feed {
    pub(super) const fn new(hub: Arc<Hub>, number: u64, evicted: Arc<Notify>) -> Self {
        Self {
            hub,
            number,
            evicted,
        }
    }

    /// Sends a message, or has it looked at while another feed is on air.
    pub(crate) fn send(&mut self, message: Message) -> Result<Standing, Evicted> {
        let Some(input) = Input::new(message) else {
            return Ok(Standing::Watched);
        };
        let now = self.hub.now();
        let mut board = lock(&self.hub.inner);
        let entrant = board.entrants.get_mut(&self.number).ok_or(Evicted)?;
        let opens = entrant.take(&input, now);
        let mut begun = None;
        if board.on_air != Some(self.number) {
            let choice = opens.then(|| board.admits(self.number, now)).flatten();
            let Some(choice) = choice else {
                return Ok(Standing::Watched);
            };
            begun = Some((choice, board.begin(choice, &input, now)));
        } else if !board.cut.passes(&input) {
            return Ok(Standing::OnAir);
        }
        board.publish(&input, now);
        if input.is_frame() {
            board.published = Some(now);
        }
        self.hub.count(input.len());
        let entrant = board.entrants.get(&self.number).ok_or(Evicted)?;
        let on_air = match entrant.origin {
            Origin::Demo => OnAir::Demo,
            Origin::Encoder | Origin::Source(_) => OnAir::Encoder,
        };
        let codecs = entrant.codecs();
        let origin = begun.is_some().then(|| entrant.origin.clone());
        drop(board);
        let mut since = None;
        if let Some((choice, begun)) = begun {
            let at = self.hub.clock.now();
            since = Some(at);
            self.hub.tell(Switched {
                at,
                from: begun.from,
                to: origin,
                cause: choice.cause,
                reason: choice.reason,
                gap: begun.gap,
                waited: begun.waited,
            });
        }
        self.hub.show(on_air, since, codecs);
        Ok(Standing::OnAir)
    }

    /// Told when the feed is to end, so that one that is silent learns of it, too.
    pub(crate) fn evicted(&self) -> Arc<Notify> {
        Arc::clone(&self.evicted)
    }

    /// How long what was sent last may wait for more to go out with; `None` if nothing waits.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let board = lock(&self.hub.inner);
        let waits = board.held && board.on_air == Some(self.number);
        waits.then_some(Duration::from_millis(FLUSH_EVERY))
    }

    /// Sends on what waits.
    pub(crate) fn flush(&self) {
        lock(&self.hub.inner).flush();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        lock(&self.hub.inner).remove(self.number, self.hub.now());
        self.hub.look();
    }
}
