use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret,
    domain::{
        AttachmentName, Channel, ChannelClass, ChannelRefusal, ChannelState, Digest, Feed,
        FeedChange, FeedReceipt, FeedStep, InputAttachment, Outage, OutputGroup, OutputGroupKind,
        SharedEncode,
    },
    port::{ChannelController, PortError},
};

use crate::sample;

/// A [`ChannelController`] in memory, of a channel with two inputs, `camera` and
/// `slate`, whose viewers are served by the output group `viewers`.
///
/// What starts is described as starting once, and as running from then on; what
/// stops likewise. A feed is refused in every other state than idle.
#[derive(Clone, Debug)]
pub struct MemoryChannelController {
    class: ChannelClass,
    inner: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    state: ChannelState,
    active: usize,
    feed: Option<Feed>,
    groups: Vec<OutputGroup>,
}

const INPUTS: [&str; 2] = ["camera", "slate"];

impl Default for MemoryChannelController {
    fn default() -> Self {
        Self::new(ChannelClass::SinglePipeline)
    }
}

impl MemoryChannelController {
    /// An idle channel without a feed.
    #[must_use]
    pub fn new(class: ChannelClass) -> Self {
        let viewers = OutputGroup {
            name: "viewers".to_owned(),
            kind: OutputGroupKind::MediaPackage,
            outputs: 3,
        };
        let state = State {
            state: ChannelState::Idle,
            active: 0,
            feed: None,
            groups: vec![viewers],
        };
        Self {
            class,
            inner: Arc::new(Mutex::new(state)),
        }
    }

    /// Puts the channel into a state, in which it stays until it is started or stopped.
    pub fn set_state(&self, state: ChannelState) {
        self.with(|inner| inner.state = state);
    }

