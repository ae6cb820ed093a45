use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_medialive::Client;
use lunora_core::{
    domain::{
        AttachmentName, Channel, ChannelRefusal, ChannelState, Feed, FeedChange, FeedReceipt,
        FeedStep, HashKey, Outage,
    },
    port::{ChannelController, Clock, ErrorKind, PortError},
};
use serde_json::Value;

use super::{
    calls::{Calls, Told},
    description::Description,
    edit, encode,
    json::differences,
};
use crate::{Budget, ChannelId};

const START: &str = "start";
const STOP: &str = "stop";
const SWITCH: &str = "switch the input of";
const PLAN: &str = "plan a feed of";
const ADD: &str = "add a feed to";
const REMOVE: &str = "remove the feed of";

/// How often, and how long apart, an edited channel is looked at until it is no
/// longer being updated.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);
/// How many differences a message names.
const NAMED_MAX: usize = 10;

/// A [`ChannelController`] over a MediaLive channel.
///
/// The receipts that it gives are good under the same hash key alone.
pub struct MediaLiveChannel {
    calls: Calls,
    clock: Arc<dyn Clock>,
    hash_key: HashKey,
}

impl MediaLiveChannel {
    /// Calls the channel by `client`, waiting for its turn in the budget.
    #[must_use]
    pub fn new(
        client: &Client,
        channel: ChannelId,
        budget: Arc<Budget>,
        clock: Arc<dyn Clock>,
        hash_key: HashKey,
    ) -> Self {
        let calls = Calls::new(client, channel, budget);
        Self {
            calls,
            clock,
            hash_key,
        }
    }

    fn refused(&self, operation: &'static str, refusal: &ChannelRefusal) -> PortError {
        PortError::of_channel(operation, self.calls.subject(), refusal)
    }

    fn receipt(&self, description: &Description) -> FeedReceipt {
        FeedReceipt {
            feed: description.feed(),
            rest: description.digest(&self.hash_key),
        }
    }

    /// Describes it, and whether the feed is there as given.
    async fn look_for(
        &self,
        operation: &'static str,
        feed: &Feed,
    ) -> Result<(Description, bool), PortError> {
        let refused = |refusal| self.refused(operation, &refusal);
        if !is_secret_arn(feed.passphrase.as_str()) {
            return Err(refused(ChannelRefusal::Passphrase));
        }
        let description = self.calls.describe(operation).await?;
        feed.check(description.class()).map_err(refused)?;
        let is_there = edit::has(&description, feed).map_err(refused)?;
        Ok((description, is_there))
    }

    fn require_idle(
        &self,
        operation: &'static str,
        description: &Description,
    ) -> Result<(), PortError> {
        match description.state() {
            ChannelState::Idle => Ok(()),
            state => Err(self.refused(operation, &ChannelRefusal::NotIdle(state))),
        }
    }

    /// Sends the edit, and returns what is described once it is over.
    ///
    /// A refusal because of the state is no failure if it was done all the same: an
    /// attempt whose answer was lost is why the next one is refused.
    async fn edit(
        &self,
        operation: &'static str,
        before: &Description,
        body: &Value,
    ) -> Result<(Description, Option<PortError>), PortError> {
        let refusal = match self.calls.update(operation, body).await? {
            Told::Accepted => None,
            Told::Refused(error) => Some(error),
        };
        let mut after = self.calls.describe(operation).await?;
        for _ in 1..LOOKS {
            if after.state() != ChannelState::Updating {
                break;
            }
            self.calls.budget.sleep(BETWEEN_LOOKS).await;
            after = self.calls.describe(operation).await?;
        }
        let changed = differences(&before.rest_during_an_edit(), &after.rest_during_an_edit());
        if changed.is_empty() {
            return Ok((after, refusal));
        }
        Err(self.unlike(operation, &changed))
    }

