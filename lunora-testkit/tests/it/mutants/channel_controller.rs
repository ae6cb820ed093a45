use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use lunora_core::{
    domain::{
        AttachmentName, Channel, ChannelState, Feed, FeedChange, FeedReceipt, FeedStep, Outage,
    },
    port::{ChannelController, ErrorKind, PortError},
};
use lunora_testkit::{
    memory::MemoryChannelController,
    sample::{self, CANARY},
};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    DescribingCounts,
    PlanningAdds,
    NeverStarts,
    NeverStops,
    RefusesASecondStart,
    StartingRestartsTheInput,
    RefusesASecondStop,
    AStartMayBeLost,
    NeverSwitches,
    SwitchesOneInputTooFar,
    SwitchesToAnything,
    SwitchesWhileIdle,
    PlansNothing,
    PlansAnOutageOfNothing,
    StopsForAFeed,
    EditsWhileRunning,
    RefusesWithoutAWord,
    RemovesWhileRunning,
    EditsTheRest,
    StartsAfterAdding,
    RefusesASecondFeed,
    NeedsIdleForNothing,
    ReplacesTheFeed,
    KeepsTheFirst,
    RemovesNothing,
    RemovingEdits,
    RemovesOnce,
    TrustsTheReceipt,
    RemembersTheFirst,
    ForgetsThePipelines,
    PrintsStreamIds,
    PlansTellStreamIds,
}

struct Mutant {
    inner: MemoryChannelController,
    mutation: Mutation,
    was_removed: AtomicBool,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        Self {
            inner: MemoryChannelController::default(),
            mutation,
            was_removed: AtomicBool::default(),
        }
    }

    async fn state(&self) -> Result<ChannelState, PortError> {
        Ok(self.inner.describe().await?.state)
    }

    async fn receipt_of_now(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        Ok(FeedReceipt {
            feed: feed.addresses().cloned().collect(),
            rest: self.inner.describe().await?.rest,
        })
    }

    /// Takes out whatever feed is there, in whatever state.
    async fn take_out(&self) -> Result<(), PortError> {
        let channel = self.inner.describe().await?;
        let (feed, rest) = (channel.feed, channel.rest);
        self.inner.set_state(ChannelState::Idle);
        self.inner.remove_feed(&FeedReceipt { feed, rest }).await?;
        self.inner.set_state(channel.state);
        Ok(())
    }

    async fn add_while_running(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        let state = self.state().await?;
        self.inner.set_state(ChannelState::Idle);
        let receipt = self.inner.add_feed(feed).await;
        self.inner.set_state(state);
        receipt
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = (self.mutation == Mutation::PrintsStreamIds).then_some(CANARY);
        f.debug_tuple("Mutant").field(&printed).finish()
    }
}

fn conflict(operation: &'static str) -> PortError {
    PortError::new(ErrorKind::Conflict, operation, "the channel")
}

#[async_trait]
impl ChannelController for Mutant {
    async fn describe(&self) -> Result<Channel, PortError> {
        if self.mutation == Mutation::DescribingCounts {
            self.inner.edit_the_rest();
        }
        self.inner.describe().await
    }

    async fn start(&self) -> Result<(), PortError> {
        match self.mutation {
            Mutation::NeverStarts => return Ok(()),
            Mutation::RefusesASecondStart if self.state().await? != ChannelState::Idle => {
                return Err(conflict("start"));
            }
            Mutation::StartingRestartsTheInput if self.state().await? == ChannelState::Running => {
                self.inner.set_state(ChannelState::Idle);
            }
            Mutation::AStartMayBeLost => {
                drop(self.inner.start().await);
                return Ok(());
            }
            _ => (),
        }
        self.inner.start().await
    }

    async fn stop(&self) -> Result<(), PortError> {
        match self.mutation {
            Mutation::NeverStops => return Ok(()),
            Mutation::RefusesASecondStop if self.state().await? != ChannelState::Running => {
                return Err(conflict("stop"));
            }
            _ => (),
        }
        self.inner.stop().await
    }

    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError> {
        let channel = self.inner.describe().await?;
        match self.mutation {
            Mutation::NeverSwitches => return Ok(()),
            Mutation::SwitchesOneInputTooFar => {
                let mut all = channel.attachments.iter().map(|it| &it.name);
                let other = all.find(|name| *name != to).expect("two inputs");
                return self.inner.switch_input(other).await;
            }
            Mutation::SwitchesToAnything => {
                let to = channel.attachments.last().expect("an input");
                return self.inner.switch_input(&to.name).await;
            }
            Mutation::SwitchesWhileIdle if channel.state == ChannelState::Idle => return Ok(()),
            _ => (),
        }
        self.inner.switch_input(to).await
    }

    async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError> {
        let feed = &self.fitting(feed);
        let mut plan = self.inner.plan_feed(feed).await?;
        match self.mutation {
            Mutation::PlanningAdds => drop(self.inner.add_feed(feed).await),
            Mutation::PlansNothing => {
                plan.step = FeedStep::Keep;
                plan.difference.clear();
            }
            Mutation::PlansAnOutageOfNothing => plan.outage = Outage::OF_AN_EDIT,
            Mutation::PlansTellStreamIds => plan.difference.push(CANARY.to_owned()),
            _ => (),
        }
        Ok(plan)
    }

