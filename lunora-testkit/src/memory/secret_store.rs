use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{SecretName, SecretVersion},
    port::{PortError, Revealed, SecretStore},
};

/// A [`SecretStore`] in memory.
///
/// The versions of a name start again at 1 once it was forgotten, as those of a
/// deleted parameter do.
#[derive(Clone, Debug, Default)]
pub struct MemorySecretStore(Arc<Mutex<BTreeMap<SecretName, Revealed>>>);

impl MemorySecretStore {
    /// The names that something is kept under.
    #[must_use]
    pub fn names(&self) -> Vec<SecretName> {
        self.with(|kept| kept.keys().cloned().collect())
    }

    fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<SecretName, Revealed>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
            let before = kept.get(name).map_or(0, |kept| kept.version.0);
            let version = SecretVersion(before + 1);
            let text = text.clone();
            kept.insert(name.clone(), Revealed { text, version });
            version
        }))
    }

    async fn reveal(&self, name: &SecretName) -> Result<Option<Revealed>, PortError> {
        Ok(self.with(|kept| kept.get(name).cloned()))
    }

    async fn forget(&self, name: &SecretName) -> Result<(), PortError> {
        self.with(|kept| kept.remove(name));
        Ok(())
    }
}
