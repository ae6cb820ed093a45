//! Pushes by outputs of MediaConnect flows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_mediaconnect::Client;
use jiff::{SignedDuration, Timestamp};
use lunora_core::{
    domain::{ObservedOutput, OutputId, OutputSpec, Switch},
    port::{Clock, ErrorKind, OutputRouter, Parking, PortError, RouterCapabilities},
    service::WriteLease,
};

use super::{
    calls::{Calls, Wish},
    deployment::Deployment,
    description::strange,
    error::{Failure, Refusal},
    evidence::{Evidence, EvidenceStore, STATUS, Signal, Subject},
    health::Known,
    pool::FlowPool,
    round::{APPLY, Fate, Newcomer, RETRY, Round},
    target::{SCHEMES, Settings, TargetProblem},
    view::{FlowStatus, Seen, View},
};
use crate::{Budget, FlowArn};

/// An [`OutputRouter`] over the outputs of one or more flows of MediaConnect.
///
/// Each output of ours is called `lunora-<deployment>-<destination>-<leg>` (rule 11);
/// what is called otherwise is never touched or shown. What it was told last stands
/// in its description: a fingerprint, a digest of its visible place, and when. So
/// one `DescribeFlow` a flow tells everything, also that somebody moved an output
/// by hand, and no key is read back. A change of the application or the key by
/// hand cannot be seen.
///
/// An output stays on the flow that it is on. A new one goes to the first flow of
/// the pool that takes it, so that the last ones need not run.
///
/// MediaConnect tells by events alone whether an output sends; they are in the
/// [`EvidenceStore`].
///
/// A retry switches an output off and on that was heard to be disconnected. What
/// else MediaConnect does about such an output is its own affair, and not documented.
pub struct FlowRouter {
    calls: Calls,
    pool: FlowPool,
    evidence: Arc<dyn EvidenceStore>,
    // Writes to one flow are serial (rule 10), and so are those to all.
    turn: tokio::sync::Mutex<()>,
    desk: Mutex<Desk>,
    format: Mutex<Option<KnownFormat>>,
}

/// What is kept from one call on the port to the next.
#[derive(Debug, Default)]
struct Desk {
    /// Flow by flow, in the order of the pool.
    views: Vec<Option<View>>,
    /// For outputs of ours, over the pool, when it was seen last.
    room: Option<usize>,
    /// The flows that this process saw once.
    known: BTreeSet<usize>,
    is_writing: bool,
    /// Counts rounds of writes, so that nobody keeps what was seen before one ended.
    rounds: u64,
}

/// What comes in, as far as RTMP is concerned.
struct KnownFormat {
    seen_at: Timestamp,
    unfit: Option<String>,
}

/// How old a view may be that writes go by.
const VIEW_AGE_MAX: SignedDuration = SignedDuration::from_secs(5);
/// How long it is believed what comes in.
const FORMAT_AGE_MAX: SignedDuration = SignedDuration::from_secs(10);

const OBSERVE: &str = "observe";

impl FlowRouter {
    /// Pushes by the flows of that pool. Flows and their sources are not its
    /// business; it only looks whether they run.
    #[must_use]
    pub fn new(
        client: Client,
        pool: FlowPool,
        deployment: Deployment,
        budget: Arc<Budget>,
        clock: Arc<dyn Clock>,
        evidence: Arc<dyn EvidenceStore>,
    ) -> Self {
        Self {
            calls: Calls::new(&client, deployment, budget, clock),
            pool,
            evidence,
            turn: tokio::sync::Mutex::default(),
            desk: Mutex::default(),
            format: Mutex::default(),
        }
    }

    /// Checks this lease before every call that changes something, so that a pass that
    /// lost it stops there (rule 10). It is the one that the
    /// [`Reconciler`](lunora_core::service::Reconciler) works under.
    #[must_use]
    pub fn under_lease(mut self, lease: Arc<WriteLease>) -> Self {
        self.calls.lease = Some(lease);
        self
    }

    pub(super) fn flows(&self) -> impl Iterator<Item = &FlowArn> {
        self.pool.flows()
    }

    pub(super) const fn outputs_per_flow(&self) -> usize {
        self.pool.outputs_per_flow()
    }

