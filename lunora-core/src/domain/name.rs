use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The text is empty, longer than 120 characters, or has control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 120 characters and no control characters")]
pub struct NameError;

// A text for people: 1 to 120 characters, trimmed, on one line.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest name, in characters.
            pub const LEN_MAX: usize = 120;

            /// Borrows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let text = text.trim();
                let len = text.chars().count();
                if len == 0 || Self::LEN_MAX < len || text.chars().any(char::is_control) {
                    return Err(NameError);
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// What people call a destination: 1 to 120 characters, trimmed, on one line.
    DestinationName
);
name!(
    /// What people call a source: 1 to 120 characters, trimmed, on one line.
    SourceName
);
name!(
    /// A short text for people: 1 to 120 characters, trimmed, on one line.
    Label
);

impl Label {
    /// Makes one of any text: on one line, and cut at its longest. Of an empty text, a dash.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = text
            .trim()
            .chars()
            .take(Self::LEN_MAX)
            .map(visible)
            .collect();
        let text = text.trim();
        Self(if text.is_empty() { "–" } else { text }.to_owned())
    }
}
