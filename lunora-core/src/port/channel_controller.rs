use std::fmt;

use async_trait::async_trait;

use super::{ErrorKind, PortError};
use crate::domain::{AttachmentName, Channel, ChannelRefusal, Feed, FeedChange, FeedReceipt};

/// The channel that makes what viewers see, and the feed that it sends beside it.
///
/// # Contract
///
/// 1. Describing and planning change nothing, whatever the channel is doing.
/// 2. A start of what starts or runs, and a stop of what stops or is idle, succeed
///    and change nothing, so that both can be repeated after a lost reply. Both
///    return once accepted; the state tells when it is done. Where the channel can
///    be neither, they are a [`Conflict`](super::ErrorKind::Conflict).
/// 3. After a switch the given input becomes the active one; the active one is
///    switched to without harm. An unknown input is
///    [`Invalid`](super::ErrorKind::Invalid), and a channel that does not run a
///    [`Conflict`](super::ErrorKind::Conflict); neither changes anything.
/// 4. A plan names what would be added, and every output group that is there as
///    untouched. It is without an outage if the feed is there as wanted.
/// 5. A feed is added and removed only while idle: otherwise it is a
///    [`Conflict`](super::ErrorKind::Conflict) that says the order of steps. Neither
///    starts or stops the channel.
/// 6. After adding, the feed is described, and everything else as it was before.
///    Adding what is there as given changes nothing, in any state, and gives a
///    receipt of now; another feed in its place is a `Conflict` that changes nothing.
/// 7. After removing, the channel is described as before adding. Removing again
///    changes nothing, in any state. If the rest is not what the receipt says, it is
///    a `Conflict` that changes nothing.
/// 8. A feed that does not have an address for each pipeline is `Invalid`. An
///    adapter without feeds answers [`Unsupported`](super::ErrorKind::Unsupported)
///    to planning, adding and removing.
/// 9. No secret appears in what the adapter, its errors, plans or descriptions print.
#[async_trait]
pub trait ChannelController: fmt::Debug + Send + Sync + 'static {
    /// Returns what the channel is and does.
    async fn describe(&self) -> Result<Channel, PortError>;

    /// Starts it. It costs money from here on.
    async fn start(&self) -> Result<(), PortError>;

    /// Stops it. Viewers see nothing from here on.
    async fn stop(&self) -> Result<(), PortError>;

    /// Makes another input the active one, at once.
    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError>;

    /// Returns what adding the feed would change.
    async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError>;

    /// Adds the feed to an idle channel.
    ///
    /// Nobody else should edit the channel meanwhile: a backend may know no
    /// condition for an edit, and the later one wins.
    async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError>;

    /// Takes the feed out of an idle channel. As with
    /// [`add_feed`](Self::add_feed), nobody else should edit it meanwhile.
    async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError>;
}

/// Whoever can tell whether media comes in somewhere: a flow, or what makes HLS.
#[async_trait]
pub trait Receives: fmt::Debug + Send + Sync + 'static {
    /// Whether media comes in right now.
    async fn receives(&self) -> Result<bool, PortError>;
}

impl PortError {
    /// Says that `operation` on a channel is refused, and why, for people.
    #[must_use]
    pub fn of_channel(
        operation: &'static str,
        channel: impl fmt::Display,
        refusal: &ChannelRefusal,
    ) -> Self {
        let kind = match refusal {
            ChannelRefusal::NoSuchInput(_)
            | ChannelRefusal::Addresses { .. }
            | ChannelRefusal::Passphrase => ErrorKind::Invalid,
            ChannelRefusal::NoSharedEncode | ChannelRefusal::UnknownSetting(_) => {
                ErrorKind::Unsupported
            }
            ChannelRefusal::NotIdle(_)
            | ChannelRefusal::CannotStart(_)
            | ChannelRefusal::CannotStop(_)
            | ChannelRefusal::NotRunning(_)
            | ChannelRefusal::AnotherFeed
            | ChannelRefusal::RestChanged => ErrorKind::Conflict,
        };
        Self::new(kind, operation, channel).with_reason(refusal.to_string())
    }
}
