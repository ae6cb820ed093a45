//! From a transport stream to messages.

use std::collections::VecDeque;

use super::{
    adts::Audio,
    clock::Clock,
    packet::{Framer, Packet, SIZE},
    pes::{self, Assembler, Pes, Trouble},
    section::{self, Sections},
    tables,
    video::{Outcome, Video, VideoCodec},
};
use crate::wire::message::Message;

/// The most bytes that wait for their rest: a PES packet of each track, and a little.
pub const HELD_MAX: usize = 2 * pes::SIZE_MAX + 32 * 1024;

/// The most streams that are named.
const NAMED_MAX: usize = 16;

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets of 188 bytes.
    pub packets: u64,
    /// Of these, such that say they are damaged, or what cannot be.
    pub damaged: u64,
    /// Of these, such that nobody can read.
    pub scrambled: u64,
    /// Times that the beginnings of packets had to be looked for.
    pub sync_losses: u64,
    /// Places where packets are missing, by their counters or because we were told.
    pub gaps: u64,
    /// Tables with a wrong check sum, or such that are not in force.
    pub tables_refused: u64,
    /// PES packets that were begun and given up, or are none.
    pub pes_dropped: u64,
    /// Pictures that were there and could not be sent.
    pub pictures_dropped: u64,
    /// Pieces of sound that were there and could not be sent.
    pub sounds_dropped: u64,
    /// Pictures that were sent.
    pub pictures: u64,
}

/// How a stream of the program is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKind {
    /// H.264, which is taken.
    Avc,
    /// H.265, which is taken.
    Hevc,
    /// AAC in ADTS, which is taken.
    Aac,
    /// Something that is not taken, by its number in the standard.
    Other(u8),
}

impl StreamKind {
    const fn from_id(id: u8) -> Self {
        match id {
            0x1B => Self::Avc,
            0x24 => Self::Hevc,
            0x0F => Self::Aac,
            other => Self::Other(other),
        }
    }
}

/// Takes a transport stream apart.
#[derive(Debug, Default)]
pub struct Demux {
    framer: Framer,
    pat: Sections,
    program: Option<Program>,
    clock: Clock,
    counters: Counters,
    messages: VecDeque<Message>,
}

#[derive(Debug)]
struct Program {
    number: u16,
    pid: u16,
    pmt: Sections,
    /// What the table in force says.
    table: Vec<u8>,
    video: Option<(u16, Assembler, Video)>,
    audio: Option<(u16, Assembler, Audio)>,
    /// What is in it and is not taken.
    ignored: Vec<StreamKind>,
}

