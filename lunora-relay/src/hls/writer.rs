//! The thread that makes segments and writes them.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use lunora_core::port::Clock;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{
    fragment::{self, Fragment},
    intake::Intake,
    name::HlsFile,
    playlist::{Entry, Playlist},
    segmenter::{Continuity, Segment},
    shelf::Shelf,
    state::{Change, HlsTrouble, Shown},
    tracks::Tracks,
};
use crate::{
    fanout::{TapReader, Tapped},
    news::News,
};

/// How often it looks up while nothing comes.
const LOOK_UP: Duration = Duration::from_secs(1);
/// A source that sent nothing for this long has ended, whatever it says; its last segment is
/// finished. No silence that a source gets over changes where segments end.
const SILENCE: Duration = Duration::from_secs(6);
/// How long files of an earlier run stay for its viewers, if no segment of this one comes.
const LEFT_OVER: Duration = Duration::from_secs(30);
/// How often a fault that stays is logged again.
const LOG_EVERY: Duration = Duration::from_secs(30);
/// Files that could not be removed and are tried again; of more, the oldest are given up.
const DOOMED_MAX: usize = 1_000;

/// What a writer works with.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) reader: TapReader,
    pub(super) shelf: Box<dyn Shelf>,
    pub(super) intake: Intake,
    pub(super) playlist: Playlist,
    pub(super) shown: Arc<Shown>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) news: News,
    /// Files of an earlier run.
    pub(super) left_over: Vec<HlsFile>,
    pub(super) log: Log,
    pub(super) made: Made,
}

/// What the last segment leaves to the next one.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The last head, and what it is the head of.
    head: Option<(u64, Arc<Tracks>)>,
    /// A place on the timeline, and the time of day that it was.
    anchor: Option<(u64, Timestamp)>,
    /// Set if a segment before the next one is missing.
    continuity: Continuity,
    doomed: Vec<HlsFile>,
}

