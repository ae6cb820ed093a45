//! The header of one chunk.
