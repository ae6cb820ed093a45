use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use async_lock::Mutex;
use jiff::{SignedDuration, Timestamp};

use super::{
    adopt::Adoption,
    board::{Board, Snapshot},
    lease::WriteLease,
    removals::CleanUp,
    spec::Unreadable as UnreadableSecret,
};
use crate::{
    domain::{
        Destination, DestinationId, EventKind, Fault, FaultClass, FaultCode, FaultText, HashKey,
        Label, NewEvent, ObservedOutput, OutputId, OutputSpec, OutputType, Removal, Switch,
        WorkerId,
    },
    plan::{self, DetachReason, LegWish, Plan, Refusal, Step, Wish, WishedOutput},
    port::{
        Clock, ControlStore, DestinationRepo, ErrorKind, EventLog, FailoverRepo, Listing,
        OutputRouter, Parking, Pause, PortError, Repo, RepoExt, SecretStore, Unreadable, Versioned,
        ViewerMonitor,
    },
};

/// The ports that the services share.
#[derive(Clone, Debug)]
pub struct Ports {
    /// What is wanted.
    pub destinations: Arc<dyn DestinationRepo>,
    /// The stream keys.
    pub secrets: Arc<dyn SecretStore>,
    /// What pushes.
    pub router: Arc<dyn OutputRouter>,
    /// What happened.
    pub events: Arc<dyn EventLog>,
    /// Removals, the pause, idempotency keys.
    pub control: Arc<dyn ControlStore>,
    /// Which leg of a destination is used, and why.
    pub failovers: Arc<dyn FailoverRepo>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    /// Records an event. What was done stands even if its record is lost: the
    /// log is for people, and no decision rests on it.
    pub(super) async fn record(
        &self,
        destination: Option<&DestinationId>,
        by: Option<Label>,
        kind: EventKind,
    ) {
        let event = NewEvent {
            at: self.clock.now(),
            destination: destination.cloned(),
            by,
            kind,
        };
        if let Err(error) = self.events.append(&event).await {
            tracing::warn!(%error, "an event was lost");
        }
    }
}

/// How much a pass looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every destination.
    All,
    /// This one, and what has to make room for it.
    One(DestinationId),
}

/// Who asked for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody, or a start of the process: what it changes was to be expected.
    Asked,
    /// The timer: what it changes is drift (rule 15).
    Routine,
}

/// A step that a router did not take.
#[derive(Debug)]
pub struct StepFailure {
    /// What was tried.
    pub output: OutputId,
    /// Why it failed.
    pub error: PortError,
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct PassReport {
    /// The steps that the router took, in order.
    pub done: Vec<Step>,
    /// What it did not take; the next pass tries again.
    pub failed: Vec<StepFailure>,
    /// What is wanted on and cannot be.
    pub refused: BTreeMap<OutputId, Refusal>,
    /// How many outputs have no row and were left alone (rule 9).
    pub held: usize,
    /// Who has the lease, should it be another: the pass did nothing (rule 10).
    pub elsewhere: Option<WorkerId>,
    /// How many steps were left when the time of the pass was over; the next pass
    /// takes them (rule 10).
    pub unfinished: usize,
    /// Whether a pause kept the pass from all but ending what one destination
    /// was told to end (rules 15 and 29).
    pub paused: bool,
}

/// Makes what is be what is wanted, and tells how it fares.
///
/// It takes no input but what is stored and what is observed, so that every
/// caller, a request, an event or a timer, asks for the same thing, and asking
/// twice does no harm.
#[derive(Debug)]
pub struct Reconciler {
    pub(super) ports: Ports,
    ours: OutputType,
    pub(super) hash_key: HashKey,
    // One pass at a time makes router writes (rule 10).
    pub(super) turn: Mutex<()>,
    // One look at a time, so that events come in the order of what was seen.
    looking: Mutex<()>,
    pub(super) lease: Option<Arc<WriteLease>>,
    time_box: Option<SignedDuration>,
    pub(super) board: Board,
    viewers: Option<Arc<dyn ViewerMonitor>>,
}

/// What a pass read.
pub(super) struct View {
    pub(super) rows: Vec<Versioned<Destination>>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) observed: Vec<ObservedOutput>,
    pub(super) removals: Vec<Removal>,
}