    /// Edits the rest of the channel, as somebody else might.
    pub fn edit_the_rest(&self) {
        self.with(|inner| {
            inner.groups.push(OutputGroup {
                name: format!("archive-{}", inner.groups.len()),
                kind: OutputGroupKind::Archive,
                outputs: 1,
            });
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn rest(&self) -> Digest {
        let parts: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
        sample::hash_key().digest(parts.iter().map(String::as_bytes))
    }

    fn receipt(&self, feed: &Feed) -> FeedReceipt {
        FeedReceipt {
            feed: feed.addresses().cloned().collect(),
            rest: self.rest(),
        }
    }

    /// Whether the feed is there as it is given; another one is refused.
    fn has(&self, feed: &Feed) -> Result<bool, ChannelRefusal> {
        match &self.feed {
            None => Ok(false),
            Some(there) if is_same(there, feed) => Ok(true),
            Some(_) => Err(ChannelRefusal::AnotherFeed),
        }
    }

    fn require_idle(&self) -> Result<(), ChannelRefusal> {
        match self.state {
            ChannelState::Idle => Ok(()),
            state => Err(ChannelRefusal::NotIdle(state)),
        }
    }

    fn describe(&mut self, class: ChannelClass) -> Channel {
        let is_on = matches!(self.state, ChannelState::Running | ChannelState::Recovering);
        let pipelines = match class {
            ChannelClass::Standard => 2,
            ChannelClass::SinglePipeline => 1,
        };
        let mut output_groups = self.groups.clone();
        if self.feed.is_some() {
            output_groups.push(OutputGroup {
                name: Feed::NAME.to_owned(),
                kind: OutputGroupKind::Srt,
                outputs: 1,
            });
        }
        let feed = self.feed.as_ref();
        let channel = Channel {
            name: "channel".to_owned(),
            state: self.state,
            class,
            pipelines_running: if is_on { pipelines } else { 0 },
            attachments: INPUTS.map(attachment).into(),
            active_input: is_on.then(|| name(INPUTS[self.active])),
            output_groups,
            feed: feed.map_or_else(Vec::new, |feed| feed.addresses().cloned().collect()),
            rest: self.rest(),
        };
        self.state = match self.state {
            ChannelState::Starting => ChannelState::Running,
            ChannelState::Stopping => ChannelState::Idle,
            state => state,
        };
        channel
    }
}

fn name(text: &str) -> AttachmentName {
    AttachmentName(text.to_owned())
}

fn attachment(text: &str) -> InputAttachment {
    InputAttachment {
        name: name(text),
        input: format!("input-of-{text}"),
    }
}

fn is_same(one: &Feed, other: &Feed) -> bool {
    let stream_id = |feed: &Feed| {
        let stream_id = feed.stream_id.as_ref();
        stream_id.map(|id| id.as_secret().expose_secret().to_owned())
    };
    one.addresses().eq(other.addresses())
        && one.latency == other.latency
        && one.passphrase == other.passphrase
        && stream_id(one) == stream_id(other)
}

fn refused(operation: &'static str) -> impl Fn(ChannelRefusal) -> PortError {
    move |refusal| PortError::of_channel(operation, "the channel", &refusal)
}

#[async_trait]
impl ChannelController for MemoryChannelController {
    async fn describe(&self) -> Result<Channel, PortError> {
        Ok(self.with(|inner| inner.describe(self.class)))
    }

    async fn start(&self) -> Result<(), PortError> {
        self.with(|inner| match inner.state {
            ChannelState::Starting | ChannelState::Running | ChannelState::Recovering => Ok(()),
            ChannelState::Idle => {
                inner.state = ChannelState::Starting;
                inner.active = 0;
                Ok(())
            }
            state => Err(refused("start")(ChannelRefusal::CannotStart(state))),
        })
    }

    async fn stop(&self) -> Result<(), PortError> {
        self.with(|inner| match inner.state {
            ChannelState::Stopping | ChannelState::Idle => Ok(()),
            ChannelState::Running | ChannelState::Recovering => {
                inner.state = ChannelState::Stopping;
                Ok(())
            }
            state => Err(refused("stop")(ChannelRefusal::CannotStop(state))),
        })
    }

    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError> {
        let refused = refused("switch the input of");
        let index = INPUTS.iter().position(|it| *it == to.as_str());
        let index =
            index.ok_or_else(|| refused(ChannelRefusal::NoSuchInput(INPUTS.map(name).into())))?;
        self.with(|inner| match inner.state {
            ChannelState::Running => {
                inner.active = index;
                Ok(())
            }
            state => Err(refused(ChannelRefusal::NotRunning(state))),
        })
    }

    async fn plan_feed(&self, feed: &Feed) -> Result<FeedChange, PortError> {
        let refused = refused("plan a feed of");
        feed.check(self.class).map_err(&refused)?;
        self.with(|inner| {
            let is_there = inner.has(feed).map_err(&refused)?;
            let addresses = feed.addresses();
            Ok(FeedChange {
                step: if is_there {
                    FeedStep::Keep
                } else {
                    FeedStep::Add
                },
                state: inner.state,
                encode: SharedEncode {
                    group: inner.groups[0].name.clone(),
                    video: "video".to_owned(),
                    audio: vec!["audio".to_owned()],
                },
                difference: match is_there {
                    true => Vec::new(),
                    false => addresses.map(|to| format!("feed to {to}")).collect(),
                },
                untouched: inner.groups.clone(),
                outage: if is_there {
                    Outage::NONE
                } else {
                    Outage::OF_AN_EDIT
                },
            })
        })
    }

    async fn add_feed(&self, feed: &Feed) -> Result<FeedReceipt, PortError> {
        let refused = refused("add a feed to");
        feed.check(self.class).map_err(&refused)?;
        self.with(|inner| {
            if !inner.has(feed).map_err(&refused)? {
                inner.require_idle().map_err(&refused)?;
                inner.feed = Some(feed.clone());
            }
            Ok(inner.receipt(feed))
        })
    }

    async fn remove_feed(&self, receipt: &FeedReceipt) -> Result<(), PortError> {
        let refused = refused("remove the feed of");
        self.with(|inner| {
            if inner.rest() != receipt.rest {
                return Err(refused(ChannelRefusal::RestChanged));
            }
            let Some(there) = &inner.feed else {
                return Ok(());
            };
            if !there.addresses().eq(&receipt.feed) {
                return Err(refused(ChannelRefusal::AnotherFeed));
            }
            inner.require_idle().map_err(&refused)?;
            inner.feed = None;
            Ok(())
        })
    }
}
