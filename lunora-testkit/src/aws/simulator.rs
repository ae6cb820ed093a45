use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use lunora_core::port::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    answer::{Answer, Outcome, Response},
    budget::Budgets,
    fault::{Fault, Faults, Matcher},
    mediaconnect::{FlowStatus, HealthBy, HealthState, MediaConnect, Moment, Owner, Signal},
    medialive::MediaLive,
    model,
    modes::{Modes, Timing},
    seen::{Double, SeenCall, SeenOutput},
    wire::{Call, Event, Refusal, Reply, Request, Service},
};

/// Where everything is.
pub const REGION: &str = "us-west-2";
/// Whose everything is.
pub const ACCOUNT: &str = "123456789012";

/// MediaConnect and MediaLive of one account in one region. A clone is the same one.
///
/// It does nothing by itself: whatever is due by the time of its clock happens at
/// the next call of any of its methods, with the time at which it was due.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    // Counts the changes, for whoever follows them.
    revision: watch::Sender<u64>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}

struct State {
    modes: Modes,
    timing: Timing,
    mediaconnect: MediaConnect,
    medialive: MediaLive,
    budgets: Budgets,
    faults: Faults,
    calls: Vec<SeenCall>,
    events: Vec<Event>,
    violations: Vec<String>,
    answered: u64,
}

