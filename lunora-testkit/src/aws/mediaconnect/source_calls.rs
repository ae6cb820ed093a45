use serde_json::{Map, Value, json};

use super::{
    FlowStatus, MediaConnect, Moment,
    member::{Members, bad_request, not_found},
    protocol::merged,
    source::{self, Source, check_together},
    written,
};
use crate::aws::wire::{Refusal, Reply};

impl MediaConnect {
    pub(super) fn new_sources(&mut self, requests: &[Value]) -> Result<Vec<Source>, Refusal> {
        let mut sources = Vec::new();
        for request in requests {
            let Some(request) = request.as_object() else {
                return Err(bad_request("a source is an object"));
            };
            let source = Source::from_input(request, |name| self.arns.mint("source", name))?;
            self.keep_tags(&source.arn, request.object("sourceTags"));
            sources.push(source);
        }
        Ok(sources)
    }

    pub(super) fn add_sources(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        let requests = input.list("sources");
        if requests.is_empty() {
            return Err(bad_request("there are no sources to add"));
        }
        let added = self.new_sources(requests)?;
        let flow = &mut self.flows[place];
        let all: Vec<_> = flow.sources.iter().chain(&added).cloned().collect();
        check_together(&all, &flow.failover)?;
        flow.sources = all;
        let ip = flow.ingest_ip();
        let views = added.iter().map(|source| source.view(self.modes, &ip));
        let views = Value::Array(views.collect());
        self.after_write(place, moment);
        Ok(written(201, &self.flows[place], "sources", views))
    }

    pub(super) fn update_source(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        let index = self.find_source(place, input)?;
        let flow = &self.flows[place];
        let mut sources = flow.sources.clone();
        let source = &mut sources[index];
        if source.is_entitled() && flow.status != FlowStatus::Standby {
            return Err(bad_request("stop the flow to update an entitled source"));
        }
        source.settings = merged(&source.settings, source::settings(input)?);
        source::check(&source.settings)?;
        check_together(&sources, &flow.failover)?;
        let view = sources[index].view(self.modes, &flow.ingest_ip());
        self.flows[place].sources = sources;
        self.after_write(place, moment);
        Ok(written(202, &self.flows[place], "source", view))
    }

    pub(super) fn remove_source(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        let index = self.find_source(place, input)?;
        let flow = &mut self.flows[place];
        let mut left = flow.sources.clone();
        let removed = left.remove(index);
        // "Only if there is more than one source on the flow."
        check_together(&left, &flow.failover)?;
        flow.sources = left;
        self.tags.remove(&removed.arn);
        self.after_write(place, moment);
        let arn = json!(removed.arn);
        Ok(written(202, &self.flows[place], "sourceArn", arn))
    }

    fn find_source(&self, place: usize, input: &Map<String, Value>) -> Result<usize, Refusal> {
        let arn = input.text("SourceArn").unwrap_or_default();
        let mut sources = self.flows[place].sources.iter();
        let index = sources.position(|source| source.arn == arn);
        index.ok_or_else(|| not_found("there is no such source on the flow"))
    }
}