    /// The error of an edit after which more differs than the feed.
    fn unlike(&self, operation: &'static str, changed: &[String]) -> PortError {
        let more = match changed.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = &changed[..changed.len().min(NAMED_MAX)];
        PortError::new(ErrorKind::Unexpected, operation, self.calls.subject()).with_reason(format!(
            "after the edit something else than the feed is not what it was: {}{more}; do not start \
             the channel before somebody has put it right. To undo the edit, add the same feed \
             again (that makes a new receipt and changes nothing) and remove it with that receipt",
            named.join(", ")
        ))
    }

    /// What failed, if neither AWS took the edit nor it shows.
    fn not_done(
        &self,
        operation: &'static str,
        after: &Description,
        refusal: Option<PortError>,
    ) -> PortError {
        match (refusal, after.state()) {
            (Some(error), ChannelState::Idle) => error,
            (_, state) if state != ChannelState::Idle => {
                self.refused(operation, &ChannelRefusal::NotIdle(state))
            }
            _ => PortError::new(ErrorKind::Unavailable, operation, self.calls.subject())
                .with_reason("the edit was accepted and does not show yet; it may be tried again"),
        }
    }
}

/// What came of asking whether MediaLive would take an update.
#[cfg(all(feature = "cli", feature = "mediaconnect"))]
#[derive(Debug)]
pub(crate) enum Rehearsal {
    /// It would, and nothing changed.
    Taken,
    /// It would not.
    Refused(PortError),
    /// It made a change that it was told not to make, at these paths.
    Changed(Vec<String>),
    /// It was not asked.
    NotNow(&'static str),
}

#[cfg(all(feature = "cli", feature = "mediaconnect"))]
impl MediaLiveChannel {
    /// A setting that an edit might drop, or whatever else is against one; reads alone.
    pub(crate) async fn look(&self) -> Result<Result<(), ChannelRefusal>, PortError> {
        let description = self.calls.describe("look at").await?;
        Ok(edit::without_feed(&description).map(drop))
    }

    /// Asks MediaLive, by its `dryRun`, whether it takes back what it describes.
    ///
    /// Should it make the update all the same, that changes as little as an edit does
    /// to what it leaves alone.
    pub(crate) async fn rehearse(&self) -> Result<Rehearsal, PortError> {
        const REHEARSE: &str = "rehearse an edit of";
        let before = self.calls.describe(REHEARSE).await?;
        if edit::has_any(&before) {
            return Ok(Rehearsal::NotNow("the feed is there already"));
        }
        if before.state() != ChannelState::Idle {
            return Ok(Rehearsal::NotNow("the channel is not idle"));
        }
        let refused = |refusal| self.refused(REHEARSE, &refusal);
        let mut body = edit::without_feed(&before).map_err(refused)?;
        body["dryRun"] = Value::Bool(true);
        if let Told::Refused(error) = self.calls.update(REHEARSE, &body).await? {
            return Ok(Rehearsal::Refused(error));
        }
        let after = self.calls.describe(REHEARSE).await?;
        let changed = differences(&before.rest_during_an_edit(), &after.rest_during_an_edit());
        Ok(match changed.is_empty() {
            true => Rehearsal::Taken,
            false => Rehearsal::Changed(changed),
        })
    }
}

fn is_secret_arn(name: &str) -> bool {
    let mut parts = name.splitn(6, ':');
    let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
    arn == Some("arn")
        && partition.is_some_and(|it| it.starts_with("aws"))
        && service == Some("secretsmanager")
        && parts.nth(2).is_some_and(|it| it.starts_with("secret:"))
}

#[async_trait]
impl ChannelController for MediaLiveChannel {
    async fn describe(&self) -> Result<Channel, PortError> {
        let description = self.calls.describe("describe").await?;
        Ok(description.channel(&self.hash_key))
    }

