use std::sync::Arc;

use super::{
    Cause, DestinationPatch, Entry, NewDestination, Ports, Reconciler, Scope, Start,
    intent::{Intended, check_generation, intend_stop},
    reconciler::Ended,
};
use crate::{
    domain::{
        Destination, DestinationId, DestinationName, EventKind, Label, Leg, OutputType, Removal,
        RemovalCause, Wanted,
    },
    plan::{Evidence, status},
    port::{ErrorKind, Expect, IdSource, PortError, Repo, RepoExt, Revision, Versioned},
};

/// Why a destination was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// There is none.
    #[error("destination {id} not found")]
    NotFound {
        /// What was asked for.
        id: DestinationId,
    },
    /// It does not take part; enable it first.
    #[error("destination {id} is disabled; enable it first")]
    Disabled {
        /// Which.
        id: DestinationId,
    },
    /// It cannot be so.
    #[error("{reason}")]
    Invalid {
        /// Why, and what to do.
        reason: &'static str,
    },
    /// Another one runs to the same place with the same key (rule 5).
    #[error("destination {of} (“{name}”) is running to the same place with the same key")]
    Duplicate {
        /// That one.
        of: DestinationId,
        /// What it is called.
        name: DestinationName,
    },
    /// It was changed since the caller read it: read it again and decide again.
    #[error("destination {id} is at generation {found}; read it again")]
    Stale {
        /// Which.
        id: DestinationId,
        /// Its generation now.
        found: u64,
    },
    /// Another way than ours delivers it (rule 13).
    #[error("destination {id} is delivered by {way}, which is not changed from here")]
    Foreign {
        /// Which.
        id: DestinationId,
        /// The way.
        way: OutputType,
    },
    /// A port failed; the call may be repeated.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A destination after a change, and what it shows.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Both, as far as they are known.
    pub entry: Entry,
}

/// What came of a start.
#[derive(Clone, Debug)]
pub enum StartOutcome {
    /// It was told to run.
    Started(Changed),
    /// It was running already.
    AlreadyRunning(Changed),
}

/// What came of a stop.
#[derive(Clone, Debug)]
pub enum StopOutcome {
    /// It was told to stop.
    Stopped(Changed),
    /// It was stopped already.
    AlreadyStopped(Changed),
}

/// How often a change starts again because the row changed under it.
pub(super) const TRIES_MAX: usize = 5;

/// Changes what is wanted of destinations, one at a time.
///
/// Every call may be repeated with the same arguments after a failure. What is
/// wanted is stored first; then the reconciler makes it so at once, and if that
/// fails, its next pass does.
#[derive(Clone, Debug)]
pub struct Destinations {
    pub(super) ports: Ports,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) by: Option<Label>,
    pub(super) reconciler: Arc<Reconciler>,
}

impl Destinations {
    /// Works over the given ports.
    #[must_use]
    pub fn new(ports: Ports, ids: Arc<dyn IdSource>, reconciler: Arc<Reconciler>) -> Self {
        Self {
            ports,
            ids,
            by: None,
            reconciler,
        }
    }

    /// The same, for somebody whose name the events of its changes tell.
    #[must_use]
    pub fn by(&self, whom: Label) -> Self {
        Self {
            by: Some(whom),
            ..self.clone()
        }
    }

    pub(super) async fn record(&self, id: &DestinationId, kind: EventKind) {
        let by = self.by.clone();
        self.ports.record(Some(id), by, kind).await;
    }

    /// Makes the id of a destination that is to be created.
    #[must_use]
    pub fn mint_id(&self) -> DestinationId {
        DestinationId::mint(self.ports.clock.now(), self.ids.mint())
    }

