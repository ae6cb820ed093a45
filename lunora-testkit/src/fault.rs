//! Adapters whose calls fail on purpose.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::{
    SecretString,
    domain::{
        AttachmentName, Channel, Event, EventSeq, Feed, FeedChange, FeedReceipt, Finding,
        IngestSpec, LeaseName, NewEvent, ObservedIngest, ObservedOutput, OutputId, OutputSpec,
        PushTarget, Removal, SecretName, SecretVersion, SourceId,
    },
    port::{
        Answer, ChannelController, Claim, ControlStore, Depth, DestinationProbe, ErrorKind,
        EventLog, Expect, Forget, History, IdempotencyKey, IngestController, Lease, OutputRouter,
        Page, PageRequest, Pause, PortError, Record, Repo, Revealed, Revision, RouterCapabilities,
        SecretStore, SourceProbe, Versioned, Which,
    },
};

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before it takes effect: the request was lost.
    Before,
    /// After it took effect: the reply was lost.
    After,
}

/// Says which calls fail; all the adapters of one scenario share a plan.
///
/// A call that fails by plan is [`Unavailable`](ErrorKind::Unavailable). If it is
/// about several things at once, all of them are.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<&'static str>,
    planned: Option<Planned>,
    // The state of the generator that draws how often a call gives way.
    interleave: Option<u64>,
}

impl State {
    fn draw_ways(&mut self) -> u64 {
        let Some(state) = &mut self.interleave else {
            return 0;
        };
        // The step of a linear congruential generator (Knuth's MMIX).
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % 4
    }
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    index: usize,
    fault: Fault,
    // No later call takes effect.
    is_crash: bool,
}

impl Planned {
    fn at(self, index: usize) -> Option<Fault> {
        if index == self.index {
            return Some(self.fault);
        }
        (self.is_crash && self.index < index).then_some(Fault::Before)
    }
}

impl FaultPlan {
    /// A plan under which every call goes through.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes the call with this index, from 0, fail.
    pub fn fail_at(&self, index: usize, fault: Fault) {
        self.plan(index, fault, false);
    }

    /// Makes the call with this index, from 0, and every later one fail: the
    /// process died there.
    pub fn crash_at(&self, index: usize, fault: Fault) {
        self.plan(index, fault, true);
    }

    /// Makes every call give way to others before and after it takes effect, as
    /// often as is drawn from the seed; so that calls of several workers mix.
    pub fn interleave(&self, seed: u64) {
        self.with(|state| state.interleave = Some(seed));
    }

    async fn give_way(&self) {
        for _ in 0..self.with(State::draw_ways) {
            tokio::task::yield_now().await;
        }
    }

    /// Lets every later call through.
    pub fn clear(&self) {
        self.with(|state| state.planned = None);
    }

    /// Starts to count calls from 0 again.
    pub fn forget_calls(&self) {
        self.with(|state| state.calls.clear());
    }

    /// The calls so far, for a failure message.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.with(|state| state.calls.clone())
    }

    fn plan(&self, index: usize, fault: Fault, is_crash: bool) {
        let planned = Planned {
            index,
            fault,
            is_crash,
        };
        self.with(|state| state.planned = Some(planned));
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self, call: &'static str) -> Option<Fault> {
        self.with(|state| {
            let index = state.calls.len();
            state.calls.push(call);
            state.planned.and_then(|planned| planned.at(index))
        })
    }

    async fn around<T: Send>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        self.give_way().await;
        let outcome = match self.next(call) {
            None => work.await,
            Some(Fault::Before) => Err(lost(call)),
            Some(Fault::After) => work.await.and(Err(lost(call))),
        };
        self.give_way().await;
        outcome
    }

    async fn around_each(
        &self,
        call: &'static str,
        things: usize,
        work: impl Future<Output = Vec<Result<(), PortError>>> + Send,
    ) -> Vec<Result<(), PortError>> {
        self.give_way().await;
        match self.next(call) {
            None => {
                let outcome = work.await;
                self.give_way().await;
                return outcome;
            }
            Some(Fault::Before) => (),
            Some(Fault::After) => drop(work.await),
        }
        (0..things).map(|_| Err(lost(call))).collect()
    }
}

fn lost(call: &'static str) -> PortError {
    PortError::new(ErrorKind::Unavailable, call, "by plan")
}

/// An adapter under a [`FaultPlan`].
#[derive(Clone, Debug)]
pub struct Faulty<P> {
    inner: P,
    plan: FaultPlan,
}

impl<P> Faulty<P> {
    /// Puts the adapter under the plan.
    pub fn new(inner: P, plan: &FaultPlan) -> Self {
        let plan = plan.clone();
        Self { inner, plan }
    }
}

struct RepoCalls {
    get: &'static str,
    put: &'static str,
    remove: &'static str,
    list: &'static str,
}

