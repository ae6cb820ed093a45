//! A look at everything that is published, for a reader on a thread of its own.
//!
//! The fan-out hands each packet over without a lock and without waiting: it shares the bytes, and
//! puts a few words into a queue. A reader that falls behind costs it neither time nor more than a
//! stated amount of memory: what comes then is left out, up to a packet that a decoder can begin
//! with, and the reader is told how much that was.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{
    packet::{Input, OVERHEAD, Packet, Role, Track},
    program::Program,
};

/// What may wait for the reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapLimits {
    /// Bytes, those of the queue included.
    pub(crate) bytes: usize,
    /// Milliseconds of the program.
    pub(crate) span: u64,
}

/// What the reader gets, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tapped {
    /// Another source begins: no header of the last one is in force.
    Begin,
    /// The source has ended.
    End,
    /// So many frames were left out.
    Lost(u64),
    /// A packet.
    Packet(TapPacket),
    /// The relay stops: nothing comes after this.
    Stop,
}

/// A packet as it was published, at its time on the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TapPacket {
    pub(crate) track: Track,
    pub(crate) role: Role,
    /// Milliseconds on the program's timeline.
    pub(crate) time: u64,
    /// What stood in the message.
    pub(crate) payload: Bytes,
}

impl TapPacket {
    const fn size(&self) -> usize {
        self.payload.len() + OVERHEAD
    }
}

/// What both ends count.
#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    read_to: AtomicU64,
    lost: AtomicU64,
    is_losing: AtomicBool,
}

/// The end in the fan-out.
#[derive(Debug)]
pub(crate) struct Tap {
    sender: Sender<Tapped>,
    shared: Arc<Shared>,
    limits: TapLimits,
    /// The time of the first packet that waits, or of a later one.
    since: u64,
    /// How many frames were left out since the last packet, while some are.
    losing: Option<u64>,
}

/// The reader's end.
#[derive(Debug)]
pub(crate) struct TapReader {
    receiver: Receiver<Tapped>,
    shared: Arc<Shared>,
}

/// Ends a tap from elsewhere, and tells how it does.
#[derive(Clone, Debug)]
pub(crate) struct TapHandle {
    sender: Sender<Tapped>,
    shared: Arc<Shared>,
}

/// Makes the ends of a tap.
pub(crate) fn tap(limits: TapLimits) -> (Tap, TapReader, TapHandle) {
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::<Shared>::default();
    let tap = Tap {
        sender: sender.clone(),
        shared: Arc::clone(&shared),
        limits,
        since: 0,
        losing: None,
    };
    let handle = TapHandle {
        sender,
        shared: Arc::clone(&shared),
    };
    (tap, TapReader { receiver, shared }, handle)
}

impl Tap {
    /// Another source begins.
    pub(super) fn begin(&self) {
        self.tell(Tapped::Begin);
    }

    /// The source has ended.
    pub(super) fn end(&self) {
        // Nothing comes that could be left out.
        self.shared.is_losing.store(false, Relaxed);
        self.tell(Tapped::End);
    }

    /// While something is left out nobody is told: what comes after that begins anew anyway, and
    /// words for a reader that does not read would pile up.
    fn tell(&self, what: Tapped) {
        if self.losing.is_none() {
            // An error means that the reader has gone.
            let _ = self.sender.send(what);
        }
    }

    /// Hands over what the program has just taken note of.
    pub(super) fn take(&mut self, input: &Input, packet: &Packet, program: &Program) {
        if packet.role == Role::Extra {
            return;
        }
        let waiting = self.shared.waiting.load(Relaxed);
        if waiting == 0 {
            self.since = packet.time;
        }
        let read_to = self.shared.read_to.load(Relaxed).max(self.since);
        let behind = packet.time.saturating_sub(read_to);
        if let Some(lost) = self.losing {
            let has_room = waiting <= self.limits.bytes / 2 && behind <= self.limits.span / 2;
            if !has_room || !program.is_entry(packet) {
                self.lose(lost, packet);
                return;
            }
            self.resume(lost, packet, program);
        } else if self.limits.bytes < waiting + input.len() || self.limits.span < behind {
            self.lose(0, packet);
            return;
        }
        self.send(TapPacket {
            track: packet.track,
            role: packet.role,
            time: packet.time,
            payload: input.payload().clone(),
        });
    }

    fn lose(&mut self, lost: u64, packet: &Packet) {
        let frames = u64::from(packet.is_frame());
        self.losing = Some(lost + frames);
        self.shared.lost.fetch_add(frames, Relaxed);
        self.shared.is_losing.store(true, Relaxed);
    }

    /// Begins anew, with the headers that may have changed meanwhile.
    fn resume(&mut self, lost: u64, packet: &Packet, program: &Program) {
        self.losing = None;
        self.shared.is_losing.store(false, Relaxed);
        self.tell(Tapped::Lost(lost));
        self.tell(Tapped::Begin);
        for header in program.headers() {
            self.send(TapPacket {
                track: header.packet.track,
                role: Role::Header,
                time: packet.time,
                payload: header.packet.payload(),
            });
        }
    }

    fn send(&self, packet: TapPacket) {
        self.shared.waiting.fetch_add(packet.size(), Relaxed);
        let _ = self.sender.send(Tapped::Packet(packet));
    }
}

impl TapReader {
    /// Waits for what comes next; `None` if nothing came for so long.
    pub(crate) fn next(&self, patience: Duration) -> Option<Tapped> {
        let next = match self.receiver.recv_timeout(patience) {
            Ok(next) => next,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some(Tapped::Stop),
        };
        if let Tapped::Packet(packet) = &next {
            self.shared.read_to.store(packet.time, Relaxed);
            self.shared.waiting.fetch_sub(packet.size(), Relaxed);
        }
        Some(next)
    }
}

impl TapHandle {
    /// Has the reader stop behind what waits for it.
    pub(crate) fn stop(&self) {
        let _ = self.sender.send(Tapped::Stop);
    }

    /// How many frames were left out so far.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// Whether frames are left out now.
    pub(crate) fn is_losing(&self) -> bool {
        self.shared.is_losing.load(Relaxed)
    }
}
