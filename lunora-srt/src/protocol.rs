//! What a program and its worker say to each other.
//!
//! Each message is a frame: its length in four bytes, then a tag, then what the tag says. Both
//! sides read strictly: what is too long, too short or unknown is an error, after which nothing
//! of that stream is read any more.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use secrecy::{ExposeSecret, SecretString};

/// Changes with every change of what the frames mean. A program and a worker that differ in it do
/// not understand each other, which happens if the program's file was replaced while it ran.
pub const VERSION: u8 = 1;

/// The most that a frame holds behind its length.
pub const FRAME_MAX: usize = 64 * 1024;

/// The most of an SRT stream that one frame carries.
pub const MEDIA_MAX: usize = 32 * 1024;

/// The longest stream id, passphrase or path.
const TEXT_MAX: usize = 4_096;

/// Why bytes are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It says that it is longer than any frame.
    #[error("a frame of {0} bytes")]
    TooLong(u32),
    /// It ends too early, or has more than it should.
    #[error("a frame with tag {0} is of the wrong length or holds what cannot be")]
    Malformed(u8),
    /// Nobody knows what it is.
    #[error("a frame with the unknown tag {0}")]
    Unknown(u8),
    /// Not even a tag.
    #[error("an empty frame")]
    Empty,
}

/// How a source is connected.
#[derive(Clone, Debug)]
pub enum Way {
    /// It calls, with this stream id; without one it may call with any.
    Listen {
        /// Which.
        stream_id: Option<SecretString>,
    },
    /// It is called, once.
    Call {
        /// Where.
        address: SocketAddr,
        /// What for.
        stream_id: Option<SecretString>,
    },
}

/// How long a key is asked for, when calling. A caller chooses for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLength {
    /// As libsrt likes it.
    Any,
    /// AES-128.
    Aes128,
    /// AES-256.
    Aes256,
}

impl KeyLength {
    /// In bytes, 0 for any.
    #[must_use]
    pub const fn bytes(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

/// A source that a worker is told to take in.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its number in all frames; one that is never used twice.
    pub source: u32,
    /// Who calls whom.
    pub way: Way,
    /// What it is encrypted under.
    pub passphrase: Option<SecretString>,
    /// How.
    pub key_length: KeyLength,
    /// For how long a lost packet is asked for again, in milliseconds.
    pub latency_ms: u16,
}

/// What a program tells its worker.
#[derive(Clone, Debug)]
pub enum ToWorker {
    /// The first of all.
    Start {
        /// The program's [`VERSION`].
        version: u8,
        /// The file of libsrt, if it has an unusual name or place.
        library: Option<String>,
    },
    /// Wait for callers.
    Listen(SocketAddr),
    /// Take a source in.
    Open(Open),
    /// Do so no more.
    Close {
        /// Which.
        source: u32,
    },
    /// Answer, to show that you are well.
    Ping {
        /// What to answer with.
        number: u32,
    },
}

/// Why a caller was let in by nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It named a stream that is not expected.
    UnknownStream,
    /// It has not the passphrase of the source: another, none, or one where none is.
    Passphrase,
    /// The source is connected already.
    Busy,
    /// It wanted to receive.
    Receiver,
}

/// Why a connection is over, or came not about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side left, or the network broke.
    Lost,
    /// Nobody answered.
    NoAnswer,
    /// Who was called refuses our passphrase, or that we have none, or one.
    Passphrase,
    /// Who was called refuses, for this reason of its own.
    Rejected(u16),
    /// We ended it.
    Ours,
    /// libsrt could not.
    Failed,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets that arrived.
    pub received: u64,
    /// Packets that did not arrive the first time.
    pub lost: u64,
    /// Packets that arrived when they were sent again.
    pub retransmitted: u64,
    /// Packets that never arrived in time.
    pub dropped: u64,
    /// Packets that could not be decrypted.
    pub undecrypted: u64,
    /// There and back, in microseconds.
    pub rtt_us: u32,
}

/// What a worker tells its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// The first of all: libsrt is there.
    Hello {
        /// The worker's [`VERSION`].
        version: u8,
        /// libsrt's version.
        libsrt: [u8; 3],
    },
    /// Instead of it: libsrt is not there. The worker ends.
    Missing,
    /// Callers are waited for.
    Listening(SocketAddr),
    /// They cannot be: somebody has the port, most likely.
    NoListener,
    /// A source is connected.
    Connected {
        /// Which.
        source: u32,
        /// With whom.
        peer: SocketAddr,
    },
    /// What it sent: whole packets of MPEG-TS, unless it sends something else.
    Media {
        /// Which.
        source: u32,
        /// What.
        bytes: Vec<u8>,
    },
    /// Something of it is missing here.
    Gap {
        /// Which.
        source: u32,
    },
    /// It is not connected any more, or was not at all.
    Ended {
        /// Which.
        source: u32,
        /// Why.
        why: End,
    },
    /// Callers were refused.
    Refused {
        /// For which source, if they named one.
        source: Option<u32>,
        /// Why.
        why: Refusal,
        /// How many.
        count: u32,
    },
    /// How a connection fares, every second.
    Stats {
        /// Which.
        source: u32,
        /// How.
        stats: Stats,
    },
    /// The worker is well.
    Pong {
        /// As it was asked.
        number: u32,
    },
}

