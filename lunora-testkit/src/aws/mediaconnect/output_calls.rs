use serde_json::{Map, Value, json};

use super::{
    Flow, HealthState, MediaConnect, Moment, Output, OutputStatus, Owner, later,
    member::{Members, bad_request, not_found, over_quota},
    modes::Omitted,
    output::{self, OUTPUTS_MAX},
    protocol::merged,
    written,
};
use crate::aws::wire::{Refusal, Reply};

impl MediaConnect {
    pub(super) fn add_outputs(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        let requests = input.list("outputs");
        if requests.is_empty() {
            return Err(bad_request("there are no outputs to add"));
        }
        let there = self.flows[place].outputs.clone();
        let added = self.new_outputs(&there, requests, "AddFlowOutputs420Exception")?;
        let arns = added.iter().map(|output| &output.arn);
        self.keep_item_tags(arns, requests, "outputTags");
        let ip = self.flows[place].ingest_ip();
        let views = added.iter().map(|output| output.view(self.modes, &ip));
        let views = Value::Array(views.collect());
        self.flows[place].outputs.extend(added);
        self.after_write(place, moment);
        Ok(written(201, &self.flows[place], "outputs", views))
    }

    /// All of them or none: what a batch asks for, beside what is there.
    pub(super) fn new_outputs(
        &mut self,
        there: &[Output],
        requests: &[Value],
        quota: &'static str,
    ) -> Result<Vec<Output>, Refusal> {
        if OUTPUTS_MAX < there.len() + requests.len() {
            return Err(over_quota(quota, "a flow has at most 50 outputs"));
        }
        let mut added: Vec<Output> = Vec::new();
        for request in requests {
            let Some(request) = request.as_object() else {
                return Err(bad_request("an output is an object"));
            };
            let output = Output::from_input(request, |name| self.arns.mint("output", name))?;
            for other in there.iter().chain(&added) {
                output.gets_along_with(other, self.modes)?;
            }
            added.push(output);
        }
        Ok(added)
    }

    pub(super) fn update_output(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        let index = find_output(&self.flows[place], input)?;
        let flow = &self.flows[place];
        let before = &flow.outputs[index];
        let mut after = before.clone();
        let changes = output::settings(input)?;
        if !changes.is_empty() {
            if before.owner != Owner::Account {
                return Err(bad_request("only the status of this output can change"));
            }
            after.settings = match self.modes.omitted {
                Omitted::Kept => merged(&before.settings, changes),
                Omitted::Reset => changes,
            };
            output::check(&after.settings)?;
        }
        after.status = OutputStatus::of(input).unwrap_or(before.status);
        for (other_index, other) in flow.outputs.iter().enumerate() {
            if other_index != index {
                after.gets_along_with(other, self.modes)?;
            }
        }

        self.watch.change(flow, before, Some(&after));
        if before.status != after.status {
            after.generation += 1;
        }
        if is_disturbed(before, &after) {
            after.generation += 1;
            after
                .health
                .begin(later(moment.now, self.timing.output_connect));
        }
        tell_status(flow, before, &after, moment);
        let view = after.view(self.modes, &flow.ingest_ip());
        self.flows[place].outputs[index] = after;
        self.after_write(place, moment);
        Ok(written(202, &self.flows[place], "output", view))
    }

    pub(super) fn remove_output(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        let index = find_output(&self.flows[place], input)?;
        let flow = &mut self.flows[place];
        match flow.outputs[index].owner {
            Owner::Account => {}
            Owner::MediaLive(_) => return Err(bad_request("MediaLive manages this output")),
            Owner::Entitlement(_) => {
                return Err(bad_request("revoke the entitlement of this output instead"));
            }
        }
        self.watch.change(flow, &flow.outputs[index], None);
        let removed = flow.outputs.remove(index);
        self.tags.remove(&removed.arn);
        self.after_write(place, moment);
        let arn = json!(removed.arn);
        Ok(written(202, &self.flows[place], "outputArn", arn))
    }
}

/// What happens to outputs without a call.
impl MediaConnect {
    /// Puts one on a flow that is not the account's own.
    pub(in crate::aws) fn add_managed_output(&mut self, flow: &str, name: &str, owner: Owner) {
        let arn = self.arns.mint("output", name);
        let output = Output::managed(name, arn, owner);
        self.flow_mut(flow).unwrap().outputs.push(output);
    }

    /// An input of MediaLive has an output on each of these flows, and on no other.
    pub(in crate::aws) fn manage_outputs(&mut self, input: &str, flows: &[&str]) {
        let owner = Owner::MediaLive(input.to_owned());
        for flow in &mut self.flows {
            let is_meant = flows.contains(&flow.arn.as_str());
            let is_there = flow.outputs.iter().any(|output| output.owner == owner);
            if is_meant && !is_there {
                let name = format!("medialive-{}", input.rsplit(':').next().unwrap_or(input));
                let arn = self.arns.mint("output", &name);
                let output = Output::managed(&name, arn, owner.clone());
                flow.outputs.push(output);
            } else if !is_meant {
                flow.outputs.retain(|output| output.owner != owner);
            }
        }
    }

    /// Somebody says how one fares, unless it has begun again meanwhile, or is not ready yet.
    pub(in crate::aws) fn report(&mut self, arn: &str, generation: u64, health: HealthState) {
        let mut outputs = self.flows.iter_mut().flat_map(|flow| &mut flow.outputs);
        let output = outputs.find(|it| it.arn == arn && it.generation == generation);
        if let Some(output) = output.filter(|it| it.health.ready.is_none()) {
            output.health.hold(health);
        }
    }
}

fn find_output(flow: &Flow, input: &Map<String, Value>) -> Result<usize, Refusal> {
    let arn = input.text("OutputArn").unwrap_or_default();
    let index = flow.outputs.iter().position(|output| output.arn == arn);
    index.ok_or_else(|| not_found("there is no such output on the flow"))
}

/// Whether an output that goes on sending has to begin again.
pub(in crate::aws) fn is_disturbed(before: &Output, after: &Output) -> bool {
    let told = |output: &Output| {
        let mut settings = output.settings.clone();
        // For people; nothing that is sent depends on it.
        settings.remove("description");
        settings
    };
    told(before) != told(after)
}

fn tell_status(flow: &Flow, before: &Output, after: &Output, moment: &mut Moment<'_>) {
    if before.status != after.status {
        let detail = json!({
            "currentStatus": after.status.as_str(),
            "previousStatus": before.status.as_str(),
        });
        let about = [&flow.arn, &after.arn];
        moment.tell("MediaConnect Output Status Change", about, detail);
    }
}
