//! The body of the one update, made from a description.

use lunora_core::{
    ExposeSecret,
    domain::{ChannelRefusal, Feed, FeedAddress, SharedEncode},
};
use serde_json::{Map, Value, json};

use super::{
    description::{Description, is_our_group, list},
    encode,
    json::without_null,
};

/// What becomes of a member of a description in an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is sent back as it was.
    SentBack,
    /// What of it an update takes is sent back.
    SentBackInPart,
    /// An update takes it, and is not told: it would pin what AWS may move.
    LeftAlone,
    /// An update cannot change it.
    Fixed,
}

/// Every member that `DescribeChannel` answers with (botocore 1.44.5).
pub(super) const DESCRIBED: [(&str, Fate); 23] = [
    ("anywhereSettings", Fate::SentBack),
    ("arn", Fate::Fixed),
    ("cdiInputSpecification", Fate::SentBack),
    ("channelClass", Fate::Fixed),
    // `DEFAULT` resets it, so an update without it leaves it as it is; naming the
    // version that is shown would keep the channel on it after AWS moves on.
    ("channelEngineVersion", Fate::LeftAlone),
    ("channelSecurityGroups", Fate::SentBack),
    ("destinations", Fate::SentBack),
    ("egressEndpoints", Fate::Fixed),
    ("encoderSettings", Fate::SentBack),
    ("id", Fate::Fixed),
    // An update without it switches enrichment off.
    ("inferenceSettings", Fate::SentBack),
    ("inputAttachments", Fate::SentBack),
    ("inputSpecification", Fate::SentBack),
    ("linkedChannelSettings", Fate::SentBackInPart),
    ("logLevel", Fate::SentBack),
    ("maintenance", Fate::SentBackInPart),
    ("name", Fate::SentBack),
    ("pipelineDetails", Fate::Fixed),
    ("pipelinesRunningCount", Fate::Fixed),
    // An update without it takes the role away.
    ("roleArn", Fate::SentBack),
    ("state", Fate::Fixed),
    ("tags", Fate::Fixed),
    ("vpc", Fate::Fixed),
];

/// The body of an update that leaves everything as it is described.
///
/// It is refused if something is described that this version has never heard of: an
/// update without it might drop it.
fn unchanged(description: &Description) -> Result<Map<String, Value>, ChannelRefusal> {
    let mut body = Map::new();
    for (name, value) in description.members() {
        let value = without_null(value);
        let says_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if says_nothing {
            continue;
        }
        let known = DESCRIBED.iter().find(|(known, _)| known == name);
        let sent = match known.map(|(_, fate)| fate) {
            Some(Fate::SentBack) => Some(value),
            Some(Fate::SentBackInPart) => in_part(name, &value),
            Some(Fate::LeftAlone | Fate::Fixed) => None,
            None => return Err(ChannelRefusal::UnknownSetting(name.clone())),
        };
        body.extend(sent.map(|value| (name.clone(), value)));
    }
    Ok(body)
}

fn in_part(name: &str, value: &Value) -> Option<Value> {
    let mut part = value.as_object()?.clone();
    match name {
        // The next date is planned by AWS; a date that has passed would be refused.
        "maintenance" => part
            .retain(|name, _| ["maintenanceDay", "maintenanceStartTime"].contains(&name.as_str())),
        "linkedChannelSettings" => {
            let primary = part.get_mut("primaryChannelSettings");
            if let Some(Value::Object(primary)) = primary {
                primary.remove("followingChannelArns");
            }
        }
        _ => return None,
    }
    (!part.is_empty()).then_some(Value::Object(part))
}

/// The body of the update that adds the feed, with the encode that it shares.
pub(super) fn with_feed(
    description: &Description,
    feed: &Feed,
) -> Result<(Value, SharedEncode), ChannelRefusal> {
    let encode = encode::shared(description)?;
    let mut body = unchanged(description)?;
    push(&mut body, "destinations", destination(feed));
    if let Some(Value::Object(encoder)) = body.get_mut("encoderSettings") {
        push(encoder, "outputGroups", group(feed, &encode));
    }
    Ok((Value::Object(body), encode))
}

/// The body of the update that takes the feed out.
pub(super) fn without_feed(description: &Description) -> Result<Value, ChannelRefusal> {
    let mut body = unchanged(description)?;
    retain(&mut body, "destinations", |it| it["id"] != Feed::NAME);
    if let Some(Value::Object(encoder)) = body.get_mut("encoderSettings") {
        retain(encoder, "outputGroups", |group| !is_our_group(group));
    }
    Ok(Value::Object(body))
}

