//! The test stream that plays while no encoder publishes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lunora_core::domain::Priority;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::{
    air::Origin,
    fanout::{Hub, Standing},
    program::OnAir,
    wire::{
        flv::{FlvError, FlvReader},
        message::{Message, MessageKind},
        tag,
    },
};

/// Made by `scripts/make-test-stream`.
static STREAM: &[u8] = include_bytes!("../assets/test-stream.flv");
/// 256 pictures of 40 ms, and 480 audio frames of 64/3 ms: the next lap begins where the last ends.
const LAP: Duration = Duration::from_millis(10_240);
/// If the machine slept for longer, the missed part is not played.
const LATE_MAX: Duration = Duration::from_secs(1);

/// The test stream, ready to play.
#[derive(Clone, Debug)]
pub(crate) struct Demo {
    headers: Vec<Message>,
    frames: Vec<Message>,
}

impl Demo {
    pub(crate) fn load() -> Result<Self, FlvError> {
        let mut all = FlvReader::new(Bytes::from_static(STREAM))?.collect::<Result<Vec<_>, _>>()?;
        // The end in the file is none: the next lap follows.
        all.retain(|message| !tag::classify(message.kind, &message.payload).sequence_end);
        let is_header = |message: &Message| {
            let is_data = message.kind == MessageKind::DataAmf0;
            is_data || tag::classify(message.kind, &message.payload).sequence_header
        };
        let (headers, frames) = all.into_iter().partition(is_header);
        Ok(Self { headers, frames })
    }

    /// Plays whenever no encoder is on air, for ever.
    pub(crate) async fn run(self, hub: Arc<Hub>) {
        let mut program = hub.facts();
        while program
            .wait_for(|facts| facts.on_air == OnAir::Demo)
            .await
            .is_ok()
        {
            debug!("the test stream plays");
            self.play(&hub).await;
        }
    }

    /// Plays from the start until an encoder is on air.
    async fn play(&self, hub: &Arc<Hub>) {
        let Ok(mut feed) = hub.feed(Origin::Demo, Priority::PRIMARY, Vec::new()) else {
            return;
        };
        for header in &self.headers {
            // They wait for the first picture.
            let _ = feed.send(header.clone());
        }
        let mut lap_begins = Instant::now();
        let mut laps: u32 = 0;
        loop {
            for frame in &self.frames {
                let due = lap_begins + Duration::from_millis(frame.timestamp.into());
                sleep_until(due).await;
                let late = due.elapsed();
                if LATE_MAX < late {
                    lap_begins += late;
                }
                let shift = laps.wrapping_mul(LAP_MS);
                let timestamp = frame.timestamp.wrapping_add(shift);
                let sent = feed.send(Message {
                    timestamp,
                    ..frame.clone()
                });
                if sent != Ok(Standing::OnAir) {
                    return;
                }
            }
            laps = laps.wrapping_add(1);
            lap_begins += LAP;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "ten seconds fit")]
const LAP_MS: u32 = LAP.as_millis() as u32;

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamps(demo: &Demo, kind: MessageKind) -> Vec<u32> {
        let frames = demo.frames.iter().filter(|frame| frame.kind == kind);
        frames.map(|frame| frame.timestamp).collect()
    }

    #[test]
    fn the_test_stream_loops_without_a_seam() {
        let demo = Demo::load().unwrap();

        let video = timestamps(&demo, MessageKind::Video);
        let audio = timestamps(&demo, MessageKind::Audio);

        assert_eq!(video, (0..256).map(|frame| frame * 40).collect::<Vec<_>>());
        assert_eq!(audio.len(), 480);
        let distances = audio.iter().zip(audio.iter().skip(1).chain([&LAP_MS]));
        assert!(
            distances
                .map(|(one, next)| next - one)
                .all(|step| step == 21 || step == 22)
        );
    }

    #[test]
    fn the_test_stream_starts_with_a_keyframe_and_has_one_every_64_pictures() {
        let demo = Demo::load().unwrap();

        let is_key = |frame: &&Message| tag::classify(frame.kind, &frame.payload).keyframe;
        let keys = demo
            .frames
            .iter()
            .filter(is_key)
            .map(|frame| frame.timestamp);

        assert_eq!(keys.collect::<Vec<_>>(), [0, 64 * 40, 128 * 40, 192 * 40]);
        assert_eq!(demo.headers.len(), 3, "metadata, video and audio");
        assert!(STREAM.len() < 600_000);
    }
}
