//! What is done again and again: looking at sources, each at its interval.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{SourceState, Sources};
use crate::{
    domain::{EventKind, ObservedIngest, Source, SourceCheck, SourceHealth, SourceId},
    plan::source_health,
    port::{
        Clock as _, ErrorKind, Expect, IngestController as _, Listing, PortError, Repo as _,
        Versioned,
    },
};

/// How often the secrets of sources are compared with their rows.
const TIDY_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// What a tick did.
#[derive(Debug, Default)]
pub struct TickReport {
    /// Whether the media engine was told anything.
    pub told: bool,
    /// The sources that were due and were looked at.
    pub looked_at: Vec<SourceId>,
    /// Those of them that were found otherwise than before.
    pub changed: Vec<SourceId>,
}

/// How soon after a look another one may find the source otherwise, whatever its interval: a row
/// that says `FAILED` of what is on air helps nobody, and one that flaps is not written each time.
const NEWS_AFTER: SignedDuration = SignedDuration::from_secs(5);

impl Sources {
    /// Takes in what is enabled and is not yet, looks at every source whose interval is
    /// over or that is found otherwise than last, and tidies up. To be called about once a second; what a tick missed, the
    /// next one does. It stores what a look found only where that changed, and never as a
    /// change of what is wanted (rule 17). A source that fails here stops no other; the first
    /// failure is returned when all were looked at.
    pub async fn tick(&self) -> Result<TickReport, PortError> {
        let mut report = TickReport::default();
        let now = self.ports.clock.now();
        let Listing { items, unreadable } = self.survey().await?;
        let rows: Vec<Source> = items.iter().map(|it| it.value.clone()).collect();
        let unreadable: BTreeSet<&str> = unreadable.iter().map(|it| it.id.as_str()).collect();
        let mut seen = self.ports.ingests.observe().await?;
        if self.is_due(&rows, &unreadable, &seen, now) {
            report.told = self.sync().await?.told;
            seen = self.ports.ingests.observe().await?;
        }
        self.forget_checks(&rows);
        let mut failed = None;
        for row in items {
            let seen = seen.iter().find(|it| it.id == row.value.id);
            if !self.is_to_be_looked_at(&row.value, seen, now) {
                continue;
            }
            let id = row.value.id.clone();
            match self.look(row, seen, now).await {
                Ok(true) => report.changed.push(id.clone()),
                Ok(false) => (),
                Err(error) => {
                    tracing::warn!(source = %id, %error, "what was found of it is stored later");
                    failed = failed.or(Some(error));
                    continue;
                }
            }
            report.looked_at.push(id);
        }
        let tidied_at = self.board.state().tidied_at;
        let is_late = |at: Timestamp| TIDY_EVERY <= now.duration_since(at);
        if tidied_at.is_none_or(is_late) {
            self.tidy().await?;
        }
        failed.map_or(Ok(report), Err)
    }

    fn is_to_be_looked_at(
        &self,
        row: &Source,
        seen: Option<&ObservedIngest>,
        now: Timestamp,
    ) -> bool {
        let check = row.health_check;
        if !row.enabled || !check.enabled {
            return false;
        }
        let looked = self.board.state().checks.get(&row.id).copied();
        let interval = SignedDuration::from_secs(check.interval_seconds.get().into());
        let is_over = |last: SourceCheck| {
            let since = now.duration_since(last.at);
            let is_news = last.health != found(seen) && NEWS_AFTER <= since;
            // A clock that was set back must not stop the looks.
            interval <= since || is_news || since.is_negative()
        };
        looked.or(row.last_check).is_none_or(is_over)
    }

    /// Looks at one source, and says whether it was found otherwise than before.
    async fn look(
        &self,
        row: Versioned<Source>,
        seen: Option<&ObservedIngest>,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        let Versioned { value, revision } = row;
        let health = found(seen);
        let attempts = seen.map_or(value.connection_attempts, |it| it.attempts);
        let check = SourceCheck { health, at: now };
        let before = value.last_check.map(|it| it.health);
        self.board.state().checks.insert(value.id.clone(), check);
        let changed = before != Some(health);
        if !changed && attempts == value.connection_attempts {
            return Ok(false);
        }
        let mut row = value;
        row.last_check = Some(check);
        row.connection_attempts = attempts;
        let put = self.ports.sources.put(&row, Expect::Revision(revision));
        let put = put.await;
        self.board.row_changed();
        match put {
            Ok(_) => (),
            // Somebody changed it; the next look stores what it finds.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.board.state().checks.remove(&row.id);
                return Ok(false);
            }
            Err(error) => {
                self.board.state().checks.remove(&row.id);
                return Err(error);
            }
        }
        if changed {
            let source = row.id;
            let kind = EventKind::SourceHealthChanged { source, health };
            self.record(None, kind).await;
        }
        Ok(changed)
    }

    fn forget_checks(&self, rows: &[Source]) {
        let is_there = |id: &SourceId| rows.iter().any(|it| it.id == *id);
        self.board.state().checks.retain(|id, _| is_there(id));
    }
}

fn found(seen: Option<&ObservedIngest>) -> SourceHealth {
    seen.map_or(SourceHealth::Failed, source_health)
}

impl SourceState {
    /// Whether media comes in.
    #[must_use]
    pub const fn comes_in(self) -> bool {
        matches!(self, Self::Standby | Self::OnAir)
    }
}
