//! A third party's adapter: destinations as JSON files in a folder.
//!
//! Of Lunora it needs `lunora-core` alone, and `tests/conformance.rs` proves it.
//! `docs/adapters.md` tells how to write one like it.
//!
//! - This file keeps the contract of [`Repo`], clause by clause.
//! - `file.rs` has what is stored; nobody else sees that shape.

mod file;

use std::{io, path::PathBuf};

use async_trait::async_trait;
use lunora_core::{
    domain::{Destination, DestinationId},
    port::{
        BoxError, ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Record as _, Repo,
        Revision, Unreadable, Versioned,
    },
};
use tokio::{fs, sync::Mutex};

use file::File;

/// A [`Repo`] of destinations in a folder that one process uses at a time, on a
/// file system that tells upper from lower case.
#[derive(Debug)]
pub struct FolderDestinationRepo {
    folder: PathBuf,
    // Makes a read and the write that depends on it one step.
    turn: Mutex<()>,
}

impl FolderDestinationRepo {
    /// Uses a folder that exists.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            turn: Mutex::new(()),
        }
    }

    /// What is stored under the id: an empty file if nothing ever was.
    async fn load(&self, id: &DestinationId) -> Result<File, PortError> {
        let file = self.read(id).await?;
        file.map_err(|error| failed_to_read(ErrorKind::Corrupt, id, error))
    }

    /// The same, but that a file that makes no sense is no failure of the call.
    async fn read(&self, id: &DestinationId) -> Result<serde_json::Result<File>, PortError> {
        match fs::read(self.path(id)).await {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(File::default())),
            Err(error) => Err(failed_to_read(ErrorKind::Unavailable, id, error)),
        }
    }

    async fn save(&self, id: &DestinationId, file: &File) -> Result<(), PortError> {
        let failed = |kind, error: BoxError| {
            PortError::new(kind, "write destination", id).with_source(error)
        };
        let bytes = serde_json::to_vec_pretty(file)
            .map_err(|error| failed(ErrorKind::Unexpected, error.into()))?;
        let (path, scratch) = (self.path(id), self.folder.join(format!("{id}.new")));
        let written = async {
            fs::write(&scratch, bytes).await?;
            // A rename replaces the file at once, so nobody reads half of it.
            fs::rename(&scratch, &path).await
        };
        let written = written.await;
        written.map_err(|error| failed(ErrorKind::Unavailable, error.into()))
    }

    /// The ids of all files, also of those whose destination is gone, in order.
    async fn ids(&self) -> io::Result<Vec<DestinationId>> {
        let mut ids = Vec::new();
        let mut entries = fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            ids.extend(id.and_then(|id| id.parse::<DestinationId>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn path(&self, id: &DestinationId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn failed_to_read(kind: ErrorKind, id: &DestinationId, error: impl Into<BoxError>) -> PortError {
    PortError::new(kind, "read destination", id).with_source(error)
}

/// Says where its file makes no sense, and not what stands there.
fn unreadable(id: &DestinationId, error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    Unreadable {
        noun: Destination::NOUN,
        id: id.to_string(),
        reason: format!("its file makes no sense at line {line}, column {column}"),
    }
}

#[async_trait]
impl Repo<Destination> for FolderDestinationRepo {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        Ok(self.load(id).await?.into_stored())
    }

    async fn put(&self, destination: &Destination, expect: Expect) -> Result<Revision, PortError> {
        let id = &destination.id;
        let _turn = self.turn.lock().await;
        let file = self.load(id).await?;
        let holds = match &expect {
            Expect::Absent => file.revision().is_none(),
            Expect::Revision(revision) => file.revision().as_ref() == Some(revision),
        };
        if !holds {
            return Err(PortError::new(ErrorKind::Conflict, "store destination", id));
        }

        let (file, revision) = file.with(destination);
        self.save(id, &file).await?;
        Ok(revision)
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        let _turn = self.turn.lock().await;
        let file = self.load(id).await?;
        if file.revision().as_ref() != Some(revision) {
            return Err(PortError::new(
                ErrorKind::Conflict,
                "remove destination",
                id,
            ));
        }
        self.save(id, &file.without()).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        let failed = |kind| PortError::new(kind, "list destinations", self.folder.display());
        let after = match &page.after {
            None => None,
            Some(token) => {
                let id = token.as_cursor().parse::<DestinationId>();
                Some(id.map_err(|error| failed(ErrorKind::Invalid).with_source(error))?)
            }
        };
        let ids = self.ids().await;
        let ids = ids.map_err(|error| failed(ErrorKind::Unavailable).with_source(error))?;

        let mut listed = Page {
            items: Vec::new(),
            unreadable: Vec::new(),
            next: None,
        };
        let mut last = None;
        for id in ids.iter().filter(|id| after.as_ref() < Some(id)) {
            if listed.items.len() + listed.unreadable.len() == page.limit.max(1) as usize {
                listed.next = last.map(PageToken::from_cursor);
                break;
            }
            match self.read(id).await? {
                Ok(file) => listed.items.extend(file.into_stored()),
                Err(error) => listed.unreadable.push(unreadable(id, &error)),
            }
            last = Some(id);
        }
        Ok(listed)
    }
}
