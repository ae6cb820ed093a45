use serde_json::{Map, Value, json};

use super::{
    MediaLive, arn, bad_request,
    input::Input,
    items, not_found, ok,
    page::page,
    tags::{self, Tags},
    texts,
};
use crate::aws::wire::{Refusal, Reply};

/// The most in a region.
const GROUPS_MAX: usize = 5;

/// Who may push into an input.
pub(super) struct SecurityGroup {
    pub(super) id: String,
    rules: Value,
    pub(super) tags: Tags,
}

impl SecurityGroup {
    pub(super) fn arn(&self) -> String {
        arn("inputSecurityGroup", &self.id)
    }

    /// The inputs that use it.
    fn users<'a>(&self, inputs: &'a [Input]) -> Vec<&'a str> {
        let users = inputs
            .iter()
            .filter(|input| texts(&input.settings["securityGroups"]).any(|id| id == self.id));
        let there = users.filter(|input| input.is_there());
        there.map(|input| input.id.as_str()).collect()
    }

    fn describe(&self, inputs: &[Input]) -> Value {
        let users = self.users(inputs);
        let state = if users.is_empty() { "IDLE" } else { "IN_USE" };
        json!({
            "arn": self.arn(),
            "channels": [],
            "id": self.id,
            "inputs": users,
            "state": state,
            "tags": self.tags,
            "whitelistRules": self.rules,
        })
    }
}

impl MediaLive {
    fn group(&mut self, input: &Value) -> Result<&mut SecurityGroup, Refusal> {
        let id = input["inputSecurityGroupId"].as_str();
        let mut groups = self.groups.iter_mut();
        let found = groups.find(|group| Some(group.id.as_str()) == id);
        found.ok_or_else(|| not_found("input security group"))
    }

    pub(super) fn create_group(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let rules = rules(&input["whitelistRules"])?;
        let tags = tags::first(&input["tags"])?;
        if GROUPS_MAX <= self.groups.len() {
            return Err(bad_request("a region has at most 5 input security groups"));
        }
        let id = self.mint();
        let group = SecurityGroup { id, rules, tags };
        let described = group.describe(&self.inputs);
        self.groups.push(group);
        ok(json!({ "securityGroup": described }))
    }

    pub(super) fn describe_group(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let id = self.group(input)?.id.clone();
        let group = self.groups.iter().find(|group| group.id == id);
        ok(group.map(|group| group.describe(&self.inputs)))
    }

    pub(super) fn list_groups(&self, input: &Value) -> Result<Reply, Refusal> {
        let all = self
            .groups
            .iter()
            .map(|group| (group.id.clone(), group.describe(&self.inputs)));
        page(input, "inputSecurityGroups", all.collect())
    }

    pub(super) fn update_group(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let rules = input.get("whitelistRules").map(rules).transpose()?;
        let tags = input.get("tags").map(tags::first).transpose()?;
        let group = self.group(input)?;
        group.rules = rules.unwrap_or_else(|| group.rules.clone());
        group.tags = tags.unwrap_or_else(|| group.tags.clone());
        let id = group.id.clone();
        let group = self.groups.iter().find(|group| group.id == id);
        let described = group.map(|group| group.describe(&self.inputs));
        ok(json!({ "securityGroup": described }))
    }

    pub(super) fn delete_group(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let id = self.group(input)?.id.clone();
        let is_used = |group: &SecurityGroup| !group.users(&self.inputs).is_empty();
        if self
            .groups
            .iter()
            .any(|group| group.id == id && is_used(group))
        {
            // DeleteInputSecurityGroup has no ConflictException.
            return Err(bad_request("an input uses the input security group"));
        }
        self.groups.retain(|group| group.id != id);
        ok(Map::new())
    }
}

/// The rules as they are described.
fn rules(rules: &Value) -> Result<Value, Refusal> {
    let cidrs = items(rules).iter().map(|rule| rule["cidr"].as_str());
    let valid = cidrs.map(|cidr| cidr.filter(|cidr| is_cidr(cidr)));
    let described = valid.map(|cidr| cidr.map(|cidr| json!({ "cidr": cidr })));
    let all: Option<Vec<_>> = described.collect();
    all.map(Value::from)
        .ok_or_else(|| bad_request("each rule has a CIDR block of IPv4"))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    address.parse::<std::net::Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
}