    async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        let feed = &self.fitting(feed);
        let channel = self.inner.describe().await?;
        match self.mutation {
            Mutation::StopsForAFeed => self.inner.set_state(ChannelState::Idle),
            Mutation::EditsWhileRunning => return self.add_while_running(feed).await,
            Mutation::RefusesWithoutAWord if channel.state != ChannelState::Idle => {
                return Err(conflict("add a feed to"));
            }
            Mutation::EditsTheRest => self.inner.edit_the_rest(),
            Mutation::RefusesASecondFeed if !channel.feed.is_empty() => {
                return Err(conflict("add a feed to"));
            }
            Mutation::NeedsIdleForNothing if channel.state != ChannelState::Idle => {
                return Err(conflict("add a feed to"));
            }
            Mutation::ReplacesTheFeed if !channel.feed.is_empty() => self.take_out().await?,
            Mutation::KeepsTheFirst if !channel.feed.is_empty() => {
                return self.receipt_of_now(feed).await;
            }
            Mutation::RemembersTheFirst if self.was_removed.load(Relaxed) => {
                return self.receipt_of_now(feed).await;
            }
            _ => (),
        }
        let receipt = self.inner.add_feed(feed).await?;
        if self.mutation == Mutation::StartsAfterAdding {
            self.inner.start().await?;
        }
        Ok(receipt)
    }

    async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError> {
        let channel = self.inner.describe().await?;
        match self.mutation {
            Mutation::RemovesNothing => return Ok(()),
            Mutation::RemovesWhileRunning => return self.take_out().await,
            Mutation::RemovesOnce if channel.feed.is_empty() => {
                return Err(conflict("remove the feed of"));
            }
            Mutation::TrustsTheReceipt => return self.take_out().await,
            _ => (),
        }
        self.inner.remove_feed(receipt).await?;
        self.was_removed.store(true, Relaxed);
        if self.mutation == Mutation::RemovingEdits {
            self.inner.edit_the_rest();
        }
        Ok(())
    }
}

impl Mutant {
    /// The feed as it is given, or as one that forgets the pipelines would take it.
    fn fitting(&self, feed: &Feed) -> Feed {
        let mut feed = feed.clone();
        if self.mutation == Mutation::ForgetsThePipelines {
            feed.second = None;
        }
        feed
    }
}

noticed! { channel_controller:
    DescribingCounts by describing_changes_nothing;
    PlanningAdds by planning_changes_nothing;
    NeverStarts by a_started_channel_comes_to_run;
    NeverStops by a_stopped_channel_comes_to_idle;
    RefusesASecondStart by starting_again_changes_nothing;
    StartingRestartsTheInput by starting_again_changes_nothing;
    RefusesASecondStop by stopping_again_changes_nothing;
    AStartMayBeLost by a_start_while_stopping_is_refused_or_done;
    NeverSwitches by a_switch_makes_another_input_active;
    SwitchesOneInputTooFar by a_switch_to_the_active_input_leaves_it_active;
    SwitchesToAnything by an_unknown_input_is_invalid;
    SwitchesWhileIdle by an_input_of_an_idle_channel_is_not_switched;
    PlansNothing by a_plan_names_what_is_added_and_what_is_untouched;
    PlansAnOutageOfNothing by a_plan_of_what_is_there_is_without_an_outage;
    StopsForAFeed by a_running_channel_takes_no_feed;
    EditsWhileRunning by a_running_channel_takes_no_feed;
    RefusesWithoutAWord by a_running_channel_takes_no_feed;
    RemovesWhileRunning by a_running_channel_keeps_its_feed;
    EditsTheRest by an_added_feed_is_described_and_the_rest_is_as_before;
    StartsAfterAdding by an_added_feed_is_described_and_the_rest_is_as_before;
    RefusesASecondFeed by adding_again_gives_an_equal_receipt;
    NeedsIdleForNothing by adding_again_while_running_gives_an_equal_receipt;
    ReplacesTheFeed by another_feed_is_a_conflict;
    KeepsTheFirst by another_feed_is_a_conflict;
    RemovesNothing by a_removed_feed_leaves_what_was_before;
    RemovingEdits by a_removed_feed_leaves_what_was_before;
    RemovesOnce by removing_again_changes_nothing;
    TrustsTheReceipt by a_receipt_of_another_rest_is_refused;
    RemembersTheFirst by a_removed_feed_can_be_added_again;
    ForgetsThePipelines by a_feed_without_an_address_for_each_pipeline_is_invalid;
    PrintsStreamIds by no_secret_is_printed;
    PlansTellStreamIds by no_secret_is_printed;
}

#[tokio::test]
async fn somebody_elses_edit_is_noticed_by_the_receipt() {
    let channel = MemoryChannelController::default();
    let receipt = channel.add_feed(&sample::feed(1)).await.unwrap();
    channel.edit_the_rest();

    let refused = channel.remove_feed(&receipt).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let receipt = channel.add_feed(&sample::feed(1)).await.unwrap();
    channel.remove_feed(&receipt).await.unwrap();
}
