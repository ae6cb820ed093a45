use serde_json::{Map, Value, json};

use super::{
    Flow, FlowStatus, MediaConnect, Moment,
    flow::FLOWS_MAX,
    in_status, later,
    member::{Members, bad_request, not_simulated, over_quota},
    reply,
    source::{Source, check_together},
};
use crate::aws::{
    simulator::REGION,
    wire::{Refusal, Reply},
};

/// How many flows a page has unless the call says otherwise.
const PAGE: usize = 10;

impl MediaConnect {
    pub(super) fn create_flow(&mut self, input: &Map<String, Value>) -> Result<Reply, Refusal> {
        for other in [
            "mediaStreams",
            "vpcInterfaces",
            "ndiConfig",
            "encodingConfig",
        ] {
            if input.contains_key(other) {
                return Err(not_simulated(other));
            }
        }
        if FLOWS_MAX <= self.flows.len() {
            return Err(over_quota(
                "CreateFlow420Exception",
                "an account has at most 20 flows in a region",
            ));
        }
        let name = input.text("name").unwrap_or_default();
        if name.is_empty() {
            return Err(bad_request("a flow needs a name"));
        }
        let sources = self.first_sources(input)?;
        let failover = input.object("sourceFailoverConfig").cloned();
        let failover = failover.unwrap_or_default();
        check_together(&sources, &failover)?;
        let maintenance = input.object("maintenance").cloned().unwrap_or_default();
        check_maintenance(&maintenance)?;
        let number = self.arns.next_number();
        let arn = self.arns.mint("flow", name);
        let outputs = self.new_outputs(&[], input.list("outputs"), "CreateFlow420Exception")?;
        let zone = format!("{REGION}a");
        let mut flow = Flow {
            name: name.to_owned(),
            number,
            zone: input.text("availabilityZone").unwrap_or(&zone).to_owned(),
            status: FlowStatus::Standby,
            until: None,
            sources,
            outputs,
            entitlements: Vec::new(),
            failover,
            maintenance,
            monitoring: input.get("sourceMonitoringConfig").cloned(),
            size: input.text("flowSize").unwrap_or("MEDIUM").to_owned(),
            errors: Vec::new(),
            arn,
        };
        for request in input.list("entitlements") {
            flow.entitlements.push(self.new_entitlement(request));
        }
        self.keep_tags(&flow.arn, input.object("flowTags"));
        let outputs = flow.outputs.iter().map(|output| &output.arn);
        self.keep_item_tags(outputs, input.list("outputs"), "outputTags");
        let body = json!({ "flow": flow.view(self.modes) });
        self.flows.push(flow);
        Ok(reply(201, body))
    }

    fn first_sources(&mut self, input: &Map<String, Value>) -> Result<Vec<Source>, Refusal> {
        let requests = match (input.get("source"), input.list("sources")) {
            (Some(_), [_, ..]) => return Err(bad_request("either source or sources")),
            (Some(one), []) => std::slice::from_ref(one),
            (None, several) => several,
        };
        self.new_sources(requests)
    }

    fn new_entitlement(&mut self, request: &Value) -> Value {
        let name = request["name"].as_str().unwrap_or("entitlement");
        let mut entitlement = json!({
            "entitlementArn": self.arns.mint("entitlement", name),
            "entitlementStatus": "ENABLED",
            "name": name,
            "subscribers": request["subscribers"],
        });
        for member in [
            "dataTransferSubscriberFeePercent",
            "description",
            "encryption",
        ] {
            if let Some(value) = request.get(member) {
                entitlement[member] = value.clone();
            }
        }
        if let Some(status) = request.get("entitlementStatus") {
            entitlement["entitlementStatus"] = status.clone();
        }
        entitlement
    }

    pub(super) fn describe_flow(&self, input: &Map<String, Value>) -> Result<Reply, Refusal> {
        let flow = &self.flows[self.find(input)?];
        let body = json!({
            "flow": flow.view(self.modes),
            "messages": { "errors": flow.errors },
        });
        Ok(reply(200, body))
    }

