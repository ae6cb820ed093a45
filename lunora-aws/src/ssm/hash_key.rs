use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::HashKey,
    port::{ErrorKind, PortError},
};
use zeroize::Zeroizing;

use super::{SsmSecretStore, error::failed};

/// Where it is under the prefix; no secret of a destination or source is called so.
const PATH: &str = "deployment/hash_key";
const OPERATION: &str = "get the hash key";

impl SsmSecretStore {
    /// The key that this deployment hashes its secrets under, for
    /// [`SecretRef`](lunora_core::domain::SecretRef) and what else compares them.
    ///
    /// It is 32 random bytes in the parameter `<prefix>/deployment/hash_key`, made
    /// by the first who asks; of those who ask at once, all get the same.
    ///
    /// **If it was lost, this makes another one in silence**, under which no digest
    /// that is stored is of any secret. With the tables at hand, call
    /// `deployment_hash_key` of this crate instead, which notices.
    pub async fn hash_key(&self) -> Result<HashKey, PortError> {
        if let Some(kept) = self.stored_hash_key().await? {
            return Ok(kept);
        }
        let parameter = self.hash_key_parameter();
        let made = RawKey::random().map_err(|error| {
            PortError::new(ErrorKind::Unavailable, OPERATION, &parameter).with_source(error)
        })?;
        let write = self.write(parameter.clone(), &made.to_hex());
        match write.overwrite(false).send().await {
            Ok(_) => Ok(made.into_hash_key()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutParameterError::is_parameter_already_exists) =>
            {
                // Somebody was faster, or an attempt of ours whose answer was lost.
                let kept = self.stored_hash_key().await?;
                kept.ok_or_else(|| {
                    PortError::new(ErrorKind::Unavailable, OPERATION, &parameter)
                        .with_source(NotShownYet)
                })
            }
            Err(error) => Err(failed("PutParameter", OPERATION, &parameter, &error)),
        }
    }

    /// Where it is.
    pub(crate) fn hash_key_parameter(&self) -> String {
        self.parameter(PATH)
    }

    /// It, if it was made and is not lost.
    pub(crate) async fn stored_hash_key(&self) -> Result<Option<HashKey>, PortError> {
        let parameter = &self.hash_key_parameter();
        let kept = self.read(OPERATION, parameter, parameter.clone()).await?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        match RawKey::from_hex(&kept.text) {
            Some(key) => Ok(Some(key.into_hash_key())),
            None => {
                Err(PortError::new(ErrorKind::Corrupt, OPERATION, parameter)
                    .with_source(NotAHashKey))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it exists, and the store does not show it yet; try again in a moment")]
struct NotShownYet;

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the parameter has not 64 hexadecimal digits; put back the value of an earlier version of it, \
     because what is stored was hashed under that one"
)]
struct NotAHashKey;

struct RawKey(Zeroizing<[u8; 32]>);

impl RawKey {
    fn random() -> Result<Self, getrandom::Error> {
        let mut key = Self(Zeroizing::new([0; 32]));
        getrandom::fill(key.0.as_mut())?;
        Ok(key)
    }

    fn to_hex(&self) -> Zeroizing<String> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        // As long as it gets, so that growing leaves nothing behind.
        let mut hex = Zeroizing::new(String::with_capacity(64));
        hex.extend(nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])));
        hex
    }

    fn from_hex(hex: &SecretString) -> Option<Self> {
        let hex = hex.expose_secret();
        if hex.len() != 64 {
            return None;
        }
        let mut key = Self(Zeroizing::new([0; 32]));
        for (byte, digits) in key.0.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
        }
        Some(key)
    }

    fn into_hash_key(self) -> HashKey {
        HashKey::new(*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_in_64_digits_and_read_back() {
        let key = RawKey::random().unwrap();
        let hex = SecretString::from(key.to_hex().as_str());

        assert_eq!(hex.expose_secret().len(), 64);
        assert_eq!(RawKey::from_hex(&hex).unwrap().0, key.0);
    }

    #[test]
    fn what_has_not_64_digits_is_no_key() {
        for hex in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(65),
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            assert!(
                RawKey::from_hex(&SecretString::from(hex)).is_none(),
                "{hex}"
            );
        }
    }
}
