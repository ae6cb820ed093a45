use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use lunora_core::domain::HashKey;
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use zeroize::Zeroizing;

use super::{
    KeyReset, OpenError,
    cipher::{Cipher, MasterKey},
    folder::{Folder, folder_of, private, remove, sync},
};

/// Where the key comes from that the secrets are encrypted under.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// The file `studio.key` in the data folder, made with the database.
    KeyFile,
    /// A file of 32 bytes that the service manager hands over, such as systemd's
    /// `$CREDENTIALS_DIRECTORY/lunora-key`; it is only read.
    Credential(PathBuf),
}

/// Whether the secrets can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Yes; there are none yet, and the key was taken into use.
    Fresh,
    /// Yes.
    Fits,
    /// No, there is no key.
    Missing,
    /// No, they are encrypted under another key.
    DoesNotFit,
}

/// Why the secrets cannot be read, and what a person can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// There is no key.
    #[error(
        "the key file {path} is missing; put it back and restart, or run `studio keys reset` \
         to forget all stream keys and type them in again"
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The secrets are encrypted under another key.
    #[error(
        "the key file {path} is not the one of this database; put the right one in its place \
         and restart, or run `studio keys reset` to forget all stream keys and type them in again"
    )]
    DoesNotFit {
        /// Where it is.
        path: PathBuf,
    },
}

/// The keys of an open store, each made from the one in the key file.
pub(super) struct Keyring {
    hash_key: HashKey,
    cipher: Result<Cipher, KeyProblem>,
    is_fresh: bool,
}

impl Keyring {
    pub(super) fn hash_key(&self) -> HashKey {
        self.hash_key.clone()
    }

    pub(super) fn cipher(&self) -> Result<&Cipher, KeyProblem> {
        self.cipher.as_ref().map_err(Clone::clone)
    }

    pub(super) fn problem(&self) -> Option<&KeyProblem> {
        self.cipher.as_ref().err()
    }

    pub(super) fn state(&self) -> KeyState {
        match self.problem() {
            None if self.is_fresh => KeyState::Fresh,
            None => KeyState::Fits,
            Some(KeyProblem::Missing { .. }) => KeyState::Missing,
            Some(KeyProblem::DoesNotFit { .. }) => KeyState::DoesNotFit,
        }
    }

    fn of(master: &MasterKey, is_fresh: bool) -> Self {
        Self {
            hash_key: master.hash_key(),
            cipher: Ok(master.cipher()),
            is_fresh,
        }
    }

    /// Reads no secret, and hashes with a key of its own, which nothing stored can equal.
    fn without(problem: KeyProblem) -> Result<Self, OpenError> {
        Ok(Self {
            hash_key: MasterKey::random().map_err(OpenError::Random)?.hash_key(),
            cipher: Err(problem),
            is_fresh: false,
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({:?})", self.state())
    }
}

/// Finds the key, and makes one if nothing is encrypted yet.
pub(super) fn unlock(
    folder: &Folder,
    source: &KeySource,
    connection: &mut Connection,
) -> Result<Keyring, OpenError> {
    let path = source.path(folder);
    let found = source.read(&path)?;
    let refuses = |error| folder.refuses(error);
    if let Found::Key(master) = &found
        && stored_check(connection).map_err(refuses)? == Some(master.check())
    {
        return Ok(Keyring::of(master, false));
    }
    if has_secrets(connection).map_err(refuses)? {
        // Nothing is made or changed: the right key may come back.
        return Keyring::without(match found {
            Found::Nothing => KeyProblem::Missing { path },
            Found::Key(_) | Found::Nonsense => KeyProblem::DoesNotFit { path },
        });
    }
    let master = match found {
        Found::Key(master) => master,
        Found::Nothing => source.make(&path)?,
        Found::Nonsense => return Err(OpenError::KeyInvalid { path }),
    };
    let tx = connection.transaction().map_err(refuses)?;
    store_check(&tx, &master).map_err(refuses)?;
    tx.commit().map_err(refuses)?;
    Ok(Keyring::of(&master, true))
}

/// Forgets all secrets, and takes a new key into use.
///
/// Stopped half way, it leaves a key that does not fit and can be run again.
pub(super) fn reset(
    folder: &Folder,
    source: &KeySource,
    connection: &mut Connection,
) -> Result<KeyReset, OpenError> {
    let path = source.path(folder);
    let (master, old_key_at) = match source {
        KeySource::KeyFile => {
            let old_key_at = set_aside(&path).map_err(|e| unusable(&path, e))?;
            (source.make(&path)?, old_key_at)
        }
        KeySource::Credential(_) => match source.read(&path)? {
            Found::Key(master) => (master, None),
            Found::Nothing => return Err(unusable(&path, io::ErrorKind::NotFound.into())),
            Found::Nonsense => return Err(OpenError::KeyInvalid { path }),
        },
    };
    let refuses = |error| folder.refuses(error);
    let tx = connection.transaction().map_err(refuses)?;
    let secrets_forgotten = forget_secrets(&tx).map_err(refuses)?;
    store_check(&tx, &master).map_err(refuses)?;
    tx.commit().map_err(refuses)?;
    Ok(KeyReset {
        secrets_forgotten,
        old_key_at,
    })
}

/// Renames the key file, so that no key is ever destroyed here.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let mut number = 1_u32;
    loop {
        let aside = path.with_extension(format!("key.old-{number}"));
        if !aside.try_exists()? {
            fs::rename(path, &aside)?;
            return Ok(Some(aside));
        }
        number += 1;
    }
}

fn has_secrets(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT * FROM secret)", [], |row| row.get(0))
}

