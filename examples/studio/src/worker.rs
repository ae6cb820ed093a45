//! What goes on by itself: an eye on the relay, and a pass now and then.

use std::{sync::Arc, time::Duration};

use lunora_api::{Program, ProgramMonitor};
use lunora_core::{
    domain::{
        EventKind, EventSeq, FeedProgram, Label, MediaFacts, NewEvent, ProgramKind, ViewerFeed,
    },
    port::{EventLog, ViewerMonitor},
    service::{Cause, Failover, Ports, Reconciler, Scope, Sources},
};
use lunora_relay::{Air, OnAir, Origin, Relay, RelayIngests, Switched};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::terminal::why;

/// How often a pass looks for drift. The relay's calls stay in the process.
const PASS_EVERY: Duration = Duration::from_secs(10);
/// How long idempotency keys are kept (rule 2).
const CLAIMS_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// How often it is decided which legs are used, though nothing changed.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// How long changes of the relay are gathered, so that a flapping far end costs no look each time.
const GATHER: Duration = Duration::from_millis(50);

/// Shows the relay's program to the API.
#[derive(Debug)]
pub(crate) struct RelayProgram {
    relay: Arc<Relay>,
    media: watch::Receiver<Option<MediaFacts>>,
}

impl RelayProgram {
    /// Shows what is on air, and what was [measured](measure) of it.
    pub(crate) fn new(relay: Arc<Relay>, media: watch::Receiver<Option<MediaFacts>>) -> Self {
        Self { relay, media }
    }
}

impl ProgramMonitor for RelayProgram {
    fn program(&self) -> Program {
        let program = self.relay.program();
        Program {
            kind: kind(program.on_air),
            since: program.since,
            bitrate_bps: program.bitrate_bps,
            video_codec: program.video.map(|codec| codec.to_string()),
            audio_codec: program.audio.map(|codec| codec.to_string()),
            media: self
                .media
                .borrow()
                .filter(|_| program.on_air != OnAir::Nothing),
        }
    }
}

/// Measures what is on air once a second, until the relay is gone.
pub(crate) async fn measure(ingests: RelayIngests, media: watch::Sender<Option<MediaFacts>>) {
    let mut every = interval(TICK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Ok(measured) = ingests.on_air().await else {
            return;
        };
        media.send_replace(measured.map(|(_, media)| media));
    }
}

/// Shows the relay's HLS to the services.
#[derive(Debug)]
pub(crate) struct RelayViewers(pub(crate) Arc<Relay>);

impl ViewerMonitor for RelayViewers {
    fn viewer_feed(&self) -> ViewerFeed {
        let state = self.0.hls().unwrap_or_default();
        ViewerFeed {
            newest_segment: state.newest_at,
            since: state.since,
            program: match self.0.program().on_air {
                OnAir::Nothing => FeedProgram::Nothing,
                OnAir::Demo | OnAir::Encoder => FeedProgram::OnAir,
            },
            fault: state.fault.map(|fault| fault.as_fault()),
        }
    }
}

fn kind(on_air: OnAir) -> ProgramKind {
    match on_air {
        OnAir::Nothing => ProgramKind::Nothing,
        OnAir::Demo => ProgramKind::TestStream,
        OnAir::Encoder => ProgramKind::Encoder,
    }
}

