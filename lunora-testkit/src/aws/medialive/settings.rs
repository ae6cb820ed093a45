//! What the settings of a channel mean.

use serde_json::Value;

use super::{Feed, channel::Active, items};

/// How many pipelines a channel has.
pub(super) fn pipelines(settings: &Value) -> usize {
    if settings["channelClass"] == "SINGLE_PIPELINE" {
        1
    } else {
        2
    }
}

/// What a channel begins with.
pub(super) fn first_input(settings: &Value) -> Active {
    let first = &settings["inputAttachments"][0];
    let attachment = first["inputAttachmentName"].as_str().map(str::to_owned);
    Active {
        attachment,
        action: None,
    }
}

/// Where the outputs call by SRT.
pub(super) fn feeds(settings: &Value) -> Vec<Feed> {
    let groups = items(&settings["encoderSettings"]["outputGroups"]).iter();
    let outputs = groups.flat_map(|group| items(&group["outputs"]));
    let settings_of = |output: &Value| output["outputSettings"]["srtOutputSettings"].clone();
    let references =
        outputs.map(|output| settings_of(output)["destination"]["destinationRefId"].clone());
    let called = references.filter(Value::is_string).flat_map(|reference| {
        let mut destinations = items(&settings["destinations"]).iter();
        let destination = destinations.find(|destination| destination["id"] == reference);
        let each = destination.map(|destination| items(&destination["srtSettings"]));
        each.unwrap_or_default()
            .iter()
            .filter_map(called)
            .collect::<Vec<_>>()
    });
    called.collect()
}

/// Where an SRT destination calls; `None` if it listens, or the URL is none.
pub(super) fn called(destination: &Value) -> Option<Feed> {
    if destination["connectionMode"] == "LISTENER" {
        return None;
    }
    let rest = destination["url"].as_str()?.strip_prefix("srt://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let is_plain = !host.is_empty() && !host.contains('@');
    is_plain.then(|| Feed {
        host: host.to_owned(),
        port,
    })
}