    pub(super) const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Looks at a flow. A child that is not there fails: it may be there a moment later,
    /// and what it has would then be a second time elsewhere.
    pub(super) async fn describe(&self, at: usize) -> Result<View, Failure> {
        let now = self.calls.clock.now();
        let Some(flow) = self.flows().nth(at) else {
            return Ok(View::of_nothing(now));
        };
        let failure = match self.calls.describe(flow).await {
            Ok(view) => {
                self.desk().known.insert(at);
                return Ok(view);
            }
            Err(failure) if 0 < at => failure,
            Err(failure) => return Err(failure),
        };
        if failure.refusal() != Some(Refusal::NotFound) {
            return Err(failure);
        }
        Err(if self.desk().known.contains(&at) {
            failure.explained(
                ErrorKind::Unavailable,
                "a child flow is not found any more; if it was deleted, take it out of the pool",
            )
        } else {
            failure.explained(
                ErrorKind::Invalid,
                "a child flow is not found; take it out of the pool, or correct its ARN",
            )
        })
    }

    /// Hands out what was seen of late.
    pub(super) fn begin_writing(&self) -> Vec<Option<View>> {
        let now = self.calls.clock.now();
        let mut desk = self.desk();
        desk.rounds += 1;
        desk.is_writing = true;
        let mut views = std::mem::take(&mut desk.views);
        views.resize(self.flows().count(), None);
        let is_fresh = |view: &View| {
            let age = now.duration_since(view.seen_at);
            (SignedDuration::ZERO..VIEW_AGE_MAX).contains(&age)
        };
        views.into_iter().map(|it| it.filter(is_fresh)).collect()
    }

    pub(super) fn end_writing(&self, views: Vec<Option<View>>) {
        let mut desk = self.desk();
        desk.rounds += 1;
        desk.is_writing = false;
        desk.views = views;
        self.count_room(&mut desk);
    }

    fn count_room(&self, desk: &mut Desk) {
        let most = self.outputs_per_flow();
        let room = desk.views.iter().map(|view| {
            let view = view.as_ref()?;
            Some(view.room_for_ours(most))
        });
        if desk.views.len() == self.flows().count() {
            // Unless one of them has to be looked at again.
            desk.room = room.sum::<Option<usize>>().or(desk.room);
        }
    }

    /// Why nothing that comes in can be pushed by RTMP, if that is known.
    pub(super) async fn unfit_for_rtmp(&self) -> Option<String> {
        let now = self.calls.clock.now();
        {
            let known = self.format.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = |it: &&KnownFormat| {
                let age = now.duration_since(it.seen_at);
                (SignedDuration::ZERO..FORMAT_AGE_MAX).contains(&age)
            };
            if let Some(known) = known.as_ref().filter(fresh) {
                return known.unfit.clone();
            }
        }
        let format = self.calls.source_format(self.pool.head()).await;
        let unfit = format.and_then(|format| format.unfit_for_rtmp());
        let mut known = self.format.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(KnownFormat {
            seen_at: now,
            unfit: unfit.clone(),
        });
        unfit
    }