/// Tells every change in the relay by events, until the relay is gone.
pub(crate) async fn watch(relay: Arc<Relay>, reconciler: Arc<Reconciler>, ports: Ports) {
    let mut changes = relay.changes();
    let mut on_air = None;
    loop {
        let now = kind(relay.program().on_air);
        if on_air != Some(now) {
            on_air = Some(now);
            let event = NewEvent {
                at: ports.clock.now(),
                destination: None,
                by: None,
                kind: EventKind::ProgramChanged { program: now },
            };
            if let Err(error) = ports.events.append(&event).await {
                tracing::warn!(%error, "an event was lost");
            }
        }
        if let Err(error) = reconciler.look().await {
            tracing::warn!(error = why(&error), "a look at the destinations failed");
        }
        if changes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Fails destinations over, whenever an output changed and once a second, until the relay is gone.
pub(crate) async fn fail_over(relay: Arc<Relay>, failover: Arc<Failover>) {
    let mut changes = relay.changes();
    loop {
        if let Err(error) = failover.tick().await {
            let error = why(&error);
            tracing::warn!(error, "failover is decided later");
        }
        if let Ok(Err(_)) = timeout(TICK_EVERY, changes.changed()).await {
            return;
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Tests the primaries that would be gone back to, for ever.
pub(crate) async fn test_primaries(failover: Arc<Failover>) {
    let mut every = interval(TICK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = failover.probe().await {
            let error = why(&error);
            tracing::warn!(error, "primaries are tested later");
        }
    }
}

/// Takes the sources in that are stored, so that their encoders are let in from the start.
pub(crate) async fn take_in(sources: &Sources) {
    match sources.sync().await {
        Ok(report) => {
            for (source, refused) in report.failed {
                tracing::warn!(%source, "it is not taken in: {}", refused.fault.text);
            }
        }
        Err(error) => {
            let error = why(&error);
            tracing::warn!(error, "the sources are taken in later");
        }
    }
}

/// Looks after the sources, whenever something changed and once a second, until the relay is gone.
pub(crate) async fn look_after(relay: Arc<Relay>, sources: Sources) {
    let mut changes = relay.changes();
    loop {
        if let Err(error) = sources.tick().await {
            let error = why(&error);
            tracing::warn!(error, "the sources are looked after later");
        }
        if let Ok(Err(_)) = timeout(TICK_EVERY, changes.changed()).await {
            return;
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Tells every switch from one source to another by an event, until the relay is gone.
pub(crate) async fn tell_switches(mut air: watch::Receiver<Air>, ports: Ports) {
    let mut told = 0;
    loop {
        let now = air.borrow_and_update().clone();
        let news = usize::try_from(now.switches - told).unwrap_or(usize::MAX);
        told = now.switches;
        for switched in now.last.iter().skip(now.last.len().saturating_sub(news)) {
            tell(switched, &ports).await;
        }
        if air.changed().await.is_err() {
            return;
        }
    }
}

async fn tell(switched: &Switched, ports: &Ports) {
    let reason = switched.reason.to_string();
    let gap_ms = switched
        .gap
        .and_then(|gap| u64::try_from(gap.as_millis()).ok());
    let source = |origin: &Option<Origin>| match origin {
        Some(Origin::Source(id)) => Some(id.clone()),
        Some(Origin::Encoder | Origin::Demo) | None => None,
    };
    let Ok(reason) = Label::try_from(reason) else {
        return;
    };
    let event = NewEvent {
        at: switched.at,
        destination: None,
        by: None,
        kind: EventKind::SourceSwitched {
            from: source(&switched.from),
            to: source(&switched.to),
            cause: switched.cause,
            reason,
            gap_ms,
        },
    };
    if let Err(error) = ports.events.append(&event).await {
        tracing::warn!(%error, "an event was lost");
    }
}

/// Makes the first pass, so that what was live before a restart is live again
/// before anybody asks. If it fails, one of [`make_passes`] does it.
pub(crate) async fn make_first_pass(reconciler: &Reconciler) {
    match reconciler.reconcile(Scope::All, Cause::Asked).await {
        Ok(report) => tracing::debug!(steps = report.done.len(), "first pass"),
        Err(error) => {
            let error = why(&error);
            tracing::warn!(error, "the first pass failed; the next one tries again");
        }
    }
}

/// Makes passes for ever.
pub(crate) async fn make_passes(reconciler: Arc<Reconciler>, ports: Ports) {
    let mut every = interval(PASS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every.tick().await;
    loop {
        every.tick().await;
        if let Err(error) = reconciler.reconcile(Scope::All, Cause::Routine).await {
            let error = why(&error);
            tracing::warn!(error, "a pass failed; the next one tries again");
        }
        let Ok(before) = ports.clock.now().checked_sub(CLAIMS_KEPT) else {
            continue;
        };
        if let Err(error) = ports.control.forget_claims_before(before).await {
            tracing::warn!(%error, "old idempotency keys could not be forgotten");
        }
    }
}

/// Writes what happens to the log of the process.
pub(crate) async fn log(events: Arc<dyn EventLog>) {
    let mut after = events.last().await.unwrap_or(EventSeq(0));
    loop {
        let news = match events.read(after, 100).await {
            Ok(news) => news,
            Err(error) => {
                tracing::warn!(%error, "events cannot be read");
                tokio::time::sleep(PASS_EVERY).await;
                continue;
            }
        };
        for event in &news {
            after = event.seq;
            log_one(&event.event);
        }
        if news.is_empty() && events.wait(after).await.is_err() {
            tokio::time::sleep(PASS_EVERY).await;
        }
    }
}

fn log_one(event: &NewEvent) {
    let id = event.destination.as_ref().map_or("-", |id| id.as_str());
    match &event.kind {
        EventKind::StatusChanged { to, fault, .. } => match fault {
            None => tracing::info!(destination = id, "{to}"),
            Some(fault) => {
                let (code, class) = (fault.code.as_str(), fault.class.as_str());
                tracing::warn!(destination = id, code, class, "{to}: {}", fault.text);
            }
        },
        kind => tracing::debug!(destination = id, ?kind, "event"),
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::port::OutputRouter as _;
    use lunora_testkit::{
        fault::{Fault, FaultPlan},
        world::World,
    };

    use super::*;

    #[tokio::test]
    async fn a_first_pass_that_fails_is_made_up_for_by_the_next_one() {
        let plan = FaultPlan::none();
        let world = World::new(&plan).with_running(1).await;
        let [id] = world.on().try_into().unwrap();
        world.router.detach(&[id]).await.remove(0).unwrap();
        plan.forget_calls();
        plan.crash_at(0, Fault::Before);

        make_first_pass(&world.reconciler).await;
        plan.clear();

        assert!(world.on().is_empty());
        world.pass().await;
        assert_eq!(world.on().len(), 1);
    }
}
