//! The state of one machine: one SQLite file, with its secrets encrypted under a key file.
//!
//! The data folder holds
//!
//! - `studio.db`: destinations, sources, secrets, events and the rest, readable with the
//!   `sqlite3` tool but for the secrets (`-wal` and `-shm` beside it are SQLite's);
//! - `studio.key`: 32 random bytes that the secrets are encrypted under, unless a
//!   service credential takes its place ([`KeySource`]);
//! - `studio.lock`: locked by the one process that works on the folder.
//!
//! What a call acknowledged survives a killed process and a lost power supply: every
//! write is a transaction that reached the disk before the call returns.
//!
//! # What the encryption protects from
//!
//! Whoever gets the database alone, as a backup or a copied disk file, learns no
//! stream key. Whoever can read the key file too, such as anybody who can act as
//! this user, can read them all. So **back the key file up apart from the database**:
//! a backup without it holds everything but the secrets.
//!
//! # Modules
//!
//! - `folder`, `key`, `schema`: what [`Store::open`] goes through, in this order.
//! - `cipher`: how a secret is encrypted.
//! - `db`: the thread on which SQLite runs, and what its errors mean to a caller.
//! - `repo`: the adapter of everything that is kept under an id; `destinations` and
//!   `records` say how it lies in rows, and `seeds` what a new database begins with.
//! - `secrets`, `events`, `control`: one adapter each.
//! - `row`: reading columns, and saying which one cannot be read.
//! - `backup`: copying a database that is in use.

mod backup;
mod cipher;
mod control;
mod db;
mod destinations;
mod error;
mod events;
mod folder;
mod key;
mod records;
mod repo;
mod row;
mod schema;
mod secrets;
mod seeds;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lunora_core::{
    domain::{Destination, FailoverHistory, HashKey, Preset, Session, Source, Token},
    port::Clock,
};

pub use backup::BackupError;
pub use control::SqliteControlStore;
pub use error::OpenError;
pub use events::SqliteEventLog;
pub use key::{KeyProblem, KeySource, KeyState};
pub use repo::SqliteRepo;
pub use secrets::SqliteSecretStore;

use db::Db;
use folder::Folder;
use key::Keyring;

/// The state of one machine, open.
///
/// When the store and every adapter of it are dropped, the database is closed and
/// the folder is free for another process.
#[derive(Debug)]
pub struct Store {
    db: Arc<Db>,
    keyring: Arc<Keyring>,
    events: Arc<SqliteEventLog>,
}

/// What [`Store::reset_keys`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReset {
    /// How many secrets were forgotten, whatever number of versions of each.
    pub secrets_forgotten: usize,
    /// Where the key file that was there is now.
    pub old_key_at: Option<PathBuf>,
}

impl Store {
    /// Opens the state in `folder`, and makes what is not there yet.
    ///
    /// It blocks for as long as the disk takes, so a program calls it before it serves.
    /// A key that is lost or does not fit is no error: see [`key_state`](Self::key_state).
    pub fn open(folder: &Path, key: &KeySource, clock: &dyn Clock) -> Result<Self, OpenError> {
        let folder = Folder::claim(folder)?;
        let mut connection = schema::open(&folder, clock)?;
        seeds::plant(&mut connection, clock).map_err(|e| folder.refuses(e))?;
        let keyring = Arc::new(key::unlock(&folder, key, &mut connection)?);
        let last = events::last_place(&connection).map_err(|e| folder.refuses(e))?;
        let db = Arc::new(Db::start(connection, folder)?);
        let events = Arc::new(SqliteEventLog::new(Arc::clone(&db), last));
        Ok(Self {
            db,
            keyring,
            events,
        })
    }

    /// The destinations.
    #[must_use]
    pub fn destinations(&self) -> Arc<SqliteRepo<Destination>> {
        self.repo()
    }

    /// The sources.
    #[must_use]
    pub fn sources(&self) -> Arc<SqliteRepo<Source>> {
        self.repo()
    }

    /// The presets; a new folder begins with [those of the running system](Preset::seeds).
    #[must_use]
    pub fn presets(&self) -> Arc<SqliteRepo<Preset>> {
        self.repo()
    }

    /// The sessions.
    #[must_use]
    pub fn sessions(&self) -> Arc<SqliteRepo<Session>> {
        self.repo()
    }

    /// The access tokens.
    #[must_use]
    pub fn tokens(&self) -> Arc<SqliteRepo<Token>> {
        self.repo()
    }

    /// The histories of failover.
    #[must_use]
    pub fn failovers(&self) -> Arc<SqliteRepo<FailoverHistory>> {
        self.repo()
    }

    fn repo<R>(&self) -> Arc<SqliteRepo<R>> {
        Arc::new(SqliteRepo::new(Arc::clone(&self.db)))
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> Arc<SqliteSecretStore> {
        let keyring = Arc::clone(&self.keyring);
        Arc::new(SqliteSecretStore::new(Arc::clone(&self.db), keyring))
    }

    /// The events; every caller gets the same log, so that one wakes the waiters of another.
    #[must_use]
    pub fn events(&self) -> Arc<SqliteEventLog> {
        Arc::clone(&self.events)
    }

    /// Removals, the pause, idempotency keys and leases.
    #[must_use]
    pub fn control(&self) -> Arc<SqliteControlStore> {
        Arc::new(SqliteControlStore::new(Arc::clone(&self.db)))
    }

    /// The key under which this deployment hashes.
    ///
    /// Unless the key [fits](KeyState::Fits), nothing that is stored was hashed with it.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.keyring.hash_key()
    }

    /// Whether the secrets can be read.
    #[must_use]
    pub fn key_state(&self) -> KeyState {
        self.keyring.state()
    }

    /// Why the secrets cannot be read, and what a person can do, in one line.
    #[must_use]
    pub fn key_problem(&self) -> Option<&KeyProblem> {
        self.keyring.problem()
    }

    /// Writes a consistent copy of the database in `folder` to the new file `to`.
    ///
    /// The folder may be in use meanwhile, by this process or another; nothing waits
    /// for the copy. The key file is not part of it and **must be kept apart**: without
    /// it the copy holds everything but the secrets. To restore, stop the studio, put
    /// the copy in the place of `studio.db`, and remove `studio.db-wal` and `studio.db-shm`.
    pub fn backup(folder: &Path, to: &Path) -> Result<(), BackupError> {
        backup::backup(folder, to)
    }

    /// Forgets every secret and starts over with a new key, so that they can be typed in again.
    ///
    /// A key file that is there is renamed, not removed: with it, an older backup can
    /// still be read. A service credential is taken as it is. Nothing else changes.
    pub fn reset_keys(
        folder: &Path,
        key: &KeySource,
        clock: &dyn Clock,
    ) -> Result<KeyReset, OpenError> {
        let folder = Folder::claim(folder)?;
        let mut connection = schema::open(&folder, clock)?;
        key::reset(&folder, key, &mut connection)
    }
}