    /// Looks at all flows, and keeps what was seen unless somebody wrote meanwhile.
    async fn look(&self) -> Result<Vec<View>, Failure> {
        let rounds = self.desk().rounds;
        let mut views = Vec::new();
        for at in 0..self.flows().count() {
            views.push(self.describe(at).await?);
        }
        let mut desk = self.desk();
        if !desk.is_writing && desk.rounds == rounds {
            desk.views.resize(views.len(), None);
            for (kept, seen) in desk.views.iter_mut().zip(&views) {
                // Of two looks at once the later one counts, whichever ends last.
                if kept.as_ref().is_none_or(|it| it.seen_at <= seen.seen_at) {
                    *kept = Some(seen.clone());
                }
            }
            self.count_room(&mut desk);
        }
        Ok(views)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn heard(&self) -> Result<BTreeMap<String, Evidence>, PortError> {
        let all = self.evidence.all().await?.into_iter();
        Ok(all.map(|it| (it.subject.as_str().to_owned(), it)).collect())
    }

    /// Notes which flows stopped and run again, as events of it get lost. It is written
    /// only when it changes.
    async fn note_statuses(&self, views: &[View], heard: &mut BTreeMap<String, Evidence>) {
        for (flow, view) in self.flows().zip(views) {
            let Some(subject) = Subject::of_status(flow.as_str()) else {
                continue;
            };
            let last = heard.get(subject.as_str());
            let was_stopped = last.is_some_and(|it| it.signal == Signal::FlowStopped);
            let (signal, at) = match (last, view.status) {
                // When it began is not known. What it was said to stop at is before that.
                (Some(last), FlowStatus::Active) if was_stopped && last.at < view.seen_at => {
                    (Signal::FlowActive, last.at)
                }
                (_, status) if !status.carries() && !was_stopped => {
                    (Signal::FlowStopped, view.seen_at)
                }
                _ => continue,
            };
            let evidence = Evidence {
                subject,
                signal,
                at,
            };
            if let Err(error) = self.evidence.note(&evidence).await {
                tracing::warn!(%error, "whether a flow runs cannot be noted");
            }
            heard.insert(evidence.subject.as_str().to_owned(), evidence);
        }
    }

    /// What one output is said to be.
    fn known<'a>(
        &self,
        seen: &Seen,
        flow: (&FlowArn, &View),
        head: &View,
        heard: &'a BTreeMap<String, Evidence>,
    ) -> Known<'a> {
        let (arn, view) = flow;
        let lost = [
            lost_since(arn, view, heard),
            lost_since(self.pool.head(), head, heard),
        ];
        let status = |flow: &FlowArn| heard.get(&format!("{flow}{STATUS}"));
        let turned = [status(arn), status(self.pool.head())];
        Known {
            switch: seen.switch,
            changed_at: seen.told.as_ref().map(|told| told.changed_at),
            flow: if carries(head, turned[1]) {
                match carries(view, turned[0]) {
                    true => view.status,
                    false => stopped(view),
                }
            } else {
                stopped(head)
            },
            flow_turned_at: turned.into_iter().flatten().map(|it| it.at).max(),
            output: heard.get(&seen.arn),
            source_lost: lost.into_iter().flatten().max(),
            now: self.calls.clock.now(),
        }
    }
}

/// Whether a flow carries. One that is updating may be about to start: it was stopped.
fn carries(view: &View, turned: Option<&Evidence>) -> bool {
    let was_stopped = turned.is_some_and(|it| it.signal == Signal::FlowStopped);
    view.status.carries() && !(view.status == FlowStatus::Updating && was_stopped)
}

/// The status of a flow that does not carry.
fn stopped(view: &View) -> FlowStatus {
    match view.status {
        FlowStatus::Updating => FlowStatus::Starting,
        status => status,
    }
}

/// Since when nothing comes into a flow, by what was heard of it and of its sources.
fn lost_since(
    flow: &FlowArn,
    view: &View,
    heard: &BTreeMap<String, Evidence>,
) -> Option<Timestamp> {
    let of_flow = heard.get(flow.as_str());
    // One of two sources may be lost, and the other one goes on.
    let lost = |source: &String| {
        let heard = heard.get(source)?;
        (heard.signal == Signal::SourceLost).then_some(heard.at)
    };
    let all: Option<Vec<Timestamp>> = view.sources.iter().map(lost).collect();
    let of_sources = all.and_then(|all| all.into_iter().max());
    match (of_flow, of_sources) {
        (Some(of_flow), Some(at)) if of_flow.at <= at => Some(at),
        (Some(of_flow), _) => (of_flow.signal == Signal::SourceLost).then_some(of_flow.at),
        (None, at) => at,
    }
}

