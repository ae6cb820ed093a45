//! What arrived, as counts and extremes.

use std::time::Duration;

use crate::wire::{
    message::{Message, MessageKind},
    tag::{self, Codec},
};

/// A pause between two pictures by their timestamps that is counted as a gap, in milliseconds.
const GAP: u32 = 150;

/// What arrived of one publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bytes of payload.
    pub bytes: u64,
    /// Pictures.
    pub video_frames: u64,
    /// Pictures that a decoder can start with.
    pub keyframes: u64,
    /// Audio frames.
    pub audio_frames: u64,
    /// Times that stream metadata came.
    pub metadata: u64,
    /// Video sequence headers.
    pub video_headers: u64,
    /// Audio sequence headers.
    pub audio_headers: u64,
    /// Whether the first picture was a keyframe, with its sequence header before it.
    pub began_well: bool,
    /// Pauses of more than 150 ms between two pictures, by their timestamps.
    pub gaps: u64,
    /// Of these, those that did not end with a keyframe: a viewer sees broken pictures.
    pub broken_gaps: u64,
    /// Timestamps that went back, within audio or within video.
    pub steps_back: u64,
    /// The longest time between the arrival of two pictures.
    pub longest_wait: Duration,
    /// The timestamp of the first frame, in milliseconds.
    pub first_timestamp: Option<u32>,
    /// The timestamp of the newest picture, in milliseconds.
    pub last_timestamp: Option<u32>,
    /// How the pictures are coded.
    pub video: Option<Codec>,
    /// How the sound is coded.
    pub audio: Option<Codec>,
    last_audio: Option<u32>,
    last_arrival: Option<Duration>,
}

impl Facts {
    /// Audio and video.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.video_frames + self.audio_frames
    }

    /// Takes a message in that arrived at this time, on a clock that cannot jump.
    pub(super) fn take(&mut self, message: &Message, now: Duration) {
        self.bytes += message.payload.len() as u64;
        let info = tag::classify(message.kind, &message.payload);
        match message.kind {
            MessageKind::DataAmf0 => self.metadata += 1,
            MessageKind::Video if info.sequence_header => {
                self.video_headers += 1;
                self.video = Some(info.codec);
            }
            MessageKind::Audio if info.sequence_header => {
                self.audio_headers += 1;
                self.audio = Some(info.codec);
            }
            MessageKind::Video if !info.command && !info.sequence_end => {
                self.take_picture(message.timestamp, info.keyframe, now);
            }
            MessageKind::Audio if !info.sequence_end => {
                self.audio_frames += 1;
                self.first_timestamp.get_or_insert(message.timestamp);
                let step = step(
                    self.last_audio.replace(message.timestamp),
                    message.timestamp,
                );
                self.steps_back += u64::from(step < 0);
            }
            _ => {}
        }
    }

    fn take_picture(&mut self, timestamp: u32, is_key: bool, now: Duration) {
        if self.video_frames == 0 {
            self.began_well = is_key && 0 < self.video_headers;
        }
        self.video_frames += 1;
        self.keyframes += u64::from(is_key);
        self.first_timestamp.get_or_insert(timestamp);
        let step = step(self.last_timestamp.replace(timestamp), timestamp);
        self.steps_back += u64::from(step < 0);
        let is_gap = i64::from(GAP) < step;
        self.gaps += u64::from(is_gap);
        self.broken_gaps += u64::from(is_gap && !is_key);
        if let Some(last) = self.last_arrival.replace(now) {
            self.longest_wait = self.longest_wait.max(now.saturating_sub(last));
        }
    }
}

/// From one timestamp to the next, over a wrap too.
fn step(last: Option<u32>, next: u32) -> i64 {
    let last = last.unwrap_or(next);
    let ahead = next.wrapping_sub(last);
    if ahead <= u32::MAX / 2 {
        ahead.into()
    } else {
        -i64::from(last.wrapping_sub(next))
    }
}