/// Returns how many there were; two versions are of one secret.
fn forget_secrets(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    let mut names = tx.prepare("SELECT DISTINCT name FROM secret")?;
    let count = names.query_map([], |_| Ok(()))?.count();
    tx.execute("DELETE FROM secret", [])?;
    Ok(count)
}

fn stored_check(connection: &Connection) -> rusqlite::Result<Option<[u8; 32]>> {
    connection
        .query_row("SELECT value FROM key_check", [], |row| row.get(0))
        .optional()
}

fn store_check(tx: &Transaction<'_>, master: &MasterKey) -> rusqlite::Result<usize> {
    tx.execute(
        "INSERT INTO key_check (only_row, value) VALUES (1, ?1)
         ON CONFLICT (only_row) DO UPDATE SET value = excluded.value",
        [master.check()],
    )
}

/// What is where the key should be.
enum Found {
    Key(MasterKey),
    Nothing,
    Nonsense,
}

impl KeySource {
    fn path(&self, folder: &Folder) -> PathBuf {
        match self {
            Self::KeyFile => folder.path().join("studio.key"),
            Self::Credential(path) => path.clone(),
        }
    }

    fn read(&self, path: &Path) -> Result<Found, OpenError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(unusable(path, error)),
        };
        // Who may read a credential is the service manager's matter, which uses access
        // lists that look like a group's permission here.
        if *self == Self::KeyFile {
            let mode = file.metadata().map_err(|e| unusable(path, e))?.mode();
            if mode & 0o077 != 0 {
                let path = path.to_owned();
                return Err(OpenError::KeyExposed { path });
            }
        }
        // With room from the start, so that growing leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        file.take(33)
            .read_to_end(&mut bytes)
            .map_err(|e| unusable(path, e))?;
        Ok(match bytes.as_slice().try_into() {
            Ok(bytes) => Found::Key(MasterKey::new(bytes)),
            Err(_) => Found::Nonsense,
        })
    }

    /// Makes a new key; whole, or not at all.
    fn make(&self, path: &Path) -> Result<MasterKey, OpenError> {
        let failed = |error| unusable(path, error);
        if let Self::Credential(_) = self {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let master = MasterKey::random().map_err(OpenError::Random)?;
        let unfinished = path.with_extension("key.new");
        remove(&unfinished).map_err(failed)?;
        let mut file = private()
            .create_new(true)
            .open(&unfinished)
            .map_err(failed)?;
        file.write_all(master.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&unfinished, path).map_err(failed)?;
        sync(folder_of(path)).map_err(failed)?;
        Ok(master)
    }
}

fn unusable(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    OpenError::KeyFile { path, source }
}
