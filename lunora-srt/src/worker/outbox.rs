//! What waits to be read by the program.

use std::{
    collections::{BTreeSet, VecDeque},
    io::Write,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::protocol::FromWorker;

/// The most of streams that waits. If the program is this far behind, what waits is old.
const MEDIA_MAX: usize = 4 << 20;
/// The most that is written at once.
const BATCH: usize = 128 * 1024;

/// A queue with an end: streams are dropped, what is said about them is not.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    media: usize,
    /// Those of which something was dropped and not told.
    gaps: BTreeSet<u32>,
    is_closed: bool,
}

#[derive(Debug)]
struct Frame {
    /// Of which stream it is a part.
    media_of: Option<u32>,
    bytes: Vec<u8>,
}

impl Outbox {
    /// Says something. There are few of these, but for an answer to every ping.
    pub(crate) fn say(&self, message: &FromWorker) {
        let bytes = message.to_frame();
        let media_of = match message {
            FromWorker::Media { source, .. } => Some(*source),
            _ => None,
        };
        let mut inner = self.lock();
        if let Some(source) = media_of {
            if MEDIA_MAX < inner.media + bytes.len() {
                inner.drop_media();
            }
            if inner.gaps.remove(&source) {
                inner.push(None, FromWorker::Gap { source }.to_frame());
            }
        }
        inner.push(media_of, bytes);
        self.filled.notify_one();
    }

    /// Something of a stream is missing before what is said of it next.
    pub(crate) fn gap(&self, source: u32) {
        self.lock().gaps.insert(source);
    }

    /// Writes what waits, until nobody reads it any more.
    pub(crate) fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            let mut inner = self.lock();
            while inner.frames.is_empty() && !inner.is_closed {
                let waited = self.filled.wait(inner);
                inner = waited.unwrap_or_else(PoisonError::into_inner);
            }
            while batch.len() < BATCH
                && let Some(frame) = inner.frames.pop_front()
            {
                if frame.media_of.is_some() {
                    inner.media -= frame.bytes.len();
                }
                batch.extend_from_slice(&frame.bytes);
            }
            drop(inner);
            let is_written = !batch.is_empty() && out.write_all(&batch).is_ok();
            if !is_written || out.flush().is_err() {
                return;
            }
        }
    }

    /// Once all is written, nothing more comes.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, media_of: Option<u32>, bytes: Vec<u8>) {
        if media_of.is_some() {
            self.media += bytes.len();
        }
        self.frames.push_back(Frame { media_of, bytes });
    }

    fn drop_media(&mut self) {
        let dropped = self.frames.iter().filter_map(|frame| frame.media_of);
        self.gaps.extend(dropped);
        self.frames.retain(|frame| frame.media_of.is_none());
        self.media = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::FrameReader;

    #[test]
    fn a_program_that_does_not_read_costs_the_stream_and_nothing_else() {
        let outbox = Outbox::default();
        let media = |source| FromWorker::Media {
            source,
            bytes: vec![0x47; 1_316],
        };
        outbox.say(&FromWorker::Pong { number: 1 });
        outbox.say(&media(2));
        let many = MEDIA_MAX / 1_316 + 10;
        for _ in 0..many {
            outbox.say(&media(1));
        }
        assert!(outbox.lock().media <= MEDIA_MAX);
        outbox.say(&media(2));
        outbox.close();

        let mut out = Vec::new();
        outbox.write_to(&mut out);

        let mut reader = FrameReader::default();
        reader.feed(&out);
        let said: Vec<_> = std::iter::from_fn(|| reader.from_worker().unwrap()).collect();
        let gap = |source| FromWorker::Gap { source };
        assert_eq!(said[..2], [FromWorker::Pong { number: 1 }, gap(1)]);
        assert_eq!(said[said.len() - 2..], [gap(2), media(2)]);
        assert!(said.len() < 60);
    }
}
