//! A data folder for one test.

use std::{
    env,
    error::Error,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use lunora_core::{
    ExposeSecret,
    domain::SecretName,
    port::{PortError, SecretStore, Which},
};
use lunora_studio::store::{KeySource, OpenError, Store};
use lunora_testkit::clock::ManualClock;
use rusqlite::Connection;
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) struct Data {
    // Held for its `Drop`.
    _root: TempDir,
    path: PathBuf,
}

impl Data {
    /// A folder that is not there yet.
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        let path = root.path().join("data");
        Self { _root: root, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Store, OpenError> {
        self.open_with(&KeySource::KeyFile)
    }

    pub(crate) fn open_with(&self, key: &KeySource) -> Result<Store, OpenError> {
        once_free(|| Store::open(&self.path, key, &ManualClock::default()))
    }

    /// The message of an open that fails.
    pub(crate) fn refusal(&self) -> String {
        told(&self.try_open().unwrap_err())
    }

    /// A connection beside the store, such as a person's with the sqlite3 tool.
    pub(crate) fn sql(&self) -> Connection {
        Connection::open(self.file("studio.db")).unwrap()
    }

    /// Every file in the folder with its bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(&self.path).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }
}

/// Tries again for a moment while the folder is in use: a process that another test
/// starts has a copy of every lock of this one, until it runs its own program.
pub(crate) fn once_free<T>(mut open: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    for _ in 0..50 {
        match open() {
            Err(OpenError::InUse { .. }) => thread::sleep(Duration::from_millis(10)),
            outcome => return outcome,
        }
    }
    open()
}

/// Undoes the newest step of the schema, as an older program asks for, and returns its version.
pub(crate) fn take_a_step_back(data: &Data) -> i64 {
    let sql = data.sql();
    let newest = "SELECT version, undo FROM migration ORDER BY version DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
    let (version, undo) = sql.query_row(newest, [], read).unwrap();
    sql.execute_batch(&undo).unwrap();
    version
}

/// The message of an error and of all its causes, which have to be on one line.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!text.contains('\n'), "{text}");
    text
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

pub(crate) fn revealed(store: &Store, name: &SecretName) -> Result<Option<String>, PortError> {
    let revealed = run(store.secrets().reveal(name, Which::Latest))?;
    Ok(revealed.map(|it| it.text.expose_secret().to_owned()))
}

/// Runs to the end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// This program, to run one of its ignored tests as a process of its own.
pub(crate) fn process(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--quiet"]);
    command
}
