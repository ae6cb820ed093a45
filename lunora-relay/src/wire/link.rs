//! What both kinds of session share: messages in and out, acknowledgements and pings.

use std::collections::VecDeque;

use bytes::Bytes;

use super::amf0::Amf0Error;
use super::chunk::{
    CHUNK_SIZE, CSID_COMMAND, CSID_CONTROL, ChunkError, ChunkLimits, ChunkReader, ChunkWriter,
};
use super::command::Command;
use super::message::{Message, MessageKind};

/// Why a session cannot go on. The connection should be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer's bytes are no chunk stream.
    #[error("cannot read the peer's chunks")]
    Chunk(#[from] ChunkError),
    /// A command of the peer is hostile AMF0.
    #[error("cannot read a command of the peer")]
    Command(#[from] Amf0Error),
    /// The peer makes us answer faster than it takes the answers.
    #[error("more than {0} bytes of answers are waiting for the peer")]
    Output(usize),
    /// The peer says more in a second than any has a reason to, or wants more answers.
    #[error("the peer never stops talking")]
    Chatter,
    /// More events wait than the owner of the session takes.
    #[error("more than {0} events of the peer are waiting to be handled")]
    Events(usize),
    /// The peer sent more media than may wait for its publish to be accepted.
    #[error("more than {0} bytes of media are waiting to be handled")]
    Media(usize),
}

/// How many bytes of answers may wait.
const MAX_OUTPUT: usize = 256 * 1024;

/// After how many bytes we acknowledge when the peer did not say, and ask the peer to.
pub(super) const WINDOW: u32 = 2_500_000;

const STREAM_BEGIN: u16 = 0;
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;

/// One side of a connection.
pub(super) struct Link {
    reader: ChunkReader,
    writer: ChunkWriter,
    output: VecDeque<Bytes>,
    output_bytes: usize,
    /// All bytes ever received, modulo 2^32 as acknowledgements count them.
    received: u32,
    acknowledged: u32,
    /// After how many bytes the peer wants an acknowledgement; 0 for never.
    window: u32,
    /// The window we last asked the peer to acknowledge by.
    asked: Option<u32>,
}

impl Link {
    pub(super) fn new(limits: ChunkLimits) -> Self {
        Self {
            reader: ChunkReader::new(limits),
            writer: ChunkWriter::new(),
            output: VecDeque::new(),
            output_bytes: 0,
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            asked: None,
        }
    }

    pub(super) fn set_limits(&mut self, limits: ChunkLimits) {
        self.reader.set_limits(limits);
    }

    pub(super) fn feed(&mut self, input: &[u8]) {
        self.reader.feed(input);
        // The count is modulo 2^32, so the low 32 bits of the length are what is needed.
        self.received = self.received.wrapping_add(input.len() as u32);
    }

    /// The next message that is not about the connection itself. `Ack` is handed on.
    pub(super) fn next(&mut self) -> Result<Option<Message>, SessionError> {
        while let Some(message) = self.reader.next()? {
            match message.kind {
                MessageKind::WindowAck => self.window = number(&message.payload).unwrap_or(0),
                MessageKind::SetPeerBandwidth => {
                    if let Some(window) = number(&message.payload) {
                        self.ask_acknowledgements(window);
                    }
                }
                MessageKind::UserControl => self.user_control(&message.payload),
                _ => return Ok(Some(message)),
            }
        }
        self.acknowledge();
        self.check_output()?;
        Ok(None)
    }

    /// An error once more waits than should; what goes beyond is not kept.
    fn check_output(&self) -> Result<(), SessionError> {
        if self.output_bytes > MAX_OUTPUT {
            Err(SessionError::Output(MAX_OUTPUT))
        } else {
            Ok(())
        }
    }

    /// All that waits, in one.
    pub(super) fn take_output(&mut self) -> Option<Bytes> {
        self.output_bytes = 0;
        if self.output.len() < 2 {
            return self.output.pop_front();
        }
        let parts: Vec<Bytes> = self.output.drain(..).collect();
        Some(parts.concat().into())
    }

    pub(super) fn poll_output(&mut self) -> Option<Bytes> {
        let bytes = self.output.pop_front()?;
        self.output_bytes -= bytes.len();
        Some(bytes)
    }

    pub(super) fn set_chunk_size(&mut self) {
        let bytes = self.writer.set_chunk_size(CHUNK_SIZE);
        self.push(bytes);
    }

    /// Asks the peer to acknowledge every `window` bytes, unless it was told so already.
    pub(super) fn ask_acknowledgements(&mut self, window: u32) {
        if self.asked.replace(window) != Some(window) {
            self.control(MessageKind::WindowAck, &window.to_be_bytes());
        }
    }

    /// Tells the peer how much it may send before it waits for an acknowledgement.
    pub(super) fn set_peer_bandwidth(&mut self, window: u32) {
        const DYNAMIC: u8 = 2;
        let [a, b, c, d] = window.to_be_bytes();
        self.control(MessageKind::SetPeerBandwidth, &[a, b, c, d, DYNAMIC]);
    }

    pub(super) fn stream_begin(&mut self, stream_id: u32) {
        self.send_user_control(STREAM_BEGIN, stream_id);
    }

    pub(super) fn command(&mut self, stream_id: u32, command: &Command) {
        let kind = MessageKind::Command;
        self.send(
            CSID_COMMAND,
            &Message {
                kind,
                timestamp: 0,
                stream_id,
                payload: command.payload(),
            },
        );
    }

    fn user_control(&mut self, payload: &[u8]) {
        if let Some(&[a, b, c, d, e, f]) = payload.first_chunk()
            && u16::from_be_bytes([a, b]) == PING_REQUEST
        {
            self.send_user_control(PING_RESPONSE, u32::from_be_bytes([c, d, e, f]));
        }
    }

    fn send_user_control(&mut self, event: u16, value: u32) {
        let [a, b] = event.to_be_bytes();
        let [c, d, e, f] = value.to_be_bytes();
        self.control(MessageKind::UserControl, &[a, b, c, d, e, f]);
    }

    /// The running total, not what came since: that is what the number means.
    fn acknowledge(&mut self) {
        if self.window > 0 && self.received.wrapping_sub(self.acknowledged) >= self.window {
            self.acknowledged = self.received;
            self.control(MessageKind::Ack, &self.received.to_be_bytes());
        }
    }

    fn control(&mut self, kind: MessageKind, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        self.send(
            CSID_CONTROL,
            &Message {
                kind,
                timestamp: 0,
                stream_id: 0,
                payload,
            },
        );
    }

    fn send(&mut self, csid: u8, message: &Message) {
        let bytes = self.writer.write(csid, message);
        self.push(bytes);
    }

    fn push(&mut self, bytes: Bytes) {
        if self.output_bytes <= MAX_OUTPUT {
            self.output_bytes += bytes.len();
            self.output.push_back(bytes);
        }
    }
}

/// The number most control messages consist of.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().copied().map(u32::from_be_bytes)
}
