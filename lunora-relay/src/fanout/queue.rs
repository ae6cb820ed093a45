//! What waits for one output, bounded, and in which form it goes out.
//!
//! A packet is written in the form that all outputs share: a header that holds only the time since
//! the packet before, and the chunked body. A receiver that did not get the packet before, at the
//! start and after a drop, gets one header of its own with the whole time in it.

use std::{collections::VecDeque, io::IoSlice, iter};

use bytes::Bytes;

use super::{
    packet::{OVERHEAD, Packet, Role, Track},
    program::{GROUP_LEN_MAX, Program},
};
use crate::wire::{SessionError, chunk::Header};

/// How much media may wait, in milliseconds; a group of pictures may in any case.
const SPAN_MAX: u64 = 4_000;
/// How many bytes may wait, beyond what a newcomer is handed at once.
const SIZE_MAX: usize = 4 << 20;
/// How many messages may wait, the same way.
const LEN_MAX: usize = GROUP_LEN_MAX;
/// How many bytes of the session itself may wait. A far end that asks and asks and never reads
/// gets no further answer.
const SESSION_SIZE_MAX: usize = 64 << 10;

/// What waits for one connection.
#[derive(Debug)]
pub(crate) struct Queue {
    items: VecDeque<Item>,
    /// How much of the first item is written.
    written: usize,
    /// What the media that waits takes, and how much it may.
    size: usize,
    size_max: usize,
    len_max: usize,
    /// How many items are the session's own, and the bytes in them.
    session_len: usize,
    session_size: usize,
    stream_id: u32,
    /// Nothing is taken before a packet that a receiver can start with.
    waiting: bool,
    /// Whether the receiver began with sound, so that pictures are of no use before a keyframe.
    keyless: bool,
    /// Whether the receiver was ever sent to.
    entered: bool,
    /// Whether it got some of that.
    begun: bool,
    /// The program's time at which the receiver's is zero: that of its first frame.
    origin: Option<u64>,
    /// The receiver's time on each track, once it has one.
    clocks: [Option<u64>; Track::COUNT],
    /// Which header the receiver has on each track; 0 is none.
    generations: [u64; Track::COUNT],
    dropped: u64,
}

#[derive(Debug)]
struct Item {
    head: Option<Header>,
    body: Bytes,
    media: Option<Media>,
}

#[derive(Clone, Copy, Debug)]
struct Media {
    track: Track,
    role: Role,
    time: u64,
}

impl Item {
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let head = self.head.as_deref().unwrap_or_default();
        [head, &self.body].into_iter()
    }

    fn len(&self) -> usize {
        self.head.as_deref().map_or(0, <[u8]>::len) + self.body.len()
    }

    fn size(&self) -> usize {
        self.len() + OVERHEAD
    }

    fn frame(&self) -> Option<Media> {
        self.media
            .filter(|media| matches!(media.role, Role::Key | Role::Frame))
    }
}

impl Queue {
    /// A queue for a receiver that listens on this message stream and has got nothing yet.
    pub(crate) fn new(stream_id: u32) -> Self {
        Self {
            items: VecDeque::new(),
            written: 0,
            size: 0,
            size_max: SIZE_MAX,
            len_max: LEN_MAX,
            session_len: 0,
            session_size: 0,
            stream_id,
            waiting: true,
            keyless: true,
            entered: false,
            begun: false,
            origin: None,
            clocks: [None; Track::COUNT],
            generations: [0; Track::COUNT],
            dropped: 0,
        }
    }

    /// Lets the receiver start at once with what the program keeps for newcomers.
    pub(crate) fn join(&mut self, program: &Program) {
        let Some(first) = program.group().first() else {
            return;
        };
        (self.origin, self.keyless) = (Some(first.time), false);
        self.enter(program, first.time);
        program
            .group()
            .iter()
            .for_each(|packet| self.add(packet, packet.time));
        self.size_max = SIZE_MAX + self.size;
        self.len_max = LEN_MAX + self.items.len();
    }

    /// Takes a packet that the program has taken note of, or drops it, or drops what waits.
    pub(crate) fn offer(&mut self, packet: &Packet, program: &Program) {
        if self.is_over(packet, program) {
            self.drop_waiting();
        }
        if self.waiting {
            if !program.is_entry(packet) {
                self.dropped += u64::from(packet.is_frame() && self.entered);
                return;
            }
            self.origin.get_or_insert(packet.time);
            self.enter(program, packet.time);
        }
        if self.keyless && packet.track == Track::Video && packet.role == Role::Frame {
            return;
        }
        self.keyless &= packet.role != Role::Key;
        if packet.role == Role::Header {
            let header = program.header(packet.track);
            self.generations[packet.track.index()] = header.map_or(0, |header| header.generation);
        }
        self.add(packet, packet.time);
    }

