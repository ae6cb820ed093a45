use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{SecretName, SecretVersion},
    port::{Forget, History, PortError, Revealed, SecretStore, Which},
};

/// A [`SecretStore`] in memory.
///
/// The versions of a name start again at 1 once [all](Forget::All) of it was
/// forgotten, as those of a deleted parameter do; until then none is given again,
/// not even when no text is left.
#[derive(Clone, Debug)]
pub struct MemorySecretStore {
    history: History,
    kept: Arc<Mutex<BTreeMap<SecretName, Kept>>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    texts: BTreeMap<SecretVersion, SecretString>,
}

impl Default for MemorySecretStore {
    fn default() -> Self {
        Self::with_history(History::Cuts)
    }
}

impl MemorySecretStore {
    /// One whose single versions can be forgotten, or, like a parameter's, not.
    #[must_use]
    pub fn with_history(history: History) -> Self {
        let kept = Arc::default();
        Self { history, kept }
    }

    /// The names that something is kept under.
    #[must_use]
    pub fn names(&self) -> Vec<SecretName> {
        self.with(|kept| {
            let filled = kept.iter().filter(|(_, kept)| !kept.texts.is_empty());
            filled.map(|(name, _)| name.clone()).collect()
        })
    }

    /// The versions that are kept under the name, the first one first.
    #[must_use]
    pub fn versions_of(&self, name: &SecretName) -> Vec<SecretVersion> {
        self.with(|kept| {
            let kept = kept.get(name).into_iter();
            kept.flat_map(|kept| kept.texts.keys().copied()).collect()
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<SecretName, Kept>) -> R) -> R {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SecretStore for MemorySecretStore {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        Ok(self.with(|kept| {
            let kept = kept.entry(name.clone()).or_default();
            kept.last += 1;
            let version = SecretVersion(kept.last);
            kept.texts.insert(version, text.clone());
            version
        }))
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        Ok(self.with(|kept| {
            let texts = &kept.get(name)?.texts;
            let (version, text) = match which {
                Which::Latest => texts.last_key_value()?,
                Which::Version(version) => texts.get_key_value(&version)?,
            };
            Some(Revealed {
                text: text.clone(),
                version: *version,
            })
        }))
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        self.with(|kept| {
            let texts = kept.get_mut(name).map(|kept| &mut kept.texts);
            match (which, texts) {
                (Forget::All, _) => drop(kept.remove(name)),
                _ if self.history == History::Stays => (),
                (Forget::Before(version), Some(texts)) => *texts = texts.split_off(&version),
                (Forget::Only(version), Some(texts)) => drop(texts.remove(&version)),
                (_, None) => (),
            }
        });
        Ok(())
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        Ok(self.with(|kept| {
            let latest = |kept: &Kept| kept.texts.keys().next_back().copied();
            let all = kept.iter();
            all.filter_map(|(name, kept)| Some((name.clone(), latest(kept)?)))
                .collect()
        }))
    }

    fn history(&self) -> History {
        self.history
    }
}
