//! One connection, from its bytes to the hub.

use std::{sync::Arc, time::Duration};

use lunora_core::domain::{Fault, FaultClass, FaultCode};
use tokio::time::Instant;

use super::{Board, SrtSource};
use crate::{
    fanout::{Feed, Hub, Refused},
    wire::ts::Demux,
};

/// How often one that may not send asks again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The enhanced codecs that can come out of MPEG-TS.
const FOURCC: [&str; 1] = ["hvc1"];

/// A source that is connected.
#[derive(Debug)]
pub(super) struct Live {
    source: Arc<SrtSource>,
    hub: Arc<Hub>,
    board: Arc<Board>,
    demux: Demux,
    feed: Option<Feed>,
    asked: Option<Instant>,
    /// Whether something was dropped for want of a feed.
    missed: bool,
    bytes: u64,
}

impl Live {
    pub(super) fn new(source: Arc<SrtSource>, hub: Arc<Hub>, board: Arc<Board>) -> Self {
        let mut live = Self {
            source,
            hub,
            board,
            demux: Demux::new(),
            feed: None,
            asked: None,
            missed: false,
            bytes: 0,
        };
        // At once: that it is connected shows even while it sends nothing.
        live.ask();
        live
    }

    /// Its source is told anew, and comes in as before.
    pub(super) fn retell(&mut self, source: &Arc<SrtSource>) {
        self.source = Arc::clone(source);
    }

    /// Takes in what it sent.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.demux.feed(bytes);
        self.send();
    }

    /// Something that it sent is missing.
    pub(super) fn interrupt(&mut self) {
        self.demux.interrupt();
    }

    /// It sends no more.
    pub(super) fn finish(mut self) {
        self.demux.finish();
        self.send();
        self.show();
    }

    /// How long what was sent last may wait for more to go out with.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.feed.as_ref().and_then(Feed::patience)
    }

    pub(super) fn flush(&self) {
        if let Some(feed) = &self.feed {
            feed.flush();
        }
    }

    /// Shows what came in so far.
    pub(super) fn show(&mut self) {
        let (stream, ignored) = (self.demux.counters(), self.demux.ignored());
        let bytes = std::mem::take(&mut self.bytes);
        self.board.update(&self.source.origin, |status| {
            status.bytes += bytes;
            status.stream = stream;
            if status.ignored != ignored {
                status.ignored = ignored.to_vec();
            }
            if 0 < stream.pictures {
                status.attempts = 0;
            }
        });
    }

    fn send(&mut self) {
        while let Some(message) = self.demux.poll() {
            if self.feed.is_none() && !self.ask() {
                self.missed = true;
                continue;
            }
            if std::mem::take(&mut self.missed) {
                // The new feed has nothing of what came before.
                self.demux.begin_anew();
                continue;
            }
            let sent = self.feed.as_mut().map(|feed| feed.send(message));
            if let Some(Err(evicted)) = sent {
                tracing::info!(origin = %self.source.origin, "{evicted}");
                (self.feed, self.missed) = (None, true);
            }
        }
    }

    /// Asks for the right to send, now and then. Without it, what comes is dropped.
    fn ask(&mut self) -> bool {
        let now = Instant::now();
        if self.asked.is_some_and(|asked| now - asked < ASK_EVERY) {
            return false;
        }
        self.asked = Some(now);
        let fourcc = FOURCC.map(str::to_owned).to_vec();
        let SrtSource {
            origin, priority, ..
        } = &*self.source;
        match self.hub.feed(origin.clone(), *priority, fourcc) {
            Ok(feed) => {
                self.feed = Some(feed);
                self.board.update(origin, |status| status.fault = None);
                true
            }
            // Nobody wants it any more: its connection is about to end.
            Err(Refused::Unknown) => false,
            Err(Refused::InUse) => {
                let text = "another encoder with the same key is publishing; this one waits";
                let (code, class) = (FaultCode::NameInUse, FaultClass::Actionable);
                let fault = Fault::new(code, class, text, self.board.clock());
                self.board.fault(origin, fault);
                false
            }
        }
    }
}
