//! What comes in: changes of sources, and what a media engine is told of them.
//!
//! - [`Sources`] changes what is wanted, tells how it fares, and tests.
//! - A [`tick`](Sources::tick) takes in exactly what is enabled, and looks after health.
//!
//! A row refers to its secrets by version and hash. A change keeps the new text
//! first, writes the row, and forgets the old text last; nobody but us writes under
//! the names of sources, so what a change that stopped half way left is found by
//! comparing the store with the rows, and no record of it is needed.

mod board;
mod change;
mod edits;
mod health;
mod secrets;
mod spec;
mod sync;

use std::sync::Arc;

pub use board::{SourceEntry, SourceSnapshot, SourceState};
pub use edits::{AddressEdit, NewSource, SourcePatch};
pub use health::TickReport;
pub use sync::{NotTakenIn, SyncReport};

use board::Board;

use crate::{
    domain::{
        EventKind, Finding, HashKey, IngestState, Label, MediaFacts, NewEvent, Source, SourceId,
        SourceName,
    },
    port::{
        Clock, ErrorKind, EventLog, IdSource, IngestController, Listing, PortError, Repo as _,
        RepoExt as _, SecretStore, SourceProbe, SourceRepo, Versioned,
    },
};

/// What [`Sources`] works over.
#[derive(Clone, Debug)]
pub struct SourcePorts {
    /// What is wanted.
    pub sources: Arc<dyn SourceRepo>,
    /// The URLs, stream ids and passphrases.
    pub secrets: Arc<dyn SecretStore>,
    /// Takes sources in.
    pub ingests: Arc<dyn IngestController>,
    /// Looks at one without putting it on air.
    pub probe: Arc<dyn SourceProbe>,
    /// What happened.
    pub events: Arc<dyn EventLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Why a call on a source did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is none.
    #[error("source {id} not found")]
    NotFound {
        /// What was asked for.
        id: SourceId,
    },
    /// It does not take part; enable it first.
    #[error("source {id} is disabled; enable it first")]
    Disabled {
        /// Which.
        id: SourceId,
    },
    /// It cannot be so.
    #[error("{reason}")]
    Invalid {
        /// Why, and what to do.
        reason: String,
    },
    /// The media engine cannot take it in, and another way can be gone.
    #[error("{reason}")]
    Unsupported {
        /// Why, and which way works.
        reason: String,
    },
    /// Encoders publish to another one under the same name.
    #[error("source {of} (“{name}”) is told from others by the same stream id")]
    Duplicate {
        /// That one.
        of: SourceId,
        /// What it is called.
        name: SourceName,
    },
    /// It was changed since the caller read it: read it again and decide again.
    #[error("source {id} is at generation {found}; read it again")]
    Stale {
        /// Which.
        id: SourceId,
        /// Its generation now.
        found: u64,
    },
    /// A port failed; the call may be repeated.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl SourceError {
    fn invalid(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Invalid { reason }
    }

    /// What a media engine refused, as its caller is to read it.
    fn refused(error: PortError) -> Self {
        let reason = error.reason().map(str::to_owned);
        match (error.kind(), reason) {
            (ErrorKind::Unsupported, Some(reason)) => Self::Unsupported { reason },
            (ErrorKind::Invalid | ErrorKind::Conflict, Some(reason)) => Self::Invalid { reason },
            _ => Self::Port(error),
        }
    }
}

/// Changes what comes in, one source at a time, and tells how each fares.
///
/// Every call may be repeated with the same arguments after a failure. What is
/// wanted is stored first; then the media engine is told, and if that fails, the
/// next [`tick`](Self::tick) tells it.
#[derive(Clone, Debug)]
pub struct Sources {
    ports: SourcePorts,
    ids: Arc<dyn IdSource>,
    hash_key: HashKey,
    by: Option<Label>,
    board: Arc<Board>,
}

