use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The text is not a word of 1 to 40 lower-case letters, digits, `_` or `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 40 lower-case letters, digits, `_` or `-`")]
pub struct WordError;

// A word that is stored in rows: known ones are variants, an unknown one survives.
macro_rules! open_word {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A word that this version does not know; it is kept as it is.
            Other(OtherWord),
        }

        impl $name {
            /// The word as it stands in rows and in HTTP.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => &word.0,
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = WordError;

            fn try_from(text: String) -> Result<Self, WordError> {
                match text.as_str() {
                    $($word => Ok(Self::$variant),)*
                    _ => OtherWord::new(text).map(Self::Other),
                }
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// The text of an unknown word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherWord(String);

impl OtherWord {
    fn new(text: String) -> Result<Self, WordError> {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
        };
        if text.is_empty() || 40 < text.len() || !text.bytes().all(plain) {
            return Err(WordError);
        }
        Ok(Self(text))
    }
}

open_word! {
    /// Where viewers watch.
    Platform {
        /// YouTube Live.
        YouTube = "youtube",
        /// Twitch.
        Twitch = "twitch",
        /// LinkedIn Live.
        LinkedIn = "linkedin",
        /// X.
        X = "x",
        /// Facebook Live.
        Facebook = "facebook",
        /// Any other server.
        Custom = "custom",
        /// The viewers' own HLS; it has no output (rule 4).
        Hls = "hls",
    }
}

open_word! {
    /// By which way a destination is delivered (rule 13).
    OutputType {
        /// An output of the main MediaLive channel: the old system's, shown and never changed.
        MediaLive = "medialive",
        /// An output of a MediaConnect flow.
        MediaConnect = "mediaconnect",
        /// A MediaConnect router output.
        Router = "router",
        /// A MediaLive channel of its own.
        Channel = "channel",
        /// A push of `lunora-relay`.
        Relay = "relay",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_13_an_unknown_word_survives() {
        let word: OutputType = "teleport".parse().unwrap();
        assert_eq!(String::from(word), "teleport");
        assert_eq!("relay".parse(), Ok(OutputType::Relay));
        assert_eq!("No Word".parse::<Platform>(), Err(WordError));
    }
}