impl Demux {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes in, in any pieces. Ask for messages after each.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut framer = std::mem::take(&mut self.framer);
        framer.feed(bytes, |packet| self.take(packet));
        self.counters.sync_losses = framer.losses();
        self.framer = framer;
    }

    /// The next message, as an encoder would send it.
    pub fn poll(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Something is missing before what is fed next.
    pub fn interrupt(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        self.counters.gaps += 1;
        if let Some((_, pes, video)) = &mut program.video {
            self.counters.pes_dropped += u64::from(pes.interrupt().dropped);
            video.interrupt();
        }
        if let Some((_, pes, audio)) = &mut program.audio {
            self.counters.pes_dropped += u64::from(pes.interrupt().dropped);
            audio.interrupt();
        }
    }

    /// Whoever takes messages from now on has none of those before: headers are sent again, and
    /// pictures begin with a keyframe. What waits to be taken is dropped.
    pub fn begin_anew(&mut self) {
        self.messages.clear();
        let Some(program) = &mut self.program else {
            return;
        };
        if let Some((.., video)) = &mut program.video {
            video.begin_anew();
        }
        if let Some((.., audio)) = &mut program.audio {
            audio.begin_anew();
        }
    }

    /// Nothing is fed any more: what waits only for the beginning of the next is sent.
    pub fn finish(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        let mut out = Out {
            clock: &mut self.clock,
            counters: &mut self.counters,
            messages: &mut self.messages,
        };
        if let Some((_, pes, video)) = &mut program.video {
            pes.end(|pes, trouble| out.picture(video, pes, trouble));
        }
        if let Some((_, pes, audio)) = &mut program.audio {
            pes.end(|pes, trouble| out.sound(audio, pes, trouble));
        }
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What is in the program and is not taken, if any program is known.
    #[must_use]
    pub fn ignored(&self) -> &[StreamKind] {
        self.program.as_ref().map_or(&[], |it| &it.ignored)
    }

    /// Bytes that wait for their rest; at most [`HELD_MAX`].
    #[must_use]
    pub fn held(&self) -> usize {
        let program = self.program.as_ref();
        let video = program.and_then(|it| it.video.as_ref());
        let audio = program.and_then(|it| it.audio.as_ref());
        self.framer.held()
            + self.pat.held()
            + program.map_or(0, |it| it.pmt.held() + it.table.len())
            + video.map_or(0, |(_, pes, _)| pes.held())
            + audio.map_or(0, |(_, pes, audio)| pes.held() + audio.held())
    }

    fn take(&mut self, bytes: &[u8; SIZE]) {
        const PAT: u16 = 0;
        self.counters.packets += 1;
        let Some(packet) = Packet::parse(bytes) else {
            self.counters.damaged += 1;
            return;
        };
        if packet.pid == PAT {
            return self.take_pat(&packet);
        }
        let Some(program) = &mut self.program else {
            return;
        };
        if packet.pid == program.pid {
            return program.take_pmt(&packet, &mut self.counters);
        }
        let mut out = Out {
            clock: &mut self.clock,
            counters: &mut self.counters,
            messages: &mut self.messages,
        };
        match (&mut program.video, &mut program.audio) {
            (Some((pid, pes, video)), _) if *pid == packet.pid => {
                if packet.scrambled {
                    out.counters.scrambled += 1;
                    return;
                }
                pes.take(&packet, |pes, trouble| out.picture(video, pes, trouble));
            }
            (_, Some((pid, pes, audio))) if *pid == packet.pid => {
                if packet.scrambled {
                    out.counters.scrambled += 1;
                    return;
                }
                pes.take(&packet, |pes, trouble| out.sound(audio, pes, trouble));
            }
            _ => {}
        }
    }

    fn take_pat(&mut self, packet: &Packet<'_>) {
        const TABLE: u8 = 0;
        let Self {
            pat,
            program,
            counters,
            ..
        } = self;
        pat.take(packet, |section| {
            let Some((TABLE, _, body)) = section::opened(section) else {
                counters.tables_refused += 1;
                return;
            };
            let Some((number, pid)) = tables::first_program(body) else {
                return;
            };
            // A PAT of several sections names others in each: the one that was found first stays.
            let is_known = program.as_ref().is_some_and(|it| {
                let names = |entry: &[u8; 4]| {
                    let [n0, n1, p0, p1] = *entry;
                    (it.number, it.pid)
                        == (
                            u16::from_be_bytes([n0, n1]),
                            u16::from_be_bytes([p0 & 0x1F, p1]),
                        )
                };
                let is_later = section.get(6).is_some_and(|number| *number != 0);
                let entries = body.chunks_exact(4).filter_map(<[u8]>::first_chunk);
                is_later || entries.into_iter().any(names)
            });
            if !is_known {
                *program = Some(Program::new(number, pid));
            }
        });
    }
}

impl Program {
    fn new(number: u16, pid: u16) -> Self {
        Self {
            number,
            pid,
            pmt: Sections::default(),
            table: Vec::new(),
            video: None,
            audio: None,
            ignored: Vec::new(),
        }
    }

    fn take_pmt(&mut self, packet: &Packet<'_>, counters: &mut Counters) {
        const TABLE: u8 = 2;
        let mut pmt = std::mem::take(&mut self.pmt);
        pmt.take(packet, |section| match section::opened(section) {
            Some((TABLE, number, body)) if number == self.number => {
                if self.table != body {
                    self.table = body.to_vec();
                    self.choose();
                }
            }
            // Others share the PID.
            Some(_) => {}
            None => counters.tables_refused += 1,
        });
        self.pmt = pmt;
    }

    /// Takes what the table names; what is named as before goes on as it was.
    fn choose(&mut self) {
        let (mut video, mut audio) = (None, None);
        self.ignored.clear();
        for (id, pid) in tables::streams(&self.table) {
            let kind = StreamKind::from_id(id);
            match kind {
                StreamKind::Avc if video.is_none() => video = Some((pid, VideoCodec::Avc)),
                StreamKind::Hevc if video.is_none() => video = Some((pid, VideoCodec::Hevc)),
                StreamKind::Aac if audio.is_none() => audio = Some(pid),
                other if self.ignored.len() < NAMED_MAX => self.ignored.push(other),
                _ => {}
            }
        }
        let before = self
            .video
            .as_ref()
            .map(|(pid, _, video)| (*pid, video.codec()));
        if before != video {
            self.video = video.map(|(pid, codec)| (pid, Assembler::default(), Video::new(codec)));
        }
        if self.audio.as_ref().map(|(pid, ..)| *pid) != audio {
            self.audio = audio.map(|pid| (pid, Assembler::default(), Audio::default()));
        }
    }
}

/// Where what was put together goes.
struct Out<'a> {
    clock: &'a mut Clock,
    counters: &'a mut Counters,
    messages: &'a mut VecDeque<Message>,
}

impl Out<'_> {
    fn picture(&mut self, video: &mut Video, pes: Option<&[u8]>, trouble: Trouble) {
        self.note(trouble);
        if trouble != Trouble::default() {
            video.interrupt();
        }
        let Some(bytes) = pes else {
            return;
        };
        let Some(pes) = Pes::parse(bytes) else {
            self.counters.pes_dropped += 1;
            return video.interrupt();
        };
        match video.take(pes, self.clock, &mut |message| {
            self.messages.push_back(message);
        }) {
            Outcome::Sent => self.counters.pictures += 1,
            Outcome::Dropped => self.counters.pictures_dropped += 1,
            Outcome::Nothing => {}
        }
    }

    fn sound(&mut self, audio: &mut Audio, pes: Option<&[u8]>, trouble: Trouble) {
        self.note(trouble);
        if trouble != Trouble::default() {
            audio.interrupt();
        }
        let Some(bytes) = pes else {
            return;
        };
        let Some(pes) = Pes::parse(bytes) else {
            self.counters.pes_dropped += 1;
            return audio.interrupt();
        };
        self.counters.sounds_dropped += audio.take(pes, self.clock, &mut |message| {
            self.messages.push_back(message);
        });
    }

    const fn note(&mut self, trouble: Trouble) {
        self.counters.gaps += trouble.gap as u64;
        self.counters.pes_dropped += trouble.dropped as u64;
    }
}