/// Reads frames out of bytes that come in any pieces. It holds one frame and what was fed last.
#[derive(Default)]
pub struct FrameReader {
    held: Vec<u8>,
    at: usize,
}

// They hold passphrases.
impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameReader({} bytes)", self.held.len() - self.at)
    }
}

impl FrameReader {
    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next frame for a program, if it is complete.
    pub fn from_worker(&mut self) -> Result<Option<FromWorker>, FrameError> {
        self.next(FromWorker::read)
    }

    /// The next frame for a worker, if it is complete.
    pub fn to_worker(&mut self) -> Result<Option<ToWorker>, FrameError> {
        self.next(ToWorker::read)
    }

    fn next<T>(
        &mut self,
        read: impl FnOnce(u8, &mut Cursor<'_>) -> Option<Result<T, FrameError>>,
    ) -> Result<Option<T>, FrameError> {
        let rest = self.held.get(self.at..).unwrap_or_default();
        let Some((len, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let told = u32::from_be_bytes(*len);
        let len = usize::try_from(told).unwrap_or(usize::MAX);
        if FRAME_MAX < len {
            return Err(FrameError::TooLong(told));
        }
        let Some(frame) = rest.get(..len) else {
            return Ok(None);
        };
        let (&tag, body) = frame.split_first().ok_or(FrameError::Empty)?;
        let mut cursor = Cursor(body);
        let value = read(tag, &mut cursor).ok_or(FrameError::Malformed(tag))??;
        if !cursor.0.is_empty() {
            return Err(FrameError::Malformed(tag));
        }
        self.at += 4 + len;
        Ok(Some(value))
    }
}

/// What of a frame was not read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn rest(&mut self, max: usize) -> Option<&'a [u8]> {
        let rest = std::mem::take(&mut self.0);
        (rest.len() <= max).then_some(rest)
    }

    fn text(&mut self) -> Option<Option<&'a str>> {
        let is_there = self.u8()?;
        if is_there == 0 {
            return Some(None);
        }
        let len = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let text = std::str::from_utf8(text).ok()?;
        (is_there == 1 && len <= TEXT_MAX).then_some(Some(text))
    }

    fn secret(&mut self) -> Option<Option<SecretString>> {
        Some(self.text()?.map(SecretString::from))
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip: IpAddr = match self.u8()? {
            4 => self.array::<4>()?.into(),
            6 => self.array::<16>()?.into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.u16()?))
    }
}

fn push_text(out: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        return out.push(0);
    };
    // A longer one is refused by the reader; who writes has a bound of its own.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.push(1);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn push_secret(out: &mut Vec<u8>, secret: Option<&SecretString>) {
    push_text(out, secret.map(ExposeSecret::expose_secret));
}

fn push_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

/// A frame around what is written after its tag.
fn frame(tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, tag];
    write(&mut out);
    let len = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.first_chunk_mut() {
        *place = len.to_be_bytes();
    }
    out
}

impl ToWorker {
    /// As a frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Start { version, library } => frame(1, |out| {
                out.push(*version);
                push_text(out, library.as_deref());
            }),
            Self::Listen(address) => frame(2, |out| push_address(out, *address)),
            Self::Open(open) => frame(3, |out| {
                out.extend_from_slice(&open.source.to_be_bytes());
                match &open.way {
                    Way::Listen { stream_id } => {
                        out.push(0);
                        push_secret(out, stream_id.as_ref());
                    }
                    Way::Call { address, stream_id } => {
                        out.push(1);
                        push_address(out, *address);
                        push_secret(out, stream_id.as_ref());
                    }
                }
                push_secret(out, open.passphrase.as_ref());
                out.push(open.key_length.bytes());
                out.extend_from_slice(&open.latency_ms.to_be_bytes());
            }),
            Self::Close { source } => frame(4, |out| out.extend(source.to_be_bytes())),
            Self::Ping { number } => frame(5, |out| out.extend(number.to_be_bytes())),
        }
    }

    fn read(tag: u8, body: &mut Cursor<'_>) -> Option<Result<Self, FrameError>> {
        Some(Ok(match tag {
            1 => Self::Start {
                version: body.u8()?,
                library: body.text()?.map(str::to_owned),
            },
            2 => Self::Listen(body.address()?),
            3 => Self::Open(Open {
                source: body.u32()?,
                way: match body.u8()? {
                    0 => Way::Listen {
                        stream_id: body.secret()?,
                    },
                    1 => Way::Call {
                        address: body.address()?,
                        stream_id: body.secret()?,
                    },
                    _ => return None,
                },
                passphrase: body.secret()?,
                key_length: match body.u8()? {
                    0 => KeyLength::Any,
                    16 => KeyLength::Aes128,
                    32 => KeyLength::Aes256,
                    _ => return None,
                },
                latency_ms: body.u16()?,
            }),
            4 => Self::Close {
                source: body.u32()?,
            },
            5 => Self::Ping {
                number: body.u32()?,
            },
            other => return Some(Err(FrameError::Unknown(other))),
        }))
    }
}

