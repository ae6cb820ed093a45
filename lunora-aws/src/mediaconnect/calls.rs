//! The calls that a router makes, each with its turn and out of sight.

use std::sync::Arc;

use aws_sdk_mediaconnect::{
    Client,
    types::{AddOutputRequest, OutputStatus},
};
use jiff::{SignedDuration, Timestamp};
use lunora_core::{
    domain::{OutputId, OutputSpec, Switch},
    port::Clock,
    service::WriteLease,
};

use super::{
    deployment::Deployment,
    description::{Description, strange},
    error::Failure,
    rtmp_push,
    source_format::SourceFormat,
    target::Settings,
    view::{Seen, View},
};
use crate::{
    Budget, FlowArn,
    unseen::{Unseen, unlogged},
};

/// The same client, on the same connections, that logs no body: stream names and
/// stream ids are in those of MediaConnect, and nothing there is marked as a secret.
pub(super) fn discreet(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.interceptor(Unseen).build())
}

/// A wish, with what MediaConnect is told for it.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) spec: &'a OutputSpec,
    pub(super) settings: Settings,
}

impl Wish<'_> {
    pub(super) fn id(&self) -> &OutputId {
        &self.spec.id
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_met_by(&self, seen: &Seen) -> bool {
        seen.switch == self.spec.switch
            && seen.place == self.settings.place
            && seen.fingerprint() == self.spec.fingerprint
    }

    /// Whether RTMP begins with it, where nothing or something else was sent before.
    pub(super) fn begins_rtmp(&self, seen: Option<&Seen>) -> bool {
        let sends_it = |seen: &Seen| seen.switch == Switch::On && seen.place.is_rtmp();
        let is_wished = self.spec.switch == Switch::On && self.settings.place.is_rtmp();
        is_wished && !seen.is_some_and(sends_it)
    }
}

#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    pub(super) budget: Arc<Budget>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lease: Option<Arc<WriteLease>>,
    deployment: Deployment,
}

