//! MPEG-TS, as SRT carries it: what it says, as the messages that an encoder would send by RTMP.
//!
//! [`Demux`] is fed with bytes in any pieces and asked for messages. It takes the first program,
//! and of that the first H.264 or H.265 and the first AAC in ADTS; what else there is it names and
//! leaves. After a loss nothing is sent that refers to what was lost: pictures go on with the next
//! keyframe, sound with the next frame.
//!
//! All of it reads what strangers send. What it holds has a bound: one PES packet of each track
//! ([`held`](Demux::held)), some parameter sets, and the messages that one feeding gives.

mod adts;
mod annexb;
mod avc;
mod bits;
mod clock;
mod demux;
mod hevc;
mod packet;
mod pes;
mod section;
mod tables;
mod video;

pub use demux::{Counters, Demux, HELD_MAX, StreamKind};
pub use pes::Pes;
