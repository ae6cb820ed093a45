use std::{collections::BTreeMap, fmt};

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

/// Which write of a secret is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The last one.
    Latest,
    /// This one.
    Version(SecretVersion),
}

/// Which writes of a secret are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// Every one.
    All,
    /// Those before this one.
    Before(SecretVersion),
    /// This one.
    Only(SecretVersion),
}

/// Whether single writes of a secret can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Each by itself.
    Cuts,
    /// No: they go with their name, or when the store drops old ones by itself,
    /// as those of a parameter do.
    Stays,
}

/// Keeps secrets: stream keys, URL tails and the publish key.
///
/// A keep never replaces: whoever refers to an earlier version goes on to read
/// that one, until it is forgotten. So a change of a row and of its secret takes
/// effect at one moment, when the row refers to the new version, and a change
/// that is refused has changed nothing (rules 16 and 23).
///
/// # Contract
///
/// 1. A reveal that starts after a keep returned yields the kept text under its
///    version, which is 1 or more, and as the latest one if nothing was kept since.
/// 2. A keep gives a version above all earlier ones of that name, as long as the
///    name is not forgotten, and leaves the earlier ones as they are.
/// 3. Forgetting what is not kept succeeds; what is forgotten is not revealed,
///    and what is not meant is. Where the [`history`](Self::history) stays, only
///    forgetting all of a name has an effect.
/// 4. A call on one name leaves every other as it is.
/// 5. Every text is read back as it was kept.
/// 6. No text appears in what the adapter or its errors print.
/// 7. The versions are those that a reveal of the latest would yield, of every
///    name, and to tell them no text is read.
#[async_trait]
pub trait SecretStore: fmt::Debug + Send + Sync + 'static {
    /// Stores the text under the name, as a new version beside those that are there.
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError>;

    /// Returns the text and its version, or `None` if there is none.
    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError>;

    /// Removes texts.
    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError>;

    /// Returns the latest version of every name that is kept.
    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError>;

    /// Whether single writes can be forgotten.
    fn history(&self) -> History;
}
