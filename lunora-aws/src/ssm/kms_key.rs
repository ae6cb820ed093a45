use std::{fmt, str::FromStr};

/// The KMS key that parameters are encrypted under: its id, its alias
/// (`alias/…`), or the ARN of either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KmsKey(String);

/// The text cannot name a KMS key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a KMS key is named by its id, by alias/NAME or by the ARN of either, \
     in at most 256 letters, digits, ':', '/', '_' and '-'"
)]
pub struct KmsKeyError;

impl KmsKey {
    /// The longest name that a parameter takes, in bytes.
    const LEN_MAX: usize = 256;

    /// The name as AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KmsKey {
    type Err = KmsKeyError;

    fn from_str(text: &str) -> Result<Self, KmsKeyError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
        if text.is_empty() || Self::LEN_MAX < text.len() || !text.bytes().all(plain) {
            return Err(KmsKeyError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_id_its_alias_or_an_arn() {
        let names = [
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "alias/lunora",
            "alias/aws/ssm",
            "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ];
        for name in names {
            assert_eq!(name.parse::<KmsKey>().unwrap().as_str(), name);
        }
        for name in ["", "two words", "alias/ü", "${KEY}", &"k".repeat(257)] {
            assert_eq!(name.parse::<KmsKey>(), Err(KmsKeyError), "{name}");
        }
    }
}
