use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 128 letters, digits, `_`, `-` or `.`")]
pub struct IdError;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest id, in bytes.
            pub const LEN_MAX: usize = 128;

            /// Borrows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
                if text.is_empty() || Self::LEN_MAX < text.len() || !text.bytes().all(plain) {
                    return Err(IdError);
                }
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// Identifies a [`Destination`](super::Destination), for ever.
    ///
    /// Every id that is stored is accepted (rule 19); only [`mint`](Self::mint)ed
    /// ones have the form `dest_<milliseconds>_<9 base-36 digits>`.
    DestinationId
);
text_id!(
    /// Identifies a [`Source`](super::Source), for ever.
    ///
    /// Only [`mint`](Self::mint)ed ones have the form `src_<milliseconds>_<9 base-36 digits>`.
    SourceId
);
text_id!(
    /// Names an encoding preset.
    PresetId
);
text_id!(
    /// Identifies a streaming session.
    SessionId
);
text_id!(
    /// Names an access token; it is not the token.
    TokenId
);
text_id!(
    /// Names what one worker at a time may do.
    LeaseName
);
text_id!(
    /// Names a worker, differently in every process and after every restart.
    WorkerId
);
text_id!(
    /// Names a resource of a cloud by its short id.
    ResourceId
);

impl DestinationId {
    /// Makes the id of a new destination from the time and random bits.
    #[must_use]
    pub fn mint(at: Timestamp, bits: u128) -> Self {
        Self(minted("dest", at, bits))
    }
}

impl SourceId {
    /// Makes the id of a new source from the time and random bits.
    #[must_use]
    pub fn mint(at: Timestamp, bits: u128) -> Self {
        Self(minted("src", at, bits))
    }
}

fn minted(prefix: &str, at: Timestamp, bits: u128) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = format!("{prefix}_{}_", at.as_millisecond());
    let mut rest = bits;
    for _ in 0..9 {
        text.push(char::from(DIGITS[(rest % 36) as usize]));
        rest /= 36;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_19_a_minted_id_has_the_form_that_is_stored_already() {
        let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let id = DestinationId::mint(at, 35 + 36);
        assert_eq!(id.as_str(), "dest_1700000000123_z10000000");
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn rule_19_what_could_break_out_of_a_path_or_a_name_is_no_id() {
        for text in ["", "a/b", "a b", "ä", "a\n", "a*", &"x".repeat(129)] {
            assert_eq!(text.parse::<DestinationId>(), Err(IdError), "{text:?}");
        }
    }
}