impl Writer {
    /// Writes until the relay stops. A panic loses what is held, and nothing else.
    pub(super) fn run(mut self) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.work())) {
                Ok(()) => return,
                Err(_) => {
                    self.intake.recover();
                    self.fail(HlsTrouble::Internal, "a segment was lost by a bug");
                }
            }
        }
    }

    fn work(&mut self) {
        let mut heard = Instant::now();
        let mut is_paused = true;
        loop {
            let Some(tapped) = self.reader.next(LOOK_UP) else {
                if SILENCE < heard.elapsed() && !is_paused {
                    is_paused = true;
                    self.end();
                }
                if LEFT_OVER < heard.elapsed() {
                    self.forget_left_over();
                }
                continue;
            };
            heard = Instant::now();
            is_paused = false;
            match tapped {
                Tapped::Begin => {
                    let finished = self.intake.begin();
                    self.publish(finished);
                }
                Tapped::End => {
                    is_paused = true;
                    self.end();
                }
                Tapped::Lost(frames) => {
                    let text = format_args!("the disk was too slow: {frames} frames were left out");
                    self.fail(HlsTrouble::TooSlow, text);
                }
                Tapped::Packet(packet) => {
                    let finished = self.intake.take(&packet);
                    self.publish(finished);
                    self.look_for_unsuitable();
                }
                Tapped::Stop => return self.end(),
            }
        }
    }

    fn end(&mut self) {
        let finished = self.intake.finish();
        self.publish(finished);
        self.shown.pause();
    }

    fn look_for_unsuitable(&mut self) {
        let what = self.intake.unsuitable();
        if self.shown.left_out(what, self.clock.now()) == Change::News {
            if let Some(what) = what {
                warn!("{what}");
            }
            self.news.tell();
        }
    }

    fn publish(&mut self, finished: impl IntoIterator<Item = Segment>) {
        for segment in finished {
            if let Err(failure) = self.put(&segment) {
                self.made.continuity = Continuity::Breaks;
                self.shown.dropped(segment.samples.len() as u64);
                self.fail(failure.reason, failure.text);
                continue;
            }
            if let Err(failure) = self.list() {
                self.fail(failure.reason, failure.text);
                continue;
            }
            let (listed, bytes) = (self.playlist.listed(), self.playlist.bytes());
            if self.shown.segment(self.clock.now(), listed, bytes) == Change::News {
                info!("segments are written");
                self.news.tell();
            }
            self.log.recovered();
            self.forget_left_over();
        }
    }

    /// Puts a segment, with its head if that is a new one.
    fn put(&mut self, segment: &Segment) -> Result<(), Failure> {
        // Whoever took files away took them from the viewers as well.
        let shelf = &self.shelf;
        let missing = self.playlist.forget_missing(|file| shelf.has(file));
        if !missing.is_empty() {
            self.made.continuity = Continuity::Breaks;
            self.made.head = None;
            self.made.doomed.extend(missing);
        }
        let number = self.playlist.next();
        let head = self.head(segment, number)?;
        let fragment = Fragment::new(segment).map_err(Failure::bug)?;
        let bytes = fragment.parts().map(|part| part.len() as u64).sum();
        let file = HlsFile::Segment(number);
        let put = self.shelf.put(file, &mut fragment.parts());
        put.map_err(|error| Failure::writing(file, &error))?;

        let is_first = self.playlist.head().is_none() && self.left_over.is_empty();
        let continuity = match (is_first, segment.continuity, self.made.continuity) {
            (true, _, Continuity::Goes) | (_, Continuity::Goes, Continuity::Goes) => {
                Continuity::Goes
            }
            _ => Continuity::Breaks,
        };
        self.made.continuity = Continuity::Goes;
        let at = self.date(segment, continuity);
        let gone = self.playlist.add(Entry {
            number,
            head,
            continuity,
            span: segment.span(),
            at,
            is_independent: segment.is_independent(),
            bytes,
        });
        self.made.doomed.extend(gone);
        Ok(())
    }

    /// Has viewers find the newest segment, then takes away what is too much.
    fn list(&mut self) -> Result<(), Failure> {
        let text = self.playlist.text();
        let file = HlsFile::Playlist;
        let put = self.shelf.put(file, &mut std::iter::once(text.as_bytes()));
        self.remove_doomed();
        put.map_err(|error| Failure::writing(file, &error))
    }

    /// The number of the head that the segment is read with, which is put if there is none yet.
    fn head(&mut self, segment: &Segment, number: u64) -> Result<u64, Failure> {
        if let Some((head, tracks)) = &self.made.head
            && *tracks == segment.tracks
            && self.shelf.has(HlsFile::Head(*head))
        {
            return Ok(*head);
        }
        self.made.head = None;
        let bytes = fragment::head(&segment.tracks).map_err(Failure::bug)?;
        let file = HlsFile::Head(number);
        let put = self.shelf.put(file, &mut std::iter::once(bytes.as_slice()));
        put.map_err(|error| Failure::writing(file, &error))?;
        self.made.head = Some((number, Arc::clone(&segment.tracks)));
        Ok(number)
    }

    /// When the segment began by the clock on the wall, which it has just ended by.
    fn date(&mut self, segment: &Segment, continuity: Continuity) -> Timestamp {
        let later = |at: Timestamp, ms: i64| {
            let at = at.checked_add(SignedDuration::from_millis(ms));
            at.unwrap_or(Timestamp::MAX)
        };
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        match self.made.anchor.filter(|_| continuity == Continuity::Goes) {
            Some((place, at)) => later(at, signed(segment.start.saturating_sub(place))),
            None => {
                let at = later(self.clock.now(), -signed(segment.span()));
                self.made.anchor = Some((segment.start, at));
                at
            }
        }
    }

    fn remove_doomed(&mut self) {
        let Self { shelf, made, .. } = self;
        made.doomed.retain(|file| shelf.remove(*file).is_err());
        let excess = made.doomed.len().saturating_sub(DOOMED_MAX);
        made.doomed.drain(..excess);
    }

    /// Takes away what an earlier run left. Its playlist has been replaced, or nobody looks at it.
    fn forget_left_over(&mut self) {
        let files = std::mem::take(&mut self.left_over);
        let is_replaced = self.playlist.head().is_some();
        let is_left = |file: &HlsFile| !(is_replaced && *file == HlsFile::Playlist);
        self.made.doomed.extend(files.into_iter().filter(is_left));
        self.remove_doomed();
    }

    fn fail(&mut self, reason: HlsTrouble, text: impl fmt::Display) {
        let change = self.shown.failed(reason, self.clock.now(), &text);
        self.log.failed(change, reason, &text);
        if change == Change::News {
            self.news.tell();
        }
    }
}

/// Why a segment is lost.
struct Failure {
    reason: HlsTrouble,
    text: String,
}

impl Failure {
    fn writing(file: HlsFile, error: &std::io::Error) -> Self {
        let reason = HlsTrouble::of(error);
        let advice = match reason {
            HlsTrouble::DiskFull => "; make room, and it goes on by itself",
            HlsTrouble::Folder => "; it has to be a folder that can be written to",
            _ => "",
        };
        let text = format!("cannot write {file} to the folder of the HLS: {error}{advice}");
        Self { reason, text }
    }

    fn bug(error: mp4_atom::Error) -> Self {
        let reason = HlsTrouble::Internal;
        let text = format!("a segment cannot be put together: {error}");
        Self { reason, text }
    }
}

/// Says what fails, and not too often.
#[derive(Debug, Default)]
pub(super) struct Log {
    said: Option<Instant>,
    unsaid: u64,
}

impl Log {
    fn failed(&mut self, change: Change, reason: HlsTrouble, text: impl fmt::Display) {
        let is_due = self.said.is_none_or(|said| LOG_EVERY <= said.elapsed());
        // A fault that comes and goes is news each time, and still one thing to say.
        if !is_due && (change == Change::Same || 0 < self.unsaid) {
            self.unsaid += 1;
            return;
        }
        error!(?reason, unsaid = self.unsaid, "{text}");
        (self.said, self.unsaid) = (Some(Instant::now()), 0);
    }

    fn recovered(&mut self) {
        if self.said.is_some_and(|said| LOG_EVERY <= said.elapsed()) {
            (self.said, self.unsaid) = (None, 0);
        }
    }
}
