//! The studio with real parts around it: it runs as a process of its own, `curl`
//! calls its API, ffmpeg publishes, and nginx-rtmp or ffmpeg receives.
//!
//! None of them shares a line of code with the studio, so what they agree on is
//! right. Only the encoder is a stand-in: OBS has no way to run without a screen,
//! so ffmpeg publishes as OBS does (FLV over RTMP, H.264 with B-frames, AAC).
//!
//! The tests need ffmpeg, nginx with its rtmp and stream modules, openssl and curl;
//! `scripts/test` installs them and runs everything here. Nothing leaves the
//! machine: each server has a loopback address of its own, see [`machine::address`].

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod authority;
mod flv;
mod machine;
mod media;
mod nginx;
mod process;
mod sink;
mod studio;

mod canary;
mod complaints;
mod encoder;
mod faults;
mod isolation;
mod push;
mod restart;
mod rtmps;
mod stopping;
