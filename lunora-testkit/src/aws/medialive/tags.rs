use serde_json::{Map, Value, json};

use super::{MediaLive, bad_request, no_content, not_found, ok, texts};
use crate::aws::wire::{Refusal, Reply};

pub(super) type Tags = Map<String, Value>;

/// The most on one resource.
const TAGS_MAX: usize = 50;

/// The tags that something begins with.
pub(super) fn first(tags: &Value) -> Result<Tags, Refusal> {
    let mut all = Tags::new();
    add(&mut all, tags)?;
    Ok(all)
}

fn add(all: &mut Tags, tags: &Value) -> Result<(), Refusal> {
    let mut sum = all.clone();
    sum.extend(tags.as_object().cloned().unwrap_or_default());
    if sum.keys().any(|key| key.starts_with("aws:")) {
        return Err(bad_request("tags that begin with aws: are AWS's own"));
    }
    if TAGS_MAX < sum.len() {
        return Err(bad_request("a resource has at most 50 tags"));
    }
    *all = sum;
    Ok(())
}

impl MediaLive {
    fn tags(&mut self, input: &Value) -> Result<&mut Tags, Refusal> {
        let arn = input["resource-arn"].as_str().unwrap_or_default();
        let channels = self.channels.iter_mut();
        let channels = channels.filter(|channel| channel.is_there());
        let channels = channels.map(|channel| (channel.arn(), &mut channel.tags));
        let inputs = self.inputs.iter_mut().filter(|input| input.is_there());
        let inputs = inputs.map(|input| (input.arn(), &mut input.tags));
        let groups = self.groups.iter_mut();
        let groups = groups.map(|group| (group.arn(), &mut group.tags));
        let mut all = channels.chain(inputs).chain(groups);
        let found = all.find(|(each, _)| each == arn);
        found
            .map(|(_, tags)| tags)
            .ok_or_else(|| not_found("resource"))
    }

    pub(super) fn create_tags(&mut self, input: &Value) -> Result<Reply, Refusal> {
        add(self.tags(input)?, &input["tags"])?;
        no_content()
    }

    pub(super) fn delete_tags(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let tags = self.tags(input)?;
        for key in texts(&input["tagKeys"]) {
            tags.remove(key);
        }
        no_content()
    }

    pub(super) fn list_tags(&mut self, input: &Value) -> Result<Reply, Refusal> {
        let tags = self.tags(input)?.clone();
        ok(json!({ "tags": tags }))
    }
}
