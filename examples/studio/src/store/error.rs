use std::{io, path::PathBuf};

use lunora_core::port::BoxError;

/// Why the state cannot be opened. Each message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be made, or not be written.
    #[error("cannot write {path}; give a data folder that this user can write")]
    Folder {
        /// The folder, or what is in it.
        path: PathBuf,
        /// What the system or SQLite says.
        source: BoxError,
    },
    /// Another process works on it.
    #[error(
        "the data folder {path} is in use by another studio; stop that one or give another folder"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The key file is not for its owner alone.
    #[error("the key file {path} can be used by others; run `chmod 600 {path}`")]
    KeyExposed {
        /// The key file.
        path: PathBuf,
    },
    /// The key file cannot be read or made.
    #[error("cannot use the key file {path}; make it a file that this user can read")]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A service credential that is no key.
    #[error(
        "the key in {path} has not 32 bytes; remove it, or make one with `head -c 32 /dev/urandom`"
    )]
    KeyInvalid {
        /// The credential.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a key; try again")]
    Random(#[source] getrandom::Error),
    /// A newer program wrote it.
    #[error(
        "the database {path} has schema {found}, and this program knows up to {known}; \
         start the newer program, or run on a copy what `SELECT undo FROM migration \
         WHERE version > {known} ORDER BY version DESC` answers"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Another program wrote it.
    #[error("{path} is not a database of the studio; move it away or give another folder")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is not whole.
    #[error(
        "the database {path} is damaged ({what}); \
         put a backup in its place, and remove {path}-wal and {path}-shm"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// SQLite refuses it.
    #[error(
        "cannot use the database {path}; check the disk, \
         or put a backup in its place and remove {path}-wal and {path}-shm"
    )]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// No thread could be started.
    #[error("cannot start the thread of the database; the system is out of threads")]
    Thread(#[source] io::Error),
}
