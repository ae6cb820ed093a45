use lunora_core::port::PortError;

use super::{Doing, MigrationId, TableProblem, Unfinished};

/// Why a migration, or its undoing, did not come to its end. What was done until
/// then is recorded, and doing it again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The tables are not as they have to be; nothing was changed.
    #[error("nothing was changed, because {}", listed(.0))]
    NotReady(Vec<TableProblem>),
    /// Another process is at it, or died less than two minutes ago.
    #[error(
        "migration {} is being {} by another process; if that one died, try again after {}",
        .0.id, past(.0.doing), .0.until
    )]
    Busy(Unfinished),
    /// Something else has to be ended first.
    #[error("migration {} is half {}; {} first", .0.id, past(.0.doing), remedy(.0))]
    Unfinished(Unfinished),
    /// There is no record of it.
    #[error("there is no record of a migration {0} in this control table")]
    Unknown(MigrationId),
    /// It took so long to be answered that another process may have taken over.
    #[error("another process may have taken over meanwhile, so this one stopped; run it again")]
    TurnLost,
    /// No row was changed, because the table could not be backed up.
    #[error(
        "no row was changed, because table {table} could not be backed up; make that possible, \
         or let somebody answer for going on without"
    )]
    NoBackup {
        /// The table.
        table: String,
        /// Why not.
        source: PortError,
    },
    /// No row was changed, because the backup did not become available.
    #[error(
        "no row was changed, because the backup {arn} of table {table} is not available; look at \
         it, and run it again"
    )]
    BackupNotMade {
        /// The table.
        table: String,
        /// The backup.
        arn: String,
    },
    /// A call failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

fn listed(problems: &[TableProblem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

const fn past(doing: Doing) -> &'static str {
    match doing {
        Doing::Applying => "applied",
        Doing::Undoing => "undone",
    }
}

fn remedy(unfinished: &Unfinished) -> String {
    let id = &unfinished.id;
    match unfinished.doing {
        Doing::Applying => format!("apply again, or undo {id},"),
        Doing::Undoing => format!("undo {id}"),
    }
}
