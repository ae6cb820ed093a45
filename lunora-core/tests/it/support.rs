//! A store whose reads are not what a test's own are.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{SecretName, SecretVersion},
    port::{Forget, History, PortError, Revealed, SecretStore, Which},
};
use lunora_testkit::memory::MemorySecretStore;

/// Decides which write is really told of one that is asked for.
type Read = dyn Fn(&SecretName, Which) -> Result<Which, PortError> + Send + Sync;

/// A store that tells what `read` decides.
pub(crate) struct Peculiar {
    store: MemorySecretStore,
    read: Box<Read>,
}

impl Peculiar {
    pub(crate) fn new(
        store: &MemorySecretStore,
        read: impl Fn(&SecretName, Which) -> Result<Which, PortError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            store: store.clone(),
            read: Box::new(read),
        }
    }
}

impl fmt::Debug for Peculiar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl SecretStore for Peculiar {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        self.store.keep(name, text).await
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        let which = (self.read)(name, which)?;
        self.store.reveal(name, which).await
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        self.store.forget(name, which).await
    }

    /// As contract clause 7 has it: those that a reveal of the latest would yield.
    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        let mut versions = self.store.versions().await?;
        for (name, version) in &mut versions {
            if let Ok(Which::Version(told)) = (self.read)(name, Which::Latest) {
                *version = told;
            }
        }
        Ok(versions)
    }

    fn history(&self) -> History {
        self.store.history()
    }
}
