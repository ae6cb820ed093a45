//! One round of writes: what is wished, against what was seen.

use std::{collections::VecDeque, time::Duration};

use lunora_core::{
    domain::{FaultCode, OutputId, Switch},
    port::{ErrorKind, PortError},
};

use super::{
    calls::{Calls, Wish},
    error::{Failure, Refusal},
    flow_router::FlowRouter,
    view::{Seen, View},
};
use crate::FlowArn;

pub(super) const APPLY: &str = "apply output";
pub(super) const DETACH: &str = "detach output";
pub(super) const RETRY: &str = "retry output";

/// How long a flow is waited for that may take the call a moment later (rule 14).
/// How long `UPDATING` lasts is not documented.
const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// When a flow that was waited for in vain may be tried again.
const COME_AGAIN: Duration = Duration::from_secs(10);

/// The flows of the pool, as they were seen and as we changed them since.
///
/// There is one round at a time. When it ends, even because whoever asked for it
/// went away, what is known for sure is kept for the next one.
#[derive(Debug)]
pub(super) struct Round<'a> {
    router: &'a FlowRouter,
    flows: Vec<&'a FlowArn>,
    views: Vec<View>,
    /// Why a flow could not be looked at, if so. What is on it is not known.
    unseen: Vec<Option<Failure>>,
    /// Not so while it is unknown what became of a write.
    is_sure: Vec<bool>,
    /// MediaConnect said so.
    is_full: Vec<bool>,
    /// It was waited for once, in vain; nothing else waits for it in this round.
    is_stuck: Vec<bool>,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is so.
    Met,
    /// There is no such output.
    Missing,
    /// It had to go, to come back as it is wished.
    Removed,
    /// This flow does not take it; another may.
    Refused(Why),
}

/// Why a flow does not take an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NoRoom,
    SamePlace,
}

/// An output to be added.
#[derive(Debug)]
pub(super) struct Newcomer<'a> {
    /// Where its result stands.
    place: usize,
    wish: Wish<'a>,
    /// Whether it was there before; then nobody gets its room.
    was_there: bool,
    refused_by: Vec<(usize, Why)>,
}

impl<'a> Newcomer<'a> {
    pub(super) fn new(place: usize, wish: Wish<'a>, fate: Fate) -> Self {
        Self {
            place,
            wish,
            was_there: fate == Fate::Removed,
            refused_by: Vec::new(),
        }
    }

    /// Those that were there come first, and then in the order in which they came, so
    /// that placing is predictable.
    fn rank(&self) -> (bool, usize) {
        (!self.was_there, self.place)
    }
}

/// What a call asks of one output without telling it anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    Switch(Switch),
    Remove,
}

/// How often a call was refused that may have been right.
#[derive(Debug, Default)]
struct Patience {
    waits: usize,
    settled: usize,
}

/// What to make of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It may have been the moment; that has passed.
    Again,
    /// It was not the moment.
    Final,
}

impl<'a> Round<'a> {
    /// Looks at every flow that was not seen of late. One that cannot be looked at
    /// blocks what may be there, and not what is elsewhere (rule 29).
    pub(super) async fn begin(router: &'a FlowRouter) -> Self {
        let kept = router.begin_writing();
        let flows: Vec<&FlowArn> = router.flows().collect();
        let mut round = Self {
            is_sure: vec![false; flows.len()],
            is_full: vec![false; flows.len()],
            is_stuck: vec![false; flows.len()],
            views: Vec::with_capacity(flows.len()),
            unseen: vec![None; flows.len()],
            flows,
            router,
        };
        for (at, kept) in kept.into_iter().enumerate() {
            let seen = match kept {
                Some(view) => Ok(view),
                None => router.describe(at).await,
            };
            round.is_sure[at] = seen.is_ok();
            round.views.push(match seen {
                Ok(view) => view,
                Err(failure) => {
                    round.unseen[at] = Some(failure);
                    View::of_nothing(round.calls().clock.now())
                }
            });
        }
        round
    }

    /// Fails for what is not where it can be seen, if it may be elsewhere.
    pub(super) fn check_seen(
        &self,
        operation: &'static str,
        id: &OutputId,
        switch: Switch,
    ) -> Result<(), PortError> {
        let unseen = self.unseen.iter().flatten().next();
        let ends_here = switch == Switch::Off && !self.places_of(id).is_empty();
        match unseen {
            Some(failure) if !ends_here => Err(failure.port_error(operation, id)),
            _ => Ok(()),
        }
    }

