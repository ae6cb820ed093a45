//! Which encode of the viewers the feed takes along.

use lunora_core::domain::{ChannelRefusal, OutputGroupKind, SharedEncode};
use serde_json::{Map, Value};

use super::description::{Description, is_our_group, kind, list};

/// What makes HLS for viewers, the likeliest first.
const VIEWERS: [OutputGroupKind; 3] = [
    OutputGroupKind::MediaPackage,
    OutputGroupKind::CmafIngest,
    OutputGroupKind::Hls,
];

/// The best H.264 video and the first AAC sound that viewers get: RTMP takes
/// nothing else, and neither way from MediaConnect encodes.
pub(super) fn shared(description: &Description) -> Result<SharedEncode, ChannelRefusal> {
    let encoder = description
        .encoder()
        .ok_or(ChannelRefusal::NoSharedEncode)?;
    let groups = description.groups();
    let of_kind = |wanted: OutputGroupKind| {
        groups
            .iter()
            .filter(move |group| kind(group) == wanted && !is_our_group(group))
    };
    let mut viewers = VIEWERS.into_iter().flat_map(of_kind);
    viewers
        .find_map(|group| of_group(encoder, group.as_object()?))
        .ok_or(ChannelRefusal::NoSharedEncode)
}

fn of_group(encoder: &Map<String, Value>, group: &Map<String, Value>) -> Option<SharedEncode> {
    let outputs = list(group, "outputs");
    let best = outputs
        .iter()
        .filter_map(|output| Some((rank(encoder, output)?, output)))
        // The first of several that are as good.
        .rev()
        .max_by_key(|(rank, _)| *rank)?
        .1;
    // Sound may come with the picture, or as an output of its own.
    let mut with_sound = std::iter::once(best).chain(outputs);
    let audio = with_sound.find_map(|output| {
        let mut names = list(output.as_object()?, "audioDescriptionNames").iter();
        names.find(|name| is_aac(encoder, name))?.as_str()
    })?;
    Some(SharedEncode {
        group: group.get("name")?.as_str()?.to_owned(),
        video: best["videoDescriptionName"].as_str()?.to_owned(),
        audio: vec![audio.to_owned()],
    })
}

/// How good a video is: by its height, then by its rate. None if RTMP does not take it.
fn rank(encoder: &Map<String, Value>, output: &Value) -> Option<(i64, i64)> {
    let name = output.get("videoDescriptionName")?;
    let mut videos = list(encoder, "videoDescriptions").iter();
    let video = videos.find(|video| video["name"] == *name)?;
    let h264 = video
        .get("codecSettings")?
        .get("h264Settings")?
        .as_object()?;
    let number = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or_default();
    let rate = h264.get("bitrate").or_else(|| h264.get("maxBitrate"));
    Some((number(video.get("height")), number(rate)))
}

fn is_aac(encoder: &Map<String, Value>, name: &Value) -> bool {
    let mut all = list(encoder, "audioDescriptions").iter();
    let audio = all.find(|audio| audio["name"] == *name);
    audio.is_some_and(|audio| audio["codecSettings"]["aacSettings"].is_object())
}