impl View {
    /// Who was seen to push to the same place with the same key.
    fn holder_of(&self, spec: &OutputSpec) -> Option<&OutputId> {
        let mut on = self.observed.iter().filter(|it| it.switch == Switch::On);
        let holder = on.find(|it| it.id != spec.id && it.fingerprint == spec.fingerprint);
        holder
            .map(|it| &it.id)
            .filter(|_| spec.switch == Switch::On)
    }
}

/// Leaves of a plan what a pause allows: to end what is not meant to run (rules 15 and 29).
pub(super) fn retain_ends(plan: &mut Plan, rows: &[Versioned<Destination>]) {
    let is_running = |id: &DestinationId| {
        let row = rows.iter().find(|row| row.value.id == *id);
        row.is_some_and(|row| row.value.is_running())
    };
    plan.steps
        .retain(|step| step.ends() && !is_running(&step.output().destination));
}

/// How many steps are prepared before they are taken. Of those that take something
/// away, few: what was read again has to be fresh.
const AT_A_TIME: usize = 10;

/// How many that take nothing away, so that a router can take them in one call.
const ATTACHES_AT_A_TIME: usize = 50;

/// How often a pass starts again because somebody changed a row meanwhile.
const TRIES_MAX: usize = 4;

impl Reconciler {
    /// How old a snapshot may be that answers a poll (rule 20).
    pub const SNAPSHOT_AGE_MAX: SignedDuration = SignedDuration::from_secs(5);

    /// Looks after the destinations that are delivered by `ours`.
    #[must_use]
    pub fn new(ports: Ports, ours: OutputType, hash_key: HashKey) -> Self {
        Self {
            ports,
            ours,
            hash_key,
            turn: Mutex::new(()),
            looking: Mutex::new(()),
            lease: None,
            time_box: None,
            board: Board::default(),
            viewers: None,
        }
    }

    /// Takes the status of the viewers' destinations from what viewers get (rule 4). Without,
    /// nothing is known of it.
    #[must_use]
    pub fn with_viewers(mut self, viewers: Arc<dyn ViewerMonitor>) -> Self {
        self.viewers = Some(viewers);
        self
    }

    /// Makes every pass ask for a lease first, so that of several workers one at a
    /// time makes router writes (rule 10). Without, there may be only one worker.
    #[must_use]
    pub fn under_lease(mut self, lease: Arc<WriteLease>) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Makes every pass begin no further steps after this time; what is left is the
    /// next one's, which finds it by reading again what is and what is wanted.
    #[must_use]
    pub const fn with_time_box(mut self, length: SignedDuration) -> Self {
        self.time_box = Some(length);
        self
    }

    pub(super) const fn ours(&self) -> &OutputType {
        &self.ours
    }

    pub(super) const fn hash_key(&self) -> &HashKey {
        &self.hash_key
    }

    /// Notes that no stored key can be read, and why, so that every destination
    /// that has one says so (rule 24).
    pub fn keys_are_unreadable(&self, text: impl Into<FaultText>) {
        let (code, class) = (FaultCode::Invalid, FaultClass::Actionable);
        let fault = Fault::new(code, class, text, self.ports.clock.now());
        self.board.keys_are_unreadable(fault);
    }

    /// Makes one pass. A failing step stops no other; it is reported, shown,
    /// and tried again by the next pass.
    pub async fn reconcile(&self, scope: Scope, cause: Cause) -> Result<PassReport, PortError> {
        let _turn = self.turn.lock().await;
        let mut report = PassReport {
            paused: self.paused_until().await?.is_some(),
            ..PassReport::default()
        };
        // A person's stop wins over a pause (rule 29), which is for what goes on by itself.
        if !report.paused || matches!(scope, Scope::One(_)) {
            report.elsewhere = self.take_lease().await?;
            if report.elsewhere.is_none() {
                let outcome = self.make_so(&scope, &mut report).await;
                self.give_lease_back().await;
                outcome?;
            }
            if cause == Cause::Routine && !report.done.is_empty() {
                let outputs = report.done.len();
                let kind = EventKind::DriftRepaired { outputs };
                self.ports.record(None, None, kind).await;
            }
        }
        // Whoever waits for the lease does not look at everything each time that it asks.
        if report.elsewhere.is_none() || cause == Cause::Asked {
            self.look().await?;
        }
        Ok(report)
    }

