use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

use super::PortError;
use crate::domain::{SecretName, SecretVersion};

/// A secret, read.
#[derive(Clone, Debug)]
pub struct Revealed {
    /// Its text, which `Debug` hides.
    pub text: SecretString,
    /// Which write of it this is.
    pub version: SecretVersion,
}

/// Keeps secrets: stream keys, URL tails and the publish key.
///
/// # Contract
///
/// 1. A reveal that starts after a keep returned yields the kept text and its version.
/// 2. A keep gives a version above all earlier ones of that name, as long as the
///    name is not forgotten.
/// 3. Forgetting what is not kept succeeds, and what is forgotten is not revealed.
/// 4. A call on one name leaves every other as it is.
/// 5. Every text is read back as it was kept.
/// 6. No text appears in what the adapter or its errors print.
#[async_trait]
pub trait SecretStore: fmt::Debug + Send + Sync + 'static {
    /// Stores the text under the name, over what was there.
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError>;

    /// Returns the text, or `None` if there is none.
    async fn reveal(&self, name: &SecretName) -> Result<Option<Revealed>, PortError>;

    /// Removes the text.
    async fn forget(&self, name: &SecretName) -> Result<(), PortError>;
}
