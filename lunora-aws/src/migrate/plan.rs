//! What a migration would do.

use std::collections::BTreeMap;

use lunora_core::port::PortError;
use serde::Serialize;

use super::{
    MigrateError, Migrator, ProgressFn, Recovery, TableKind, TableProblem, Tally, Unfinished,
    UnreadableRow, record::Records,
};

/// What a migration would do, found out by reading alone.
#[derive(Clone, Debug, Serialize)]
pub struct MigrationPlan {
    /// What keeps it from being done.
    pub problems: Vec<TableProblem>,
    /// Every table that could be read.
    pub tables: Vec<TableState>,
    /// The destinations that would get attributes, and which.
    pub rows: Vec<RowChange>,
    /// The presets that would be added.
    pub presets: Vec<String>,
    /// Presets that are not there and whose id something else has: not added.
    pub presets_taken: Vec<String>,
    /// Rows that cannot be read: left as they are, for a person to look at.
    pub unreadable: Vec<UnreadableRow>,
    /// What somebody began and did not end: it would be gone on with.
    pub unfinished: Option<Unfinished>,
}

impl MigrationPlan {
    /// Whether it would change anything.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.rows.is_empty() || !self.presets.is_empty() || self.unfinished.is_some()
    }

    /// Whether a person has to look at something.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        !self.problems.is_empty() || !self.unreadable.is_empty() || !self.presets_taken.is_empty()
    }
}

/// A table as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct TableState {
    /// Which one.
    pub kind: TableKind,
    /// What it is called.
    pub name: String,
    /// Whether its last days could be brought back without a backup.
    pub recovery: Recovery,
    /// Its rows, as they are; none for the control table, which is not counted.
    pub tally: Option<Tally>,
}

/// A row, and attributes of it that come or go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowChange {
    /// Its id.
    pub id: String,
    /// The names of the attributes.
    pub attributes: Vec<String>,
}

impl Migrator {
    /// Says what [`apply`](Self::apply) would do. It writes nothing.
    pub async fn plan(&self, progress: &mut ProgressFn<'_>) -> Result<MigrationPlan, MigrateError> {
        let problems = self.problems().await?;
        let mut plan = MigrationPlan {
            problems,
            tables: Vec::new(),
            rows: Vec::new(),
            presets: Vec::new(),
            presets_taken: Vec::new(),
            unreadable: Vec::new(),
            unfinished: None,
        };
        let has_problem = |kind| plan.problems.iter().any(|it| it.kind == kind);
        if !has_problem(TableKind::Control) {
            plan.unfinished = self.current().await?.map(|it| it.unfinished);
        }
        let readable: Vec<_> = TableKind::ALL
            .into_iter()
            .filter(|it| !has_problem(*it))
            .collect();
        let mut tallies = BTreeMap::new();
        if TableKind::COUNTED
            .iter()
            .all(|kind| readable.contains(kind))
        {
            let mut survey = self
                .survey(&Records::default(), self.clock.now(), progress)
                .await?;
            if readable.contains(&TableKind::Control) {
                self.respect_removals(&mut survey).await?;
            }
            tallies.extend(
                survey
                    .census
                    .iter()
                    .map(|(kind, census)| (*kind, census.tally())),
            );
            let change = |(id, missing): (_, super::implied::Values)| RowChange {
                id,
                attributes: missing.into_keys().collect(),
            };
            plan.rows = survey.missing.into_iter().map(change).collect();
            plan.presets = survey.seeds.into_keys().collect();
            plan.presets_taken = survey.taken;
            plan.unreadable = survey.unreadable;
        }
        for kind in readable {
            plan.tables.push(TableState {
                kind,
                name: kind.name(&self.tables).to_string(),
                recovery: self.recovery_of(kind).await?,
                tally: tallies.get(&kind).copied(),
            });
        }
        Ok(plan)
    }

    async fn problems(&self) -> Result<Vec<TableProblem>, PortError> {
        let mut problems = Vec::new();
        for kind in TableKind::ALL {
            problems.extend(self.problem_of(kind).await?);
        }
        Ok(problems)
    }

    pub(super) async fn refuse_unready(&self) -> Result<(), MigrateError> {
        let problems = self.problems().await?;
        if problems.is_empty() {
            Ok(())
        } else {
            Err(MigrateError::NotReady(problems))
        }
    }
}
