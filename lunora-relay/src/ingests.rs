//! The sources of the relay as the domain sees them.

use std::time::Duration;

use async_trait::async_trait;
use lunora_core::{
    domain::{
        Aspect, Check, Fault, FaultClass, FaultCode, Finding, IngestSpec, IngestState, MediaFacts,
        ObservedIngest, Outcome, SourceId,
    },
    port::{Clock, ErrorKind, IngestController, PortError, SourceProbe},
};
use std::sync::Arc;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};

use crate::{
    air::Origin,
    engine::{Command, SourceCommand},
    router::Stopped,
    sources::Prober,
};

/// How long a probe looks at a source.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// For how long it waits for an encoder to connect. One that connects by itself does so again
/// within a few seconds.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const PROBE: &str = "test source";

/// Takes sources in, and puts one of them on air. Cheap to clone; all clones are one relay.
#[derive(Clone, Debug)]
pub struct RelayIngests {
    commands: mpsc::Sender<Command>,
    clock: Arc<dyn Clock>,
}

impl RelayIngests {
    pub(crate) const fn new(commands: mpsc::Sender<Command>, clock: Arc<dyn Clock>) -> Self {
        Self { commands, clock }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> SourceCommand,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Sources(command(reply));
        self.commands.send(command).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// What is on air, be it a source or not, and what was measured of it; `None` if nothing is.
    pub async fn on_air(&self) -> Result<Option<(Origin, MediaFacts)>, PortError> {
        let measured = self.ask(SourceCommand::OnAir).await;
        measured.map_err(|Stopped| unavailable("measure", "what is on air"))
    }

    async fn see(&self, id: &SourceId) -> Result<Option<ObservedIngest>, PortError> {
        let all = self.observe().await?;
        Ok(all.into_iter().find(|it| it.id == *id))
    }

    /// Looks until the facts are complete, or for as long as it may.
    async fn watch(&self, source: &IngestSpec) -> Result<Look, PortError> {
        let begun = Instant::now();
        let mut seen = Look::Nobody;
        loop {
            let Some(now) = self.see(&source.id).await? else {
                return Ok(Look::Nobody);
            };
            let looked = begun.elapsed();
            let is_over = match now.state {
                IngestState::OnAir | IngestState::Standby => {
                    seen = Look::Media(now.media);
                    is_complete(&now.media)
                }
                IngestState::Silent => {
                    if !matches!(seen, Look::Media(_)) {
                        seen = Look::Silent;
                    }
                    false
                }
                IngestState::Failed => return Ok(Look::Failed(now.fault)),
                _ => matches!(seen, Look::Nobody) && CONNECT_MAX <= looked,
            };
            if is_over || LOOK_MAX <= looked {
                return Ok(seen);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// What was seen of a source.
#[derive(Debug)]
enum Look {
    Nobody,
    Silent,
    Failed(Option<Fault>),
    Media(MediaFacts),
}

/// Whether more looking tells no more. Some sources have no sound, and some no picture.
fn is_complete(media: &MediaFacts) -> bool {
    let has_video = media.video.is_some_and(|video| {
        video.frame_rate_milli.is_some() && video.keyframe_interval_ms.is_some()
    });
    has_video && media.audio.is_some() && media.bitrate_bps.is_some()
}

fn unavailable(operation: &'static str, subject: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Unavailable, operation, subject).with_source(Stopped)
}

#[async_trait]
impl IngestController for RelayIngests {
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>> {
        let told = specs.to_vec();
        let answer = self.ask(|reply| SourceCommand::Apply(told, reply)).await;
        answer.unwrap_or_else(|Stopped| {
            let failed = specs.iter();
            failed
                .map(|spec| Err(unavailable("take in source", &spec.id)))
                .collect()
        })
    }

    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError> {
        let observed = self.ask(SourceCommand::Observe).await;
        observed.map_err(|Stopped| unavailable("observe", "the sources"))
    }

    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError> {
        let subject =
            || source.map_or_else(|| "any source".to_owned(), |id| format!("source {id}"));
        let told = source.cloned();
        let known = self.ask(|reply| SourceCommand::Pin(told, reply)).await;
        if known.map_err(|Stopped| unavailable("pin", subject()))? {
            return Ok(());
        }
        let error = PortError::new(ErrorKind::Invalid, "pin", subject());
        Err(error.with_reason("it is not taken in; enable it first"))
    }

    async fn pinned(&self) -> Result<Option<SourceId>, PortError> {
        let pinned = self.ask(SourceCommand::Pinned).await;
        let pinned = pinned.map_err(|Stopped| unavailable("tell", "the pinned source"))?;
        Ok(pinned.and_then(|origin| match origin {
            Origin::Source(id) => Some(id),
            Origin::Encoder | Origin::Demo => None,
        }))
    }
}

#[async_trait]
impl SourceProbe for RelayIngests {
    async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError> {
        let told = source.clone();
        let prober = self.ask(|reply| SourceCommand::Prober(told, reply)).await;
        let prober = prober.map_err(|Stopped| unavailable(PROBE, &source.id))??;
        let look = match prober {
            Prober::Intake(intake) => return intake.probe(source).await,
            Prober::Observer => self.watch(source).await?,
            Prober::Nobody => Look::Nobody,
        };
        let at = self.clock.now();
        let lost = |text: &'static str| {
            Outcome::Failed(Fault::new(
                FaultCode::SourceLost,
                FaultClass::Actionable,
                text,
                at,
            ))
        };
        let unseen = Outcome::NotChecked("it is seen once an encoder is connected");
        let (connect, media, facts) = match look {
            Look::Nobody => (
                lost(
                    "no encoder is connected as this source: start it, or check its address and key",
                ),
                Outcome::NotChecked("there is none while no encoder is connected"),
                None,
            ),
            Look::Failed(Some(fault)) => (Outcome::Failed(fault), unseen, None),
            Look::Failed(None) => (lost("it cannot come in"), unseen, None),
            Look::Silent => (
                Outcome::Passed,
                lost("the encoder is connected and sends neither sound nor pictures"),
                None,
            ),
            Look::Media(facts) => (Outcome::Passed, Outcome::Passed, Some(facts)),
        };
        let check = |aspect, outcome| Check { aspect, outcome };
        Ok(Finding {
            at,
            checks: vec![check(Aspect::Connect, connect), check(Aspect::Media, media)],
            media: facts,
        })
    }
}
