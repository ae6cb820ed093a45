use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    MediaLive, bad_request, created,
    input::{Direction, Input, Phase, direction},
    items, not_found, ok,
    page::page,
    refusal::conflict,
    tags, texts,
};
use crate::aws::wire::{Refusal, Reply};

/// The most in a region.
const PUSH_INPUTS_MAX: usize = 5;
const PULL_INPUTS_MAX: usize = 100;

/// What of an input the simulator does not know.
const NOT_SIMULATED: [&str; 8] = [
    "inputDevices",
    "vpc",
    "inputNetworkLocation",
    "multicastSettings",
    "smpte2110ReceiverGroupSettings",
    "sdiSources",
    "routerSettings",
    "specialRouterSettings",
];

impl MediaLive {
    fn input(&mut self, input: &Value) -> Result<&mut Input, Refusal> {
        let id = input["inputId"].as_str();
        let mut inputs = self.inputs.iter_mut();
        let found = inputs.find(|each| Some(each.id.as_str()) == id);
        found.ok_or_else(|| not_found("input"))
    }

    pub(super) fn create_input(&mut self, input: &Value, now: Timestamp) -> Result<Reply, Refusal> {
        if let Some(first) = self.first_input_of(input)? {
            return created(json!({ "input": first.describe(&self.channels) }));
        }
        let kind = input["type"].as_str();
        let kind = kind.ok_or_else(|| bad_request("type is missing"))?;
        if input["name"].as_str().is_none_or(str::is_empty) {
            return Err(bad_request("name is missing"));
        }
        let id = self.mint();
        let settings = self.input_settings(&id, kind, input, &Value::Null)?;
        let tags = tags::first(&input["tags"])?;
        let same = self.inputs.iter().filter(|each| each.is_there());
        let same = same.filter(|each| each.direction() == direction(kind));
        let most = match direction(kind) {
            Direction::Push => PUSH_INPUTS_MAX,
            Direction::Pull => PULL_INPUTS_MAX,
        };
        if most <= same.count() {
            return Err(bad_request("the region has no room for another such input"));
        }
        let input = Input {
            id,
            settings,
            tags,
            phase: Phase::Creating,
            until: Some(now + self.durations.input_create),
            request: input.clone(),
        };
        let described = input.describe(&self.channels);
        self.inputs.push(input);
        created(json!({ "input": described }))
    }

    /// What the same request made before, if it did.
    fn first_input_of(&self, request: &Value) -> Result<Option<&Input>, Refusal> {
        let Some(id) = request["requestId"].as_str() else {
            return Ok(None);
        };
        let mut there = self.inputs.iter().filter(|input| input.is_there());
        match there.find(|input| input.request["requestId"] == id) {
            Some(input) if input.request != *request => {
                // CreateInput has no ConflictException.
                Err(bad_request("another request had this requestId"))
            }
            first => Ok(first),
        }
    }

    pub(super) fn describe_input(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let id = self.input(input)?.id.clone();
        let input = self.inputs.iter().find(|input| input.id == id);
        ok(input.map(|input| Value::Object(input.describe(&self.channels))))
    }

    pub(super) fn list_inputs(&self, input: &Value) -> Result<Reply, Refusal> {
        let there = self.inputs.iter().filter(|input| input.is_there());
        let all = there.map(|each| (each.id.clone(), each.describe(&self.channels).into()));
        page(input, "inputs", all.collect())
    }

    pub(super) fn update_input(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let found = self.input(input)?;
        let (id, before) = (found.id.clone(), found.settings.clone());
        if !found.is_usable() {
            return Err(conflict("the input is being deleted"));
        }
        self.refuse_while_in_use(&id)?;
        let kind = before["type"].as_str().unwrap_or_default();
        let settings = self.input_settings(&id, kind, input, &before)?;
        self.input(input)?.settings = settings;
        let input = self.inputs.iter().find(|input| input.id == id);
        let described = input.map(|input| input.describe(&self.channels));
        ok(json!({ "input": described }))
    }

    fn refuse_while_in_use(&self, id: &str) -> Result<(), Refusal> {
        let input = self.inputs.iter().find(|input| input.id == id);
        let user = input.and_then(|input| input.user(&self.channels));
        if user.is_some_and(|channel| !channel.is_idle()) {
            return Err(conflict("the channel of the input is not idle"));
        }
        Ok(())
    }

    pub(super) fn delete_input(&mut self, input: &Value, now: Timestamp) -> Result<Reply, Refusal> {
        let until = now + self.durations.input_delete;
        let id = self.input(input)?.id.clone();
        if self.channels.iter().any(|channel| channel.uses(&id)) {
            return Err(conflict("the input is attached to a channel"));
        }
        let input = self.input(input)?;
        if !input.is_usable() {
            return Err(conflict("the input is being deleted"));
        }
        (input.phase, input.until) = (Phase::Deleting, Some(until));
        ok(json!({}))
    }

