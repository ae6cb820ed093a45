//! An `Arc` of an adapter is that adapter, so that decorators and fixtures take either.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    Answer, ChannelController, Claim, Clock, ControlStore, Depth, DestinationProbe, EventLog,
    Expect, Forget, History, IdSource, IdempotencyKey, IngestController, Lease, OutputRouter, Page,
    PageRequest, Pause, PortError, Receives, Record, Repo, Revealed, Revision, RouterCapabilities,
    SecretStore, SourceProbe, Versioned, Which,
};
use crate::domain::{
    AttachmentName, Channel, Event, EventSeq, Feed, FeedChange, FeedReceipt, Finding, IngestSpec,
    LeaseName, NewEvent, ObservedIngest, ObservedOutput, OutputId, OutputSpec, PushTarget, Removal,
    SecretName, SecretVersion, SourceId,
};

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<T: IdSource + ?Sized> IdSource for Arc<T> {
    fn mint(&self) -> u128 {
        (**self).mint()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Record, T: Repo<R> + ?Sized> Repo<R> for Arc<T> {
    async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError> {
        (**self).get(id).await
    }

    async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError> {
        (**self).put(value, expect).await
    }

    async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError> {
        (**self).remove(id, revision).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        (**self).list(page).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: SecretStore + ?Sized> SecretStore for Arc<T> {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        (**self).keep(name, text).await
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        (**self).reveal(name, which).await
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        (**self).forget(name, which).await
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        (**self).versions().await
    }

    fn history(&self) -> History {
        (**self).history()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: OutputRouter + ?Sized> OutputRouter for Arc<T> {
    fn capabilities(&self) -> RouterCapabilities {
        (**self).capabilities()
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        (**self).observe().await
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        (**self).apply(specs).await
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        (**self).detach(ids).await
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        (**self).retry(ids).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ChannelController + ?Sized> ChannelController for Arc<T> {
    async fn describe(&self) -> Result<Channel, PortError> {
        (**self).describe().await
    }

    async fn start(&self) -> Result<(), PortError> {
        (**self).start().await
    }

    async fn stop(&self) -> Result<(), PortError> {
        (**self).stop().await
    }

    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError> {
        (**self).switch_input(to).await
    }

    async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError> {
        (**self).plan_feed(feed).await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        (**self).add_feed(feed).await
    }

    async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError> {
        (**self).remove_feed(receipt).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Receives + ?Sized> Receives for Arc<T> {
    async fn receives(&self) -> Result<bool, PortError> {
        (**self).receives().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: IngestController + ?Sized> IngestController for Arc<T> {
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        (**self).apply(specs).await
    }

    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError> {
        (**self).observe().await
    }

    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError> {
        (**self).pin(source).await
    }

    async fn pinned(&self) -> Result<Option<SourceId>, PortError> {
        (**self).pinned().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: SourceProbe + ?Sized> SourceProbe for Arc<T> {
    async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError> {
        (**self).probe(source).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: DestinationProbe + ?Sized> DestinationProbe for Arc<T> {
    async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError> {
        (**self).probe(target, depth).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: EventLog + ?Sized> EventLog for Arc<T> {
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError> {
        (**self).append(event).await
    }

    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError> {
        (**self).read(after, limit).await
    }

    async fn last(&self) -> Result<EventSeq, PortError> {
        (**self).last().await
    }

    async fn wait(&self, after: EventSeq) -> Result<(), PortError> {
        (**self).wait(after).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ControlStore + ?Sized> ControlStore for Arc<T> {
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError> {
        (**self).record_removal(removal).await
    }

    async fn removals(&self) -> Result<Vec<Removal>, PortError> {
        (**self).removals().await
    }

    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError> {
        (**self).clear_removal(removal).await
    }

    async fn pause(&self) -> Result<Option<Pause>, PortError> {
        (**self).pause().await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError> {
        (**self).set_pause(pause).await
    }

    async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError> {
        (**self).claim(key, claim).await
    }

    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError> {
        (**self).settle(key, answer).await
    }

    async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError> {
        (**self).forget_claims_before(time).await
    }

    async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError> {
        (**self).acquire(name, lease).await
    }

    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError> {
        (**self).release(name, lease).await
    }
}