    async fn start(&self) -> Result<(), PortError> {
        let Told::Refused(error) = self.calls.start().await? else {
            return Ok(());
        };
        match self.calls.describe(START).await?.state() {
            ChannelState::Starting | ChannelState::Running | ChannelState::Recovering => Ok(()),
            // Nothing about the state is against it.
            ChannelState::Idle => Err(error),
            state => Err(self.refused(START, &ChannelRefusal::CannotStart(state))),
        }
    }

    async fn stop(&self) -> Result<(), PortError> {
        let Told::Refused(error) = self.calls.stop().await? else {
            return Ok(());
        };
        match self.calls.describe(STOP).await?.state() {
            ChannelState::Stopping | ChannelState::Idle => Ok(()),
            ChannelState::Running | ChannelState::Recovering => Err(error),
            state => Err(self.refused(STOP, &ChannelRefusal::CannotStop(state))),
        }
    }

    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError> {
        let description = self.calls.describe(SWITCH).await?;
        let names = description.attachments();
        if !names.contains(to) || to.as_str().is_empty() {
            return Err(self.refused(SWITCH, &ChannelRefusal::NoSuchInput(names)));
        }
        match description.state() {
            ChannelState::Running => (),
            state => return Err(self.refused(SWITCH, &ChannelRefusal::NotRunning(state))),
        }
        // Also to the one that is active: another switch may be under way.
        let action = format!("lunora-switch-{}", self.clock.now().as_millisecond());
        match self.calls.switch(&action, to).await? {
            Told::Accepted => Ok(()),
            // A name stands in a schedule once, so an attempt before this one was done.
            Told::Refused(_) if self.calls.has_switch(&action, to).await? => Ok(()),
            Told::Refused(error) => Err(error),
        }
    }

    async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError> {
        let (description, is_there) = self.look_for(PLAN, feed).await?;
        let refused = |refusal| self.refused(PLAN, &refusal);
        let (step, encode) = if is_there {
            (
                FeedStep::Keep,
                encode::shared(&description).map_err(refused)?,
            )
        } else {
            // The body itself, so that what the edit would refuse is refused here.
            let (_, encode) = edit::with_feed(&description, feed).map_err(refused)?;
            (FeedStep::Add, encode)
        };
        let (difference, outage) = match step {
            FeedStep::Keep => (Vec::new(), Outage::NONE),
            FeedStep::Add => (edit::lines(feed, &encode), Outage::OF_AN_EDIT),
        };
        Ok(FeedChange {
            step,
            state: description.state(),
            encode,
            difference,
            untouched: description.other_groups(),
            outage,
        })
    }

    async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        let (before, is_there) = self.look_for(ADD, feed).await?;
        if is_there {
            return Ok(self.receipt(&before));
        }
        self.require_idle(ADD, &before)?;
        let refused = |refusal| self.refused(ADD, &refusal);
        let (body, _) = edit::with_feed(&before, feed).map_err(refused)?;
        let (after, refusal) = self.edit(ADD, &before, &body).await?;
        if edit::has(&after, feed).map_err(refused)? {
            return Ok(self.receipt(&after));
        }
        Err(self.not_done(ADD, &after, refusal))
    }

    async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError> {
        let before = self.calls.describe(REMOVE).await?;
        let refused = |refusal| self.refused(REMOVE, &refusal);
        if before.digest(&self.hash_key) != receipt.rest {
            return Err(refused(ChannelRefusal::RestChanged));
        }
        if !edit::has_any(&before) {
            return Ok(());
        }
        let there = before.feed();
        // A part of a feed calls nobody, and is ours by its name.
        if !there.is_empty() && there != receipt.feed {
            return Err(refused(ChannelRefusal::AnotherFeed));
        }
        self.require_idle(REMOVE, &before)?;
        let body = edit::without_feed(&before).map_err(refused)?;
        let (after, refusal) = self.edit(REMOVE, &before, &body).await?;
        if edit::has_any(&after) {
            return Err(self.not_done(REMOVE, &after, refusal));
        }
        Ok(())
    }
}

impl fmt::Debug for MediaLiveChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaLiveChannel")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}