    /// Creates a destination under an id that the caller minted, and never uses
    /// for another; with [`Start::Now`], it goes live in the same call (rule 2).
    pub async fn create(
        &self,
        id: DestinationId,
        new: NewDestination,
    ) -> Result<Changed, DestinationError> {
        if let Some(there) = self.ports.destinations.get(&id).await? {
            // The reply to an earlier try was lost.
            return self.after(there).await;
        }
        let Intended { mut row, .. } = self.intend_create(id, &new).await?;
        let kept = self.keep_secrets(&mut row, &new.primary, &new.backup);
        let kept = kept.await?;
        let revision = self.ports.destinations.create(&row).await?;
        self.settle(kept).await;
        let name = row.name.clone();
        let kind = EventKind::DestinationCreated { name };
        self.record(&row.id, kind).await;
        if new.start == Start::Now {
            let kind = EventKind::DestinationStarted;
            self.record(&row.id, kind).await;
        }
        self.after(Versioned {
            value: row,
            revision,
        })
        .await
    }

    /// Changes a destination; what the patch does not mention stays. With
    /// `generation`, only if it is still at that one (rule 17).
    pub async fn update(
        &self,
        id: &DestinationId,
        patch: &DestinationPatch,
        generation: Option<u64>,
    ) -> Result<Changed, DestinationError> {
        for _ in 0..TRIES_MAX {
            let stored = self.get(id).await?;
            check_generation(&stored.value, generation)?;
            let intended = self.intend_update(&stored.value, patch).await?;
            let Intended {
                mut row, changed, ..
            } = intended;
            if changed.is_empty() {
                return self.after(stored).await;
            }
            let kept = self.keep_secrets(&mut row, &patch.primary, &patch.backup);
            let kept = kept.await?;
            row.generation = row.generation.saturating_add(1);
            row.updated_at = self.ports.clock.now();
            let expect = Expect::Revision(stored.revision);
            match self.ports.destinations.put(&row, expect).await {
                Ok(revision) => {
                    let kind = EventKind::DestinationUpdated { changed };
                    self.record(id, kind).await;
                    self.settle(kept).await;
                    let value = row;
                    return self.after(Versioned { value, revision }).await;
                }
                Err(error) if error.kind() == ErrorKind::Conflict => self.take_back(kept).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.contended("change destination", id))
    }

    /// Deletes a destination, its output and its keys (rule 12).
    pub async fn remove(
        &self,
        id: &DestinationId,
        generation: Option<u64>,
    ) -> Result<(), DestinationError> {
        for _ in 0..TRIES_MAX {
            let Some(stored) = self.ports.destinations.get(id).await? else {
                let removals = self.ports.control.removals().await?;
                let pending = removals.iter().any(|it| it.destination == *id);
                if !pending {
                    return Err(DestinationError::NotFound { id: id.clone() });
                }
                self.make_so(id).await;
                return Ok(());
            };
            check_generation(&stored.value, generation)?;
            let found = stored.value.generation;
            let removal = Removal {
                destination: id.clone(),
                cause: RemovalCause::Deleted,
                generation: found,
                recorded_at: self.ports.clock.now(),
                leftovers: Vec::new(),
            };
            self.ports.control.record_removal(&removal).await?;
            // Should the row be changed before it goes, the record is of another
            // generation, and a pass drops it.
            match self.ports.destinations.remove(id, &stored.revision).await {
                Ok(()) => {
                    let name = stored.value.name;
                    let kind = EventKind::DestinationRemoved { name };
                    self.record(id, kind).await;
                    self.make_so(id).await;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Conflict => (),
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.contended("remove destination", id))
    }

    /// Tells a destination to run; one that runs already goes on undisturbed.
    pub async fn start(&self, id: &DestinationId) -> Result<StartOutcome, DestinationError> {
        for _ in 0..TRIES_MAX {
            let stored = self.get(id).await?;
            let Some(row) = self.intend_start(&stored.value).await? else {
                return Ok(StartOutcome::AlreadyRunning(self.after(stored).await?));
            };
            if let Some(stored) = self.put_wanted(row, stored.revision).await? {
                let kind = EventKind::DestinationStarted;
                self.record(id, kind).await;
                return Ok(StartOutcome::Started(self.after(stored).await?));
            }
        }
        Err(self.contended("start destination", id))
    }

    /// Tells a destination to stop. A manual stop always wins (rule 29).
    pub async fn stop(&self, id: &DestinationId) -> Result<StopOutcome, DestinationError> {
        for _ in 0..TRIES_MAX {
            let stored = self.get(id).await?;
            if let Err(foreign) = self.check_ours(&stored.value) {
                // Another client took the row over, and our output went on (rule 8).
                return match self.reconciler.end_output_of(id).await? {
                    Ended::Something => Ok(StopOutcome::Stopped(self.after(stored).await?)),
                    Ended::Nothing => Err(foreign),
                };
            }
            let Some(row) = intend_stop(&stored.value) else {
                return Ok(StopOutcome::AlreadyStopped(self.after(stored).await?));
            };
            if let Some(stored) = self.put_wanted(row, stored.revision).await? {
                let kind = EventKind::DestinationStopped;
                self.record(id, kind).await;
                return Ok(StopOutcome::Stopped(self.after(stored).await?));
            }
        }
        Err(self.contended("stop destination", id))
    }

    /// Makes a destination that waits, or gave up, try again at once.
    pub async fn retry(&self, id: &DestinationId) -> Result<Changed, DestinationError> {
        let stored = self.get(id).await?;
        self.check_ours(&stored.value)?;
        if !stored.value.enabled {
            return Err(DestinationError::Disabled { id: id.clone() });
        }
        if stored.value.wanted == Wanted::Stopped {
            let reason = "it is stopped; start it instead";
            return Err(DestinationError::Invalid { reason });
        }
        // The pass first: what was refused for want of room may fit by now.
        self.make_so(id).await;
        let outputs = self.reconciler.outputs_of(&stored.value);
        self.reconciler.retry(id, &outputs).await?;
        self.record(id, EventKind::DestinationRetried).await;
        self.after(stored).await
    }

    pub(super) async fn get(
        &self,
        id: &DestinationId,
    ) -> Result<Versioned<Destination>, DestinationError> {
        let stored = self.ports.destinations.get(id).await?;
        stored.ok_or_else(|| DestinationError::NotFound { id: id.clone() })
    }

    /// Stores a row with another `wanted`; `None` if somebody else was first.
    async fn put_wanted(
        &self,
        mut row: Destination,
        revision: Revision,
    ) -> Result<Option<Versioned<Destination>>, DestinationError> {
        row.generation = row.generation.saturating_add(1);
        row.updated_at = self.ports.clock.now();
        let expect = Expect::Revision(revision);
        match self.ports.destinations.put(&row, expect).await {
            Ok(revision) => Ok(Some(Versioned {
                value: row,
                revision,
            })),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What is wanted is stored; a pass that fails now is made again by the timer.
    async fn make_so(&self, id: &DestinationId) {
        let scope = Scope::One(id.clone());
        match self.reconciler.reconcile(scope, Cause::Asked).await {
            Ok(report) => {
                if let Some(worker) = report.elsewhere {
                    tracing::info!(destination = %id, %worker, "the change takes effect with that worker's next pass");
                }
            }
            Err(error) => {
                tracing::warn!(destination = %id, %error, "the change takes effect with the next pass");
            }
        }
    }

    pub(super) async fn after(
        &self,
        stored: Versioned<Destination>,
    ) -> Result<Changed, DestinationError> {
        let id = stored.value.id.clone();
        self.make_so(&id).await;
        let snapshot = self.reconciler.snapshot().await.ok();
        // A snapshot from before the change would show what is no longer so.
        let current = |it: &Entry| {
            let (shown, stored) = (&it.destination.value, &stored.value);
            stored.generation < shown.generation
                || (stored.generation, stored.active_leg) == (shown.generation, shown.active_leg)
        };
        let shown = snapshot.and_then(|it| it.entries.get(&id).cloned());
        let shown = shown.filter(current);
        let entry = shown.unwrap_or_else(|| Entry {
            status: status(&stored.value, Evidence::default()),
            destination: stored,
        });
        Ok(Changed { entry })
    }

    pub(super) fn contended(
        &self,
        operation: &'static str,
        id: &DestinationId,
    ) -> DestinationError {
        PortError::new(ErrorKind::Conflict, operation, id).into()
    }
}

impl Entry {
    /// The stream key of no destination is in here: rows hold references only.
    #[must_use]
    pub fn has_key(&self, leg: Leg) -> bool {
        let endpoint = self.destination.value.endpoint(leg);
        endpoint.is_some_and(|it| it.key.is_some())
    }
}
