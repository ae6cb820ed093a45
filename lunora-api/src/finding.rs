//! What a test found, as clients read it.

use lunora_core::{
    domain::{Aspect, AudioFacts, Check, Finding, MediaFacts, Outcome, VideoFacts},
    plan::{Fit, Rule, Verdict},
};
use serde::Serialize;

use crate::{destinations::view::FaultView, reply::Iso};

/// All that was checked, and all that was not (rule 27).
#[derive(Serialize)]
pub(crate) struct FindingView<'a> {
    at: Iso,
    /// Whether nothing failed of what was checked.
    good: bool,
    checks: Vec<CheckView<'a>>,
    media: Option<MediaView>,
}

#[derive(Serialize)]
struct CheckView<'a> {
    aspect: Aspect,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultView<'a>>,
    /// Why it was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

impl<'a> From<&'a Finding> for FindingView<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            at: Iso(finding.at),
            good: finding.is_good(),
            checks: finding.checks.iter().map(CheckView::from).collect(),
            media: finding.media.as_ref().map(MediaView::from),
        }
    }
}

impl<'a> From<&'a Check> for CheckView<'a> {
    fn from(check: &'a Check) -> Self {
        let (outcome, fault, why) = match &check.outcome {
            Outcome::Passed => ("passed", None, None),
            Outcome::Failed(fault) => ("failed", Some(FaultView::from(fault)), None),
            Outcome::NotChecked(why) => ("not_checked", None, Some(*why)),
        };
        Self {
            aspect: check.aspect,
            outcome,
            fault,
            why,
        }
    }
}

/// What was measured of media; what was not is null.
#[derive(Serialize)]
pub(crate) struct MediaView {
    bitrate_bps: Option<u64>,
    video: Option<VideoView>,
    audio: Option<AudioView>,
}

#[derive(Serialize)]
struct VideoView {
    codec: &'static str,
    width: Option<u32>,
    height: Option<u32>,
    /// Pictures a second.
    frame_rate: Option<f64>,
    keyframe_interval_ms: Option<u32>,
}

#[derive(Serialize)]
struct AudioView {
    codec: &'static str,
    sample_rate_hz: Option<u32>,
    channels: Option<u8>,
}

impl From<&MediaFacts> for MediaView {
    fn from(media: &MediaFacts) -> Self {
        Self {
            bitrate_bps: media.bitrate_bps,
            video: media.video.as_ref().map(VideoView::from),
            audio: media.audio.as_ref().map(AudioView::from),
        }
    }
}

impl From<&VideoFacts> for VideoView {
    fn from(video: &VideoFacts) -> Self {
        Self {
            codec: video.codec.as_str(),
            width: video.size.map(|(width, _)| width),
            height: video.size.map(|(_, height)| height),
            frame_rate: video.frame_rate_milli.map(|it| f64::from(it) / 1_000.0),
            keyframe_interval_ms: video.keyframe_interval_ms,
        }
    }
}

impl From<&AudioFacts> for AudioView {
    fn from(audio: &AudioFacts) -> Self {
        Self {
            codec: audio.codec.as_str(),
            sample_rate_hz: audio.sample_rate_hz,
            channels: audio.channels,
        }
    }
}

/// How what comes in stands to one rule of a platform.
#[derive(Serialize)]
pub(crate) struct VerdictView<'a> {
    rule: Rule,
    fit: &'static str,
    /// What to do, or why it was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<'a> From<&'a Verdict> for VerdictView<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        let text = match &verdict.fit {
            Fit::Fits => None,
            Fit::Advice(text) | Fit::Warning(text) | Fit::Refuses(text) => Some(text.as_str()),
            Fit::NotChecked(why) => Some(*why),
        };
        Self {
            rule: verdict.rule,
            fit: verdict.fit.as_str(),
            text,
        }
    }
}