impl Calls {
    pub(super) fn new(
        client: &Client,
        deployment: Deployment,
        budget: Arc<Budget>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client: discreet(client),
            budget,
            clock,
            lease: None,
            deployment,
        }
    }

    /// Waits for a turn; then the lease, if there is one, has to be held still (rule 10).
    async fn turn_to_write(&self) -> Result<(), Failure> {
        self.budget.write().await;
        match &self.lease {
            None => Ok(()),
            Some(lease) => lease.check().await.map_err(|it| Failure::of_lease(&it)),
        }
    }

    /// Looks at a flow.
    pub(super) async fn describe(&self, flow: &FlowArn) -> Result<View, Failure> {
        self.budget.read().await;
        let seen_at = self.clock.now();
        let call = self.client.describe_flow().flow_arn(flow.as_str());
        let reply = unlogged(call.send()).await;
        let reply = reply.map_err(|error| Failure::of("DescribeFlow", &error))?;
        // An answer without a flow must not pass for a flow without outputs.
        let flow = reply.flow().ok_or_else(Failure::of_nonsense)?;
        Ok(View::of(flow, &self.deployment, seen_at))
    }

    /// Looks at what comes into a flow; nothing if that cannot be known.
    pub(super) async fn source_format(&self, flow: &FlowArn) -> Option<SourceFormat> {
        self.budget.read().await;
        let call = self.client.describe_flow_source_metadata();
        let reply = call.flow_arn(flow.as_str()).send().await.ok()?;
        Some(SourceFormat::of(reply.transport_media_info()?))
    }

    /// Adds outputs to a flow in one call, all of them or none.
    pub(super) async fn add(
        &self,
        flow: &FlowArn,
        wishes: &[&Wish<'_>],
    ) -> Result<Vec<Seen>, Failure> {
        self.turn_to_write().await?;
        // Events tell whole seconds, and what is heard in the second of a change may be
        // older. Of what is new nothing was ever heard before, so that second counts.
        let now = self.clock.now() - SignedDuration::from_secs(1);
        let outputs = wishes.iter().map(|wish| self.to_add(wish, now)).collect();
        let untyped = wishes.iter().enumerate();
        let untyped = untyped.filter_map(|(place, wish)| {
            let at = format!("/outputs/{place}");
            wish.settings.untyped_at(&at)
        });
        let untyped: Vec<_> = untyped.collect();
        let call = self.client.add_flow_outputs().flow_arn(flow.as_str());
        let call = call.set_outputs(Some(outputs)).customize();
        let call = call.map_request(move |request| rtmp_push::put(request, &untyped));
        let reply = unlogged(call.send()).await;
        let reply = reply.map_err(|error| Failure::of("AddFlowOutputs", &error))?;
        let seen = wishes.iter().filter_map(|wish| {
            let name = self.deployment.name_of(wish.id());
            let mut outputs = reply.outputs().iter();
            let arn = outputs.find(|it| it.name() == Some(&name))?.output_arn()?;
            Some(seen_after(arn.to_owned(), wish, now))
        });
        Ok(seen.collect())
    }

    fn to_add(&self, wish: &Wish<'_>, now: Timestamp) -> AddOutputRequest {
        let Wish { spec, settings } = wish;
        let place = &settings.place;
        AddOutputRequest::builder()
            .name(self.deployment.name_of(&spec.id))
            .description(described(wish, now).to_string())
            .output_status(status(spec.switch))
            .protocol(place.protocol.clone())
            .set_destination(place.host.clone())
            .set_port(place.port)
            .set_stream_id(settings.stream_id_text())
            .set_min_latency(settings.min_latency_ms)
            .set_max_latency(settings.max_latency_ms)
            .set_cidr_allow_list(settings.cidr_allow_list.clone())
            .build()
    }

    /// Tells an output everything again, so that it is right whether MediaConnect
    /// keeps or resets what a request leaves out, which is not documented. Where that
    /// cannot be ([`Seen::has_more_than`]) it is left off and unlike the wish.
    pub(super) async fn update(
        &self,
        flow: &FlowArn,
        seen: &Seen,
        wish: &Wish<'_>,
    ) -> Result<Seen, Failure> {
        self.turn_to_write().await?;
        let now = self.clock.now();
        let Wish { spec, settings } = wish;
        let place = &settings.place;
        let (told, switch) = if seen.has_more_than(settings) {
            // It has to be made anew after this: with the stream id of before it must
            // not send, and nobody may take it for what is wished.
            let unfinished = strange(&[spec.fingerprint.0.as_bytes()]);
            (Description::new(unfinished, place, now), Switch::Off)
        } else {
            (described(wish, now), spec.switch)
        };
        let call = self.client.update_flow_output();
        let call = call.flow_arn(flow.as_str()).output_arn(&seen.arn);
        let call = call
            .description(told.to_string())
            .output_status(status(switch))
            .protocol(place.protocol.clone())
            .set_destination(place.host.clone())
            .set_port(place.port)
            .set_stream_id(settings.stream_id_text())
            .set_min_latency(seen.min_latency_for(settings))
            .set_max_latency(seen.max_latency_for(settings))
            .set_cidr_allow_list(settings.cidr_allow_list.clone());
        let untyped: Vec<_> = settings.untyped_at("").into_iter().collect();
        let call = call.customize();
        let call = call.map_request(move |request| rtmp_push::put(request, &untyped));
        match unlogged(call.send()).await {
            Ok(_) => {
                let after = Seen::after(seen.arn.clone(), wish.id(), settings, switch, told);
                Ok(after.with_extras_of(seen))
            }
            Err(error) => Err(Failure::of("UpdateFlowOutput", &error)),
        }
    }

    /// Switches an output and tells it nothing else. That the rest stays then is
    /// documented ("outputs-remove", which shows the command).
    pub(super) async fn switch(
        &self,
        flow: &FlowArn,
        arn: &str,
        switch: Switch,
    ) -> Result<(), Failure> {
        self.turn_to_write().await?;
        let call = self.client.update_flow_output();
        let call = call.flow_arn(flow.as_str()).output_arn(arn);
        let call = call.output_status(status(switch));
        match unlogged(call.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of("UpdateFlowOutput", &error)),
        }
    }

    pub(super) async fn remove(&self, flow: &FlowArn, arn: &str) -> Result<(), Failure> {
        self.turn_to_write().await?;
        let call = self.client.remove_flow_output();
        let call = call.flow_arn(flow.as_str()).output_arn(arn);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of("RemoveFlowOutput", &error)),
        }
    }
}

fn described(wish: &Wish<'_>, now: Timestamp) -> Description {
    Description::new(wish.spec.fingerprint, &wish.settings.place, now)
}

fn seen_after(arn: String, wish: &Wish<'_>, now: Timestamp) -> Seen {
    let told = described(wish, now);
    Seen::after(arn, wish.id(), &wish.settings, wish.spec.switch, told)
}

const fn status(switch: Switch) -> OutputStatus {
    match switch {
        Switch::On => OutputStatus::Enabled,
        Switch::Off => OutputStatus::Disabled,
    }
}