impl Simulator {
    /// An empty account.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, modes: Modes) -> Self {
        Self::with_timing(clock, modes, Timing::default())
    }

    /// An empty account where things take so long.
    #[must_use]
    pub fn with_timing(clock: Arc<dyn Clock>, modes: Modes, timing: Timing) -> Self {
        let state = Mutex::new(State::new(modes, timing, clock.now()));
        let (revision, _) = watch::channel(0);
        Self(Arc::new(Shared {
            clock,
            state,
            revision,
        }))
    }

    /// Answers a request as the service would.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Answer {
        self.change(|state, now| state.answer(request, now))
    }

    /// Begins again with an empty account.
    pub fn reset(&self) {
        self.change(|state, now| *state = State::new(state.modes, state.timing, now));
    }

    /// Makes a call go wrong, once.
    pub fn fault(&self, matcher: Matcher, fault: Fault) {
        self.with(|state, _| state.faults.plan(matcher, fault));
    }

    /// Lets so many more calls through; every later one is lost before it arrives, as if
    /// the caller had died.
    pub fn crash_after(&self, calls: usize) {
        self.with(|state, _| state.faults.crash_after(calls));
    }

    /// Lets every later call through.
    pub fn clear_faults(&self) {
        self.with(|state, _| state.faults.clear());
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<SeenCall> {
        self.with(|state, _| state.calls.clone())
    }

    /// Starts a new log of calls.
    pub fn forget_calls(&self) {
        self.with(|state, _| state.calls.clear());
    }

    /// The events since the last call of this, oldest first.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        self.with(|state, now| {
            state.settle(now);
            std::mem::take(&mut state.events)
        })
    }

    /// What was not as AWS's model says, in requests and in our own replies.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.with(|state, _| state.violations.clone())
    }

    /// The outputs of all flows.
    #[must_use]
    pub fn outputs(&self) -> Vec<SeenOutput> {
        self.with(|state, now| {
            state.settle(now);
            let flows = state.mediaconnect.flows().iter();
            let all = flows.flat_map(|flow| {
                let outputs = flow.outputs.iter();
                outputs.map(|output| SeenOutput::new(flow, output))
            });
            all.collect()
        })
    }

    /// How often an output with this name, on while its flow ran, was disabled, changed or
    /// removed. A change of nothing but its description is none, and neither is what
    /// happens to its whole flow.
    #[must_use]
    pub fn interruptions(&self, flow: &str, output: &str) -> u32 {
        self.with(|state, _| state.mediaconnect.watch.interruptions(flow, output))
    }

    /// The outputs that ever sent to one host, port and application with one key at once.
    #[must_use]
    pub fn doubles(&self) -> Vec<Double> {
        self.with(|state, _| state.mediaconnect.watch.doubles())
    }

    /// The status of a flow; `None` once it is gone.
    #[must_use]
    pub fn flow_status(&self, flow: &str) -> Option<FlowStatus> {
        self.with(|state, now| {
            state.settle(now);
            state.mediaconnect.flow_mut(flow).map(|flow| flow.status)
        })
    }

    /// Counts up with every change, for whoever follows.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// Makes a flow that runs, with one source by SRT, `main`, into which H.264 and AAC
    /// come; without a call. Returns its ARN.
    ///
    /// # Panics
    ///
    /// If there are 20 flows.
    #[must_use]
    pub fn running_flow(&self, name: &str) -> String {
        let source = json!({ "name": "main", "protocol": "srt-listener", "ingestPort": 5000 });
        let input = json!({ "name": name, "source": source });
        let flow = self.change(|state, now| {
            let reply = state.act("CreateFlow", input, now).unwrap();
            let flow = reply.body["flow"]["flowArn"].as_str().unwrap().to_owned();
            state.enter(&flow, FlowStatus::Active, now);
            flow
        });
        self.set_source(&flow, "main", Some(Signal::default()));
        flow
    }

    /// Breaks a flow, which says why.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub fn break_flow(&self, flow: &str, error: &str) {
        self.change(|state, now| {
            state.enter(flow, FlowStatus::Error, now);
            let flow = state.mediaconnect.flow_mut(flow).unwrap();
            flow.errors.push(error.to_owned());
        });
    }

    /// Says what comes into a source, whoever sends to it.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub fn set_source(&self, flow: &str, source: &str, signal: Option<Signal>) {
        let done = self.try_set_source(flow, source, signal);
        done.expect("the source is there");
    }

    pub(super) fn try_set_source(
        &self,
        flow: &str,
        source: &str,
        signal: Option<Signal>,
    ) -> Option<()> {
        self.change(|state, _| {
            let flow = state.mediaconnect.flow_mut(flow)?;
            let mut sources = flow.sources.iter_mut();
            let source = sources.find(|it| it.name == source)?;
            source.by_hand = Some(signal);
            Some(())
        })
    }

    /// Says how an output fares until it is changed, or off.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub fn set_output_health(&self, flow: &str, output: &str, health: HealthState) {
        let done = self.try_set_output_health(flow, output, health);
        done.expect("the output is there");
    }

    pub(super) fn try_set_output_health(
        &self,
        flow: &str,
        output: &str,
        health: HealthState,
    ) -> Option<()> {
        self.change(|state, _| {
            let flow = state.mediaconnect.flow_mut(flow)?;
            let mut outputs = flow.outputs.iter_mut();
            let output = outputs.find(|it| it.name == output)?;
            output.health.hold(health);
            Some(())
        })
    }

    /// Puts an output on a flow that MediaLive or a subscriber has there, and that the
    /// account cannot remove.
    ///
    /// # Panics
    ///
    /// If the flow is not there.
    pub fn add_managed_output(&self, flow: &str, name: &str, owner: Owner) {
        self.change(|state, _| {
            state.mediaconnect.add_managed_output(flow, name, owner);
        });
    }

    /// From now on nothing is assumed about the health of outputs: somebody reports it.
    pub(super) fn expect_reports(&self) {
        self.change(|state, _| state.mediaconnect.health_by = HealthBy::Report);
    }

    /// Like [`set_output_health`](Self::set_output_health), unless the output is gone or
    /// has begun again.
    pub(super) fn report(&self, output: &str, generation: u64, health: HealthState) {
        self.with(|state, now| {
            state.mediaconnect.report(output, generation, health);
            state.settle(now);
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut state, self.0.clock.now())
    }

    /// Does something that may change anything.
    fn change<R>(&self, work: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let result = self.with(|state, now| {
            state.settle(now);
            let result = work(state, now);
            state.settle(now);
            result
        });
        self.0.revision.send_modify(|revision| *revision += 1);
        result
    }
}

impl State {
    fn new(modes: Modes, timing: Timing, now: Timestamp) -> Self {
        Self {
            modes,
            timing,
            mediaconnect: MediaConnect::new(modes, timing),
            medialive: MediaLive::new(timing.medialive),
            budgets: Budgets::new(now),
            faults: Faults::default(),
            calls: Vec::new(),
            events: Vec::new(),
            violations: Vec::new(),
            answered: 0,
        }
    }

