//! A queue and the connection it empties into.
//!
//! Everything here is done at once or not at all. The fan-out loop puts packets in and writes; only
//! when the socket is full does the output's own task take over, by [`Lane::drained`].

use std::{
    io::{self, ErrorKind, IoSlice},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{packet::Packet, program::Program, queue::Queue};
use crate::{lock::lock, transport::Transport, wire::SessionError};

/// Slices in one write: some ten frames, or the parts of a newcomer's first group.
const SLICES: usize = 64;
/// A far end that takes no byte for this long is given up.
pub(crate) const WEDGED_AFTER: Duration = Duration::from_secs(15);

/// What an output moved, over all of its connections.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) bytes: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) dropped: AtomicU64,
    last: Mutex<Option<Instant>>,
}

impl Moved {
    /// When a byte was last taken.
    pub(crate) fn last(&self) -> Option<Instant> {
        *lock(&self.last)
    }
}

/// One connection that the program is sent on.
#[derive(Debug)]
pub(crate) struct Lane {
    transport: Transport,
    state: Mutex<State>,
    moved: Arc<Moved>,
    /// Bytes that were meant for the far end, whether it got them or not.
    offered: AtomicU64,
    /// Told when the socket is full or has failed.
    turned: Notify,
    /// Told when it took the first frame.
    started: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    full: bool,
    failed: Option<io::Error>,
    started: bool,
    /// Since when it takes nothing of what waits.
    stuck: Option<Instant>,
}

impl Lane {
    /// A lane to a far end that has accepted the publish on this message stream.
    pub(crate) fn new(transport: Transport, stream_id: u32, moved: Arc<Moved>) -> Self {
        let state = State {
            queue: Queue::new(stream_id),
            full: false,
            failed: None,
            started: false,
            stuck: None,
        };
        Self {
            transport,
            state: Mutex::new(state),
            moved,
            offered: AtomicU64::new(0),
            turned: Notify::new(),
            started: Notify::new(),
        }
    }

    /// The connection, to read from.
    pub(crate) const fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn join(&self, program: &Program) {
        let mut state = lock(&self.state);
        state.queue.join(program);
        self.write(&mut state);
    }

    pub(super) fn offer(&self, packet: &Packet, program: &Program, flush: bool) {
        self.offered.fetch_add(packet.body_len() as u64, Relaxed);
        let mut state = lock(&self.state);
        state.queue.offer(packet, program);
        let dropped = state.queue.take_dropped();
        if 0 < dropped {
            self.moved.dropped.fetch_add(dropped, Relaxed);
        }
        if flush {
            self.write(&mut state);
        }
    }

    pub(super) fn flush(&self) {
        self.write(&mut lock(&self.state));
    }

    /// Sends bytes of the session, before any packet that waits.
    pub(crate) fn interject(&self, bytes: Bytes) -> Result<(), SessionError> {
        let mut state = lock(&self.state);
        state.queue.interject(bytes)?;
        self.write(&mut state);
        Ok(())
    }

    /// Drops what waits. The lane must have left the hub.
    pub(crate) fn finish(&self) {
        lock(&self.state).queue.finish();
    }

    /// Waits until the lane needs to be drained.
    pub(crate) async fn turned(&self) {
        self.turned.notified().await;
    }

    /// Waits until the far end's transport has taken the first frame.
    pub(crate) async fn started(&self) {
        self.started.notified().await;
    }

    /// How many bytes were meant for the far end so far.
    pub(crate) fn offered(&self) -> u64 {
        self.offered.load(Relaxed)
    }

    /// Since when the far end takes nothing of what waits for it.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        lock(&self.state).stuck
    }

    /// Waits for a full socket until it has taken all that waits.
    pub(crate) async fn drained(&self) -> io::Result<()> {
        loop {
            let deadline = {
                let mut state = lock(&self.state);
                if let Some(error) = state.failed.take() {
                    return Err(error);
                }
                if !state.full {
                    return Ok(());
                }
                *state.stuck.get_or_insert_with(Instant::now) + WEDGED_AFTER
            };
            let writable = timeout_at(deadline, self.transport.writable());
            writable
                .await
                .map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
            let mut state = lock(&self.state);
            state.full = false;
            self.write(&mut state);
        }
    }

    fn write(&self, state: &mut State) {
        while !state.full && state.failed.is_none() {
            let written = if state.queue.is_empty() {
                match self.transport.try_flush() {
                    Ok(()) => return state.stuck = None,
                    Err(error) => Err(error),
                }
            } else {
                let mut room = [IoSlice::new(&[]); SLICES];
                let filled = state.queue.slices(&mut room);
                self.transport.try_write(&room[..filled])
            };
            match written {
                Ok(len) => self.advance(state, len),
                Err(error) => {
                    state.full = error.kind() == ErrorKind::WouldBlock;
                    state.stuck.get_or_insert_with(Instant::now);
                    state.failed = (!state.full).then_some(error);
                    self.turned.notify_one();
                }
            }
        }
    }

    fn advance(&self, state: &mut State, len: usize) {
        let frames = state.queue.advance(len);
        if !state.started && 0 < frames {
            state.started = true;
            self.started.notify_one();
        }
        state.stuck = None;
        self.moved.bytes.fetch_add(len as u64, Relaxed);
        self.moved.frames.fetch_add(frames, Relaxed);
        *lock(&self.moved.last) = Some(Instant::now());
    }
}
