use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{
        Fault, Fingerprint, IngestSpec, IngestState, ObservedIngest, SecretName, SecretVersion,
        Source, SourceCheck, SourceId,
    },
    port::{Listing, Unreadable, Versioned},
};

/// What a source shows, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It does not take part.
    Disabled,
    /// Nobody has called yet, or nobody has answered.
    Waiting,
    /// It is connected, and no media comes.
    Silent,
    /// Media comes in, and another source is on air.
    Standby,
    /// Media comes in, and goes out.
    OnAir,
    /// It cannot come in until a person acts; the fault says what to do.
    Failed,
}

impl SourceState {
    /// The word in HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Waiting => "waiting",
            Self::Silent => "silent",
            Self::Standby => "standby",
            Self::OnAir => "on_air",
            Self::Failed => "failed",
        }
    }
}

/// A source and how it fares.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceEntry {
    /// The row, as it was read.
    pub source: Versioned<Source>,
    /// In a word.
    pub state: SourceState,
    /// What its media engine sees of it; nothing, while it is not taken in.
    pub seen: Option<ObservedIngest>,
    /// What is wrong now: with what comes in, or with what the engine was told.
    pub fault: Option<Fault>,
    /// The last look at its health, which may be later than the one in the row.
    pub last_check: Option<SourceCheck>,
    /// Whether it was put on air by hand and stays there until it is released.
    pub pinned: bool,
}

/// All sources at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSnapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// By id.
    pub entries: BTreeMap<SourceId, SourceEntry>,
    /// The rows that cannot be read; what was taken in for them goes on.
    pub unreadable: Vec<Unreadable>,
    /// Which one is on air.
    pub on_air: Option<SourceId>,
    /// Which one is pinned.
    pub pinned: Option<SourceId>,
}

/// What is known beside what is stored and observed.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<State>,
    /// One at a time tells the engine: of two, the one that read earlier could tell later.
    pub(super) turn: async_lock::Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// What the engine was told last, source by source.
    pub(super) told: BTreeMap<SourceId, IngestSpec>,
    /// What it, or the store, refused.
    pub(super) refused: BTreeMap<SourceId, Refusal>,
    /// The last looks of this process.
    pub(super) checks: BTreeMap<SourceId, SourceCheck>,
    /// Secrets that no row refers to, each since it was first found so.
    pub(super) suspects: BTreeMap<(SecretName, SecretVersion), Timestamp>,
    /// Secrets before which all were forgotten already.
    pub(super) tidied: BTreeSet<(SecretName, SecretVersion)>,
    /// The rows as they were read last, unless they were changed here since.
    pub(super) listed: Option<(Timestamp, Listing<Source>)>,
    /// Counts the changes of rows, so that a listing from before one is not kept after it.
    pub(super) changes: u64,
    /// When the store was last compared with the rows.
    pub(super) tidied_at: Option<Timestamp>,
}

/// That a source could not be taken in as it was wanted.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// As it was wanted.
    pub(super) fingerprint: Fingerprint,
    /// Why not.
    pub(super) fault: Fault,
    /// When to try the same again; never, if a change has to come first.
    pub(super) again_at: Option<Timestamp>,
}

/// How old the rows may be that a client is shown (rule 20).
const LISTED_FOR: SignedDuration = SignedDuration::from_secs(5);

impl State {
    /// The rows, if they were read not long ago.
    pub(super) fn listed(&self, now: Timestamp) -> Option<Listing<Source>> {
        let (at, listing) = self.listed.as_ref()?;
        let age = now.duration_since(*at);
        let is_fresh = !age.is_negative() && age < LISTED_FOR;
        is_fresh.then(|| listing.clone())
    }
}

impl Board {
    /// A row was changed here, or may have been.
    pub(super) fn row_changed(&self) {
        let mut state = self.state();
        state.listed = None;
        state.changes = state.changes.wrapping_add(1);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(
        &self,
        at: Timestamp,
        listing: Listing<Source>,
        seen: Vec<ObservedIngest>,
        pinned: Option<SourceId>,
    ) -> SourceSnapshot {
        let on_air = seen.iter().find(|it| it.state == IngestState::OnAir);
        let on_air = on_air.map(|it| it.id.clone());
        let mut seen: BTreeMap<SourceId, ObservedIngest> =
            seen.into_iter().map(|it| (it.id.clone(), it)).collect();
        let entries = listing.items.into_iter().map(|row| {
            let id = row.value.id.clone();
            let seen = seen.remove(&id);
            (id, self.entry(row, seen, pinned.as_ref()))
        });
        SourceSnapshot {
            at,
            entries: entries.collect(),
            unreadable: listing.unreadable,
            on_air,
            pinned,
        }
    }

    pub(super) fn entry(
        &self,
        source: Versioned<Source>,
        seen: Option<ObservedIngest>,
        pinned: Option<&SourceId>,
    ) -> SourceEntry {
        let row = &source.value;
        let state = self.state();
        let refused = state.refused.get(&row.id).filter(|_| row.enabled);
        let refused = refused.map(|it| it.fault.clone());
        let fault = seen.as_ref().and_then(|it| it.fault.clone());
        let word = match &seen {
            _ if !row.enabled => SourceState::Disabled,
            None if refused.is_some() => SourceState::Failed,
            None => SourceState::Waiting,
            Some(seen) => match seen.state {
                IngestState::Waiting => SourceState::Waiting,
                IngestState::Silent => SourceState::Silent,
                IngestState::Standby => SourceState::Standby,
                IngestState::OnAir => SourceState::OnAir,
                IngestState::Failed => SourceState::Failed,
            },
        };
        let checked = state.checks.get(&row.id).copied();
        SourceEntry {
            state: word,
            // What was refused comes first: until it is mended, the older one goes on.
            fault: refused.or(fault),
            last_check: checked.or(row.last_check),
            pinned: pinned == Some(&row.id),
            seen,
            source,
        }
    }
}
