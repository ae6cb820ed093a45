//! Where one segment ends and the next begins: by what comes in, and by nothing else.
//!
//! A segment is cut at the first keyframe after its wanted length. If none comes in time, it is
//! cut at the last one before that, and if there is none either, before it gets longer than the
//! playlist promises; only then does a segment begin with no keyframe.

use std::{mem, sync::Arc};

use super::{
    sample::{Entry, Kind, Sample},
    tracks::Tracks,
};

/// How long segments are, in milliseconds, and how large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What they measure at least, if keyframes allow it.
    pub(super) wanted: u64,
    /// What they measure at most.
    pub(super) max: u64,
    /// Bytes at which one ends wherever it is.
    pub(super) bytes: usize,
}

/// Whether a player goes on without a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It goes on from the segment before.
    #[default]
    Goes,
    /// It begins anew: another source, other codecs, or something is missing.
    Breaks,
}

/// A finished segment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) tracks: Arc<Tracks>,
    pub(super) continuity: Continuity,
    /// From and to when on the program's timeline, in milliseconds.
    pub(super) start: u64,
    pub(super) end: u64,
    /// In the order in which they came in; at least one.
    pub(super) samples: Vec<Sample>,
}

impl Segment {
    /// Milliseconds.
    pub(super) const fn span(&self) -> u64 {
        self.end - self.start
    }

    /// Whether a decoder can begin with it.
    pub(super) fn is_independent(&self) -> bool {
        let first = self.samples.iter().find(|it| it.kind == Kind::Video);
        first.is_none_or(|first| first.entry == Entry::Key)
    }
}

/// Gathers samples until they are a segment.
#[derive(Debug)]
pub(super) struct Segmenter {
    limits: Limits,
    tracks: Arc<Tracks>,
    continuity: Continuity,
    held: Vec<Sample>,
    bytes: usize,
}

/// What a sample takes while it is held.
const fn size(sample: &Sample) -> usize {
    sample.data.len() + size_of::<Sample>()
}

/// Until a track has shown its own: how long its last frame is, in milliseconds.
const FRAME: u64 = 40;

impl Segmenter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tracks: Arc::default(),
            continuity: Continuity::Goes,
            held: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes the next sample, and returns what is finished by it.
    pub(super) fn push(&mut self, sample: Sample) -> Vec<Segment> {
        let mut finished = Vec::new();
        while let Some(segment) = self.cut_before(&sample) {
            finished.push(segment);
        }
        self.bytes += size(&sample);
        self.held.push(sample);
        finished
    }

    /// From now on samples are of these tracks; others end the segment.
    pub(super) fn set_tracks(&mut self, tracks: &Arc<Tracks>) -> Option<Segment> {
        if self.tracks == *tracks {
            return None;
        }
        let finished = self.interrupt();
        self.tracks = Arc::clone(tracks);
        finished
    }

    /// What comes next does not go on from what came before.
    pub(super) fn interrupt(&mut self) -> Option<Segment> {
        let finished = self.finish();
        self.continuity = Continuity::Breaks;
        finished
    }

    /// Ends the segment where its last frame ends.
    pub(super) fn finish(&mut self) -> Option<Segment> {
        let start = self.start()?;
        let ends = [Kind::Video, Kind::Audio].map(|kind| self.end_of(kind));
        let end = ends.into_iter().flatten().max()?;
        let end = end.clamp(start + 1, start + self.limits.max);
        Some(self.close(self.held.len(), end))
    }

    fn start(&self) -> Option<u64> {
        self.held.first().map(|first| first.time)
    }

    /// When the last frame of a track ends, if it is as long as the one before it.
    fn end_of(&self, kind: Kind) -> Option<u64> {
        let mut times = self.held.iter().rev().filter(|it| it.kind == kind);
        let last = times.next()?.time;
        let before = times.next().map(|it| it.time);
        let frame = before.map_or(FRAME, |before| last.saturating_sub(before).max(1));
        Some(last + frame)
    }

    /// What has to be finished before this sample is taken.
    fn cut_before(&mut self, sample: &Sample) -> Option<Segment> {
        let start = self.start()?;
        let newest = self.held.iter().map(|it| it.time).max()?;
        if newest + self.limits.max < sample.time {
            // So long a silence fits into no segment.
            return self.interrupt();
        }
        let span = sample.time.saturating_sub(start);
        let has_pictures = self.held.iter().any(|it| it.kind == Kind::Video);
        let is_due = match (sample.kind, sample.entry) {
            (Kind::Video, Entry::Key) => self.limits.wanted <= span || !has_pictures,
            (Kind::Video, Entry::Other) => false,
            (Kind::Audio, _) => self.limits.wanted <= span && !has_pictures,
        };
        if is_due && (1..=self.limits.max).contains(&span) {
            return Some(self.close(self.held.len(), sample.time));
        }
        if span <= self.limits.max && self.bytes < self.limits.bytes {
            return None;
        }
        match self.last_resort(start) {
            Some(at) => {
                let end = self.held[at].time;
                Some(self.close(at, end))
            }
            // Time stands still, and bytes come nevertheless.
            None => self.finish(),
        }
    }

    /// The best place among what is held: a keyframe, else a picture, else anything. What comes
    /// after it is held on.
    fn last_resort(&self, start: u64) -> Option<usize> {
        let later = |it: &Sample| (start + 1..=start + self.limits.max).contains(&it.time);
        let last = |is_it: &dyn Fn(&Sample) -> bool| {
            let place = self.held.iter().rposition(|it| later(it) && is_it(it));
            place.filter(|place| 0 < *place)
        };
        last(&|it| it.kind == Kind::Video && it.entry == Entry::Key)
            .or_else(|| last(&|it| it.kind == Kind::Video))
            .or_else(|| last(&|_| true))
    }

    /// Makes a segment of the first `count` samples.
    fn close(&mut self, count: usize, end: u64) -> Segment {
        let start = self.start().unwrap_or(end);
        let rest = self.held.split_off(count);
        let samples = mem::replace(&mut self.held, rest);
        self.bytes = self.held.iter().map(size).sum();
        Segment {
            tracks: Arc::clone(&self.tracks),
            continuity: mem::take(&mut self.continuity),
            start,
            end: end.max(start + 1),
            samples,
        }
    }
}
