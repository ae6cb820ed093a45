use serde_json::{Map, Value, json};

use super::{MediaConnect, Moment, Signal, reply};
use crate::aws::wire::{Refusal, Reply};

impl MediaConnect {
    /// What comes in; nothing but a message unless the flow runs and something does.
    pub(super) fn describe_metadata(
        &self,
        input: &Map<String, Value>,
        moment: &Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let flow = &self.flows[self.find(input)?];
        let mut body = json!({
            "flowArn": flow.arn,
            "messages": [],
            "timestamp": moment.now.to_string(),
        });
        let fed = flow
            .sources
            .iter()
            .find_map(|it| Some((it, it.signal.as_ref()?)));
        match fed {
            Some((source, signal)) if source.protocol() == "rtmp-push" => {
                body["rtmpInfo"] = json!({ "mediaInfo": { "streams": rtmp_streams(signal) } });
            }
            Some((_, signal)) => body["transportMediaInfo"] = programs(signal),
            None => {
                body["messages"] = json!([{
                    "code": "NO_SOURCE_METADATA",
                    "message": "the flow is not active, or nothing comes in",
                    "resourceName": flow.name,
                }]);
            }
        }
        Ok(reply(200, body))
    }
}

fn programs(signal: &Signal) -> Value {
    json!({ "programs": [{
        "pcrPid": 481,
        "programNumber": 1,
        "programPid": 480,
        "streams": [
            {
                "pid": 481,
                "streamType": "Video",
                "codec": signal.video,
                "frameRate": "30",
                "frameResolution": { "frameHeight": 1080, "frameWidth": 1920 },
                "scanMode": "progressive",
            },
            {
                "pid": 482,
                "streamType": "Audio",
                "codec": signal.audio,
                "channels": 2,
                "sampleRate": 48000,
            },
        ],
    }]})
}

fn rtmp_streams(signal: &Signal) -> Value {
    json!([
        { "streamId": 0, "streamType": "VIDEO", "codec": signal.video },
        { "streamId": 1, "streamType": "AUDIO", "codec": signal.audio },
    ])
}
