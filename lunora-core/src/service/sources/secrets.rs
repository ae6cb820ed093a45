//! How a secret changes together with its row, and what becomes of one that no row refers to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use secrecy::ExposeSecret as _;

use super::{Sources, edits::SecretEdits};
use crate::{
    domain::{Edit, SecretName, SecretRef, SecretVersion, Source, SourceId},
    port::{
        Clock as _, Forget, History, Listing, PortError, Repo as _, RepoExt as _, SecretStore as _,
        Which,
    },
};

/// How long a secret has to be without a row that refers to it before it is
/// forgotten: far longer than any request lives.
const CHANGE_TAKES_AT_MOST: SignedDuration = SignedDuration::from_mins(15);

/// Of how many sources without a row the secrets are forgotten at a time: more are
/// likelier to be a listing, or a table, that is not the right one (rule 9).
const GONE_MAX: usize = 2;

/// What a change did to secrets before its row is written.
pub(super) struct Kept {
    new: Vec<(SecretName, SecretVersion)>,
    /// What the old row refers to and the new one does not.
    old: Vec<(SecretName, Forget)>,
}

impl Sources {
    /// The row as it will be, with references to secrets that are not kept yet.
    pub(super) fn preview(&self, row: &Source, edits: &SecretEdits<'_>) -> Source {
        let mut planned = row.clone();
        for (name, edit) in edits {
            let version = row.refers_to(name).map(|it| it.version);
            // The version is not known before the write; only the digest counts here.
            let version = version.unwrap_or(SecretVersion::UNREAD);
            match edit {
                Edit::Keep => (),
                Edit::Clear => planned.set_ref(name, None),
                Edit::Set(text) => {
                    let new = SecretRef::new(version, text, &self.hash_key);
                    planned.set_ref(name, Some(new));
                }
            }
        }
        planned
    }

