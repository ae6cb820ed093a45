//! The relay among real parts: ffmpeg publishes, nginx-rtmp receives, ffmpeg judges.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod legs;
mod lossy;
mod sources;
mod srt;
mod stage;
