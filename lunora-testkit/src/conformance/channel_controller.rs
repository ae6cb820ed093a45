//! The contract of [`ChannelController`], clause by clause.
//!
//! The channel is idle at first, has no feed, two inputs or more, and an output
//! group for viewers. Describing it again and again sees it come to run, and to
//! idle, without anybody waiting for minutes.

use std::{error::Error, time::Duration};

use lunora_core::{
    domain::{
        AttachmentName, Channel, ChannelClass, ChannelState, Feed, FeedStep, Outage, StreamKey,
    },
    port::{ChannelController, ErrorKind, PortError},
};

use crate::sample::{self, CANARY};

/// Makes one test per clause of the contract of
/// [`ChannelController`](lunora_core::port::ChannelController).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! channel_controller_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [channel_controller], [$(#[$attribute])*], $fixture,
            [
                describing_changes_nothing
                planning_changes_nothing
                a_started_channel_comes_to_run
                a_stopped_channel_comes_to_idle
                starting_again_changes_nothing
                stopping_again_changes_nothing
                a_start_while_stopping_is_refused_or_done
                a_switch_makes_another_input_active
                a_switch_to_the_active_input_leaves_it_active
                an_unknown_input_is_invalid
                an_input_of_an_idle_channel_is_not_switched
                a_plan_names_what_is_added_and_what_is_untouched
                a_plan_of_what_is_there_is_without_an_outage
                a_running_channel_takes_no_feed
                a_running_channel_keeps_its_feed
                an_added_feed_is_described_and_the_rest_is_as_before
                adding_again_gives_an_equal_receipt
                adding_again_while_running_gives_an_equal_receipt
                another_feed_is_a_conflict
                a_removed_feed_leaves_what_was_before
                removing_again_changes_nothing
                a_receipt_of_another_rest_is_refused
                a_removed_feed_can_be_added_again
                a_feed_without_an_address_for_each_pipeline_is_invalid
                no_secret_is_printed
            ]
        }
    };
}

type Controller = dyn ChannelController;

async fn seen(controller: &Controller) -> Channel {
    controller.describe().await.unwrap()
}

