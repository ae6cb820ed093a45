//! The studio with real parts around it (see [`lunora_testkit::real`]): it runs as a
//! process of its own, `curl` calls its API, ffmpeg publishes, and nginx-rtmp or ffmpeg
//! receives. `scripts/test` installs all of them and runs everything here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod browser;
mod sink;
mod srt;
mod studio;

mod canary;
mod complaints;
mod encoder;
mod failover;
mod faults;
mod hls;
mod isolation;
mod push;
mod restart;
mod rtmps;
mod stopping;
