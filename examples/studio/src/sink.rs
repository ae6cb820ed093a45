//! `studio sink`: a receiver that shows what arrives.

use std::{collections::BTreeMap, error::Error, net::SocketAddr, time::Duration};

use lunora_relay::sink::{End, Publish, Sink, SinkConfig};
use tokio::time::interval;

use crate::terminal::say;

/// How often a line is printed for each publish.
const EVERY: Duration = Duration::from_secs(1);

/// Receives until Ctrl-C.
pub(crate) async fn run(rtmp: SocketAddr) -> Result<(), Box<dyn Error>> {
    let sink = Sink::start(SinkConfig::new(rtmp)).await?;
    let address = sink.address();
    say(format_args!(
        "receiving on rtmp://{address}/<any application>/<any key>; Ctrl-C stops"
    ));
    let mut told: BTreeMap<u64, Told> = BTreeMap::new();
    let mut every = interval(EVERY);
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            stopped = &mut interrupt => return Ok(stopped?),
            _ = every.tick() => (),
        }
        for publish in sink.publishes() {
            let before = told.entry(publish.number).or_default();
            if let Some(line) = before.line(&publish) {
                say(line);
            }
        }
    }
}

/// What was printed of a publish.
#[derive(Default)]
struct Told {
    bytes: u64,
    has_begun: bool,
    has_ended: bool,
}

impl Told {
    /// The next line about a publish, or none if it is over.
    fn line(&mut self, publish: &Publish) -> Option<String> {
        let (number, facts) = (publish.number, &publish.facts);
        if self.has_ended {
            return None;
        }
        if let Some(end) = publish.end {
            self.has_ended = true;
            let how = match end {
                End::Unpublished => "ended properly",
                End::Closed => "the connection broke",
                End::Ours => "ended here",
            };
            let frames = facts.frames();
            return Some(format!("#{number} {how} after {frames} frames"));
        }
        let bits = (facts.bytes - self.bytes) * 8;
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        self.bytes = facts.bytes;
        if is_first {
            return Some(format!("#{number} publishing"));
        }
        let began = if facts.began_well {
            ""
        } else {
            ", did not begin with a keyframe"
        };
        Some(format!(
            "#{number} video {} frames ({} keyframes), audio {}, {:.2} Mbit/s, gaps {}{began}",
            facts.video_frames,
            facts.keyframes,
            facts.audio_frames,
            bits as f64 / EVERY.as_secs_f64() / 1e6,
            facts.gaps,
        ))
    }
}