    /// Takes the steps from what is to what is wanted, again if the rows change meanwhile.
    async fn make_so(&self, scope: &Scope, report: &mut PassReport) -> Result<(), PortError> {
        let end = self.time_box.map(|length| self.ports.clock.now() + length);
        for _ in 0..TRIES_MAX {
            let mut view = match self.view().await {
                Ok(view) => view,
                Err(error) => {
                    self.end_unseen(scope).await;
                    return Err(error);
                }
            };
            let adopted = self.adopt_unread(&view.rows, scope, report).await == Adoption::Done;
            let cleaned = self.clean_up(scope, &view, report).await? == CleanUp::Detached;
            if adopted || cleaned {
                view = self.view().await?;
            }
            let mut plan = self.plan(&view);
            if let Scope::One(id) = scope {
                plan = plan.only(id);
            }
            if report.paused {
                retain_ends(&mut plan, &view.rows);
            }
            report.refused.clone_from(&plan.refused);
            match self.take(&plan, &view, end, report).await? {
                Rows::AsRead => break,
                Rows::Changed if 0 < report.unfinished => break,
                Rows::Changed => (),
            }
        }
        Ok(())
    }

    /// Ends what one destination was told to end, although not everything can be
    /// observed: a stop depends on nothing else (rule 29). What cannot be seen of it is
    /// for a later pass.
    async fn end_unseen(&self, scope: &Scope) {
        let Scope::One(id) = scope else { return };
        if let Err(error) = self.try_to_end(id).await {
            tracing::warn!(destination = %id, %error, "it is ended by a later pass");
        }
    }

    async fn try_to_end(&self, id: &DestinationId) -> Result<(), PortError> {
        let Some(row) = self.ports.destinations.get(id).await? else {
            return Ok(());
        };
        let row = row.value;
        if !self.is_ours(&row) || row.is_running() {
            return Ok(());
        }
        let router = &self.ports.router;
        let wish = plan::wish(&row, &self.ours, &self.hash_key);
        let keeps = router.capabilities().parking == Parking::Keeps;
        let mut outcome = Ok(());
        for output in [row.active_leg, row.active_leg.other()].map(|leg| row.output(leg)) {
            let kept = keeps && wish.outputs().any(|it| it.id == output);
            let off = match self.spec(&row, &output, Switch::Off).await {
                Ok(spec) if kept => Some(spec),
                _ => None,
            };
            self.check_lease().await?;
            let results = match off {
                Some(spec) => router.apply(&[spec]).await,
                None => router.detach(&[output]).await,
            };
            outcome = outcome.and(results.into_iter().collect());
        }
        outcome
    }

    /// Reads what is stored and what is observed, changes nothing, and tells
    /// what changed since the last look by events.
    pub async fn look(&self) -> Result<Arc<Snapshot>, PortError> {
        let _looking = self.looking.lock().await;
        let view = self.view().await?;
        let plan = self.plan(&view);
        let now = self.ports.clock.now();
        let viewers = self.viewers.as_ref().map(|it| it.viewer_feed());
        let viewers = viewers.as_ref();
        let (snapshot, events) = self.board.show(now, &view, &plan, &self.ours, viewers);
        for event in events {
            let id = event.destination.as_ref();
            self.ports.record(id, None, event.kind).await;
        }
        Ok(snapshot)
    }