    /// Takes bytes of the session itself. They go out next: between two messages, never inside one.
    pub(crate) fn interject(&mut self, bytes: Bytes) -> Result<(), SessionError> {
        if SESSION_SIZE_MAX < self.session_size + bytes.len() {
            return Err(SessionError::Output(SESSION_SIZE_MAX));
        }
        let at = self.session_len + usize::from(self.begun_media().is_some());
        let item = Item {
            head: None,
            body: bytes,
            media: None,
        };
        self.session_len += 1;
        self.session_size += item.len();
        self.items.insert(at, item);
        Ok(())
    }

    /// Drops all but what is half written, so that the session can say goodbye.
    pub(crate) fn finish(&mut self) {
        self.drop_waiting();
    }

    /// What is to be written next, at most as many slices as there is room for.
    pub(crate) fn slices<'a>(&'a self, room: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let parts = self.items.iter().flat_map(Item::parts);
        let unwritten = parts.filter_map(|part| {
            let rest = part.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(part.len());
            (!rest.is_empty()).then_some(rest)
        });
        let filled = iter::zip(room, unwritten).map(|(slot, part)| *slot = IoSlice::new(part));
        filled.count()
    }

    /// Notes that so many bytes were taken, and counts the frames that are through with it.
    pub(crate) fn advance(&mut self, len: usize) -> u64 {
        self.written += len;
        let mut frames = 0;
        while let Some(first) = self.items.front() {
            let whole = first.len();
            if self.written < whole {
                break;
            }
            frames += u64::from(first.frame().is_some());
            self.written -= whole;
            if first.media.is_some() {
                self.begun = true;
                self.size -= first.size();
            } else {
                self.session_len -= 1;
                self.session_size -= whole;
            }
            self.items.pop_front();
        }
        self.begun |= self.begun_media().is_some();
        frames
    }

    /// The media that is half written.
    fn begun_media(&self) -> Option<Media> {
        let first = self.items.front().filter(|_| 0 < self.written)?;
        first.media
    }

    /// Whether all is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Frames dropped since the last time of asking.
    pub(crate) const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }

    fn is_over(&self, packet: &Packet, program: &Program) -> bool {
        // The session's own bytes and what is half written go out in any case.
        let fixed = self.session_len + usize::from(self.begun_media().is_some());
        if self.items.len() <= fixed {
            return false;
        }
        if self.size_max < self.size + packet.size() || self.len_max <= self.items.len() {
            return true;
        }
        let mut frames = self.items.iter().skip(fixed).filter_map(Item::frame);
        let span_max = SPAN_MAX.max(program.group_span() + SPAN_MAX / 4);
        frames
            .next()
            .is_some_and(|oldest| span_max < packet.time.saturating_sub(oldest.time))
    }

    /// Drops everything but the session's own bytes and the message that is half written.
    fn drop_waiting(&mut self) {
        let half_written = 0 < self.written;
        let mut index = 0;
        let (mut dropped, mut size) = (0, 0);
        let (clocks, generations) = (&mut self.clocks, &mut self.generations);
        self.items.retain(|item| {
            let keep = item.media.is_none() || (index == 0 && half_written);
            index += 1;
            if keep {
                size += item.media.map_or(0, |_| item.size());
            } else if let Some(media) = item.media {
                // Unknown now: the next on this track stands alone, and a header is sent again.
                clocks[media.track.index()] = None;
                if media.role == Role::Header {
                    generations[media.track.index()] = 0;
                }
                dropped += u64::from(item.frame().is_some());
            }
            keep
        });
        (self.size, self.size_max, self.len_max) = (size, SIZE_MAX, LEN_MAX);
        self.dropped += dropped;
        (self.waiting, self.keyless) = (true, true);
        if !self.begun {
            self.origin = None;
        }
    }

    /// Sends the headers that the receiver does not have, because a frame follows.
    fn enter(&mut self, program: &Program, time: u64) {
        (self.waiting, self.entered) = (false, true);
        for header in program.headers() {
            let known = &mut self.generations[header.packet.track.index()];
            if std::mem::replace(known, header.generation) != header.generation {
                self.add(&header.packet, time);
            }
        }
    }

    fn add(&mut self, packet: &Packet, time: u64) {
        let Packet { track, role, .. } = *packet;
        let clock = &mut self.clocks[track.index()];
        // A header sent with the first frame may come after audio that belongs before both.
        let wanted = time
            .saturating_sub(self.origin.unwrap_or(time))
            .max(clock.unwrap_or(0));
        let shared = clock.and_then(|clock| packet.after(clock, wanted));
        let (head, body) = match shared {
            Some((head, body)) => (Some(head), body),
            None => packet.alone(wanted, self.stream_id),
        };
        *clock = Some(wanted);
        let item = Item {
            head,
            body,
            media: Some(Media { track, role, time }),
        };
        self.size += item.size();
        self.items.push_back(item);
    }
}