#[async_trait]
impl OutputRouter for FlowRouter {
    fn capabilities(&self) -> RouterCapabilities {
        let most = self.flows().count() * self.outputs_per_flow();
        let mut capabilities = RouterCapabilities::rtmp(self.desk().room.unwrap_or(most));
        capabilities.schemes = SCHEMES.to_vec();
        capabilities.parking = Parking::Keeps;
        capabilities
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        let looked = self.look().await;
        let views = looked.map_err(|failure| failure.port_error(OBSERVE, "the outputs"))?;
        // What was heard says how outputs fare, and not which there are.
        let mut heard = self.heard().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was heard of the outputs cannot be read");
            BTreeMap::new()
        });
        self.note_statuses(&views, &mut heard).await;
        let Some(head) = views.first() else {
            return Ok(Vec::new());
        };
        let mut observed: BTreeMap<OutputId, ObservedOutput> = BTreeMap::new();
        for flow in self.flows().zip(&views) {
            for seen in &flow.1.outputs {
                let Some(id) = &seen.id else { continue };
                let output = ObservedOutput {
                    id: id.clone(),
                    fingerprint: seen.fingerprint(),
                    switch: seen.switch,
                    health: self.known(seen, flow, head, &heard).health(),
                };
                match observed.get_mut(id) {
                    None => drop(observed.insert(id.clone(), output)),
                    // A crash, or two workers: one of them has to go, and an update does it.
                    Some(double) => {
                        if double.switch == Switch::Off {
                            *double = output;
                        }
                        double.fingerprint = strange(&[double.fingerprint.0.as_bytes()]);
                    }
                }
            }
        }
        Ok(observed.into_values().collect())
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        if specs.is_empty() {
            return Vec::new();
        }
        let _turn = self.turn.lock().await;
        let mut round = Round::begin(self).await;
        let mut results = Vec::new();
        let mut newcomers = Vec::new();
        for (place, spec) in specs.iter().enumerate() {
            if let Err(error) = round.check_seen(APPLY, &spec.id, spec.switch) {
                results.push((place, Err(error)));
                continue;
            }
            let wish = match Settings::of(&spec.target) {
                Ok(settings) => Wish { spec, settings },
                Err(problem) => {
                    results.push((place, refuse(&mut round, spec, problem).await));
                    continue;
                }
            };
            match round.put(&wish).await {
                Ok(fate @ (Fate::Missing | Fate::Removed)) => {
                    // Off, and taken away to be made anew; that waits until all can be seen.
                    let seen = round.check_seen(APPLY, &spec.id, spec.switch);
                    let fit = round.check_format(&wish, None).await;
                    match seen.and(fit) {
                        Ok(()) => newcomers.push(Newcomer::new(place, wish, fate)),
                        Err(error) => results.push((place, Err(error))),
                    }
                }
                outcome => results.push((place, outcome.map(drop))),
            }
        }
        results.extend(round.add(newcomers).await);
        results.sort_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        if ids.is_empty() {
            return Vec::new();
        }
        let _turn = self.turn.lock().await;
        let mut round = Round::begin(self).await;
        let mut results = Vec::new();
        for id in ids {
            results.push(round.detach(id).await);
        }
        results
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        if ids.is_empty() {
            return Vec::new();
        }
        let _turn = self.turn.lock().await;
        let heard = match self.heard().await {
            Ok(heard) => heard,
            Err(error) => {
                let failed = |id| Err(PortError::new(error.kind(), RETRY, id));
                return ids.iter().map(failed).collect();
            }
        };
        let mut round = Round::begin(self).await;
        let mut results = Vec::new();
        for id in ids {
            let disconnected = round.find_on(id).and_then(|(at, seen)| {
                let told = seen.told.as_ref().map(|told| told.changed_at);
                let heard = heard.get(&seen.arn)?;
                let is_newer = told.is_none_or(|told| told.as_second() < heard.at.as_second());
                (heard.signal == Signal::Disconnected && is_newer).then_some(at)
            });
            results.push(match disconnected {
                Some(at) => round.begin_anew(at, id).await,
                None if round.find_on(id).is_some() => Ok(()),
                None => round.check_seen(RETRY, id, Switch::Off),
            });
        }
        results
    }
}

/// Refuses a target that MediaConnect would not take. One that is to be off is
/// ended all the same, and then nothing is wrong: a stop depends on nothing (rule 29).
async fn refuse(
    round: &mut Round<'_>,
    spec: &OutputSpec,
    problem: TargetProblem,
) -> Result<(), PortError> {
    if spec.switch == Switch::Off {
        return round.detach(&spec.id).await;
    }
    Err(PortError::new(problem.kind(), APPLY, &spec.id).with_reason(problem.to_string()))
}

impl fmt::Debug for FlowRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FlowRouter");
        debug.field("pool", &self.pool).finish_non_exhaustive()
    }
}