/// Looks again and again until the channel does this.
async fn come_to(controller: &Controller, state: ChannelState) -> Channel {
    for _ in 0..1_000 {
        let channel = seen(controller).await;
        if channel.state == state {
            return channel;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not come to be {state}");
}

async fn run(controller: &Controller) -> Channel {
    controller.start().await.unwrap();
    come_to(controller, ChannelState::Running).await
}

async fn halt(controller: &Controller) -> Channel {
    controller.stop().await.unwrap();
    come_to(controller, ChannelState::Idle).await
}

/// Another input than the active one.
fn other_input(channel: &Channel) -> AttachmentName {
    let mut names = channel.attachments.iter().map(|it| &it.name);
    let other = names.find(|name| Some(*name) != channel.active_input.as_ref());
    other.unwrap().clone()
}

/// A feed with as many addresses as such a channel has pipelines.
fn feed(class: ChannelClass, n: u64) -> Feed {
    let mut feed = sample::feed(n);
    if class == ChannelClass::Standard {
        feed.second = Some(sample::feed(n + 100).address);
    }
    feed
}

/// A feed that fits; none if the adapter has no feeds, and says so everywhere.
async fn feed_of(controller: &Controller) -> Option<Feed> {
    let channel = seen(controller).await;
    let feed = feed(channel.class, 1);
    let is_unsupported =
        |error: Option<PortError>| error.is_some_and(|it| it.kind() == ErrorKind::Unsupported);
    if !is_unsupported(controller.plan_feed(&feed).await.err()) {
        return Some(feed);
    }
    assert!(is_unsupported(controller.add_feed(&feed).await.err()));
    let receipt = lunora_core::domain::FeedReceipt {
        feed: feed.addresses().cloned().collect(),
        rest: channel.rest,
    };
    assert!(is_unsupported(controller.remove_feed(&receipt).await.err()));
    None
}

macro_rules! feed_or_return {
    ($controller:ident) => {
        match feed_of($controller).await {
            Some(feed) => feed,
            None => return,
        }
    };
}

fn assert_kind<T: std::fmt::Debug>(result: Result<T, PortError>, kind: ErrorKind) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

/// That the refusal says the way: to stop it first, and to start it in the end.
fn assert_tells_the_steps(message: &str) {
    let place = |word| message.find(word).unwrap_or_else(|| panic!("{message}"));
    assert!(place("stop") < place("start"), "{message}");
}

/// Clause 1.
pub async fn describing_changes_nothing(controller: &Controller) {
    let before = seen(controller).await;

    assert_eq!(before.state, ChannelState::Idle);
    assert_eq!(before.feed, []);
    assert_eq!(seen(controller).await, before);
}

/// Clause 1.
pub async fn planning_changes_nothing(controller: &Controller) {
    let before = seen(controller).await;
    let feed = feed_or_return!(controller);
    controller.plan_feed(&feed).await.unwrap();
    assert_eq!(seen(controller).await, before);

    let before = run(controller).await;
    controller.plan_feed(&feed).await.unwrap();
    assert_eq!(seen(controller).await, before);
}

/// Clause 2.
pub async fn a_started_channel_comes_to_run(controller: &Controller) {
    let before = seen(controller).await;
    let channel = run(controller).await;

    assert!(0 < channel.pipelines_running);
    assert!(channel.active_input.is_some());
    assert_eq!(channel.rest, before.rest);
}

/// Clause 2.
pub async fn a_stopped_channel_comes_to_idle(controller: &Controller) {
    let before = seen(controller).await;
    run(controller).await;

    assert_eq!(halt(controller).await, before);
}

/// Clause 2.
pub async fn starting_again_changes_nothing(controller: &Controller) {
    controller.start().await.unwrap();
    controller.start().await.unwrap();
    let channel = come_to(controller, ChannelState::Running).await;
    controller.start().await.unwrap();

    assert_eq!(seen(controller).await, channel);
}

/// Clause 2.
pub async fn stopping_again_changes_nothing(controller: &Controller) {
    let before = seen(controller).await;
    controller.stop().await.unwrap();
    assert_eq!(seen(controller).await, before);

    run(controller).await;
    controller.stop().await.unwrap();
    controller.stop().await.unwrap();
    assert_eq!(come_to(controller, ChannelState::Idle).await, before);
}

/// Clause 2.
pub async fn a_start_while_stopping_is_refused_or_done(controller: &Controller) {
    run(controller).await;
    controller.stop().await.unwrap();
    match controller.start().await {
        Ok(()) => {
            come_to(controller, ChannelState::Running).await;
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            come_to(controller, ChannelState::Idle).await;
        }
    }
}

/// Clause 3.
pub async fn a_switch_makes_another_input_active(controller: &Controller) {
    let before = run(controller).await;
    let other = other_input(&before);
    controller.switch_input(&other).await.unwrap();

    for _ in 0..1_000 {
        let channel = seen(controller).await;
        if channel.active_input.as_ref() == Some(&other) {
            let active_input = before.active_input.clone();
            assert_eq!(
                Channel {
                    active_input,
                    ..channel
                },
                before
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{other} does not become active");
}

/// Clause 3.
pub async fn a_switch_to_the_active_input_leaves_it_active(controller: &Controller) {
    let before = run(controller).await;
    let active = before.active_input.clone().unwrap();
    controller.switch_input(&active).await.unwrap();
    controller.switch_input(&active).await.unwrap();

    assert_eq!(seen(controller).await, before);
}

/// Clause 3.
pub async fn an_unknown_input_is_invalid(controller: &Controller) {
    let before = run(controller).await;
    let unknown = AttachmentName("there is no such input".to_owned());
    let result = controller.switch_input(&unknown).await;

    assert_kind(result, ErrorKind::Invalid);
    assert_eq!(seen(controller).await, before);
}

/// Clause 3.
pub async fn an_input_of_an_idle_channel_is_not_switched(controller: &Controller) {
    let before = seen(controller).await;
    let other = other_input(&before);
    let result = controller.switch_input(&other).await;

    assert_kind(result, ErrorKind::Conflict);
    assert_eq!(seen(controller).await, before);
}

/// Clause 4.
pub async fn a_plan_names_what_is_added_and_what_is_untouched(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let channel = seen(controller).await;
    let plan = controller.plan_feed(&feed).await.unwrap();

    assert_eq!(plan.step, FeedStep::Add);
    assert_eq!(plan.state, channel.state);
    assert_eq!(plan.outage, Outage::OF_AN_EDIT);
    assert_eq!(plan.untouched, channel.output_groups);
    let lines = plan.difference.join("\n");
    for address in feed.addresses() {
        assert!(lines.contains(&address.to_string()), "{lines}");
    }
    let text = plan.to_string();
    assert!(text.starts_with("viewers see nothing"), "{text}");
}

/// Clause 4.
pub async fn a_plan_of_what_is_there_is_without_an_outage(controller: &Controller) {
    let feed = feed_or_return!(controller);
    controller.add_feed(&feed).await.unwrap();
    let plan = controller.plan_feed(&feed).await.unwrap();

    assert_eq!(plan.step, FeedStep::Keep);
    assert_eq!(plan.outage, Outage::NONE);
    assert_eq!(plan.difference, [""; 0]);
}

/// Clause 5.
pub async fn a_running_channel_takes_no_feed(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let before = run(controller).await;
    let result = controller.add_feed(&feed).await;

    assert_tells_the_steps(&assert_kind(result, ErrorKind::Conflict));
    assert_eq!(seen(controller).await, before);
}

/// Clause 5.
pub async fn a_running_channel_keeps_its_feed(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let receipt = controller.add_feed(&feed).await.unwrap();
    let before = run(controller).await;
    let result = controller.remove_feed(&receipt).await;

    assert_tells_the_steps(&assert_kind(result, ErrorKind::Conflict));
    assert_eq!(seen(controller).await, before);
}

/// Clauses 5 and 6.
pub async fn an_added_feed_is_described_and_the_rest_is_as_before(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let before = seen(controller).await;
    let receipt = controller.add_feed(&feed).await.unwrap();
    let mut channel = seen(controller).await;

    let addresses: Vec<_> = feed.addresses().cloned().collect();
    assert_eq!(channel.feed, addresses);
    assert_eq!((receipt.feed, receipt.rest), (addresses, before.rest));
    channel.feed.clear();
    channel
        .output_groups
        .retain(|group| group.name != Feed::NAME);
    assert_eq!(channel, before);
}

/// Clause 6.
pub async fn adding_again_gives_an_equal_receipt(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let receipt = controller.add_feed(&feed).await.unwrap();
    let before = seen(controller).await;

    assert_eq!(controller.add_feed(&feed).await.unwrap(), receipt);
    assert_eq!(seen(controller).await, before);
}

/// Clause 6.
pub async fn adding_again_while_running_gives_an_equal_receipt(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let receipt = controller.add_feed(&feed).await.unwrap();
    let before = run(controller).await;

    assert_eq!(controller.add_feed(&feed).await.unwrap(), receipt);
    assert_eq!(seen(controller).await, before);
}

/// Clause 6.
pub async fn another_feed_is_a_conflict(controller: &Controller) {
    let there = feed_or_return!(controller);
    controller.add_feed(&there).await.unwrap();
    let before = seen(controller).await;

    let mut elsewhere = there.clone();
    elsewhere.address = sample::feed(9).address;
    let mut slower = there.clone();
    slower.latency = 4_000.try_into().unwrap();
    let mut other_secret = there.clone();
    other_secret.passphrase = format!("{}x", there.passphrase.as_str()).parse().unwrap();
    let mut other_stream = there;
    other_stream.stream_id = Some(StreamKey::new("another").unwrap());
    for other in [elsewhere, slower, other_secret, other_stream] {
        let result = controller.add_feed(&other).await;
        assert_kind(result, ErrorKind::Conflict);
        assert_eq!(seen(controller).await, before);
    }
}

/// Clauses 5 and 7.
pub async fn a_removed_feed_leaves_what_was_before(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let before = seen(controller).await;
    let receipt = controller.add_feed(&feed).await.unwrap();
    controller.remove_feed(&receipt).await.unwrap();

    assert_eq!(seen(controller).await, before);
}

/// Clause 7.
pub async fn removing_again_changes_nothing(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let receipt = controller.add_feed(&feed).await.unwrap();
    controller.remove_feed(&receipt).await.unwrap();
    let before = seen(controller).await;
    controller.remove_feed(&receipt).await.unwrap();
    assert_eq!(seen(controller).await, before);

    let before = run(controller).await;
    controller.remove_feed(&receipt).await.unwrap();
    assert_eq!(seen(controller).await, before);
}

/// Clause 7.
pub async fn a_receipt_of_another_rest_is_refused(controller: &Controller) {
    let feed = feed_or_return!(controller);
    let mut receipt = controller.add_feed(&feed).await.unwrap();
    receipt.rest = sample::hash_key().digest([b"another rest".as_slice()]);
    let before = seen(controller).await;
    let result = controller.remove_feed(&receipt).await;

    assert_kind(result, ErrorKind::Conflict);
    assert_eq!(seen(controller).await, before);
}

/// Clause 7.
pub async fn a_removed_feed_can_be_added_again(controller: &Controller) {
    let first = feed_or_return!(controller);
    let receipt = controller.add_feed(&first).await.unwrap();
    controller.remove_feed(&receipt).await.unwrap();
    let second = feed(seen(controller).await.class, 2);
    let receipt = controller.add_feed(&second).await.unwrap();

    let addresses: Vec<_> = second.addresses().cloned().collect();
    assert_eq!(seen(controller).await.feed, addresses);
    assert_eq!(receipt.feed, addresses);
}

/// Clause 8.
pub async fn a_feed_without_an_address_for_each_pipeline_is_invalid(controller: &Controller) {
    let mut feed = feed_or_return!(controller);
    feed.second = match feed.second {
        None => Some(sample::feed(2).address),
        Some(_) => None,
    };
    let before = seen(controller).await;

    assert_kind(controller.plan_feed(&feed).await, ErrorKind::Invalid);
    assert_kind(controller.add_feed(&feed).await, ErrorKind::Invalid);
    assert_eq!(seen(controller).await, before);
}

/// Clause 9.
pub async fn no_secret_is_printed(controller: &Controller) {
    let mut feed = feed_or_return!(controller);
    feed.stream_id = Some(StreamKey::new(CANARY).unwrap());
    let plan = controller.plan_feed(&feed).await.unwrap();
    let mut printed = format!("{plan} {plan:?}");
    let receipt = controller.add_feed(&feed).await.unwrap();
    let channel = run(controller).await;
    printed += &format!("{receipt:?} {channel:?} {controller:?}");
    for refusal in [
        controller.remove_feed(&receipt).await.err(),
        controller.add_feed(&sample::feed(2)).await.err(),
    ] {
        printed += &chain(&refusal.unwrap());
    }

    assert!(!printed.contains(CANARY), "{printed}");
}

fn chain(error: &PortError) -> String {
    let mut printed = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        printed += &format!(" {error:?} {error}");
        cause = error.source();
    }
    printed
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("channel_controller.rs"));
    }
}
