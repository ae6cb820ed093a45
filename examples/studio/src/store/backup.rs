use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
    ffi,
};

use super::folder::{database_in, folder_of, private, remove, sync};

/// Why there is no backup. Each message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no database {path}; give the data folder of a studio")]
    NoDatabase {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something has the name already.
    #[error("{path} is there already and is not overwritten; give another name")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The copy cannot be written.
    #[error("cannot write the backup {path}; give a place that this user can write")]
    Write {
        /// The backup, or its unfinished form.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The copy cannot be made.
    #[error("cannot copy the database {path}; check it and the disks, and try again")]
    Copy {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The copy is not whole.
    #[error("the copy of the database {path} is damaged ({what}); check it and the disks")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Writes a copy of the database of the folder, under a name of its own until it is whole.
pub(super) fn backup(folder: &Path, to: &Path) -> Result<(), BackupError> {
    let database = database_in(folder);
    if !database.is_file() {
        return Err(BackupError::NoDatabase { path: database });
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists {
            path: to.to_owned(),
        });
    }
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let done = copy(&database, &unfinished).and_then(|()| publish(&unfinished, to));
    if done.is_err() {
        // The first failure is the one to tell.
        _ = remove(&unfinished);
    }
    done
}

fn copy(database: &Path, to: &Path) -> Result<(), BackupError> {
    let unwritten = |source| BackupError::Write {
        path: to.to_owned(),
        source,
    };
    let failed = |source| BackupError::Copy {
        path: database.to_owned(),
        source,
    };
    // What a stopped backup left.
    remove(to).map_err(unwritten)?;
    private().create_new(true).open(to).map_err(unwritten)?;

    let verdict = copy_pages(database, to).map_err(failed)?;
    if verdict != "ok" {
        return Err(BackupError::Damaged {
            path: database.to_owned(),
            what: verdict.replace('\n', " "),
        });
    }
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(unwritten)
}

/// Copies, and says whether the copy is whole.
fn copy_pages(database: &Path, to: &Path) -> rusqlite::Result<String> {
    // Writable, because only then SQLite can take over the log of a studio that was killed.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(database, flags)?;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // All pages in one step: one moment of the database, and writers do not wait.
    let pages = Backup::new(&from, &mut copy)?;
    let step = pages.step(-1)?;
    drop(pages);
    if step != StepResult::Done {
        let busy = ffi::Error::new(ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    // One file, without a log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
}

/// Gives the copy its name, unless something else took it meanwhile.
fn publish(unfinished: &Path, to: &Path) -> Result<(), BackupError> {
    let path = to.to_owned();
    let named = match fs::hard_link(unfinished, to) {
        Ok(()) => remove(unfinished),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists { path });
        }
        // A file system without links, such as that of a memory stick.
        Err(_) => fs::rename(unfinished, to),
    };
    named
        .and_then(|()| sync(folder_of(to)))
        .map_err(|source| BackupError::Write { path, source })
}
