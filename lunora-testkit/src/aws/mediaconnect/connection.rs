//! Who sends to whom: what comes into sources, and what that does to outputs.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Feed, Flow, MediaConnect, Moment, Signal, health::Work, source::Source};
use crate::aws::mediaconnect::OutputStatus;

impl MediaConnect {
    pub(super) fn settle_sources(&mut self, feeds: &[Feed], moment: &mut Moment<'_>) {
        let signals = signals(&self.flows, feeds);
        for flow in &mut self.flows {
            let was_fed = flow.is_fed();
            let runs = flow.status.runs();
            for source in &mut flow.sources {
                let signal = signals.get(&source.arn).cloned();
                let (was, is) = (source.signal.is_some(), signal.is_some());
                source.signal = signal;
                // A flow that stops has no health to tell of.
                if was != is && runs {
                    let detail = json!({
                        "unhealthy": !is,
                        "current": { "state": connected(is) },
                        "previous": { "state": connected(was) },
                    });
                    let about = [&flow.arn, &source.arn];
                    moment.tell("MediaConnect Source Health", about, detail);
                }
            }
            let is_fed = flow.is_fed();
            if was_fed != is_fed && runs {
                let health = |fed: bool| {
                    json!({
                        "failover_switch": false,
                        "source_state": connected(fed),
                        "isBitrateZero": !fed,
                    })
                };
                let detail = json!({
                    "unhealthy": !is_fed,
                    "current": health(is_fed),
                    "previous": health(was_fed),
                });
                moment.tell("MediaConnect Flow Health", [&flow.arn], detail);
            }
        }
    }

    pub(super) fn settle_outputs(&mut self, moment: &mut Moment<'_>) {
        let (by, connect) = (self.health_by, self.timing.output_connect);
        for flow in &mut self.flows {
            let (runs, is_fed) = (flow.status.runs(), flow.is_fed());
            for output in &mut flow.outputs {
                let work = match (runs && output.status == OutputStatus::Enabled, is_fed) {
                    (false, _) => Work::None,
                    (true, false) => Work::Waits,
                    (true, true) => Work::Sends,
                };
                output.health.settle(work, by, moment.now, connect);
                let (told, state) = (output.told, output.health.state);
                if told != state {
                    output.told = state;
                    let detail = json!({
                        "current": { "state": state.as_str() },
                        "previous": { "state": told.as_str() },
                    });
                    let about = [&flow.arn, &output.arn];
                    moment.tell("MediaConnect Output Health", about, detail);
                }
            }
        }
    }
}

const fn connected(is: bool) -> &'static str {
    if is { "CONNECTED" } else { "DISCONNECTED" }
}

/// What comes into each source, by its ARN.
fn signals(flows: &[Flow], feeds: &[Feed]) -> BTreeMap<String, Signal> {
    let mut signals = BTreeMap::new();
    // One round for each flow that a signal may pass through.
    for _ in flows {
        let before = signals.len();
        for flow in flows.iter().filter(|flow| flow.status.runs()) {
            for source in &flow.sources {
                let signal = match &source.by_hand {
                    Some(by_hand) => by_hand.clone(),
                    None => from_feed(flow, source, feeds)
                        .or_else(|| from_flow(flow, source, flows, &signals)),
                };
                if let Some(signal) = signal {
                    signals.insert(source.arn.clone(), signal);
                }
            }
        }
        if signals.len() == before {
            break;
        }
    }
    signals
}

/// From a MediaLive channel that calls the source.
fn from_feed(flow: &Flow, source: &Source, feeds: &[Feed]) -> Option<Signal> {
    if source.protocol() != "srt-listener" {
        return None;
    }
    let is_here =
        |feed: &&Feed| feed.host == flow.ingest_ip() && source.port() == Some(feed.port.into());
    feeds.iter().find(is_here).map(|_| Signal::default())
}

/// From an output of another flow, with what goes through that one.
fn from_flow(
    flow: &Flow,
    source: &Source,
    flows: &[Flow],
    signals: &BTreeMap<String, Signal>,
) -> Option<Signal> {
    let ip = flow.ingest_ip();
    let others = flows
        .iter()
        .filter(|it| it.arn != flow.arn && it.status.runs());
    for other in others {
        let reaches = other.outputs.iter().any(|output| {
            output.status == OutputStatus::Enabled
                && talks_to(output.protocol(), source.protocol())
                && output.host() == Some(&ip)
                && output.port().map(i64::from) == source.port()
        });
        let mut sources = other.sources.iter();
        let signal = sources.find_map(|source| signals.get(&source.arn));
        if let Some(signal) = signal.filter(|_| reaches) {
            return Some(signal.clone());
        }
    }
    None
}

fn talks_to(output: &str, source: &str) -> bool {
    match output {
        "srt-caller" => source == "srt-listener",
        other => other == source,
    }
}
