//! The key that an encoder publishes with.

use lunora_core::{
    SecretString,
    domain::SecretName,
    port::{PortError, SecretStore},
};

use crate::system::random_bits;

/// The key, and whether it was made just now.
pub(crate) struct PublishKey {
    pub(crate) text: SecretString,
    pub(crate) is_new: bool,
}

/// Reads the publish key, and makes one the first time.
pub(crate) async fn find_or_make(secrets: &dyn SecretStore) -> Result<PublishKey, PortError> {
    if let Some(found) = secrets.reveal(&SecretName::PublishKey).await? {
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
    secrets.keep(&SecretName::PublishKey, &text).await?;
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
