//! The relay with real encoders and receivers around it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lossy;
mod srt;
mod stage;
