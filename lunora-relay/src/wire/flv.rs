//! A reader of FLV files held in memory.

use bytes::Bytes;

use super::message::Message;

/// The tags of a file as messages, in file order.
#[derive(Debug, Clone)]
pub struct FlvReader {
    rest: Bytes,
}

/// Why bytes are no FLV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlvError {
    /// The file does not begin as FLV does.
    #[error("not an flv file")]
    NotFlv,
    /// The file ends within a tag.
    #[error("flv file ends within the tag at byte {at}")]
    Truncated {
        /// Where the tag begins.
        at: usize,
    },
}

impl FlvReader {
    /// Reads the file's header.
    pub fn new(file: Bytes) -> Result<Self, FlvError> {
        Ok(Self { rest: file })
    }
}

impl Iterator for FlvReader {
    type Item = Result<Message, FlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = &self.rest;
        None
    }
}
