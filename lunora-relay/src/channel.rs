//! The relay as a channel: what can come in, what does, and whether anything goes out.

use async_trait::async_trait;
use lunora_core::{
    domain::{
        AttachmentName, Channel, ChannelClass, ChannelRefusal, ChannelState, Feed, FeedChange,
        FeedReceipt, HashKey, InputAttachment, OutputGroup, OutputGroupKind, SourceId,
    },
    port::{ChannelController, ErrorKind, PortError},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    air::Origin,
    engine::{ChannelCommand, Command},
    router::Stopped,
};

/// What the channel is called.
pub(crate) const NAME: &str = "relay";
/// The attachment of the encoder with the relay's own key. No source can be called so.
const ENCODER: &str = "encoder:publish-key";
const NO_FEED: &str = "this channel pushes to destinations itself; there is no flow to feed";

/// What the data plane says of itself as a channel.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Whether what comes in goes out.
    pub(crate) runs: bool,
    /// Whether an encoder can come in with the relay's own key.
    pub(crate) has_encoder: bool,
    /// The sources, and how each comes in; the first is used first.
    pub(crate) sources: Vec<(SourceId, String)>,
    pub(crate) on_air: Option<Origin>,
    pub(crate) pinned: Option<Origin>,
    pub(crate) outputs: usize,
}

/// The relay as a channel, whose inputs are the sources. Cheap to clone; all clones are one relay.
///
/// It runs from the start. While it is stopped, sources are watched and nothing goes out.
#[derive(Clone, Debug)]
pub struct RelayChannel {
    commands: mpsc::Sender<Command>,
}

impl RelayChannel {
    pub(crate) const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        command: impl FnOnce(oneshot::Sender<T>) -> ChannelCommand,
    ) -> Result<T, PortError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Channel(command(reply));
        let sent = self.commands.send(command).await.map_err(|_| Stopped);
        let answered = match sent {
            Ok(()) => answer.await.map_err(|_| Stopped),
            Err(stopped) => Err(stopped),
        };
        answered.map_err(|stopped| {
            PortError::new(ErrorKind::Unavailable, operation, NAME).with_source(stopped)
        })
    }
}

impl Described {
    fn into_channel(self) -> Channel {
        let encoder = self.has_encoder.then(|| InputAttachment {
            name: AttachmentName(ENCODER.to_owned()),
            input: "RTMP".to_owned(),
        });
        let sources = self.sources.iter().map(|(id, input)| InputAttachment {
            name: AttachmentName(id.to_string()),
            input: input.clone(),
        });
        let attachments: Vec<_> = encoder.into_iter().chain(sources).collect();
        // What was chosen by hand is to come in; else what does; else what would, first of all.
        let named = self.pinned.or(self.on_air).and_then(|origin| match origin {
            Origin::Encoder => Some(AttachmentName(ENCODER.to_owned())),
            Origin::Source(id) => Some(AttachmentName(id.to_string())),
            Origin::Demo => None,
        });
        let first = || attachments.first().map(|it| it.name.clone());
        let active_input = named.or_else(first).filter(|_| self.runs);
        let parts = attachments.iter().flat_map(|it| [&it.name.0, &it.input]);
        // Nobody is to be kept from guessing what is described in the clear.
        let rest = HashKey::new([0; 32]).digest(parts.map(|part| part.as_bytes()));
        Channel {
            name: NAME.to_owned(),
            state: if self.runs {
                ChannelState::Running
            } else {
                ChannelState::Idle
            },
            class: ChannelClass::SinglePipeline,
            pipelines_running: u32::from(self.runs),
            attachments,
            active_input,
            output_groups: vec![OutputGroup {
                name: "destinations".to_owned(),
                kind: OutputGroupKind::Rtmp,
                outputs: self.outputs,
            }],
            feed: Vec::new(),
            rest,
        }
    }
}

fn unsupported(operation: &'static str) -> PortError {
    PortError::new(ErrorKind::Unsupported, operation, NAME).with_reason(NO_FEED)
}

#[async_trait]
impl ChannelController for RelayChannel {
    async fn describe(&self) -> Result<Channel, PortError> {
        let described = self.ask("describe", ChannelCommand::Describe).await?;
        Ok(described.into_channel())
    }

    async fn start(&self) -> Result<(), PortError> {
        self.ask("start", |reply| ChannelCommand::Run(true, reply))
            .await
    }

    async fn stop(&self) -> Result<(), PortError> {
        self.ask("stop", |reply| ChannelCommand::Run(false, reply))
            .await
    }

    async fn switch_input(&self, to: &AttachmentName) -> Result<(), PortError> {
        const SWITCH: &str = "switch the input of";
        let channel = self.describe().await?;
        let refuse = |refusal| Err(PortError::of_channel(SWITCH, NAME, &refusal));
        if !channel.attachments.iter().any(|it| it.name == *to) {
            let names = channel.attachments.into_iter().map(|it| it.name);
            return refuse(ChannelRefusal::NoSuchInput(names.collect()));
        }
        if channel.state != ChannelState::Running {
            return refuse(ChannelRefusal::NotRunning(channel.state));
        }
        let origin = if to.as_str() == ENCODER {
            Some(Origin::Encoder)
        } else {
            to.as_str().parse().ok().map(Origin::Source)
        };
        let is_there = match origin {
            Some(origin) => {
                self.ask(SWITCH, |reply| ChannelCommand::Pin(origin, reply))
                    .await?
            }
            None => false,
        };
        if is_there {
            return Ok(());
        }
        // It was removed a moment ago.
        let others = channel.attachments.into_iter().map(|it| it.name);
        let others = others.filter(|name| name != to);
        refuse(ChannelRefusal::NoSuchInput(others.collect()))
    }

    async fn plan_feed(&self, _: &Feed) -> Result<FeedChange, PortError> {
        Err(unsupported("plan a feed of"))
    }

    async fn add_feed(&self, _: &Feed) -> Result<FeedReceipt, PortError> {
        Err(unsupported("add a feed to"))
    }

    async fn remove_feed(&self, _: &FeedReceipt) -> Result<(), PortError> {
        Err(unsupported("remove the feed of"))
    }
}
