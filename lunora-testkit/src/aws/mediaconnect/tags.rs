use serde_json::{Map, Value, json};

use super::{
    MediaConnect,
    member::{Members, bad_request, not_found},
    reply,
};
use crate::aws::wire::{Refusal, Reply};

/// The most tags of one resource.
const TAGS_MAX: usize = 50;

impl MediaConnect {
    /// The ARN that a call is about, if it can have tags.
    fn taggable(&self, input: &Map<String, Value>) -> Result<String, Refusal> {
        let arn = input.text("ResourceArn").unwrap_or_default();
        let is_there = self.flows.iter().any(|flow| {
            let granted = |it: &Value| it["entitlementArn"] == arn;
            flow.arn == arn
                || flow.output(arn).is_some()
                || flow.source(arn).is_some()
                || flow.entitlements.iter().any(granted)
        });
        match is_there {
            true => Ok(arn.to_owned()),
            false => Err(not_found("there is nothing with this ARN")),
        }
    }

    pub(super) fn tag(&mut self, input: &Map<String, Value>) -> Result<Reply, Refusal> {
        let arn = self.taggable(input)?;
        let tags = input.object("tags").cloned().unwrap_or_default();
        if tags.keys().any(|key| key.starts_with("aws:")) {
            return Err(bad_request("tags that begin with aws: are AWS's own"));
        }
        let mut all = self.tags.get(&arn).cloned().unwrap_or_default();
        all.extend(tags);
        if TAGS_MAX < all.len() {
            return Err(bad_request("a resource has at most 50 tags"));
        }
        self.tags.insert(arn, all);
        Ok(reply(204, Value::Null))
    }

    pub(super) fn untag(&mut self, input: &Map<String, Value>) -> Result<Reply, Refusal> {
        let arn = self.taggable(input)?;
        if let Some(tags) = self.tags.get_mut(&arn) {
            for key in input.list("tagKeys") {
                tags.remove(key.as_str().unwrap_or_default());
            }
        }
        Ok(reply(204, Value::Null))
    }

    pub(super) fn list_tags(&self, input: &Map<String, Value>) -> Result<Reply, Refusal> {
        let arn = self.taggable(input)?;
        let tags = self.tags.get(&arn).cloned().unwrap_or_default();
        Ok(reply(200, json!({ "tags": tags })))
    }

    pub(super) fn keep_tags(&mut self, arn: &str, tags: Option<&Map<String, Value>>) {
        if let Some(tags) = tags {
            self.tags.insert(arn.to_owned(), tags.clone());
        }
    }

    /// Keeps the tags that came with each new thing of a batch.
    pub(super) fn keep_item_tags<'a>(
        &mut self,
        arns: impl Iterator<Item = &'a String>,
        requests: &[Value],
        member: &str,
    ) {
        for (arn, request) in arns.zip(requests) {
            self.keep_tags(arn, request[member].as_object());
        }
    }
}