impl Sources {
    /// Works over the given ports.
    #[must_use]
    pub fn new(ports: SourcePorts, ids: Arc<dyn IdSource>, hash_key: HashKey) -> Self {
        Self {
            ports,
            ids,
            hash_key,
            by: None,
            board: Arc::default(),
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

    /// Makes the id of a source that is to be created.
    #[must_use]
    pub fn mint_id(&self) -> SourceId {
        SourceId::mint(self.ports.clock.now(), self.ids.mint())
    }

    async fn record(&self, by: Option<Label>, kind: EventKind) {
        let event = NewEvent {
            at: self.ports.clock.now(),
            destination: None,
            by,
            kind,
        };
        if let Err(error) = self.ports.events.append(&event).await {
            tracing::warn!(%error, "an event was lost");
        }
    }

    /// All sources, and how each fares now. Their rows are as they were at most 5 s ago,
    /// or as they were changed here since (rule 20).
    pub async fn list(&self) -> Result<SourceSnapshot, PortError> {
        let at = self.ports.clock.now();
        let listed = self.board.state().listed(at);
        let listing = match listed {
            Some(listing) => listing,
            None => self.survey().await?,
        };
        let seen = self.ports.ingests.observe().await?;
        let pinned = self.ports.ingests.pinned().await?;
        Ok(self.board.snapshot(at, listing, seen, pinned))
    }

    /// Reads all rows, and keeps them for who asks in a moment.
    async fn survey(&self) -> Result<Listing<Source>, PortError> {
        let at = self.ports.clock.now();
        let changes = self.board.state().changes;
        let listing = self.ports.sources.survey().await?;
        let mut state = self.board.state();
        if state.changes == changes {
            state.listed = Some((at, listing.clone()));
        }
        Ok(listing)
    }

    /// One source, and how it fares now.
    pub async fn get(&self, id: &SourceId) -> Result<SourceEntry, SourceError> {
        let row = self.row(id).await?;
        self.entry(row).await
    }

    /// What was measured of the source that is on air; `None` while none is.
    pub async fn on_air(&self) -> Result<Option<MediaFacts>, PortError> {
        let seen = self.ports.ingests.observe().await?;
        let on_air = seen.into_iter().find(|it| it.state == IngestState::OnAir);
        Ok(on_air.map(|it| it.media))
    }

    /// Looks at a source without putting it on air. What is wrong with it is in the finding.
    pub async fn test(&self, id: &SourceId) -> Result<Finding, SourceError> {
        let row = self.row(id).await?.value;
        let spec = match self.spec(&row).await {
            Ok(spec) => spec,
            Err(unusable) => {
                let now = self.ports.clock.now();
                return match unusable.into_fault(now) {
                    Ok(fault) => Ok(spec::settings_fail(fault, now)),
                    Err(error) => Err(error.into()),
                };
            }
        };
        let finding = self.ports.probe.probe(&spec).await;
        finding.map_err(SourceError::refused)
    }

    /// Puts a source on air and keeps it there until it is released (rule 28).
    pub async fn activate(&self, id: &SourceId) -> Result<SourceEntry, SourceError> {
        let row = self.row(id).await?;
        if !row.value.enabled {
            return Err(SourceError::Disabled { id: id.clone() });
        }
        let report = self.sync().await?;
        if let Some(error) = report.failed.into_iter().find(|(failed, _)| failed == id) {
            return Err(error.1.into_error());
        }
        let pin = self.ports.ingests.pin(Some(id)).await;
        pin.map_err(SourceError::refused)?;
        let source = Some(id.clone());
        self.record(self.by.clone(), EventKind::SourcePinned { source })
            .await;
        self.entry(row).await
    }

    /// Lets the policy choose again; returns which source was pinned, if one was.
    pub async fn release(&self) -> Result<Option<SourceId>, PortError> {
        let pinned = self.ports.ingests.pinned().await?;
        self.ports.ingests.pin(None).await?;
        if pinned.is_some() {
            let kind = EventKind::SourcePinned { source: None };
            self.record(self.by.clone(), kind).await;
        }
        Ok(pinned)
    }

    async fn row(&self, id: &SourceId) -> Result<Versioned<Source>, SourceError> {
        let row = self.ports.sources.get(id).await?;
        row.ok_or_else(|| SourceError::NotFound { id: id.clone() })
    }

    async fn entry(&self, row: Versioned<Source>) -> Result<SourceEntry, SourceError> {
        let seen = self.ports.ingests.observe().await?;
        let seen = seen.into_iter().find(|it| it.id == row.value.id);
        let pinned = self.ports.ingests.pinned().await?;
        Ok(self.board.entry(row, seen, pinned.as_ref()))
    }
}
