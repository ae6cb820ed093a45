//! Real parts around what is tested: ffmpeg publishes, nginx-rtmp or ffmpeg receives,
//! and ffmpeg judges what they got.
//!
//! None of them shares a line of code with Lunora, so what they agree on is right. Only
//! the encoder is a stand-in: OBS has no way to run without a screen, so ffmpeg publishes
//! as OBS does (FLV over RTMP, H.264 with B-frames, AAC).
//!
//! All of it needs ffmpeg, nginx with its rtmp and stream modules, and openssl;
//! `scripts/test tools` installs them. Nothing leaves the machine: each server has a
//! loopback address of its own, see [`machine::address`].
//!
//! Whatever goes wrong here panics, as a test that fails does.

pub mod authority;
pub mod flv;
pub mod machine;
pub mod media;
pub mod nginx;
pub mod process;
pub mod secrets;
