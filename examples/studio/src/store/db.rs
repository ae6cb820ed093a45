use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use lunora_core::port::{BoxError, ErrorKind, PortError};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{OpenError, folder::Folder, row::Unreadable};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread on which SQLite runs, one call after the other.
///
/// A call that was handed over is carried out even if nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Db {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Db {
    /// Starts the thread, which holds the folder for as long as it runs.
    pub(super) fn start(connection: Connection, folder: Folder) -> Result<Self, OpenError> {
        let (jobs, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("lunora-store".to_owned())
            .spawn(move || serve(inbox, connection, folder))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Does the work on the thread, without blocking this one.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: impl fmt::Display + Send,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, PortError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone.
            _ = reply.send(work(connection));
        });
        if let Some(jobs) = &self.jobs {
            // A job that is not taken drops its reply, which the answer tells.
            _ = jobs.send(job);
        }
        match answer.await {
            Ok(result) => result.map_err(|failure| failure.of(operation, subject)),
            Err(_) => Err(PortError::new(ErrorKind::Unexpected, operation, subject)
                .with_source("the call panicked on the thread of the database")),
        }
    }

    /// Does the work in a transaction, which is on the disk when this returns, or undone if it fails.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: impl fmt::Display + Send,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, PortError> {
        let work = move |connection: &mut Connection| in_transaction(connection, work);
        self.run(operation, subject, work).await
    }
}

impl Drop for Db {
    /// Waits until what was handed over is done and the database is closed.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It catches every panic of a job, and has none of its own.
            _ = thread.join();
        }
    }
}

fn serve(inbox: mpsc::Receiver<Job>, mut connection: Connection, folder: Folder) {
    for job in inbox {
        // A bug in one call must not end all others: the transaction is undone on the way out.
        _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
    }
    drop(connection);
    // Last, so that the next process finds a closed database.
    drop(folder);
}

/// Does the work in a transaction, which is on the disk when this returns, or undone if it fails.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&tx)?;
    tx.commit()?;
    Ok(value)
}

/// Takes the next number of a counter.
pub(super) fn next(tx: &Transaction<'_>, counter: &str) -> rusqlite::Result<i64> {
    tx.prepare_cached("UPDATE counter SET value = value + 1 WHERE name = ?1 RETURNING value")?
        .query_row([counter], |row| row.get(0))
}

/// Why the work failed, before it is known to what call it belongs.
#[derive(Debug)]
pub(super) struct Failure {
    kind: ErrorKind,
    source: Option<BoxError>,
}

impl Failure {
    /// What the call expects does not hold.
    pub(super) const CONFLICT: Self = Self {
        kind: ErrorKind::Conflict,
        source: None,
    };

    pub(super) fn new(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    fn of(self, operation: &'static str, subject: impl fmt::Display) -> PortError {
        let error = PortError::new(self.kind, operation, subject);
        match self.source {
            None => error,
            Some(source) => error.with_source(source),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory,
            ) => ErrorKind::Unavailable,
            Some(ErrorCode::DiskFull | ErrorCode::TooBig) => ErrorKind::Exhausted,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                ErrorKind::Denied
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
            _ => ErrorKind::Unexpected,
        };
        Self::new(kind, error)
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::new(ErrorKind::Corrupt, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_panics_fails_alone_and_changes_nothing() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::claim(root.path()).unwrap();
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE it (n)").unwrap();
        let db = Db::start(connection, folder).unwrap();

        let panics = |tx: &Transaction<'_>| -> Result<(), Failure> {
            tx.execute("INSERT INTO it VALUES (1)", [])?;
            panic!("a bug");
        };
        let failed = db.write("try", "it", panics).await.unwrap_err();

        assert_eq!(failed.kind(), ErrorKind::Unexpected);
        let count = |connection: &mut Connection| {
            let count = "SELECT count(*) FROM it";
            Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
        };
        assert_eq!(db.run("count", "it", count).await.unwrap(), 0);
    }
}