    /// The members of an input as they are described; what is not sent is as before.
    fn input_settings(
        &self,
        id: &str,
        kind: &str,
        input: &Value,
        before: &Value,
    ) -> Result<Value, Refusal> {
        if NOT_SIMULATED.iter().any(|name| input.get(name).is_some()) {
            return Err(bad_request("the simulator does not know such inputs"));
        }
        let sent = |name: &str| input.get(name).unwrap_or(&before[name]).clone();
        let mut settings = json!({
            "name": sent("name"),
            "type": kind,
            "inputSourceType": if matches!(kind, "MP4_FILE" | "TS_FILE") { "DYNAMIC" } else { "STATIC" },
            "sources": [],
            "destinations": [],
            "mediaConnectFlows": [],
            "securityGroups": [],
        });
        let groups = input.get("inputSecurityGroups");
        settings["securityGroups"] =
            self.known_groups(kind, groups.unwrap_or(&before["securityGroups"]))?;
        let pipelines = match kind {
            "RTMP_PUSH" => {
                // Before, they stood as URLs.
                settings["destinations"] = match input.get("destinations") {
                    Some(destinations) => rtmp_destinations(id, destinations)?,
                    None if before.is_null() => {
                        return Err(bad_request("destinations are missing"));
                    }
                    None => before["destinations"].clone(),
                };
                items(&settings["destinations"]).len()
            }
            "RTP_PUSH" | "UDP_PUSH" => {
                let scheme = if kind == "RTP_PUSH" { "rtp" } else { "udp" };
                settings["destinations"] = destinations(id, scheme, "5000", &["", ""]);
                2
            }
            "SRT_LISTENER" => {
                settings["srtSettings"] = sent("srtSettings");
                if !settings["srtSettings"]["srtListenerSettings"].is_object() {
                    return Err(bad_request("srtListenerSettings are missing"));
                }
                settings["destinations"] = destinations(id, "srt", "5000", &[""]);
                1
            }
            "RTMP_PULL" | "URL_PULL" | "MP4_FILE" | "TS_FILE" => {
                settings["sources"] = sent("sources");
                one_or_two(&settings["sources"], |source| {
                    source["url"]
                        .as_str()
                        .is_some_and(|url| url.contains("://"))
                })?
            }
            "SRT_CALLER" => {
                settings["srtSettings"] = sent("srtSettings");
                one_or_two(&settings["srtSettings"]["srtCallerSources"], |source| {
                    source["srtListenerAddress"].is_string()
                        && source["srtListenerPort"].is_string()
                })?
            }
            "MEDIACONNECT" => {
                settings["mediaConnectFlows"] = sent("mediaConnectFlows");
                settings["roleArn"] = sent("roleArn");
                if !settings["roleArn"].is_string() {
                    return Err(bad_request("roleArn is missing"));
                }
                one_or_two(&settings["mediaConnectFlows"], |flow| {
                    let arn = flow["flowArn"].as_str();
                    arn.is_some_and(|arn| arn.starts_with("arn:") && arn.contains(":flow:"))
                })?
            }
            _ => return Err(bad_request("the simulator does not know such inputs")),
        };
        settings["inputClass"] = if pipelines == 2 {
            "STANDARD"
        } else {
            "SINGLE_PIPELINE"
        }
        .into();
        Ok(settings)
    }

    /// The groups of a push input, which needs one; no other input has any.
    fn known_groups(&self, kind: &str, groups: &Value) -> Result<Value, Refusal> {
        let is_push = direction(kind) == Direction::Push;
        let mut sent = texts(groups);
        if is_push && items(groups).is_empty() {
            return Err(bad_request("a push input needs an input security group"));
        }
        if !is_push && !items(groups).is_empty() {
            return Err(bad_request("only a push input has input security groups"));
        }
        if !sent.all(|id| self.groups.iter().any(|group| group.id == id)) {
            return Err(bad_request("there is no such input security group"));
        }
        Ok(items(groups).into())
    }
}

fn one_or_two(list: &Value, is_valid: impl Fn(&Value) -> bool) -> Result<usize, Refusal> {
    match items(list) {
        all @ ([_] | [_, _]) if all.iter().all(&is_valid) => Ok(all.len()),
        _ => Err(bad_request(
            "the input needs one or two sources, each complete",
        )),
    }
}

fn rtmp_destinations(id: &str, sent: &Value) -> Result<Value, Refusal> {
    let names: Vec<_> = items(sent)
        .iter()
        .filter_map(|each| each["streamName"].as_str())
        .collect();
    let is_name = |name: &&&str| {
        name.split_once('/')
            .is_some_and(|(app, instance)| !app.is_empty() && !instance.is_empty())
    };
    let is_complete =
        names.len() == items(sent).len() && names.iter().filter(is_name).count() == names.len();
    match names.as_slice() {
        [_] if is_complete => {}
        [first, second] if is_complete && first != second => {}
        _ => {
            return Err(bad_request(
                "an RTMP input needs one or two stream names, application/instance",
            ));
        }
    }
    Ok(destinations(id, "rtmp", "1935", &names))
}

/// Addresses of our own, of those that documentation may use.
fn destinations(id: &str, scheme: &str, port: &str, paths: &[&str]) -> Value {
    let number = id.parse::<u32>().unwrap_or_default() % 120;
    let each = paths.iter().zip(0..).map(|(path, pipeline)| {
        let ip = format!("198.51.100.{}", 2 * number + pipeline + 1);
        let slash = if path.is_empty() { "" } else { "/" };
        json!({ "ip": ip, "port": port, "url": format!("{scheme}://{ip}:{port}{slash}{path}") })
    });
    each.collect()
}
