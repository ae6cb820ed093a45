//! Creating, editing and removing.

use super::{
    NewSource, SourceEntry, SourceError, SourcePatch, Sources,
    edits::{changed_fields, check},
};
use crate::{
    domain::{EventKind, Protocol, SecretName, Source, SourceId},
    port::{Clock as _, ErrorKind, Expect, Forget, PortError, Repo as _, RepoExt, Versioned},
};

/// How often a change starts again because the row changed under it.
const TRIES_MAX: usize = 5;

impl Sources {
    /// Creates a source under an id that the caller minted, and never uses for another.
    pub async fn create(&self, id: SourceId, new: NewSource) -> Result<SourceEntry, SourceError> {
        if let Some(there) = self.ports.sources.get(&id).await? {
            // The reply to an earlier try was lost.
            self.make_so().await;
            return self.entry(there).await;
        }
        let address = new.address.resolve(new.protocol)?;
        let mut row = new.row(id, self.ports.clock.now());
        address.apply(&mut row);
        address.choose_encryption(&mut row, new.encryption);
        let edits = address.secrets(&row.id);
        let planned = self.preview(&row, &edits);
        check(&planned)?;
        self.check_name(&planned).await?;

        let kept = self.keep_secrets(&mut row, edits).await?;
        let revision = self.ports.sources.create(&row).await;
        self.board.row_changed();
        let revision = revision?;
        self.settle(kept).await;
        let (source, name) = (row.id.clone(), row.name.clone());
        let kind = EventKind::SourceCreated { source, name };
        self.record(self.by.clone(), kind).await;
        self.make_so().await;
        let value = row;
        self.entry(Versioned { value, revision }).await
    }

    /// Changes a source; what the patch does not mention stays. With `generation`,
    /// only if it is still at that one (rule 17).
    pub async fn update(
        &self,
        id: &SourceId,
        patch: &SourcePatch,
        generation: Option<u64>,
    ) -> Result<SourceEntry, SourceError> {
        for _ in 0..TRIES_MAX {
            let stored = self.row(id).await?;
            check_generation(&stored, generation)?;
            let mut row = stored.value.clone();
            patch.apply(&mut row);
            let address = patch.address.resolve(row.protocol)?;
            address.apply(&mut row);
            address.choose_encryption(&mut row, patch.encryption);
            let edits = self.that_differ(&stored.value, address.secrets(id)).await;
            let planned = self.preview(&row, &edits);
            let mut changed = changed_fields(&stored.value, &planned);
            changed.extend(self.lost(&stored.value, &edits));
            if changed.is_empty() {
                self.make_so().await;
                return self.entry(stored).await;
            }
            if patch.touches_the_way() {
                check(&planned)?;
            }
            // Two old rows may have the same name; each can still be changed otherwise.
            if name_of(&planned) != name_of(&stored.value) {
                self.check_name(&planned).await?;
            }

            let kept = self.keep_secrets(&mut row, edits).await?;
            row.generation = row.generation.saturating_add(1);
            row.updated_at = self.ports.clock.now();
            let expect = Expect::Revision(stored.revision);
            let put = self.ports.sources.put(&row, expect).await;
            self.board.row_changed();
            match put {
                Ok(revision) => {
                    let source = id.clone();
                    let kind = EventKind::SourceUpdated { source, changed };
                    self.record(self.by.clone(), kind).await;
                    self.settle(kept).await;
                    self.make_so().await;
                    let value = row;
                    return self.entry(Versioned { value, revision }).await;
                }
                Err(error) if error.kind() == ErrorKind::Conflict => self.take_back(kept).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended("change source", id))
    }

    /// Deletes a source: its row, then what was taken in for it, then its secrets.
    pub async fn remove(&self, id: &SourceId, generation: Option<u64>) -> Result<(), SourceError> {
        for _ in 0..TRIES_MAX {
            let stored = self.row(id).await?;
            check_generation(&stored, generation)?;
            let removed = self.ports.sources.remove(id, &stored.revision).await;
            self.board.row_changed();
            match removed {
                Ok(()) => {
                    let (source, name) = (id.clone(), stored.value.name);
                    let kind = EventKind::SourceRemoved { source, name };
                    self.record(self.by.clone(), kind).await;
                    self.make_so().await;
                    for name in SecretName::all_of_source(id) {
                        if let Err(error) = self.ports.secrets.forget(&name, Forget::All).await {
                            tracing::warn!(%error, "a secret of a deleted source is forgotten later");
                        }
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Conflict => (),
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended("remove source", id))
    }

    /// Refuses a second source that encoders would publish to under the same name.
    async fn check_name(&self, row: &Source) -> Result<(), SourceError> {
        let Some(name) = name_of(row) else {
            return Ok(());
        };
        let others = self.ports.sources.survey().await?.items.into_iter();
        let mut others = others.map(|it| it.value).filter(|it| it.id != row.id);
        match others.find(|other| name_of(other) == Some(name)) {
            None => Ok(()),
            Some(twin) => Err(SourceError::Duplicate {
                of: twin.id,
                name: twin.name,
            }),
        }
    }

    /// What is wanted is stored; if the engine cannot be told now, a tick tells it.
    pub(super) async fn make_so(&self) {
        if let Err(error) = self.sync().await {
            tracing::warn!(%error, "a change of sources takes effect with the next tick");
        }
    }
}

/// What encoders call an enabled source by, if they call it by a name.
fn name_of(row: &Source) -> Option<(Protocol, crate::domain::Digest)> {
    let listens = match row.protocol {
        Protocol::Srt => row.host.is_none() && row.connection_url.is_none(),
        Protocol::Rtmp => row.connection_url.is_none(),
        Protocol::Rtp | Protocol::Ndi => false,
    };
    let name = row.stream_id.filter(|_| row.enabled && listens)?;
    Some((row.protocol, name.digest))
}

fn check_generation(stored: &Versioned<Source>, expected: Option<u64>) -> Result<(), SourceError> {
    let found = stored.value.generation;
    if expected.is_none_or(|expected| expected == found) {
        return Ok(());
    }
    let id = stored.value.id.clone();
    Err(SourceError::Stale { id, found })
}

fn contended(operation: &'static str, id: &SourceId) -> SourceError {
    PortError::new(ErrorKind::Conflict, operation, id).into()
}
