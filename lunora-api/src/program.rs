use std::fmt;

use jiff::Timestamp;
use lunora_core::domain::{MediaFacts, ProgramKind};
use serde::Serialize;

use crate::{finding::MediaView, reply::Iso};

/// Tells what comes in, for the API to show.
pub trait ProgramMonitor: fmt::Debug + Send + Sync + 'static {
    /// What comes in now.
    fn program(&self) -> Program;
}

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it comes from.
    pub kind: ProgramKind,
    /// Since when.
    pub since: Timestamp,
    /// Bits per second, measured; `None` while nothing was measured.
    pub bitrate_bps: Option<u64>,
    /// How the pictures are coded, once one was seen.
    pub video_codec: Option<String>,
    /// How the sound is coded, once some was heard.
    pub audio_codec: Option<String>,
    /// All that was measured of it; `None` while nothing comes in.
    pub media: Option<MediaFacts>,
}

#[derive(Serialize)]
pub(crate) struct ProgramView {
    kind: ProgramKind,
    since: Iso,
    bitrate_bps: Option<u64>,
    video_codec: Option<String>,
    audio_codec: Option<String>,
    media: Option<MediaView>,
}

impl From<Program> for ProgramView {
    fn from(program: Program) -> Self {
        Self {
            kind: program.kind,
            since: Iso(program.since),
            bitrate_bps: program.bitrate_bps,
            video_codec: program.video_codec,
            audio_codec: program.audio_codec,
            media: program.media.as_ref().map(MediaView::from),
        }
    }
}
