//! Chunks into messages.

use super::{ChunkError, ChunkLimits};
use crate::wire::message::Message;

/// Puts the messages of one connection together again.
pub struct ChunkReader {
    limits: ChunkLimits,
}

impl std::fmt::Debug for ChunkReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkReader")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl ChunkReader {
    /// A reader at the start of a connection.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self { limits }
    }

    /// Takes bytes as they came; ask [`next`](Self::next) for what they made until it has no more.
    pub fn feed(&mut self, input: &[u8]) {
        let _ = input;
        todo!()
    }

    /// The next whole message, if there is one.
    #[expect(
        clippy::should_implement_trait,
        reason = "not an iterator: after `None` it may go on"
    )]
    pub fn next(&mut self) -> Result<Option<Message>, ChunkError> {
        todo!()
    }
}
