//! What arrived of one publish.

use std::time::Duration;

use serde::Serialize;

use crate::{
    recording::{Follower, Order},
    scan::Seen,
};

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;

/// Counts and extremes of one publish.
#[derive(Clone, Debug, Serialize)]
pub struct Tally {
    /// The stream key. It is the benchmark's own and no secret.
    pub key: String,
    /// Bytes, with their chunk headers.
    pub bytes: u64,
    /// Pictures.
    pub pictures: u64,
    /// Audio frames.
    pub audio: u64,
    /// Whether the first picture was a keyframe, after the sequence headers of video and audio.
    pub began_well: bool,
    /// Pictures of the recording that did not arrive.
    pub lost: u64,
    /// Pictures that are not in the recording.
    pub unknown: u64,
    /// The longest time between two pictures, in milliseconds.
    pub longest_gap_ms: f64,
    /// Whether it has ended.
    pub ended: bool,
    #[serde(skip)]
    headers: [bool; 2],
    #[serde(skip)]
    last_picture: Option<Duration>,
    #[serde(skip)]
    follower: Option<Follower>,
}

impl Tally {
    /// Of a publish that begins now.
    #[must_use]
    pub fn new(key: String, order: Option<Order>) -> Self {
        Self {
            key,
            bytes: 0,
            pictures: 0,
            audio: 0,
            began_well: false,
            lost: 0,
            unknown: 0,
            longest_gap_ms: 0.0,
            ended: false,
            headers: [false; 2],
            last_picture: None,
            follower: order.map(Follower::new),
        }
    }

    /// Takes a message in that arrived at this time, and says whether it was the first picture.
    pub fn take(&mut self, message: Seen, now: Duration) -> bool {
        let [first, second, ..] = message.head;
        match message.kind {
            // AAC: a config record has packet type 0.
            AUDIO if second == 0 => self.headers[0] = true,
            AUDIO => self.audio += 1,
            VIDEO if second == 0 => self.headers[1] = true,
            VIDEO if second == 1 => {
                self.take_picture(message.len, first >> 4 == 1, now);
                return self.pictures == 1;
            }
            _ => {}
        }
        false
    }

    /// Looks for extremes from now on.
    pub fn reset(&mut self) {
        self.longest_gap_ms = 0.0;
    }

    fn take_picture(&mut self, len: usize, is_key: bool, now: Duration) {
        if self.pictures == 0 {
            self.began_well = is_key && self.headers == [true; 2];
        }
        self.pictures += 1;
        if let Some(last) = self.last_picture.replace(now) {
            let gap = now.saturating_sub(last).as_secs_f64() * 1e3;
            self.longest_gap_ms = self.longest_gap_ms.max(gap);
        }
        if let Some(follower) = &mut self.follower {
            follower.take(len);
            (self.lost, self.unknown) = (follower.lost(), follower.unknown());
        }
    }
}
