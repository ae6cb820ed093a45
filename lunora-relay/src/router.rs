//! The relay as the domain sees it.

use async_trait::async_trait;
use lunora_core::{
    domain::{ObservedOutput, OutputId, OutputSpec},
    port::{ErrorKind, OutputRouter, PortError, RouterCapabilities},
};
use tokio::sync::{mpsc, oneshot};

use crate::engine::Command;

/// Pushes what comes in to outputs, each by itself. Cheap to clone; all clones are one relay.
#[derive(Clone, Debug)]
pub struct RelayRouter {
    commands: mpsc::Sender<Command>,
    outputs_max: usize,
}

/// The data plane has stopped, or is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the relay has stopped")]
pub(crate) struct Stopped;

impl RelayRouter {
    pub(crate) const fn new(commands: mpsc::Sender<Command>, outputs_max: usize) -> Self {
        Self {
            commands,
            outputs_max,
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

fn unavailable(operation: &'static str, id: &OutputId) -> PortError {
    PortError::new(
        ErrorKind::Unavailable,
        operation,
        format_args!("output {id}"),
    )
    .with_source(Stopped)
}

#[async_trait]
impl OutputRouter for RelayRouter {
    fn capabilities(&self) -> RouterCapabilities {
        RouterCapabilities::rtmp(self.outputs_max)
    }

    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError> {
        let observed = self.ask(Command::Observe).await;
        observed.map_err(|stopped| {
            PortError::new(ErrorKind::Unavailable, "observe", "the outputs").with_source(stopped)
        })
    }

    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>> {
        const APPLY: &str = "apply";
        let schemes = self.capabilities().schemes;
        let takes = |spec: &&OutputSpec| schemes.contains(&spec.target.url.scheme());
        let taken = specs.iter().filter(takes).cloned().collect();
        let answer = self.ask(|reply| Command::Apply(taken, reply)).await;
        let mut answers = answer.map(Vec::into_iter).ok();
        let results = specs.iter().map(|spec| {
            let subject = format_args!("output {}", spec.id);
            if !takes(&spec) {
                return Err(PortError::new(ErrorKind::Unsupported, APPLY, subject));
            }
            match answers.as_mut().and_then(Iterator::next) {
                None => Err(unavailable(APPLY, &spec.id)),
                Some(result) => result.map_err(|no_room| {
                    PortError::new(ErrorKind::Exhausted, APPLY, subject).with_source(no_room)
                }),
            }
        });
        results.collect()
    }

    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let done = self.ask(|reply| Command::Detach(ids.to_vec(), reply)).await;
        ids.iter()
            .map(|id| done.map_err(|Stopped| unavailable("detach", id)))
            .collect()
    }

    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>> {
        let done = self.ask(|reply| Command::Retry(ids.to_vec(), reply)).await;
        ids.iter()
            .map(|id| done.map_err(|Stopped| unavailable("retry", id)))
            .collect()
    }
}