impl FromWorker {
    /// As a frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Hello { version, libsrt } => frame(1, |out| {
                out.push(*version);
                out.extend_from_slice(libsrt);
            }),
            Self::Missing => frame(2, |_| {}),
            Self::Listening(address) => frame(3, |out| push_address(out, *address)),
            Self::NoListener => frame(4, |_| {}),
            Self::Connected { source, peer } => frame(5, |out| {
                out.extend(source.to_be_bytes());
                push_address(out, *peer);
            }),
            Self::Media { source, bytes } => frame(6, |out| {
                out.extend(source.to_be_bytes());
                out.extend_from_slice(bytes);
            }),
            Self::Gap { source } => frame(7, |out| out.extend(source.to_be_bytes())),
            Self::Ended { source, why } => frame(8, |out| {
                out.extend(source.to_be_bytes());
                let (kind, reason) = match why {
                    End::Lost => (0, 0),
                    End::NoAnswer => (1, 0),
                    End::Passphrase => (2, 0),
                    End::Rejected(reason) => (3, *reason),
                    End::Ours => (4, 0),
                    End::Failed => (5, 0),
                };
                out.push(kind);
                out.extend(reason.to_be_bytes());
            }),
            Self::Refused { source, why, count } => frame(9, |out| {
                out.push(source.is_some().into());
                out.extend(source.unwrap_or(0).to_be_bytes());
                out.push(match why {
                    Refusal::UnknownStream => 0,
                    Refusal::Passphrase => 1,
                    Refusal::Busy => 2,
                    Refusal::Receiver => 3,
                });
                out.extend(count.to_be_bytes());
            }),
            Self::Stats { source, stats } => frame(10, |out| {
                out.extend(source.to_be_bytes());
                for count in [
                    stats.received,
                    stats.lost,
                    stats.retransmitted,
                    stats.dropped,
                    stats.undecrypted,
                ] {
                    out.extend(count.to_be_bytes());
                }
                out.extend(stats.rtt_us.to_be_bytes());
            }),
            Self::Pong { number } => frame(11, |out| out.extend(number.to_be_bytes())),
        }
    }

    fn read(tag: u8, body: &mut Cursor<'_>) -> Option<Result<Self, FrameError>> {
        Some(Ok(match tag {
            1 => Self::Hello {
                version: body.u8()?,
                libsrt: body.array()?,
            },
            2 => Self::Missing,
            3 => Self::Listening(body.address()?),
            4 => Self::NoListener,
            5 => Self::Connected {
                source: body.u32()?,
                peer: body.address()?,
            },
            6 => Self::Media {
                source: body.u32()?,
                bytes: body.rest(MEDIA_MAX)?.to_vec(),
            },
            7 => Self::Gap {
                source: body.u32()?,
            },
            8 => Self::Ended {
                source: body.u32()?,
                why: match (body.u8()?, body.u16()?) {
                    (0, 0) => End::Lost,
                    (1, 0) => End::NoAnswer,
                    (2, 0) => End::Passphrase,
                    (3, reason) => End::Rejected(reason),
                    (4, 0) => End::Ours,
                    (5, 0) => End::Failed,
                    _ => return None,
                },
            },
            9 => Self::Refused {
                source: match (body.u8()?, body.u32()?) {
                    (0, 0) => None,
                    (1, source) => Some(source),
                    _ => return None,
                },
                why: match body.u8()? {
                    0 => Refusal::UnknownStream,
                    1 => Refusal::Passphrase,
                    2 => Refusal::Busy,
                    3 => Refusal::Receiver,
                    _ => return None,
                },
                count: body.u32()?,
            },
            10 => Self::Stats {
                source: body.u32()?,
                stats: Stats {
                    received: body.u64()?,
                    lost: body.u64()?,
                    retransmitted: body.u64()?,
                    dropped: body.u64()?,
                    undecrypted: body.u64()?,
                    rtt_us: body.u32()?,
                },
            },
            11 => Self::Pong {
                number: body.u32()?,
            },
            other => return Some(Err(FrameError::Unknown(other))),
        }))
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