    /// The same edits without those that set what is there already.
    pub(super) async fn that_differ<'a>(
        &self,
        row: &Source,
        edits: SecretEdits<'a>,
    ) -> SecretEdits<'a> {
        let mut differing = edits;
        for (name, edit) in &mut differing {
            let (Edit::Set(text), Some(kept)) = (&*edit, row.refers_to(name)) else {
                continue;
            };
            if kept.is_unread() || !kept.is_of(text, &self.hash_key) {
                continue;
            }
            let which = Which::Version(kept.version);
            // A store that cannot read it does not have it.
            let there = self.ports.secrets.reveal(name, which).await.ok().flatten();
            if there.is_some_and(|it| it.text.expose_secret() == text.expose_secret()) {
                *edit = Edit::Keep;
            }
        }
        differing
    }

    /// The fields that are set to what the row says already, and that the store
    /// does not have: setting it again is what brings it back.
    pub(super) fn lost(&self, row: &Source, edits: &SecretEdits<'_>) -> Vec<String> {
        let lost = edits.iter().filter(|(name, edit)| match edit {
            Edit::Set(text) => row
                .refers_to(name)
                .is_some_and(|it| it.is_of(text, &self.hash_key)),
            Edit::Keep | Edit::Clear => false,
        });
        lost.map(|(name, _)| field(name).to_owned()).collect()
    }

    /// Keeps the secrets that an edit brings, and makes the row refer to them.
    pub(super) async fn keep_secrets(
        &self,
        row: &mut Source,
        edits: SecretEdits<'_>,
    ) -> Result<Kept, PortError> {
        let mut kept = Kept {
            new: Vec::new(),
            old: Vec::new(),
        };
        for (name, edit) in edits {
            let old = row.refers_to(&name).filter(|it| !it.is_unread());
            match edit {
                Edit::Keep => (),
                Edit::Clear => {
                    let forget = |old: SecretRef| match self.ports.secrets.history() {
                        // Nothing refers to any of it, and only all of it can go.
                        History::Stays => Forget::All,
                        // What somebody keeps from now on is none of it.
                        History::Cuts => Forget::Before(next(old.version)),
                    };
                    kept.old.extend(old.map(|old| (name.clone(), forget(old))));
                    row.set_ref(&name, None);
                }
                Edit::Set(text) => {
                    let version = self.ports.secrets.keep(&name, text).await?;
                    kept.new.push((name.clone(), version));
                    kept.old.push((name.clone(), Forget::Before(version)));
                    row.set_ref(&name, Some(SecretRef::new(version, text, &self.hash_key)));
                }
            }
        }
        Ok(kept)
    }

    /// The row is written: what it no longer refers to goes.
    pub(super) async fn settle(&self, kept: Kept) {
        for (name, which) in kept.old {
            if let Err(error) = self.ports.secrets.forget(&name, which).await {
                tracing::warn!(%error, "an old secret of a source is forgotten later");
            }
        }
    }

    /// The row was not written: what was kept for it goes.
    pub(super) async fn take_back(&self, kept: Kept) {
        for (name, version) in kept.new {
            let forgotten = self.ports.secrets.forget(&name, Forget::Only(version));
            if let Err(error) = forgotten.await {
                tracing::warn!(%error, "a secret that was not wanted is taken back later");
            }
        }
    }

    /// Forgets what changes that stopped half way left: secrets of sources that no
    /// row has referred to for a quarter of an hour. It reads none that it does
    /// not have to, and leaves those of rows alone that cannot be read.
    pub(super) async fn tidy(&self) -> Result<(), PortError> {
        let now = self.ports.clock.now();
        let latest = self.ports.secrets.versions().await?;
        let Listing { items, unreadable } = self.ports.sources.survey().await?;
        let rows: BTreeMap<SourceId, Source> = items
            .into_iter()
            .map(|it| (it.value.id.clone(), it.value))
            .collect();
        let is_unreadable = |id: &SourceId| unreadable.iter().any(|it| it.id == id.as_str());
        let gone = {
            let ids: BTreeSet<&SourceId> = latest.keys().filter_map(of_source).collect();
            let is_gone = |id: &&&SourceId| !rows.contains_key(**id) && !is_unreadable(id);
            ids.iter().filter(is_gone).count()
        };
        if GONE_MAX < gone {
            tracing::warn!(
                sources = gone,
                "secrets of sources without a row are left alone"
            );
        }
        let mut found = BTreeMap::new();
        for (name, version) in latest {
            let Some(id) = of_source(&name).filter(|id| !is_unreadable(id)) else {
                continue;
            };
            let kept = rows.get(id).and_then(|row| row.refers_to(&name));
            let kept = kept.filter(|it| !it.is_unread());
            if let Some(kept) = kept {
                self.forget_older(&name, kept.version).await?;
            }
            if kept.is_some_and(|kept| version <= kept.version) {
                continue;
            }
            let key = (name, version);
            let since = self.board.state().suspects.get(&key).copied();
            let since = since.unwrap_or(now);
            if now.duration_since(since) < CHANGE_TAKES_AT_MOST {
                found.insert(key, since);
                continue;
            }
            let is_held =
                GONE_MAX < gone && of_source(&key.0).is_some_and(|id| !rows.contains_key(id));
            if is_held {
                found.insert(key, since);
            } else {
                self.forget_unreferred(&key.0).await?;
            }
        }
        let mut state = self.board.state();
        state.suspects = found;
        state.tidied_at = Some(now);
        Ok(())
    }

    /// Once in a process is enough: from then on, each change forgets its own.
    async fn forget_older(&self, name: &SecretName, than: SecretVersion) -> Result<(), PortError> {
        let key = (name.clone(), than);
        if self.board.state().tidied.contains(&key) {
            return Ok(());
        }
        self.ports
            .secrets
            .forget(name, Forget::Before(than))
            .await?;
        let mut state = self.board.state();
        state.tidied.retain(|(tidied, _)| tidied != name);
        state.tidied.insert(key);
        Ok(())
    }

    /// Forgets what the row, as it is now, does not refer to.
    async fn forget_unreferred(&self, name: &SecretName) -> Result<(), PortError> {
        let secrets = &self.ports.secrets;
        let Some(id) = of_source(name) else {
            return Ok(());
        };
        let row = self.ports.sources.get(id).await?;
        let Some(kept) = row.and_then(|row| row.value.refers_to(name)) else {
            return secrets.forget(name, Forget::All).await;
        };
        if secrets.history() == History::Stays {
            return Ok(()); // The store drops old ones by itself, and nobody reads the latest.
        }
        while let Some(latest) = secrets.reveal(name, Which::Latest).await?
            && kept.version < latest.version
        {
            secrets.forget(name, Forget::Only(latest.version)).await?;
        }
        Ok(())
    }
}

const fn next(version: SecretVersion) -> SecretVersion {
    SecretVersion(version.0.saturating_add(1))
}

const fn of_source(name: &SecretName) -> Option<&SourceId> {
    match name {
        SecretName::SourceUrl(id)
        | SecretName::SourceStreamId(id)
        | SecretName::SourcePassphrase(id) => Some(id),
        _ => None,
    }
}

const fn field(name: &SecretName) -> &'static str {
    match name {
        SecretName::SourceStreamId(_) => "stream_id",
        SecretName::SourcePassphrase(_) => "passphrase",
        _ => "connection_url",
    }
}