fn push(of: &mut Map<String, Value>, name: &str, new: Value) {
    match of.get_mut(name) {
        Some(Value::Array(all)) => all.push(new),
        _ => drop(of.insert(name.to_owned(), Value::Array(vec![new]))),
    }
}

fn retain(of: &mut Map<String, Value>, name: &str, keeps: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(all)) = of.get_mut(name) {
        all.retain(keeps);
    }
}

/// Whether the feed is there as it is given; another one, or a part, is refused.
///
/// What it shares is not compared: viewers may have got another encode since.
pub(super) fn has(description: &Description, feed: &Feed) -> Result<bool, ChannelRefusal> {
    let mut groups = description.groups().iter();
    let group_there = groups.find(|group| is_our_group(group));
    let (destination_there, group_there) = match (description.destination(Feed::NAME), group_there)
    {
        (None, None) => return Ok(false),
        (Some(destination), Some(group)) => (destination, group),
        _ => return Err(ChannelRefusal::AnotherFeed),
    };
    let srt = |group: &Value| {
        let mut settings = group["outputs"][0]["outputSettings"]["srtOutputSettings"].clone();
        // AWS may fill in what it was not told.
        if let Value::Object(settings) = &mut settings {
            settings.retain(|name, _| {
                ["destination", "encryptionType", "latency"].contains(&name.as_str())
            });
        }
        settings
    };
    let wanted = SharedEncode {
        group: String::new(),
        video: String::new(),
        audio: Vec::new(),
    };
    let is_it = callers(destination_there) == callers(&destination(feed))
        && srt(group_there) == srt(&group(feed, &wanted));
    is_it.then_some(true).ok_or(ChannelRefusal::AnotherFeed)
}

/// Whether anything of a feed is there.
pub(super) fn has_any(description: &Description) -> bool {
    description.destination(Feed::NAME).is_some() || description.groups().iter().any(is_our_group)
}

/// What a destination says of SRT, without what AWS fills in.
fn callers(destination: &Value) -> Vec<[&Value; 3]> {
    let all = destination
        .as_object()
        .map_or(&[][..], |it| list(it, "srtSettings"));
    let said = ["url", "streamId", "encryptionPassphraseSecretArn"];
    all.iter().map(|it| said.map(|name| &it[name])).collect()
}

fn destination(feed: &Feed) -> Value {
    let caller = |address: &FeedAddress| {
        let mut caller = json!({
            "connectionMode": "CALLER",
            "encryptionPassphraseSecretArn": feed.passphrase.as_str(),
            "url": format!("srt://{address}"),
        });
        if let Some(stream_id) = &feed.stream_id {
            caller["streamId"] = stream_id.as_secret().expose_secret().into();
        }
        caller
    };
    let callers: Vec<Value> = feed.addresses().map(caller).collect();
    json!({ "id": Feed::NAME, "srtSettings": callers })
}

fn group(feed: &Feed, encode: &SharedEncode) -> Value {
    json!({
        "name": Feed::NAME,
        // What comes in is lost: the picture goes on black, as it does for viewers.
        "outputGroupSettings": { "srtGroupSettings": { "inputLossAction": "EMIT_PROGRAM" } },
        "outputs": [{
            "outputName": Feed::NAME,
            "videoDescriptionName": encode.video,
            "audioDescriptionNames": encode.audio,
            "outputSettings": { "srtOutputSettings": {
                "containerSettings": { "m2tsSettings": {} },
                "destination": { "destinationRefId": Feed::NAME },
                "encryptionType": "AES256",
                "latency": feed.latency.millis(),
            } },
        }],
    })
}

/// What adding the feed adds, a line each, without the stream id.
pub(super) fn lines(feed: &Feed, encode: &SharedEncode) -> Vec<String> {
    let name = Feed::NAME;
    let mut lines: Vec<String> = feed
        .addresses()
        .map(|to| format!("destination `{name}`: SRT caller to {to}, AES-256"))
        .collect();
    if feed.stream_id.is_some() {
        lines.push(format!("destination `{name}`: with a stream id (hidden)"));
    }
    lines.push(format!(
        "destination `{name}`: passphrase in {}",
        feed.passphrase.as_str()
    ));
    lines.push(format!(
        "output group `{name}` (srt, 1 output): video `{}`, audio `{}`, latency {} ms",
        encode.video,
        encode.audio.join("`, `"),
        feed.latency.millis()
    ));
    lines
}