    /// Makes an output be as wished, if it is there. There is one of it afterwards.
    ///
    /// What is to be off ends up off even if MediaConnect refuses its settings: a stop
    /// depends on nothing (rule 29).
    pub(super) async fn put(&mut self, wish: &Wish<'_>) -> Result<Fate, PortError> {
        let outcome = self.try_to_put(wish).await;
        if wish.spec.switch == Switch::On {
            return match outcome? {
                (Fate::Refused(why), keeper) => self.move_away(keeper, wish, why).await,
                (fate, _) => Ok(fate),
            };
        }
        match outcome {
            Ok((Fate::Refused(why), keeper)) => {
                self.switch_off(wish.id()).await?;
                // What cannot be kept off is not kept, so that the next pass finds it done.
                if self.move_away(keeper, wish, why).await.is_err() {
                    self.detach(wish.id()).await?;
                }
                Ok(Fate::Met)
            }
            Ok((fate, _)) => Ok(fate),
            Err(error) => {
                self.switch_off(wish.id()).await?;
                match error.kind() {
                    // Trying again does not make its settings right.
                    ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Exhausted => {
                        self.detach(wish.id()).await?;
                        Ok(Fate::Met)
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// The same, but a refusal stands. Says on which flow it is, too.
    async fn try_to_put(&mut self, wish: &Wish<'_>) -> Result<(Fate, usize), PortError> {
        let mut places = self.places_of(wish.id());
        let is_met = |at: &usize| {
            let seen = self.views[*at].find(wish.id());
            seen.is_some_and(|seen| wish.is_met_by(seen))
        };
        let Some(first) = places.first().copied() else {
            return Ok((Fate::Missing, 0));
        };
        let keeper = places.iter().copied().find(is_met).unwrap_or(first);
        places.retain(|at| *at != keeper);
        for double in places {
            // First: two of one key are what a platform takes for a mistake.
            self.insist(double, wish.id(), Plain::Remove, APPLY).await?;
        }
        let Some(seen) = self.views[keeper].find(wish.id()).cloned() else {
            return Ok((Fate::Missing, keeper));
        };
        if wish.is_met_by(&seen) {
            return Ok((Fate::Met, keeper));
        }
        self.check_format(wish, Some(&seen)).await?;
        let fate = self.update(keeper, wish).await?;
        if fate == Fate::Met && seen.has_more_than(&wish.settings) {
            self.insist(keeper, wish.id(), Plain::Remove, APPLY).await?;
            return Ok((Fate::Removed, keeper));
        }
        Ok((fate, keeper))
    }

    /// Takes an output to another flow, if its own cannot have it as it is to be.
    ///
    /// It keeps its key, so it is broken before it is made (rule 7). But nothing is
    /// taken away before another flow has taken it, switched off.
    async fn move_away(
        &mut self,
        from: usize,
        wish: &Wish<'_>,
        why: Why,
    ) -> Result<Fate, PortError> {
        // It is switched on there; what is refused then must not be gone here.
        self.check_format(wish, None).await?;
        let mut off = wish.spec.clone();
        off.switch = Switch::Off;
        for at in 0..self.flows.len() {
            let place = &wish.settings.place;
            let is_taken = self.views[at].has_another_at(place, wish.id());
            if at == from || is_taken || self.free(at) == 0 {
                continue;
            }
            let prepared = Wish {
                spec: &off,
                settings: wish.settings.clone(),
            };
            let newcomer = Newcomer::new(0, prepared, Fate::Missing);
            let outcome = self.add_to(at, vec![newcomer]).await.pop();
            match outcome.map(|(_, outcome)| outcome).transpose()? {
                Some(Fate::Met) => {}
                _ => continue,
            }
            self.insist(from, wish.id(), Plain::Remove, APPLY).await?;
            let switch = Plain::Switch(wish.spec.switch);
            self.insist(at, wish.id(), switch, APPLY).await?;
            return Ok(Fate::Met);
        }
        Err(exhausted(wish, [why]))
    }

    /// Adds what is not there, each to the first flow that takes it.
    pub(super) async fn add(
        &mut self,
        mut waiting: Vec<Newcomer<'_>>,
    ) -> Vec<(usize, Result<(), PortError>)> {
        let mut results = Vec::new();
        waiting.sort_by_key(Newcomer::rank);
        for at in 0..self.flows.len() {
            loop {
                let free = self.free(at);
                let untried = |it: &Newcomer<'_>| !it.refused_by.iter().any(|(by, _)| *by == at);
                let (batch, rest) = part(waiting, untried, free);
                waiting = rest;
                if batch.is_empty() {
                    break;
                }
                for (mut newcomer, fate) in self.add_to(at, batch).await {
                    match fate {
                        Ok(Fate::Met) => results.push((newcomer.place, Ok(()))),
                        Ok(Fate::Refused(why)) => {
                            newcomer.refused_by.push((at, why));
                            waiting.push(newcomer);
                        }
                        // It came and went while it was being added.
                        Ok(Fate::Missing | Fate::Removed) => {
                            let error = come_again(APPLY, newcomer.wish.id());
                            results.push((newcomer.place, Err(error)));
                        }
                        Err(error) => results.push((newcomer.place, Err(error))),
                    }
                }
                waiting.sort_by_key(Newcomer::rank);
            }
        }
        for newcomer in waiting {
            let whys = newcomer.refused_by.iter().map(|(_, why)| *why);
            let error = exhausted(&newcomer.wish, whys);
            results.push((newcomer.place, Err(error)));
        }
        results
    }

    /// Adds outputs to one flow in one call, or by halves if that is refused.
    async fn add_to<'b>(
        &mut self,
        at: usize,
        batch: Vec<Newcomer<'b>>,
    ) -> Vec<(Newcomer<'b>, Result<Fate, PortError>)> {
        let mut done = Vec::new();
        let mut groups = VecDeque::from([(batch, Patience::default())]);
        while let Some((group, mut patience)) = groups.pop_front() {
            let mut group = self.settle_those_there(at, group, &mut done).await;
            if group.is_empty() {
                continue;
            }
            if self.is_full[at] {
                let refused = |it| (it, Ok(Fate::Refused(Why::NoRoom)));
                done.extend(group.into_iter().map(refused));
                continue;
            }
            if self.is_stuck[at] {
                let later = |it: Newcomer<'b>| {
                    let error = come_again(APPLY, it.wish.id());
                    (it, Err(error))
                };
                done.extend(group.into_iter().map(later));
                continue;
            }
            let Err(failure) = self.try_to_add(at, &group).await else {
                done.extend(group.into_iter().map(|it| (it, Ok(Fate::Met))));
                continue;
            };
            let verdict = self.judge(at, &failure, &mut patience).await;
            match verdict {
                Err(error) => done.extend(group.into_iter().map(|it| {
                    let error = error.of(APPLY, it.wish.id());
                    (it, Err(error))
                })),
                Ok(Verdict::Again) if patience.settled == 0 => groups.push_front((group, patience)),
                Ok(_) if 1 < group.len() => {
                    // One of them is why the others were refused, too.
                    let half = group.split_off(group.len() / 2);
                    groups.push_front((half, Patience::default()));
                    groups.push_front((group, Patience::default()));
                }
                Ok(verdict) => {
                    let Some(newcomer) = group.pop() else {
                        continue;
                    };
                    match self.why_refused(at, &newcomer, &failure, verdict) {
                        None => groups.push_front((vec![newcomer], patience)),
                        Some(fate) => done.push((newcomer, fate)),
                    }
                }
            }
        }
        done
    }

    async fn try_to_add(&mut self, at: usize, group: &[Newcomer<'_>]) -> Result<(), Failure> {
        let wishes: Vec<&Wish<'_>> = group.iter().map(|it| &it.wish).collect();
        let calls = self.calls();
        self.is_sure[at] = false;
        let added = calls.add(self.flows[at], &wishes).await?;
        // An answer that does not name them all is looked after next time.
        self.is_sure[at] = added.len() == wishes.len();
        for seen in added {
            self.views[at].note(seen);
        }
        Ok(())
    }

    /// Sorts out those that are there already: a reply was lost, and the SDK's
    /// second attempt refused, because names are unique in a flow.
    async fn settle_those_there<'b>(
        &mut self,
        at: usize,
        group: Vec<Newcomer<'b>>,
        done: &mut Vec<(Newcomer<'b>, Result<Fate, PortError>)>,
    ) -> Vec<Newcomer<'b>> {
        let mut missing = Vec::new();
        for newcomer in group {
            if self.views[at].find(newcomer.wish.id()).is_none() {
                missing.push(newcomer);
                continue;
            }
            match self.update(at, &newcomer.wish).await {
                Ok(Fate::Missing) => missing.push(newcomer),
                fate => done.push((newcomer, fate)),
            }
        }
        missing
    }

    /// Why one output alone was refused by a flow that was looked at again; none
    /// if it should be tried again.
    fn why_refused(
        &mut self,
        at: usize,
        newcomer: &Newcomer<'_>,
        failure: &Failure,
        verdict: Verdict,
    ) -> Option<Result<Fate, PortError>> {
        let id = newcomer.wish.id();
        if self.views[at].find(id).is_some() {
            return None;
        }
        if failure.refusal() == Some(Refusal::Full) {
            self.is_full[at] = true;
            return Some(Ok(Fate::Refused(Why::NoRoom)));
        }
        if self.views[at].has_another_at(&newcomer.wish.settings.place, id) {
            return Some(Ok(Fate::Refused(Why::SamePlace)));
        }
        (verdict == Verdict::Final).then(|| Err(failure.port_error(APPLY, id)))
    }

    /// Tells an output everything, until it is so or cannot be.
    async fn update(&mut self, at: usize, wish: &Wish<'_>) -> Result<Fate, PortError> {
        let id = wish.id();
        let mut patience = Patience::default();
        loop {
            let Some(seen) = self.views[at].find(id) else {
                return Ok(Fate::Missing);
            };
            if wish.is_met_by(seen) {
                return Ok(Fate::Met);
            }
            if self.is_stuck[at] {
                return Err(come_again(APPLY, id));
            }
            let seen = seen.clone();
            let calls = self.calls();
            self.is_sure[at] = false;
            let failure = match calls.update(self.flows[at], &seen, wish).await {
                Ok(seen) => {
                    self.is_sure[at] = true;
                    self.views[at].note(seen);
                    return Ok(Fate::Met);
                }
                Err(failure) => failure,
            };
            let verdict = self.judge(at, &failure, &mut patience).await;
            if verdict.map_err(|it| it.of(APPLY, id))? == Verdict::Again {
                continue;
            }
            match self.views[at].find(id) {
                None => return Ok(Fate::Missing),
                Some(seen) if wish.is_met_by(seen) => return Ok(Fate::Met),
                // Only where it is to go elsewhere can that be why.
                Some(now)
                    if now.place != wish.settings.place
                        && self.views[at].has_another_at(&wish.settings.place, id) =>
                {
                    return Ok(Fate::Refused(Why::SamePlace));
                }
                Some(_) => return Err(failure.port_error(APPLY, id)),
            }
        }
    }

    /// Removes an output wherever it is.
    pub(super) async fn detach(&mut self, id: &OutputId) -> Result<(), PortError> {
        self.check_seen(DETACH, id, Switch::Off)?;
        for at in self.places_of(id) {
            self.insist(at, id, Plain::Remove, DETACH).await?;
        }
        Ok(())
    }

    /// Switches an output off wherever it is, and tells it nothing else.
    pub(super) async fn switch_off(&mut self, id: &OutputId) -> Result<(), PortError> {
        for at in self.places_of(id) {
            let off = Plain::Switch(Switch::Off);
            self.insist(at, id, off, APPLY).await?;
        }
        Ok(())
    }

    /// Makes an output begin anew, which is to switch it off and on.
    ///
    /// Its key is not known here, and what becomes of settings that an update leaves
    /// out is not documented; that the status can be sent alone is. Should it be
    /// left off, the next pass switches it on.
    pub(super) async fn begin_anew(&mut self, at: usize, id: &OutputId) -> Result<(), PortError> {
        for switch in [Switch::Off, Switch::On] {
            self.insist(at, id, Plain::Switch(switch), RETRY).await?;
        }
        Ok(())
    }

    async fn insist(
        &mut self,
        at: usize,
        id: &OutputId,
        plain: Plain,
        operation: &'static str,
    ) -> Result<(), PortError> {
        let mut patience = Patience::default();
        loop {
            let Some(seen) = self.views[at].find(id) else {
                return Ok(());
            };
            if plain == Plain::Switch(seen.switch) {
                return Ok(());
            }
            if self.is_stuck[at] {
                return Err(come_again(operation, id));
            }
            let mut seen: Seen = seen.clone();
            let (calls, flow) = (self.calls(), self.flows[at]);
            // What an earlier write may have done stays unknown.
            let was_sure = std::mem::replace(&mut self.is_sure[at], false);
            let outcome = match plain {
                Plain::Switch(switch) => calls.switch(flow, &seen.arn, switch).await,
                Plain::Remove => calls.remove(flow, &seen.arn).await,
            };
            let Err(failure) = outcome else {
                self.is_sure[at] = was_sure;
                self.views[at].forget(&seen.arn);
                if let Plain::Switch(switch) = plain {
                    seen.switch = switch;
                    self.views[at].note(seen);
                }
                return Ok(());
            };
            let verdict = self.judge(at, &failure, &mut patience).await;
            let is_final = verdict.map_err(|it| it.of(operation, id))? == Verdict::Final;
            if is_final && self.views[at].find(id).is_some() {
                return Err(failure.port_error(operation, id));
            }
        }
    }

    /// Looks again after a refusal, and waits if the flow is in between.
    async fn judge(
        &mut self,
        at: usize,
        failure: &Failure,
        patience: &mut Patience,
    ) -> Result<Verdict, Setback> {
        let Some(refusal) = failure.refusal() else {
            return Err(Setback::Failed(failure.clone()));
        };
        self.views[at] = self.router.describe(at).await.map_err(Setback::Failed)?;
        self.is_sure[at] = true;
        if self.views[at].status.is_passing() && refusal != Refusal::Full {
            let Some(wait) = WAITS.get(patience.waits) else {
                self.is_stuck[at] = true;
                return Err(Setback::StillPassing);
            };
            patience.waits += 1;
            self.calls().budget.sleep(*wait).await;
            return Ok(Verdict::Again);
        }
        patience.settled += 1;
        // It may have settled just before it was looked at.
        Ok(match (refusal, patience.settled) {
            (Refusal::Full, _) | (_, 2..) => Verdict::Final,
            _ => Verdict::Again,
        })
    }

    /// Refuses what no RTMP can carry, before it is switched on.
    pub(super) async fn check_format(
        &self,
        wish: &Wish<'_>,
        seen: Option<&Seen>,
    ) -> Result<(), PortError> {
        if !wish.begins_rtmp(seen) {
            return Ok(());
        }
        match self.router.unfit_for_rtmp().await {
            None => Ok(()),
            Some(why) => Err(PortError::new(ErrorKind::Invalid, APPLY, wish.id())
                .with_fault(FaultCode::FormatRejected)
                .with_reason(why)),
        }
    }

    /// Where an output is that is on, and since when it is as it is.
    pub(super) fn find_on(&self, id: &OutputId) -> Option<(usize, &Seen)> {
        self.places_of(id).into_iter().find_map(|at| {
            let seen = self.views[at].find(id)?;
            (seen.switch == Switch::On).then_some((at, seen))
        })
    }

    fn places_of(&self, id: &OutputId) -> Vec<usize> {
        let all = self.views.iter().enumerate();
        let all = all.filter(|(_, view)| view.find(id).is_some());
        all.map(|(at, _)| at).collect()
    }

    fn free(&self, at: usize) -> usize {
        if self.is_full[at] || self.unseen[at].is_some() {
            return 0;
        }
        self.views[at].free(self.router.outputs_per_flow())
    }

    fn calls(&self) -> &'a Calls {
        self.router.calls()
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let views = self.views.drain(..).zip(&self.is_sure);
        let views = views.map(|(view, is_sure)| is_sure.then_some(view));
        self.router.end_writing(views.collect());
    }
}

/// Why nothing can be said about a call.
#[derive(Clone, Debug)]
enum Setback {
    Failed(Failure),
    StillPassing,
}

impl Setback {
    fn of(&self, operation: &'static str, id: &OutputId) -> PortError {
        match self {
            Self::Failed(failure) => failure.port_error(operation, id),
            Self::StillPassing => come_again(operation, id),
        }
    }
}

fn come_again(operation: &'static str, id: &OutputId) -> PortError {
    PortError::new(ErrorKind::Unavailable, operation, id)
        .with_retry_after(COME_AGAIN)
        .with_reason("the MediaConnect flow is taking in another change; this one is tried again")
}

fn exhausted(wish: &Wish<'_>, whys: impl IntoIterator<Item = Why>) -> PortError {
    let error = PortError::new(ErrorKind::Exhausted, APPLY, wish.id());
    if whys.into_iter().any(|why| why == Why::SamePlace) {
        return error.with_reason(
            "MediaConnect refuses it beside an output of the same flow that goes to the same host \
             and port, and no other flow has room for it; use another ingest server, or add a flow",
        );
    }
    error.with_reason("all outputs of the MediaConnect flows are in use; stop another destination")
}

/// Takes the first of those that are wanted.
fn part<T>(all: Vec<T>, is_wanted: impl Fn(&T) -> bool, count: usize) -> (Vec<T>, Vec<T>) {
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for it in all {
        if taken.len() < count && is_wanted(&it) {
            taken.push(it);
        } else {
            rest.push(it);
        }
    }
    (taken, rest)
}
