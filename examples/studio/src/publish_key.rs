//! The key that an encoder publishes with.

use lunora_core::{
    SecretString,
    domain::SecretName,
    port::{Forget, PortError, SecretStore, Which},
};

use crate::system::random_bits;

/// The key, and whether it was made just now.
pub(crate) struct PublishKey {
    pub(crate) text: SecretString,
    pub(crate) is_new: bool,
}

/// Reads the publish key, and makes one the first time.
pub(crate) async fn find_or_make(secrets: &dyn SecretStore) -> Result<PublishKey, PortError> {
    let name = SecretName::PublishKey;
    if let Some(found) = secrets.reveal(&name, Which::Latest).await? {
        return Ok(PublishKey {
            text: found.text,
            is_new: false,
        });
    }
    make(secrets).await
}

/// Makes a new publish key, in the place of an old one.
pub(crate) async fn make(secrets: &dyn SecretStore) -> Result<PublishKey, PortError> {
    let text = temporary();
    let name = SecretName::PublishKey;
    let version = secrets.keep(&name, &text).await?;
    secrets.forget(&name, Forget::Before(version)).await?;
    Ok(PublishKey { text, is_new: true })
}

/// A key that is kept nowhere.
pub(crate) fn temporary() -> SecretString {
    // 20 of 32 letters and digits that are not mistaken for each other: 100 bits.
    const DIGITS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz_";
    let bits = random_bits();
    let digit = |place: u32| char::from(DIGITS[(bits >> (5 * place) & 31) as usize]);
    SecretString::from((0..20).map(digit).collect::<String>())
}

#[cfg(test)]
mod tests {
    use lunora_core::ExposeSecret as _;
    use lunora_testkit::memory::MemorySecretStore;

    use super::*;

    #[tokio::test]
    async fn a_new_key_takes_the_place_of_the_old_one() {
        let secrets = MemorySecretStore::default();
        let first = find_or_make(&secrets).await.unwrap();
        let new = make(&secrets).await.unwrap();
        let found = find_or_make(&secrets).await.unwrap();

        assert_eq!(
            (first.is_new, new.is_new, found.is_new),
            (true, true, false)
        );
        assert_eq!(found.text.expose_secret(), new.text.expose_secret());
        assert_ne!(first.text.expose_secret(), new.text.expose_secret());
        assert_eq!(secrets.versions_of(&SecretName::PublishKey).len(), 1);
    }
}
