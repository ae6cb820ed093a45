//! A message serialised once, for all outputs.

use bytes::Bytes;

use crate::wire::{
    chunk::{self, Header},
    coded::{Coded, coded},
    data_frame,
    message::{Message, MessageKind},
    tag::{self, Codec},
};

/// What a message is for. Each kind has a chunk stream, hence a clock at the receiver, of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    Audio,
    Video,
    Data,
}

impl Track {
    pub(crate) const COUNT: usize = 3;

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Audio => 0,
            Self::Video => 1,
            Self::Data => 2,
        }
    }

    pub(crate) const fn of(kind: MessageKind) -> Option<Self> {
        match kind {
            MessageKind::Audio => Some(Self::Audio),
            MessageKind::Video => Some(Self::Video),
            MessageKind::DataAmf0 => Some(Self::Data),
            _ => None,
        }
    }

    pub(super) const fn kind(self) -> MessageKind {
        match self {
            Self::Audio => MessageKind::Audio,
            Self::Video => MessageKind::Video,
            Self::Data => MessageKind::DataAmf0,
        }
    }

    const fn csid(self) -> u8 {
        match self {
            Self::Audio => chunk::CSID_AUDIO,
            Self::Video => chunk::CSID_VIDEO,
            Self::Data => chunk::CSID_DATA,
        }
    }
}

/// What a message is to whoever may lose some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Metadata or a sequence header: what comes after cannot be read without it.
    Header,
    /// A picture that refers to no earlier one.
    Key,
    /// Any other audio or video.
    Frame,
    /// What nothing depends on: cue points, captions.
    Extra,
}

/// A message of the program before it has a time there.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) track: Track,
    pub(crate) role: Role,
    pub(crate) codec: Codec,
    pub(crate) timestamp: u32,
    /// How long after its time it is shown, in milliseconds.
    pub(crate) composition: i32,
    payload: Bytes,
}

impl Input {
    /// Looks at what an encoder sent; `None` for what an output has no use for.
    pub(crate) fn new(message: Message) -> Option<Self> {
        let track = Track::of(message.kind)?;
        // An end of sequence would end the picture at a receiver that is to get the next encoder.
        let info = tag::classify(message.kind, &message.payload);
        if message.payload.is_empty() || info.sequence_end {
            return None;
        }
        let role = match track {
            Track::Data if is_metadata(&message.payload) => Role::Header,
            Track::Data => Role::Extra,
            _ if info.sequence_header => Role::Header,
            _ if info.command => Role::Extra,
            Track::Video if info.keyframe => Role::Key,
            _ => Role::Frame,
        };
        let composition = match track {
            Track::Video => match coded(message.kind, &message.payload) {
                Some((_, Coded::Frame { composition, .. })) => composition,
                _ => 0,
            },
            Track::Audio | Track::Data => 0,
        };
        let payload = match track {
            Track::Data => data_frame::wrap(&message.payload),
            _ => message.payload,
        };
        let (codec, timestamp) = (info.codec, message.timestamp);
        Some(Self {
            track,
            role,
            codec,
            timestamp,
            composition,
            payload,
        })
    }

    pub(crate) const fn len(&self) -> usize {
        self.payload.len()
    }

    /// What it says: an audio or video tag, or data as outputs get it.
    pub(crate) const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Audio or video that is no header.
    pub(crate) const fn is_frame(&self) -> bool {
        matches!(self.role, Role::Key | Role::Frame)
    }
}

fn is_metadata(payload: &[u8]) -> bool {
    const NAME: &[u8] = b"\x02\x00\x0aonMetaData";
    payload.starts_with(NAME) || payload.starts_with(b"\x02\x00\x0d@setDataFrame")
}

/// A message of the program at its time, in the bytes that all outputs share.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) track: Track,
    pub(crate) role: Role,
    /// Milliseconds on the program's timeline.
    pub(crate) time: u64,
    /// Milliseconds since the packet before it on its track, if a header can say so.
    delta: Option<(u32, Header)>,
    len: usize,
    body: Bytes,
}

impl Packet {
    /// Serialises, at a time that is not before `previous`, that of the last packet of the track.
    pub(crate) fn new(input: &Input, time: u64, previous: u64) -> Self {
        let Input { track, role, .. } = *input;
        let csid = track.csid();
        let delta = u32::try_from(time.saturating_sub(previous))
            .ok()
            .filter(|delta| *delta < EXTENDED)
            .map(|delta| {
                (
                    delta,
                    chunk::delta_header(csid, delta, input.len(), track.kind()),
                )
            });
        let body = chunk::body(&input.payload, csid, chunk::CHUNK_SIZE);
        Self {
            track,
            role,
            time,
            delta,
            len: input.len(),
            body,
        }
    }

    /// Audio or video that is no header.
    pub(crate) const fn is_frame(&self) -> bool {
        matches!(self.role, Role::Key | Role::Frame)
    }

    /// The bytes that this takes in memory, whoever shares them.
    pub(crate) const fn size(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    /// The bytes that go out for it.
    pub(crate) const fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Whether a receiver would read the same payload.
    pub(crate) fn is_same_payload(&self, other: &Self) -> bool {
        self.body == other.body
    }

    /// The shared form, right for a receiver whose clock of this track stands at `clock`.
    pub(crate) fn after(&self, clock: u64, wanted: u64) -> Option<(Header, Bytes)> {
        let (delta, header) = self.delta?;
        (clock + u64::from(delta) == wanted).then(|| (header, self.body.clone()))
    }

    /// A form that refers to nothing earlier.
    pub(crate) fn alone(&self, at: u64, stream_id: u32) -> (Option<Header>, Bytes) {
        let timestamp = wrapped(at);
        let (csid, kind) = (self.track.csid(), self.track.kind());
        if timestamp < EXTENDED {
            let header = chunk::full_header(csid, timestamp, self.len, kind, stream_id);
            return (Some(header), self.body.clone());
        }
        // Every chunk of a message with an extended timestamp repeats it, so the shared body,
        // which has none, will not do. It takes 4 h 39 min and then a drop to come here.
        let payload = self.payload();
        let message = Message {
            kind,
            timestamp,
            stream_id,
            payload,
        };
        (None, chunk::whole(csid, &message, chunk::CHUNK_SIZE))
    }

    pub(super) fn payload(&self) -> Bytes {
        let chunk = chunk::CHUNK_SIZE as usize;
        let parts = self.body.chunks(chunk + 1);
        parts
            .flat_map(|part| part.iter().take(chunk).copied())
            .collect()
    }
}

/// What a packet takes beside its bytes, wherever it waits: without it, a million empty ones would
/// count as nothing.
pub(crate) const OVERHEAD: usize = 256;

/// A timestamp of this size or more does not fit into three bytes.
const EXTENDED: u32 = 0xFF_FFFF;

/// Milliseconds as RTMP counts them: they start again after 49.7 days.
#[expect(clippy::cast_possible_truncation, reason = "it is what wrapping means")]
const fn wrapped(time: u64) -> u32 {
    time as u32
}
