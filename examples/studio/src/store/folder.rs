use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use super::OpenError;

/// The data folder, which no other process works on.
///
/// The lock belongs to the open file, so the system drops it with the process,
/// however that ends.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and locks it.
    pub(super) fn claim(path: &Path) -> Result<Self, OpenError> {
        let refused = |error: io::Error| OpenError::Folder {
            path: path.to_owned(),
            source: error.into(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(refused)?;
        let lock = private()
            .create(true)
            .open(path.join("studio.lock"))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(refused(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// Makes the database an empty file for its owner alone, if it is not there.
    ///
    /// SQLite gives the files beside it the same mode.
    pub(super) fn touch_database(&self) -> Result<(), OpenError> {
        // Not opened if it is there: closing any handle of it would drop SQLite's own locks.
        let made = match private().create_new(true).open(self.database()) {
            Ok(file) => file.sync_all().and_then(|()| sync(&self.path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        };
        made.map_err(|error| OpenError::Folder {
            path: self.path.clone(),
            source: error.into(),
        })
    }

    /// Says that SQLite cannot work on the database.
    pub(super) fn refuses(&self, source: rusqlite::Error) -> OpenError {
        let path = self.database();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign { path },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                let source = source.into();
                OpenError::Folder { path, source }
            }
            _ => OpenError::Database { path, source },
        }
    }
}

/// Where the database of a data folder is.
pub(super) fn database_in(folder: &Path) -> PathBuf {
    folder.join("studio.db")
}

/// To write a file that its owner alone can use.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Makes the names in a folder survive a power loss.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes a file that may not be there.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
