use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::{
    ExposeSecret,
    domain::{ObservedOutput, OutputHealth, OutputId, OutputSpec, OutputState, PushTarget, Switch},
    port::{Clock, ErrorKind, OutputRouter, Parking, PortError, RouterCapabilities},
};

use crate::clock::ManualClock;

/// An [`OutputRouter`] in memory, which pushes nothing anywhere.
///
/// An output that is switched on is observed as `Connecting` once, and as `Live`
/// from then on, unless a test [sets](Self::set_health) how it fares.
#[derive(Clone, Debug)]
pub struct MemoryOutputRouter {
    capabilities: RouterCapabilities,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    outputs: BTreeMap<OutputId, Output>,
    interruptions: BTreeMap<OutputId, u32>,
}

#[derive(Debug)]
struct Output {
    spec: OutputSpec,
    health: OutputHealth,
    // A test said how it fares, so that observing does not move it on.
    is_held: bool,
}

impl Default for MemoryOutputRouter {
    fn default() -> Self {
        Self::new(RouterCapabilities::rtmp(50))
    }
}

impl MemoryOutputRouter {
    /// A router that can do no more than this.
    #[must_use]
    pub fn new(capabilities: RouterCapabilities) -> Self {
        Self {
            capabilities,
            clock: Arc::new(ManualClock::default()),
            state: Arc::default(),
        }
    }

    /// The same router, which takes the times in the health of its outputs from this clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        let clock = Arc::new(clock);
        Self { clock, ..self }
    }

    /// What each output was told last, without observing it.
    #[must_use]
    pub fn specs(&self) -> Vec<OutputSpec> {
        let spec = |output: &Output| output.spec.clone();
        self.with(|state| state.outputs.values().map(spec).collect())
    }

    /// How often the output was taken off air: switched off, changed or detached while on.
    #[must_use]
    pub fn interruptions(&self, id: &OutputId) -> u32 {
        self.with(|state| state.interruptions.get(id).copied().unwrap_or(0))
    }

    /// Makes the output fare like this until it is changed, switched or retried.
    ///
    /// # Panics
    ///
    /// If the output is not there.
    pub fn set_health(&self, id: &OutputId, health: OutputHealth) {
        self.with(|state| {
            let output = state.outputs.get_mut(id);
            let output = output.unwrap_or_else(|| panic!("{id} is not there"));
            output.health = health;
            output.is_held = true;
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn apply_one(&self, state: &mut State, spec: &OutputSpec) -> Result<(), PortError> {
        let refuse = |kind| Err(PortError::new(kind, "apply output", &spec.id));
        let can = &self.capabilities;
        if !can.schemes.contains(&spec.target.url.scheme()) {
            return refuse(ErrorKind::Unsupported);
        }
        if spec.switch == Switch::Off && can.parking == Parking::Detaches {
            return refuse(ErrorKind::Unsupported);
        }
        let Some(output) = state.outputs.get_mut(&spec.id) else {
            if can.outputs_max <= state.outputs.len() {
                return refuse(ErrorKind::Exhausted);
            }
            let output = Output::new(spec, self.clock.now());
            state.outputs.insert(spec.id.clone(), output);
            return Ok(());
        };

        let is_same = output.spec.fingerprint == spec.fingerprint;
        if is_same && !is_same_target(&output.spec.target, &spec.target) {
            // The real ones would not notice the change.
            return refuse(ErrorKind::Invalid);
        }
        if is_same && output.spec.switch == spec.switch {
            return Ok(());
        }
        if output.spec.switch == Switch::On {
            *state.interruptions.entry(spec.id.clone()).or_default() += 1;
        }
        let last_fault = output.health.last_fault.take();
        *output = Output::new(spec, self.clock.now());
        output.health.last_fault = last_fault;
        Ok(())
    }
}

impl Output {
    fn new(spec: &OutputSpec, now: Timestamp) -> Self {
        let state = match spec.switch {
            Switch::On => OutputState::Connecting,
            Switch::Off => OutputState::Off,
        };
        Self {
            spec: spec.clone(),
            health: OutputHealth::new(state, now),
            is_held: false,
        }
    }

    fn observe(&mut self, now: Timestamp) -> ObservedOutput {
        let observed = ObservedOutput {
            id: self.spec.id.clone(),
            fingerprint: self.spec.fingerprint,
            switch: self.spec.switch,
            health: self.health.clone(),
        };
        if !self.is_held && self.spec.switch == Switch::On {
            self.move_on(now);
        }
        observed
    }

    fn move_on(&mut self, now: Timestamp) {
        let health = &mut self.health;
        if health.state != OutputState::Live {
            health.state = OutputState::Live;
            health.since = now;
            health.fault = None;
            health.progress.publishing_since = Some(now);
        }
        health.progress.bytes_sent += 1_000;
        health.progress.frames_sent += 1;
        health.progress.last_progress = Some(now);
    }

    fn retry(&mut self, now: Timestamp) {
        if matches!(
            self.health.state,
            OutputState::Reconnecting | OutputState::Failed
        ) {
            self.health.state = OutputState::Connecting;
            self.health.since = now;
            self.is_held = false;
        }
    }
}

fn is_same_target(one: &PushTarget, other: &PushTarget) -> bool {
    let name = |target: &PushTarget| target.stream_name().map(|it| it.expose_secret().to_owned());
    one.tc_url().expose_secret() == other.tc_url().expose_secret() && name(one) == name(other)
}

#[async_trait]
impl OutputRouter for MemoryOutputRouter {
    fn capabilities(&self) -> RouterCapabilities {
        self.capabilities.clone()
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        let now = self.clock.now();
        let observe = |output: &mut Output| output.observe(now);
        Ok(self.with(|state| state.outputs.values_mut().map(observe).collect()))
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        self.with(|state| {
            let apply = |spec| self.apply_one(state, spec);
            specs.iter().map(apply).collect()
        })
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        self.with(|state| {
            for id in ids {
                let removed = state.outputs.remove(id);
                if removed.is_some_and(|output| output.spec.switch == Switch::On) {
                    *state.interruptions.entry(id.clone()).or_default() += 1;
                }
            }
        });
        ids.iter().map(|_| Ok(())).collect()
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let now = self.clock.now();
        self.with(|state| {
            for id in ids {
                if let Some(output) = state.outputs.get_mut(id) {
                    output.retry(now);
                }
            }
        });
        ids.iter().map(|_| Ok(())).collect()
    }
}
