//! Making explicit what the rows of the running system imply, and undoing it.
//!
//! Nothing here is needed to run: every reader takes a missing attribute for what
//! it means. [`Migrator::plan`] tells what would change and writes nothing;
//! [`Migrator::apply`] backs up what it is going to change, records what it is
//! about to add, and adds it, but only where nothing is, with the migration's id
//! beside it; [`Migrator::undo`] removes exactly what has that id. Each can be run again after a crash at
//! any call, while other clients read and write the same rows.
//!
//! No value of a row is in any report or error, only ids, names of attributes,
//! counts, and one SHA-256 for a whole table. See `docs/migrate.md`.

mod apply;
mod backup;
mod census;
mod error;
mod id;
mod implied;
mod pace;
mod plan;
mod record;
mod survey;
mod table;
mod turn;
mod twin;
mod undo;

use std::{fmt, sync::Arc};

use aws_sdk_dynamodb::Client;
use lunora_core::port::{Clock, IdSource};
use serde::Serialize;

pub use self::{
    apply::{MigrationReport, Proof},
    backup::{BackupPolicy, Responsible, ResponsibleError},
    census::{Drift, RowsHash, Tally},
    error::MigrateError,
    id::{MigrationId, MigrationIdError},
    pace::Pace,
    plan::{MigrationPlan, RowChange, TableState},
    record::{MigrationEntry, MigrationState},
    survey::UnreadableRow,
    table::{Recovery, TableKind, TableProblem},
    turn::{Doing, Unfinished},
    undo::{Because, Left, Restored, UndoReport},
};
use crate::{AwsConfig, Tables};

/// Migrates the tables of one deployment, and undoes it.
pub struct Migrator {
    client: Client,
    tables: Tables,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    pace: Pace,
}

impl Migrator {
    /// Migrates the tables of `config`.
    #[must_use]
    pub fn new(
        client: Client,
        config: &AwsConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            client,
            tables: config.tables.clone(),
            clock,
            ids,
            pace: Pace::default(),
        }
    }

    /// Makes it go at another pace.
    #[must_use]
    pub fn at_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// All migrations that there were, the oldest first.
    pub async fn list(&self) -> Result<Vec<MigrationEntry>, MigrateError> {
        let problem = self.problem_of(TableKind::Control).await?;
        match problem {
            None => Ok(self.entries().await?),
            Some(problem) => Err(MigrateError::NotReady(vec![problem])),
        }
    }
}

impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Migrator");
        debug.field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// Is told how far it came.
pub type ProgressFn<'a> = dyn FnMut(Progress) + Send + 'a;

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// With what.
    pub phase: Phase,
    /// How many are done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Tables are read.
    Reading,
    /// Tables are backed up.
    BackingUp,
    /// Destinations get attributes, or lose them again.
    Rows,
    /// Tables are read again, to compare.
    Verifying,
}