/// What the calls on the repo of these records are called in messages.
fn repo_calls<R: Record>() -> RepoCalls {
    macro_rules! calls {
        ($repo:literal) => {
            RepoCalls {
                get: concat!($repo, "::get"),
                put: concat!($repo, "::put"),
                remove: concat!($repo, "::remove"),
                list: concat!($repo, "::list"),
            }
        };
    }
    match R::NOUN {
        "destination" => calls!("DestinationRepo"),
        "source" => calls!("SourceRepo"),
        "preset" => calls!("PresetRepo"),
        "session" => calls!("SessionRepo"),
        "token" => calls!("TokenRepo"),
        "failover history of" => calls!("FailoverRepo"),
        _ => calls!("Repo"),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Record, P: Repo<R>> Repo<R> for Faulty<P> {
    async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError> {
        let work = self.inner.get(id);
        self.plan.around(repo_calls::<R>().get, work).await
    }

    async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError> {
        let work = self.inner.put(value, expect);
        self.plan.around(repo_calls::<R>().put, work).await
    }

    async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError> {
        let work = self.inner.remove(id, revision);
        self.plan.around(repo_calls::<R>().remove, work).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        let work = self.inner.list(page);
        self.plan.around(repo_calls::<R>().list, work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: SecretStore> SecretStore for Faulty<P> {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        let work = self.inner.keep(name, text);
        self.plan.around("SecretStore::keep", work).await
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        let work = self.inner.reveal(name, which);
        self.plan.around("SecretStore::reveal", work).await
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        let work = self.inner.forget(name, which);
        self.plan.around("SecretStore::forget", work).await
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        let work = self.inner.versions();
        self.plan.around("SecretStore::versions", work).await
    }

    fn history(&self) -> History {
        self.inner.history()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: OutputRouter> OutputRouter for Faulty<P> {
    fn capabilities(&self) -> RouterCapabilities {
        self.inner.capabilities()
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        let work = self.inner.observe();
        self.plan.around("OutputRouter::observe", work).await
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        let (call, work) = ("OutputRouter::apply", self.inner.apply(specs));
        self.plan.around_each(call, specs.len(), work).await
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let (call, work) = ("OutputRouter::detach", self.inner.detach(ids));
        self.plan.around_each(call, ids.len(), work).await
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let (call, work) = ("OutputRouter::retry", self.inner.retry(ids));
        self.plan.around_each(call, ids.len(), work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: ChannelController> ChannelController for Faulty<P> {
    async fn describe(&self) -> Result<Channel, PortError> {
        let work = self.inner.describe();
        self.plan.around("ChannelController::describe", work).await
    }

    async fn start(&self) -> Result<(), PortError> {
        let work = self.inner.start();
        self.plan.around("ChannelController::start", work).await
    }

    async fn stop(&self) -> Result<(), PortError> {
        let work = self.inner.stop();
        self.plan.around("ChannelController::stop", work).await
    }

    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError> {
        let (call, work) = (
            "ChannelController::switch_input",
            self.inner.switch_input(to),
        );
        self.plan.around(call, work).await
    }

    async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError> {
        let work = self.inner.plan_feed(feed);
        self.plan.around("ChannelController::plan_feed", work).await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        let work = self.inner.add_feed(feed);
        self.plan.around("ChannelController::add_feed", work).await
    }

    async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError> {
        let (call, work) = (
            "ChannelController::remove_feed",
            self.inner.remove_feed(receipt),
        );
        self.plan.around(call, work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: IngestController> IngestController for Faulty<P> {
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        let (call, work) = ("IngestController::apply", self.inner.apply(specs));
        self.plan.around_each(call, specs.len(), work).await
    }

    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError> {
        let work = self.inner.observe();
        self.plan.around("IngestController::observe", work).await
    }

    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError> {
        let work = self.inner.pin(source);
        self.plan.around("IngestController::pin", work).await
    }

    async fn pinned(&self) -> Result<Option<SourceId>, PortError> {
        let work = self.inner.pinned();
        self.plan.around("IngestController::pinned", work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: SourceProbe> SourceProbe for Faulty<P> {
    async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError> {
        let work = self.inner.probe(source);
        self.plan.around("SourceProbe::probe", work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: DestinationProbe> DestinationProbe for Faulty<P> {
    async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError> {
        let work = self.inner.probe(target, depth);
        self.plan.around("DestinationProbe::probe", work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: EventLog> EventLog for Faulty<P> {
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError> {
        let work = self.inner.append(event);
        self.plan.around("EventLog::append", work).await
    }

    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError> {
        let work = self.inner.read(after, limit);
        self.plan.around("EventLog::read", work).await
    }

    async fn last(&self) -> Result<EventSeq, PortError> {
        self.plan.around("EventLog::last", self.inner.last()).await
    }

    async fn wait(&self, after: EventSeq) -> Result<(), PortError> {
        let work = self.inner.wait(after);
        self.plan.around("EventLog::wait", work).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: ControlStore> ControlStore for Faulty<P> {
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let work = self.inner.record_removal(removal);
        self.plan.around("ControlStore::record_removal", work).await
    }

    async fn removals(&self) -> Result<Vec<Removal>, PortError> {
        let work = self.inner.removals();
        self.plan.around("ControlStore::removals", work).await
    }

    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let work = self.inner.clear_removal(removal);
        self.plan.around("ControlStore::clear_removal", work).await
    }

    async fn pause(&self) -> Result<Option<Pause>, PortError> {
        let work = self.inner.pause();
        self.plan.around("ControlStore::pause", work).await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError> {
        let work = self.inner.set_pause(pause);
        self.plan.around("ControlStore::set_pause", work).await
    }

    async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError> {
        let work = self.inner.claim(key, claim);
        self.plan.around("ControlStore::claim", work).await
    }

    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError> {
        let work = self.inner.settle(key, answer);
        self.plan.around("ControlStore::settle", work).await
    }

    async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError> {
        let (call, work) = (
            "ControlStore::forget_claims_before",
            self.inner.forget_claims_before(time),
        );
        self.plan.around(call, work).await
    }

    async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError> {
        let work = self.inner.acquire(name, lease);
        self.plan.around("ControlStore::acquire", work).await
    }

    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError> {
        let work = self.inner.release(name, lease);
        self.plan.around("ControlStore::release", work).await
    }
}
