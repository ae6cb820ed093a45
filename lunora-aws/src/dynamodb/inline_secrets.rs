use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{Destination, SecretName, SecretVersion, Source},
    port::{Forget, History, PortError, Revealed, SecretStore, Which},
};

use super::{DynamoDbDestinationRepo, DynamoDbSourceRepo, source_repo, table::Table};

/// A [`SecretStore`] that also reveals the secrets that old clients left in rows.
///
/// A row that has one refers to it as [`UNREAD`](SecretVersion::UNREAD). While it
/// stands there it is what counts: it is the latest one as well, so that nobody
/// takes one for it that was kept before. It goes when the row gets another one.
/// Everything else is the inner store's.
#[derive(Clone, Debug)]
pub struct InlineSecrets {
    inner: Arc<dyn SecretStore>,
    destinations: Table<Destination>,
    sources: Table<Source>,
}

impl InlineSecrets {
    /// Looks into the rows of those two first.
    #[must_use]
    pub fn new(
        inner: Arc<dyn SecretStore>,
        destinations: &DynamoDbDestinationRepo,
        sources: &DynamoDbSourceRepo,
    ) -> Self {
        Self {
            inner,
            destinations: destinations.0.clone(),
            sources: sources.0.clone(),
        }
    }

    /// The text that stands in a row itself.
    async fn inline(&self, name: &SecretName) -> Result<Option<SecretString>, PortError> {
        match name {
            SecretName::StreamKey(id, leg) | SecretName::UrlTail(id, leg) => {
                let Some(item) = self.destinations.item(id).await? else {
                    return Ok(None);
                };
                let texts = self.destinations.codec().inline(id, *leg, &item);
                Ok(match name {
                    SecretName::StreamKey(..) => texts.key,
                    _ => texts.tail,
                })
            }
            SecretName::SourceUrl(id)
            | SecretName::SourceStreamId(id)
            | SecretName::SourcePassphrase(id) => {
                let item = self.sources.item(id).await?;
                Ok(item.and_then(|item| source_repo::inline(name, &item)))
            }
            SecretName::PublishKey => Ok(None),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SecretStore for InlineSecrets {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        self.inner.keep(name, text).await
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        let may_be_inline = match which {
            Which::Latest => true,
            Which::Version(version) => version == SecretVersion::UNREAD,
        };
        if may_be_inline && let Some(text) = self.inline(name).await? {
            let version = SecretVersion::UNREAD;
            return Ok(Some(Revealed { text, version }));
        }
        self.inner.reveal(name, which).await
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        self.inner.forget(name, which).await
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        self.inner.versions().await
    }

    fn history(&self) -> History {
        self.inner.history()
    }
}
