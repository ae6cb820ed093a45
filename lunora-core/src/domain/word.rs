/// A word stands where another was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}")]
pub struct UnknownWord {
    /// Those that are known.
    pub expected: &'static str,
}

// A word that is stored in rows and stands in HTTP, of which all are known.
macro_rules! closed_word {
    ($(#[$doc:meta])* $name:ident, $expected:literal {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it stands in rows and in HTTP.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::UnknownWord;

            /// Upper and lower case are the same.
            fn from_str(text: &str) -> Result<Self, $crate::domain::UnknownWord> {
                let is_it = |it: &&Self| it.as_str().eq_ignore_ascii_case(text);
                let found = Self::ALL.iter().find(is_it).copied();
                found.ok_or($crate::domain::UnknownWord { expected: $expected })
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::domain::UnknownWord;

            fn try_from(text: String) -> Result<Self, $crate::domain::UnknownWord> {
                text.parse()
            }
        }

        impl From<$name> for &'static str {
            fn from(word: $name) -> Self {
                word.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use closed_word;
