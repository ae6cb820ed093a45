//! How the HLS fares, for whoever asks.

use std::{fmt, io, sync::Mutex};

use jiff::Timestamp;
use lunora_core::domain::{Fault, FaultClass, FaultCode};

use super::tracks::Unsuitable;
use crate::lock::lock;

/// What viewers get, and what keeps them from getting it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HlsState {
    /// When the newest segment was complete; `None` if there was none since the relay started.
    pub newest_at: Option<Timestamp>,
    /// Since when one segment has followed the other, each in time.
    pub since: Option<Timestamp>,
    /// Segments in the playlist.
    pub segments: usize,
    /// Segments made since the relay started.
    pub segments_made: u64,
    /// Bytes of the segments that lie in the folder.
    pub bytes: u64,
    /// Frames that came in and are in no segment, since the relay started: the disk was too slow,
    /// or took nothing.
    pub frames_dropped: u64,
    /// What is wrong now.
    pub fault: Option<HlsFault>,
}

/// Something that keeps media from viewers. Outputs and ingest never notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HlsFault {
    /// What.
    pub reason: HlsTrouble,
    /// Since when.
    pub since: Timestamp,
    /// How often, one after the other.
    pub count: u64,
    /// What a person should know: what was tried, and why it failed.
    pub text: String,
}

/// What can be wrong with the HLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HlsTrouble {
    /// The disk is full. It goes on by itself once there is room.
    DiskFull,
    /// The folder is not there and cannot be made, or may not be written to.
    Folder,
    /// The disk fails otherwise.
    Disk,
    /// The disk is slower than the program.
    TooSlow,
    /// The coding cannot be in HLS, all of it or one track.
    Codec,
    /// A bug on our side.
    Internal,
}

impl HlsTrouble {
    pub(super) fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::DiskFull,
            Kind::NotFound
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem => Self::Folder,
            _ => Self::Disk,
        }
    }
}

impl HlsFault {
    /// The same in the words of the domain.
    #[must_use]
    pub fn as_fault(&self) -> Fault {
        let (code, class) = match self.reason {
            HlsTrouble::DiskFull => (FaultCode::Quota, FaultClass::Actionable),
            HlsTrouble::Folder | HlsTrouble::Disk => (FaultCode::Provider, FaultClass::Actionable),
            HlsTrouble::TooSlow => (FaultCode::Wedged, FaultClass::Transient),
            HlsTrouble::Codec => (FaultCode::FormatRejected, FaultClass::Actionable),
            HlsTrouble::Internal => (FaultCode::Internal, FaultClass::Actionable),
        };
        let mut fault = Fault::new(code, class, self.text.clone(), self.since);
        fault.count = u32::try_from(self.count).unwrap_or(u32::MAX);
        fault
    }
}

/// What the thread that writes has found, behind a lock that it holds for moments.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: HlsState,
    /// Of several faults the first here is shown.
    writing: Option<HlsFault>,
    coding: Option<HlsFault>,
}

/// Whether this is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    News,
    Same,
}

impl Shown {
    pub(super) fn get(&self) -> HlsState {
        let inner = lock(&self.0);
        HlsState {
            fault: inner.writing.clone().or_else(|| inner.coding.clone()),
            ..inner.state.clone()
        }
    }

    pub(super) fn segment(&self, at: Timestamp, segments: usize, bytes: u64) -> Change {
        let mut inner = lock(&self.0);
        let recovered = inner.writing.take().is_some();
        let begins = inner.state.since.is_none();
        inner.state.since.get_or_insert(at);
        inner.state.newest_at = Some(at);
        inner.state.segments = segments;
        inner.state.segments_made += 1;
        inner.state.bytes = bytes;
        if begins || recovered {
            Change::News
        } else {
            Change::Same
        }
    }

    /// No segment will follow the newest in time.
    pub(super) fn pause(&self) {
        lock(&self.0).state.since = None;
    }

    pub(super) fn dropped(&self, frames: u64) {
        lock(&self.0).state.frames_dropped += frames;
    }

    pub(super) fn failed(
        &self,
        reason: HlsTrouble,
        at: Timestamp,
        text: impl fmt::Display,
    ) -> Change {
        let mut inner = lock(&self.0);
        inner.state.since = None;
        note(&mut inner.writing, reason, at, text)
    }

    /// What of the program is not in the HLS, if something is not.
    pub(super) fn left_out(&self, what: Option<Unsuitable>, at: Timestamp) -> Change {
        let mut inner = lock(&self.0);
        match what {
            Some(what) => note(&mut inner.coding, HlsTrouble::Codec, at, what),
            None => match inner.coding.take() {
                Some(_) => Change::News,
                None => Change::Same,
            },
        }
    }
}

fn note(
    slot: &mut Option<HlsFault>,
    reason: HlsTrouble,
    at: Timestamp,
    text: impl fmt::Display,
) -> Change {
    let text = text.to_string();
    match slot {
        Some(fault) if fault.reason == reason => {
            fault.count += 1;
            fault.text = text;
            Change::Same
        }
        _ => {
            *slot = Some(HlsFault {
                reason,
                since: at,
                count: 1,
                text,
            });
            Change::News
        }
    }
}
