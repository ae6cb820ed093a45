//! The playlist, and what is kept of the segments that have left it.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
};

use jiff::Timestamp;

use super::{name::HlsFile, segmenter::Continuity};

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    /// Segments in the playlist.
    pub(super) listed: usize,
    /// Segments that have left it, for those who are slow.
    pub(super) kept: usize,
    /// Bytes of all segments; the newest stays whatever it takes.
    pub(super) bytes: u64,
    /// The longest a segment may be, in milliseconds.
    pub(super) segment_max: u64,
}

/// A segment that lies in the folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its media sequence number; the next one has the next.
    pub(super) number: u64,
    /// The number of the head that it is read with.
    pub(super) head: u64,
    pub(super) continuity: Continuity,
    /// Milliseconds.
    pub(super) span: u64,
    /// When its first frame came in.
    pub(super) at: Timestamp,
    /// Whether a decoder can begin with it.
    pub(super) is_independent: bool,
    pub(super) bytes: u64,
}

/// The segments, oldest first.
#[derive(Debug)]
pub(super) struct Playlist {
    retention: Retention,
    entries: VecDeque<Entry>,
    /// How many of the oldest are not listed any more.
    unlisted: usize,
    /// The number of the next segment.
    next: u64,
    /// How many breaks have left the list.
    breaks: u64,
    bytes: u64,
}

impl Playlist {
    /// Counts segments, and the breaks between them, from `next` on.
    pub(super) const fn new(retention: Retention, next: u64) -> Self {
        Self {
            retention,
            entries: VecDeque::new(),
            unlisted: 0,
            next,
            breaks: next,
            bytes: 0,
        }
    }

    /// The number that the next segment gets.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// How many segments are listed.
    pub(super) fn listed(&self) -> usize {
        self.entries.len() - self.unlisted
    }

    /// Bytes of all segments that lie in the folder.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The head of the newest segment.
    pub(super) fn head(&self) -> Option<u64> {
        self.entries.back().map(|newest| newest.head)
    }

    /// Adds the next segment, and returns what has to go for it.
    pub(super) fn add(&mut self, entry: Entry) -> Vec<HlsFile> {
        debug_assert_eq!(entry.number, self.next, "no number is left out");
        self.next = entry.number + 1;
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
        while self.retention.listed < self.listed() {
            self.unlist();
        }
        let mut gone = Vec::new();
        while self.retention.kept < self.unlisted
            || (self.retention.bytes < self.bytes && 1 < self.entries.len())
        {
            self.remove_oldest(&mut gone);
        }
        gone
    }

    /// Forgets the segments whose file is not there any more, and all that are older.
    pub(super) fn forget_missing(&mut self, is_there: impl Fn(HlsFile) -> bool) -> Vec<HlsFile> {
        let is_missing = |entry: &Entry| {
            let files = [HlsFile::Segment(entry.number), HlsFile::Head(entry.head)];
            !files.into_iter().all(&is_there)
        };
        let newest = self.entries.iter().rposition(is_missing);
        let mut gone = Vec::new();
        for _ in 0..newest.map_or(0, |place| place + 1) {
            self.remove_oldest(&mut gone);
        }
        gone
    }

    fn unlist(&mut self) {
        if let Some(entry) = self.entries.get(self.unlisted) {
            self.breaks += u64::from(entry.continuity == Continuity::Breaks);
            self.unlisted += 1;
        }
    }

    fn remove_oldest(&mut self, gone: &mut Vec<HlsFile>) {
        if self.unlisted == 0 {
            self.unlist();
        }
        let Some(oldest) = self.entries.pop_front() else {
            return;
        };
        self.unlisted -= 1;
        self.bytes -= oldest.bytes;
        gone.push(HlsFile::Segment(oldest.number));
        if self.entries.iter().all(|it| it.head != oldest.head) {
            gone.push(HlsFile::Head(oldest.head));
        }
    }

    /// The text of the playlist (RFC 8216).
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let listed = || self.entries.range(self.unlisted..);
        let first = listed().next().map_or(self.next, |first| first.number);
        let target = self.retention.segment_max.div_ceil(1_000);
        writeln!(text, "#EXTM3U\n#EXT-X-VERSION:7")?;
        writeln!(text, "#EXT-X-TARGETDURATION:{target}")?;
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}")?;
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.breaks)?;
        if listed().all(|entry| entry.is_independent) {
            writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        let mut head = None;
        for entry in listed() {
            if entry.continuity == Continuity::Breaks {
                writeln!(text, "#EXT-X-DISCONTINUITY")?;
            }
            if head.replace(entry.head) != Some(entry.head) {
                writeln!(text, "#EXT-X-MAP:URI=\"{}\"", HlsFile::Head(entry.head))?;
            }
            writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{:.3}", entry.at)?;
            let (seconds, milliseconds) = (entry.span / 1_000, entry.span % 1_000);
            writeln!(text, "#EXTINF:{seconds}.{milliseconds:03},")?;
            writeln!(text, "{}", HlsFile::Segment(entry.number))?;
        }
        Ok(())
    }
}
