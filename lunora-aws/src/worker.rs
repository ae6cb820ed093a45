//! What a process on AWS does each time that something wakes it.

use std::{sync::Arc, time::Duration};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use jiff::Timestamp;
use lunora_core::{
    domain::{DestinationId, SecretName, WorkerId},
    port::{Clock, PortError},
    service::{Cause, Failover, PassReport, Reconciler, Scope},
};
use serde_json::Value;

use crate::{
    ParameterPrefix,
    mediaconnect::{Event, EventError, Evidence, EvidenceStore},
};

/// Reconciles whenever a timer or an event wakes it; one event or one pass a call,
/// so that a Lambda needs nothing else.
///
/// Make the [`Reconciler`] work [under a lease](Reconciler::under_lease), and with a
/// [time box](Reconciler::with_time_box) shorter than the process may live.
#[derive(Debug)]
pub struct Worker {
    reconciler: Arc<Reconciler>,
    evidence: Arc<dyn EvidenceStore>,
    prefix: ParameterPrefix,
    clock: Arc<dyn Clock>,
    sleep: SharedAsyncSleep,
    failover: Option<Arc<Failover>>,
}

/// What the passes until the given time came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// How many passes were made.
    pub passes: u32,
    /// The steps that the router took.
    pub done: usize,
    /// The steps that failed in the last pass; the next one tries again.
    pub failed: usize,
    /// The steps that there was no time for.
    pub unfinished: usize,
    /// Who had the lease all the time, should it be another: nothing was done, and
    /// a later pass has to do it.
    pub elsewhere: Option<WorkerId>,
}

/// What an event led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handled {
    /// It told how an output, a source or a flow fares.
    Heard(Evidence),
    /// It told of another stream key, and that destination was looked at.
    KeyChanged(DestinationId),
    /// It was the timer.
    Passed(Worked),
    /// It was none of ours.
    Ignored,
}

/// Why an event was not dealt with. Delivered again, it may be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// It cannot be read, however often it is delivered.
    #[error("the event cannot be read")]
    Event(#[from] EventError),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// How long to wait for another worker's pass to end before asking for the lease again:
/// first so long, then twice as long each time, up to the second.
const BETWEEN_ASKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];

impl Worker {
    /// Works with that reconciler. `sleep` has to sleep in the time that `clock` tells.
    #[must_use]
    pub fn new(
        reconciler: Arc<Reconciler>,
        evidence: Arc<dyn EvidenceStore>,
        prefix: ParameterPrefix,
        clock: Arc<dyn Clock>,
        sleep: SharedAsyncSleep,
    ) -> Self {
        Self {
            reconciler,
            evidence,
            prefix,
            clock,
            sleep,
            failover: None,
        }
    }

    /// Fails destinations over by themselves as well: at every event that tells how an output
    /// fares, and with every timer, so within its interval if no event comes (rule 28).
    ///
    /// A far end shows here only by its events, so give it limits of a minute and more.
    #[must_use]
    pub fn with_failover(mut self, failover: Arc<Failover>) -> Self {
        self.failover = Some(failover);
        self
    }

    async fn fail_over(&self) -> Result<(), PortError> {
        match &self.failover {
            Some(failover) => failover.tick().await.map(drop),
            None => Ok(()),
        }
    }

    /// Makes passes until everything is as it is wanted, or fails, or that time has come.
    ///
    /// While another worker has the lease it waits: what woke this one may have come
    /// after the other one read the rows.
    pub async fn pass(&self, cause: Cause, until: Timestamp) -> Result<Worked, PortError> {
        let mut worked = Worked::default();
        let [mut wait, longest] = BETWEEN_ASKS;
        loop {
            let report = self.reconciler.reconcile(Scope::All, cause).await?;
            worked.note(&report);
            let is_over = worked.elsewhere.is_none() && worked.unfinished == 0;
            if is_over || until <= self.clock.now() + wait {
                return Ok(worked);
            }
            if worked.elsewhere.is_some() {
                self.sleep.sleep(wait).await;
                wait = longest.min(wait * 2);
            }
        }
    }

    /// Deals with one event of EventBridge: evidence of MediaConnect, a changed
    /// parameter, or the timer, which makes the slow pass (rule 23) and a pass until
    /// that time. Everything else is ignored.
    pub async fn handle(&self, event: &[u8], until: Timestamp) -> Result<Handled, WorkerError> {
        if let Some(evidence) = Event::from_json(event)? {
            self.evidence.note(&evidence).await?;
            self.fail_over().await?;
            return Ok(Handled::Heard(evidence));
        }
        // It was read above, so it is an object.
        let event: Value = serde_json::from_slice(event).map_err(|_| EventError::NotJson)?;
        match (event["source"].as_str(), event["detail-type"].as_str()) {
            (Some("aws.events"), Some("Scheduled Event")) => {
                let adopted = self.reconciler.adopt_changed_secrets().await;
                let worked = self.pass(Cause::Routine, until).await?;
                adopted?;
                self.fail_over().await?;
                Ok(Handled::Passed(worked))
            }
            (Some("aws.ssm"), Some("Parameter Store Change")) => {
                match self.whose(event["detail"]["name"].as_str().unwrap_or_default()) {
                    None => Ok(Handled::Ignored),
                    Some(id) => {
                        self.reconciler.secret_changed(&id).await?;
                        Ok(Handled::KeyChanged(id))
                    }
                }
            }
            _ => Ok(Handled::Ignored),
        }
    }

    /// The destination that a parameter belongs to.
    fn whose(&self, parameter: &str) -> Option<DestinationId> {
        let below = parameter.strip_prefix(self.prefix.as_str())?;
        match below.strip_prefix('/')?.parse().ok()? {
            SecretName::StreamKey(id, _) | SecretName::UrlTail(id, _) => Some(id),
            _ => None,
        }
    }
}

impl Worked {
    fn note(&mut self, report: &PassReport) {
        self.passes += 1;
        self.done += report.done.len();
        self.failed = report.failed.len();
        self.unfinished = report.unfinished;
        self.elsewhere.clone_from(&report.elsewhere);
    }
}
