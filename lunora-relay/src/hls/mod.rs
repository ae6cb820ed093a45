//! What viewers get: HLS in files, in fragmented MP4.
//!
//! A thread of its own reads the fan-out's tap, so that no disk ever holds up an output. Segments
//! depend on the media alone: two runs with the same input write the same bytes.
//!
//! - [`intake`]: packets to samples; [`tracks`]: what decoders are set up with; [`sample`]: ticks
//! - [`segmenter`]: where a segment ends
//! - [`fragment`]: a segment as MP4; [`playlist`]: what is listed, kept and removed
//! - [`writer`]: the thread; [`shelf`]: the folder; [`name`]: what files are called
//! - [`state`]: how it fares
//!
//! All but the last three know neither a file nor a clock.
//!
//! # Across restarts
//!
//! Media sequence numbers begin at the seconds since 2020, and after whatever an earlier run left
//! in the folder. So they never go back, a name never means other bytes than it did for a browser
//! that keeps them, and a player that stays goes on over a restart: it finds a discontinuity. For
//! the same reason no playlist ever ends (`EXT-X-ENDLIST`): nobody here knows that no other run
//! will follow. Files of an earlier run go with the first segment, or after half a minute.

mod fragment;
mod intake;
mod name;
mod playlist;
#[cfg(test)]
mod playlist_tests;
mod sample;
mod segmenter;
#[cfg(test)]
mod segmenter_tests;
mod shelf;
mod state;
#[cfg(test)]
mod tests;
mod tracks;
mod writer;
#[cfg(test)]
mod writer_tests;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use lunora_core::port::Clock;
use tokio::sync::watch;

pub use name::{HlsFile, NotHls};
pub use state::{HlsFault, HlsState, HlsTrouble};

use self::{
    intake::Intake,
    playlist::{Playlist, Retention},
    segmenter::Limits,
    shelf::{Folder, Shelf},
    state::Shown,
    writer::{Log, Made, Writer},
};
use crate::{
    fanout::{Tap, TapHandle, TapLimits, TapReader, tap},
    news::News,
};

/// Where and how HLS is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HlsConfig {
    /// The folder. It is made when it is needed; files in it whose names are none of ours stay.
    pub folder: PathBuf,
    /// What a segment measures at least, if there are keyframes to cut at.
    pub segment: Duration,
    /// What a segment measures at most, in whole seconds: what the playlist promises to players,
    /// who stay about three times as far behind. At least one second.
    pub segment_max: Duration,
    /// Segments in the playlist.
    pub listed: usize,
    /// Segments that have left the playlist and stay for slow readers.
    pub kept: usize,
    /// Bytes that all segments may take. If that many segments are larger, there are fewer.
    pub bytes_max: u64,
}

impl HlsConfig {
    /// Segments of 2 to 4 s, 6 of them in the playlist and 6 more in the folder, 1 GiB at most.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            segment: Duration::from_secs(2),
            segment_max: Duration::from_secs(4),
            listed: 6,
            kept: 6,
            bytes_max: 1 << 30,
        }
    }

    fn limits(&self) -> Limits {
        let ms = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let max = self.segment_max.as_secs().clamp(1, 60) * 1_000;
        Limits {
            wanted: ms(self.segment).min(max),
            max,
            bytes: SEGMENT_BYTES_MAX,
        }
    }

    fn retention(&self) -> Retention {
        Retention {
            listed: self.listed.clamp(1, 1_000),
            kept: self.kept.min(1_000),
            bytes: self.bytes_max,
            segment_max: self.limits().max,
        }
    }
}

/// Bytes at which a segment ends wherever it is: 4 s of 64 Mbit/s.
const SEGMENT_BYTES_MAX: usize = 32 << 20;
/// What may wait for the disk.
const TAP: TapLimits = TapLimits {
    bytes: 32 << 20,
    span: 20_000,
};

/// A running HLS.
#[derive(Debug)]
pub(crate) struct Hls {
    tap: TapHandle,
    shown: Arc<Shown>,
    clock: Arc<dyn Clock>,
    ended: watch::Receiver<()>,
}

impl Hls {
    /// Starts the thread; a folder that cannot be used is no reason not to.
    pub(crate) fn start(
        config: &HlsConfig,
        clock: Arc<dyn Clock>,
        news: News,
    ) -> io::Result<(Self, Tap)> {
        let shelf = Box::new(Folder::new(config.folder.clone()));
        Self::on(shelf, config, TAP, clock, news)
    }

    fn on(
        shelf: Box<dyn Shelf>,
        config: &HlsConfig,
        limits: TapLimits,
        clock: Arc<dyn Clock>,
        news: News,
    ) -> io::Result<(Self, Tap)> {
        let (tap, reader, handle) = tap(limits);
        let shown = Arc::<Shown>::default();
        let (ending, ended) = watch::channel(());
        let hls = Self {
            tap: handle,
            shown: Arc::clone(&shown),
            clock: Arc::clone(&clock),
            ended,
        };
        let parts = (shelf, config.clone(), reader, shown, clock, news);
        let thread = std::thread::Builder::new().name("lunora-hls".into());
        thread.spawn(move || {
            writer(parts).run();
            drop(ending);
        })?;
        Ok((hls, tap))
    }

    /// How it fares.
    pub(crate) fn state(&self) -> HlsState {
        let mut state = self.shown.get();
        // The thread itself cannot tell while it waits for the disk.
        state.frames_dropped += self.tap.lost();
        if self.tap.is_losing() && state.fault.is_none() {
            state.fault = Some(HlsFault {
                reason: HlsTrouble::TooSlow,
                since: self.clock.now(),
                count: 1,
                text: "the disk is too slow: frames are left out".to_owned(),
            });
        }
        state
    }

    /// Finishes the last segment and returns when it is written.
    pub(crate) async fn stop(&self) {
        self.tap.stop();
        // An error is what is waited for: nothing is ever sent.
        let _ = self.ended.clone().changed().await;
    }
}

impl Drop for Hls {
    fn drop(&mut self) {
        self.tap.stop();
    }
}

type Parts = (
    Box<dyn Shelf>,
    HlsConfig,
    TapReader,
    Arc<Shown>,
    Arc<dyn Clock>,
    News,
);

/// What has to look at the disk to begin.
fn writer((shelf, config, reader, shown, clock, news): Parts) -> Writer {
    let left_over = shelf.list().unwrap_or_default();
    let after = left_over.iter().filter_map(|file| file.number()).max();
    let next = first_number(clock.now()).max(after.map_or(0, |number| number.saturating_add(1)));
    Writer {
        reader,
        shelf,
        intake: Intake::new(config.limits()),
        playlist: Playlist::new(config.retention(), next),
        shown,
        clock,
        news,
        left_over,
        log: Log::default(),
        made: Made::default(),
    }
}

/// Seconds since 2020. Segments take longer than one, so the next run begins later.
fn first_number(now: Timestamp) -> u64 {
    const YEAR_2020: i64 = 1_577_836_800;
    u64::try_from(now.as_second() - YEAR_2020).unwrap_or(0)
}