    fn settle(&mut self, now: Timestamp) {
        let events = &mut self.events;
        self.medialive.settle(now, events);
        let feeds = self.medialive.feeds();
        self.mediaconnect
            .settle(&feeds, &mut Moment { now, events });
    }

    fn answer(&mut self, request: &Request, now: Timestamp) -> Answer {
        let parsed = model::parse(request);
        let service = match &parsed {
            Ok(call) => call.service,
            Err(_) if request.path.starts_with("/prod/") => Service::MediaLive,
            Err(_) => Service::MediaConnect,
        };
        let mut seen = SeenCall::new(parsed.as_ref().ok(), service, &request.method, now);
        let fault = self.faults.draw(seen.operation);
        let result = match fault {
            Some(Fault::RequestLost) => None,
            Some(Fault::Status(status)) => Some(Err(planned(status))),
            _ if !self.budgets.take(service, seen.operation, now) => Some(Err(planned(429))),
            _ => Some(match parsed {
                Ok(call) => self.answer_call(&call, now),
                Err(violation) => {
                    self.violations.push(violation.to_string());
                    Err(violation.refusal())
                }
            }),
        };
        let result = result.filter(|_| fault != Some(Fault::ReplyLost));
        self.answered += 1;
        let outcome = match &result {
            Some(result) => Outcome::Response(Response::new(result, self.answered)),
            None => Outcome::Lost,
        };
        if let Outcome::Response(response) = &outcome {
            seen.status = Some(response.status);
        }
        self.calls.push(seen);
        let after = match fault {
            Some(Fault::Slow(after)) => after,
            _ => Duration::ZERO,
        };
        Answer { after, outcome }
    }

    /// Answers a call, and checks our own answer.
    fn answer_call(&mut self, call: &Call, now: Timestamp) -> Result<Reply, Refusal> {
        let events = &mut self.events;
        let result = match call.service {
            Service::MediaConnect => self.mediaconnect.answer(call, &mut Moment { now, events }),
            Service::MediaLive => self.medialive.answer(call, now, events),
        };
        let checked = match &result {
            Ok(reply) => model::check_reply(call, reply),
            Err(refusal) => model::check_refusal(call, refusal),
        };
        if let Err(violation) = checked {
            self.violations.push(format!("our own: {violation}"));
        }
        if let (Service::MediaLive, Ok(reply)) = (call.service, &result) {
            self.manage_outputs(call, reply);
        }
        result
    }

    /// "MediaLive automatically creates an output on each flow when you create an input."
    fn manage_outputs(&mut self, call: &Call, reply: &Reply) {
        let input = &reply.body["input"];
        let id = match call.operation {
            "CreateInput" | "UpdateInput" => &input["id"],
            "DeleteInput" => &call.input["inputId"],
            _ => return,
        };
        let Some(id) = id.as_str() else {
            return;
        };
        let flows = input["mediaConnectFlows"].as_array();
        let flows = flows.into_iter().flatten();
        let flows: Vec<_> = flows.filter_map(|it| it["flowArn"].as_str()).collect();
        let arn = format!("arn:aws:medialive:{REGION}:{ACCOUNT}:input:{id}");
        self.mediaconnect.manage_outputs(&arn, &flows);
    }

    /// Does what a call would, outside of every budget and log.
    fn act(
        &mut self,
        operation: &'static str,
        input: Value,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        let Value::Object(input) = input else {
            unreachable!("an input is an object");
        };
        let service = Service::MediaConnect;
        let call = Call {
            service,
            operation,
            input,
        };
        self.answer_call(&call, now)
    }

    fn enter(&mut self, flow: &str, status: FlowStatus, now: Timestamp) {
        let events = &mut self.events;
        let flow = self.mediaconnect.flow_mut(flow).unwrap();
        flow.enter(status, None, &mut Moment { now, events });
    }
}

/// What a service answers that has no time for a call.
fn planned(status: u16) -> Refusal {
    let code = match status {
        400 => "BadRequestException",
        404 => "NotFoundException",
        420 => "AddFlowOutputs420Exception",
        429 => "TooManyRequestsException",
        503 => "ServiceUnavailableException",
        _ => "InternalServerErrorException",
    };
    Refusal {
        status,
        code,
        message: "not now".to_owned(),
    }
}