    pub(super) fn list_flows(&self, input: &Map<String, Value>) -> Result<Reply, Refusal> {
        let most = input.number("maxResults").map(usize::try_from);
        let most = most.and_then(Result::ok).unwrap_or(PAGE);
        let after = match input.text("nextToken") {
            None => 0,
            Some(token) => {
                let number = token.strip_prefix("after-").and_then(|it| it.parse().ok());
                number.ok_or_else(|| bad_request("the nextToken is none of ours"))?
            }
        };
        // By what is unique and never changes, so that no page skips a flow when another goes.
        let rest: Vec<_> = self.flows.iter().filter(|it| after < it.number).collect();
        let page = &rest[..most.min(rest.len())];
        let listed: Vec<_> = page.iter().map(|flow| flow.listed()).collect();
        let mut body = json!({ "flows": listed });
        if let Some(last) = page.last().filter(|_| page.len() < rest.len()) {
            body["nextToken"] = json!(format!("after-{}", last.number));
        }
        Ok(reply(200, body))
    }

    pub(super) fn update_flow(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let place = self.find_writable(input)?;
        for other in ["ndiConfig", "encodingConfig"] {
            if input.contains_key(other) {
                return Err(not_simulated(other));
            }
        }
        let mut changed = self.flows[place].clone();
        if let Some(failover) = input.object("sourceFailoverConfig") {
            changed.failover.extend(failover.clone());
        }
        check_together(&changed.sources, &changed.failover)?;
        if let Some(maintenance) = input.object("maintenance") {
            changed.maintenance.extend(maintenance.clone());
            check_maintenance(&changed.maintenance)?;
        }
        if let Some(monitoring) = input.get("sourceMonitoringConfig") {
            changed.monitoring = Some(monitoring.clone());
        }
        if let Some(size) = input.text("flowSize") {
            changed.size = size.to_owned();
        }
        self.flows[place] = changed;
        self.after_write(place, moment);
        let body = json!({ "flow": self.flows[place].view(self.modes) });
        Ok(reply(202, body))
    }

    pub(super) fn start_flow(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let until = later(moment.now, self.timing.flow_start);
        let from = |status| status == FlowStatus::Standby;
        let place = self.find(input)?;
        self.set_out(place, from, FlowStatus::Starting, until, moment)
    }

    pub(super) fn stop_flow(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let until = later(moment.now, self.timing.flow_stop);
        let place = self.find(input)?;
        if self.flows[place].status == FlowStatus::Updating {
            self.find_writable(input)?;
        }
        let from = |status: FlowStatus| status.runs() || status == FlowStatus::Error;
        self.set_out(place, from, FlowStatus::Stopping, until, moment)
    }

    pub(super) fn delete_flow(
        &mut self,
        input: &Map<String, Value>,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let until = later(moment.now, self.timing.flow_delete);
        let from = |status| status == FlowStatus::Standby;
        let place = self.find(input)?;
        self.set_out(place, from, FlowStatus::Deleting, until, moment)
    }

    fn set_out(
        &mut self,
        place: usize,
        from: impl FnOnce(FlowStatus) -> bool,
        to: FlowStatus,
        until: jiff::Timestamp,
        moment: &mut Moment<'_>,
    ) -> Result<Reply, Refusal> {
        let flow = &mut self.flows[place];
        if !from(flow.status) {
            return Err(in_status(flow.status));
        }
        flow.enter(to, Some(until), moment);
        let body = json!({ "flowArn": flow.arn, "status": to.as_str() });
        Ok(reply(202, body))
    }

    pub(super) fn forget_flow(&mut self, arn: &str) {
        let (gone, left) = std::mem::take(&mut self.flows)
            .into_iter()
            .partition::<Vec<_>, _>(|flow| flow.arn == arn);
        self.flows = left;
        for flow in gone {
            self.tags.remove(&flow.arn);
            for output in flow.outputs {
                self.tags.remove(&output.arn);
            }
            for source in flow.sources {
                self.tags.remove(&source.arn);
            }
        }
    }
}

/// "Minutes must be 00."
fn check_maintenance(maintenance: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(hour) = maintenance.text("maintenanceStartHour") else {
        return Ok(());
    };
    let whole = hour.strip_suffix(":00").filter(|hour| hour.len() == 2);
    let is_hour = whole.and_then(|it| it.parse::<u8>().ok());
    match is_hour.is_some_and(|hour| hour < 24) {
        true => Ok(()),
        false => Err(bad_request("maintenanceStartHour is HH:00")),
    }
}
