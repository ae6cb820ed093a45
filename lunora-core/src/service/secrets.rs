//! How a secret changes together with its row.
//!
//! A new text is kept beside the old one, under a new version; the row then
//! refers to that version, in one conditional write; then the old one goes. So
//! what an output is told is always what one row says, and a change that is
//! refused has touched nothing. A record in the control store makes a pass tidy
//! up after a change that stopped half way.

use secrecy::{ExposeSecret, SecretString};

use super::{DestinationError, DestinationPatch, Destinations, LegEdit};
use crate::{
    domain::{
        ChangeId, Destination, DestinationId, Edit, Leftover, Leg, Removal, RemovalCause,
        SecretName, SecretRef, SecretVersion, StreamKey,
    },
    port::{ControlStore, Forget, History, IdSource, PortError, SecretStore, Which},
};

/// What a change did to secrets before its row is written.
pub(super) struct Kept {
    /// Makes a pass tidy up, should this change stop half way; none if no secret changes.
    record: Option<Removal>,
    /// What the old row refers to and the new one does not.
    old: Vec<(SecretName, Forget)>,
}

/// The names of one leg's secrets, each with what an edit says about it.
fn edits<'a>(
    id: &DestinationId,
    leg: Leg,
    edit: &'a LegEdit,
) -> [(SecretName, Edit<&'a SecretString>); 2] {
    let key = edit.key.as_ref().map(StreamKey::as_secret);
    [
        (SecretName::StreamKey(id.clone(), leg), key),
        (SecretName::UrlTail(id.clone(), leg), edit.tail.as_ref()),
    ]
}

impl Destinations {
    /// Keeps the secrets that an edit brings, and makes the row refer to them.
    pub(super) async fn keep_secrets(
        &self,
        row: &mut Destination,
        primary: &LegEdit,
        backup: &LegEdit,
    ) -> Result<Kept, DestinationError> {
        let before = row.clone();
        *row = self.preview(row, primary, backup)?;
        let mut kept = Kept {
            record: None,
            old: Vec::new(),
        };
        let legs = [(Leg::Primary, primary), (Leg::Backup, backup)];
        let all = legs.map(|(leg, edit)| edits(&row.id, leg, edit));
        if all.iter().flatten().all(|(_, edit)| edit.is_keep()) {
            return Ok(kept);
        }
        let record = Removal {
            destination: row.id.clone(),
            cause: RemovalCause::ChangeUnfinished(ChangeId(self.ids.mint())),
            generation: before.generation,
            recorded_at: self.ports.clock.now(),
            leftovers: all
                .iter()
                .flatten()
                .filter_map(|(name, edit)| self.leftover(&before, name, edit))
                .collect(),
        };
        self.ports.control.record_removal(&record).await?;
        kept.record = Some(record);
        let secrets = &self.ports.secrets;
        for (name, edit) in all.into_iter().flatten() {
            let old = before.refers_to(&name);
            let new = match edit {
                Edit::Keep => continue,
                Edit::Clear => None,
                Edit::Set(text) => {
                    let version = self.ports.secrets.keep(&name, text).await?;
                    let hash_key = self.reconciler.hash_key();
                    Some(SecretRef::new(version, text, hash_key))
                }
            };
            // A store that lost the name counts from 1 again: the new one may be called as the old.
            let old = old.filter(|old| new.is_none_or(|new| new.version != old.version));
            let forget = |old: SecretRef| match (new, secrets.history()) {
                // Nothing refers to any of it, and where the history stays only all of it can go.
                (None, History::Stays) => Forget::All,
                _ => Forget::Only(old.version),
            };
            kept.old.extend(old.map(|old| (name.clone(), forget(old))));
            row.set_ref(&name, new);
        }
        Ok(kept)
    }

    /// The row is written: what it no longer refers to goes.
    pub(super) async fn settle(&self, kept: Kept) {
        self.tidy_up(kept.record, &kept.old).await;
    }

    /// The row was not written: what was kept for it goes.
    pub(super) async fn take_back(&self, kept: Kept) {
        if let Some(record) = &kept.record
            && let Err(error) = self.reconciler.finish_change(record).await
        {
            tracing::warn!(%error, "a secret that was not wanted is taken back later");
        }
    }

    /// The texts of a secret that are of no use once the edit is stored, or refused.
    fn leftover(
        &self,
        before: &Destination,
        name: &SecretName,
        edit: &Edit<&SecretString>,
    ) -> Option<Leftover> {
        let new = match edit {
            Edit::Keep => return None,
            Edit::Clear => None,
            Edit::Set(text) => {
                let hash_key = self.reconciler.hash_key();
                Some(SecretRef::new(SecretVersion::UNREAD, text, hash_key))
            }
        };
        let refs = new.into_iter().chain(before.refers_to(name));
        Some(Leftover {
            name: name.clone(),
            digests: refs.map(|it| it.digest).collect(),
        })
    }

    /// What the row says stands whether or not this succeeds; the record stays if it does not.
    async fn tidy_up(&self, record: Option<Removal>, gone: &[(SecretName, Forget)]) {
        let tidy = async {
            for (name, which) in gone {
                self.ports.secrets.forget(name, *which).await?;
            }
            match &record {
                None => Ok(()),
                Some(record) => self.ports.control.clear_removal(record).await,
            }
        };
        let outcome: Result<(), PortError> = tidy.await;
        if let Err(error) = outcome {
            tracing::warn!(%error, "an old secret is forgotten later");
        }
    }

    /// The fields whose secret an edit sets to what the row says already, and
    /// that the store does not have: setting it again is what brings it back.
    pub(super) async fn lost(
        &self,
        row: &Destination,
        patch: &DestinationPatch,
    ) -> Result<Vec<String>, PortError> {
        let mut lost = Vec::new();
        for (leg, edit) in [(Leg::Primary, &patch.primary), (Leg::Backup, &patch.backup)] {
            for (name, edit) in edits(&row.id, leg, edit) {
                let (Edit::Set(text), Some(referred)) = (edit, row.refers_to(&name)) else {
                    continue;
                };
                let which = Which::Version(referred.version);
                // A store that cannot read it does not have it.
                let revealed = self.ports.secrets.reveal(&name, which).await.ok().flatten();
                let there =
                    revealed.is_some_and(|it| it.text.expose_secret() == text.expose_secret());
                let changes = SecretRef::new(referred.version, text, self.reconciler.hash_key());
                if !there && changes == referred {
                    let field = match (&name, leg) {
                        (SecretName::StreamKey(..), Leg::Primary) => "stream_key",
                        (SecretName::StreamKey(..), Leg::Backup) => "backup_stream_key",
                        (_, Leg::Primary) => "rtmp_url",
                        (_, Leg::Backup) => "backup_rtmp_url",
                    };
                    lost.push(field.to_owned());
                }
            }
        }
        Ok(lost)
    }
}