    /// Returns what was seen last, or looks again if that is over 5 s old.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, PortError> {
        let now = self.ports.clock.now();
        let fresh =
            |shown: &Arc<Snapshot>| now.duration_since(shown.at).abs() <= Self::SNAPSHOT_AGE_MAX;
        match self.board.shown().filter(fresh) {
            Some(shown) => Ok(shown),
            None => self.look().await,
        }
    }

    /// Keeps every pass from changing an output until then (rule 15). A stop
    /// takes effect after that, too.
    pub async fn pause(&self, until: Timestamp) -> Result<(), PortError> {
        self.ports.control.set_pause(Some(Pause { until })).await?;
        let kind = EventKind::ReconcilePaused { until };
        self.ports.record(None, None, kind).await;
        Ok(())
    }

    /// Ends the pause, and makes a pass at once.
    pub async fn resume(&self) -> Result<PassReport, PortError> {
        if self.paused_until().await?.is_some() {
            self.ports.control.set_pause(None).await?;
            let kind = EventKind::ReconcileResumed;
            self.ports.record(None, None, kind).await;
        }
        self.reconcile(Scope::All, Cause::Asked).await
    }

    /// When the pause ends, if there is one.
    pub async fn paused_until(&self) -> Result<Option<Timestamp>, PortError> {
        let pause = self.ports.control.pause().await?;
        let until = pause.map(|pause| pause.until);
        Ok(until.filter(|until| self.ports.clock.now() < *until))
    }

    pub(super) async fn view(&self) -> Result<View, PortError> {
        // In this order: an output whose row came meanwhile is known then, and a
        // row that went meanwhile has left its removal.
        let observed = self.ports.router.observe().await?;
        let Listing { items, unreadable } = self.ports.destinations.survey().await?;
        let removals = self.ports.control.removals().await?;
        Ok(View {
            rows: items,
            unreadable,
            observed,
            removals,
        })
    }

    /// Plans for all rows. Outputs without a row are not the planner's business.
    pub(super) fn plan(&self, view: &View) -> Plan {
        self.plan_of(&view.rows, &view.observed)
    }

    /// Plans for rows as they are, or as they might be.
    pub(super) fn plan_of(
        &self,
        rows: &[Versioned<Destination>],
        observed: &[ObservedOutput],
    ) -> Plan {
        let mut wanted: Vec<WishedOutput> = Vec::new();
        let mut foreign: BTreeSet<DestinationId> = BTreeSet::new();
        let mut impossible = BTreeMap::new();
        for row in rows {
            match plan::wish(&row.value, &self.ours, &self.hash_key) {
                // Ours may have been left on a row that another client took over; who is
                // not enabled has none (rule 1).
                Wish::Foreign if !row.value.enabled => (),
                Wish::Foreign => {
                    foreign.insert(row.value.id.clone());
                }
                Wish::Ours(legs) => {
                    for leg in legs {
                        match leg {
                            LegWish::Output(output) => wanted.push(output),
                            LegWish::Impossible(id, refusal) => {
                                impossible.insert(id, refusal);
                            }
                        }
                    }
                }
            }
        }
        let known: BTreeSet<&DestinationId> = rows.iter().map(|it| &it.value.id).collect();
        let others = observed.iter().map(|it| &it.id.destination);
        foreign.extend(others.filter(|id| !known.contains(id)).cloned());
        let capabilities = self.ports.router.capabilities();
        let mut plan = plan::plan(&wanted, observed, &foreign, &capabilities);
        plan.refused.extend(impossible);
        plan
    }

    /// Takes the steps, few at a time so that what was read again is fresh and the
    /// lease is sure, and says whether the rows were still as they were read.
    async fn take(
        &self,
        plan: &Plan,
        view: &View,
        end: Option<Timestamp>,
        report: &mut PassReport,
    ) -> Result<Rows, PortError> {
        let read: BTreeMap<&DestinationId, &Versioned<Destination>> =
            view.rows.iter().map(|it| (&it.value.id, it)).collect();
        let mut rows = Rows::AsRead;
        let attaches = |step: &Step| matches!(step, Step::Attach(_));
        // First what ends, last what begins: where those that attach start.
        let begin = plan.steps.partition_point(|step| !attaches(step));
        let (others, attaches) = plan.steps.split_at(begin);
        let mut left = plan.steps.len();
        let others = others.chunks(AT_A_TIME);
        for steps in others.chain(attaches.chunks(ATTACHES_AT_A_TIME)) {
            // The first ones are always taken, or a slow store would mean that none ever is.
            let is_first = left == plan.steps.len();
            if !is_first && end.is_some_and(|end| end <= self.ports.clock.now()) {
                report.unfinished = left;
                break;
            }
            left -= steps.len();
            if self.take_some(steps, view, &read, report).await? == Rows::Changed {
                rows = Rows::Changed;
            }
        }
        Ok(rows)
    }

    async fn take_some(
        &self,
        steps: &[Step],
        view: &View,
        read: &BTreeMap<&DestinationId, &Versioned<Destination>>,
        report: &mut PassReport,
    ) -> Result<Rows, PortError> {
        let mut rows = Rows::AsRead;
        let mut detach: Vec<Step> = Vec::new();
        let mut apply: Vec<(Step, OutputSpec)> = Vec::new();
        for step in steps {
            let Some(row) = read.get(&step.output().destination) else {
                continue;
            };
            self.check_lease().await?;
            if step.takes_away() {
                match self.is_current(row).await {
                    Ok(true) => (),
                    Ok(false) => {
                        rows = Rows::Changed;
                        continue;
                    }
                    Err(error) => {
                        let output = step.output().clone();
                        report.failed.push(StepFailure { output, error });
                        continue;
                    }
                }
            }
            let switch = match step {
                Step::Detach(..) => {
                    detach.push(step.clone());
                    continue;
                }
                Step::SwitchOff(_) => Switch::Off,
                Step::Update(_, switch) => *switch,
                Step::SwitchOn(_) | Step::Attach(_) => Switch::On,
            };
            match self.spec(&row.value, step.output(), switch).await {
                Ok(spec) => apply.push((step.clone(), spec)),
                Err(UnreadableSecret::Changed(name))
                    if self.adopt_or_report(row, &name, report).await == Adoption::Done =>
                {
                    rows = Rows::Changed;
                }
                // A stop must not depend on a key that is lost.
                Err(_) if switch == Switch::Off => {
                    let id = step.output().clone();
                    detach.push(Step::Detach(id, DetachReason::Unwanted));
                }
                Err(unreadable) => {
                    let fault = unreadable.as_fault(self.ports.clock.now());
                    self.board.step_failed(step.output(), fault);
                }
            }
        }

        let ids: Vec<OutputId> = detach.iter().map(|step| step.output().clone()).collect();
        if !ids.is_empty() {
            self.check_lease().await?;
            let results = self.ports.router.detach(&ids).await;
            self.note(detach, results, report);
        }
        // What another output pushes to still, with the same key, is for who lets go first.
        let (heirs, first): (Vec<_>, Vec<_>) = apply
            .into_iter()
            .partition(|(_, spec)| view.holder_of(spec).is_some());
        self.apply(first, report).await?;
        let waiting: Vec<OutputId> = heirs.iter().map(|(_, spec)| spec.id.clone()).collect();
        let (free, blocked): (Vec<_>, Vec<_>) = heirs.into_iter().partition(|(_, spec)| {
            view.holder_of(spec).is_none_or(|holder| {
                // Of those that exchange their keys, somebody has to begin.
                waiting.contains(holder) || report.done.iter().any(|it| it.output() == holder)
            })
        });
        self.apply(free, report).await?;
        for (step, spec) in blocked {
            let error = PortError::new(ErrorKind::Unavailable, "apply output", &spec.id);
            let reason = "another output still pushes to the same place with the same key";
            let error = error.with_fault(FaultCode::NameInUse).with_reason(reason);
            self.note(vec![step], vec![Err(error)], report);
        }
        Ok(rows)
    }

    async fn apply(
        &self,
        wanted: Vec<(Step, OutputSpec)>,
        report: &mut PassReport,
    ) -> Result<(), PortError> {
        let (steps, specs): (Vec<Step>, Vec<OutputSpec>) = wanted.into_iter().unzip();
        if !specs.is_empty() {
            self.check_lease().await?;
            let results = self.ports.router.apply(&specs).await;
            self.note(steps, results, report);
        }
        Ok(())
    }

    /// The outputs that a destination wants, on or off.
    pub(super) fn outputs_of(&self, row: &Destination) -> Vec<OutputId> {
        let wish = plan::wish(row, &self.ours, &self.hash_key);
        wish.outputs().map(|it| it.id.clone()).collect()
    }

    /// Makes outputs of one destination try again at once, under the lease.
    pub(super) async fn retry(
        &self,
        id: &DestinationId,
        outputs: &[OutputId],
    ) -> Result<(), PortError> {
        let _turn = self.turn.lock().await;
        self.be_the_one("retry outputs of", id).await?;
        let results = self.ports.router.retry(outputs).await;
        self.give_lease_back().await;
        results.into_iter().collect()
    }

    /// Ends what is pushed for a destination whose row says another way by now.
    pub(super) async fn end_output_of(&self, id: &DestinationId) -> Result<Ended, PortError> {
        let _turn = self.turn.lock().await;
        let observed = self.ports.router.observe().await?.into_iter();
        let ids: Vec<OutputId> = observed
            .map(|it| it.id)
            .filter(|it| it.destination == *id)
            .collect();
        if ids.is_empty() {
            return Ok(Ended::Nothing);
        }
        self.be_the_one("end output of", id).await?;
        let results = self.ports.router.detach(&ids).await;
        self.give_lease_back().await;
        results.into_iter().collect::<Result<(), _>>()?;
        Ok(Ended::Something)
    }

    /// Takes the lease, or says that another worker has it.
    async fn be_the_one(
        &self,
        operation: &'static str,
        subject: impl fmt::Display + Send,
    ) -> Result<(), PortError> {
        match self.take_lease().await? {
            None => Ok(()),
            Some(_) => Err(PortError::new(ErrorKind::Unavailable, operation, subject)),
        }
    }

    fn note(&self, steps: Vec<Step>, results: Vec<Result<(), PortError>>, report: &mut PassReport) {
        for (step, result) in steps.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    self.board.step_succeeded(step.output());
                    report.done.push(step);
                }
                Err(error) => {
                    let output = step.output().clone();
                    let fault = as_fault(&error, self.ports.clock.now());
                    self.board.step_failed(&output, fault);
                    report.failed.push(StepFailure { output, error });
                }
            }
        }
    }

    /// Reads the row again, strongly, before something is taken away (rule 8).
    /// Another client's write changes no generation, so what is wished is compared.
    async fn is_current(&self, row: &Versioned<Destination>) -> Result<bool, PortError> {
        let wish = |row: &Destination| {
            let wish = plan::wish(row, &self.ours, &self.hash_key);
            (wish, row.enabled)
        };
        match self.ports.destinations.get(&row.value.id).await {
            Ok(now) => Ok(now.is_some_and(|now| wish(&now.value) == wish(&row.value))),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether there was something to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Something,
    Nothing,
}

/// Whether the rows were still as a pass had read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    AsRead,
    Changed,
}

fn as_fault(error: &PortError, at: Timestamp) -> Fault {
    let (code, class) = match error.kind() {
        ErrorKind::Unavailable => (FaultCode::Provider, FaultClass::Transient),
        ErrorKind::Conflict => (FaultCode::Internal, FaultClass::Transient),
        ErrorKind::Exhausted => (FaultCode::Quota, FaultClass::Actionable),
        ErrorKind::Invalid | ErrorKind::Unsupported => (FaultCode::Invalid, FaultClass::Actionable),
        ErrorKind::Denied => (FaultCode::Provider, FaultClass::Actionable),
        _ => (FaultCode::Internal, FaultClass::Actionable),
    };
    let code = error.fault().unwrap_or(code);
    let text = error
        .reason()
        .map_or_else(|| error.to_string(), str::to_owned);
    Fault::new(code, class, text, at)
}
