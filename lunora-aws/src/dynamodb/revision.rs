//! What a [`Revision`] of a row says.

use lunora_core::{domain::HashKey, port::Revision};

use super::{
    attribute::{Item, write_bytes},
    row::{Part, Row},
};

/// Holds a random text that every write of ours replaces. No other client
/// touches it, but one that puts whole rows drops it.
pub(super) const OWN_REVISION: &str = "lunora_revision";

/// What somebody knows of a row: which write of ours it was, and for every part
/// of it whether that is still the same.
///
/// A part is told by a keyed hash of its value as we would write it, so a token
/// holds no value, and another form of the same value is no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Knowledge {
    pub(super) own: Option<String>,
    /// One for each of [`Row::PARTS`].
    pub(super) parts: Vec<String>,
}

/// Grows with every change of what a token says.
const FORM: &str = "1";
/// Hexadecimal digits for each part.
const DIGITS: usize = 16;

impl Knowledge {
    /// What is known to who holds this value, as we write it.
    pub(super) fn of<R: Row>(
        own: Option<String>,
        id: &R::Id,
        canonical: &Item,
        hash_key: &HashKey,
    ) -> Self {
        let id = id.to_string();
        let hash = |part: &Part| {
            let mut bytes = Vec::new();
            for attribute in part.attributes {
                if let Some(value) = canonical.get(*attribute) {
                    bytes.extend(attribute.as_bytes());
                    write_bytes(value, &mut bytes);
                }
                bytes.push(0);
            }
            let whose = [R::NOUN.as_bytes(), id.as_bytes(), part.name().as_bytes()];
            let digest = hash_key.digest([&b"part"[..]].into_iter().chain(whose).chain([&*bytes]));
            digest.to_string()[..DIGITS].to_owned()
        };
        let parts = R::PARTS.iter().map(hash).collect();
        Self { own, parts }
    }

    /// What a token says, if it is of this version of the program.
    pub(super) fn read<R: Row>(revision: &Revision) -> Option<Self> {
        let rest = revision.as_token().strip_prefix(FORM)?.strip_prefix('.')?;
        let (own, parts) = rest.rsplit_once('.')?;
        let own = match own.strip_prefix('=') {
            Some(own) => Some(own.to_owned()),
            None if own == "-" => None,
            None => return None,
        };
        let hex = parts.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || parts.len() != DIGITS * R::PARTS.len() {
            return None;
        }
        let split = (0..R::PARTS.len()).map(|n| parts[n * DIGITS..][..DIGITS].to_owned());
        let parts = split.collect();
        Some(Self { own, parts })
    }

    pub(super) fn as_revision(&self) -> Revision {
        let parts = self.parts.concat();
        Revision::from_token(match &self.own {
            Some(own) => format!("{FORM}.={own}.{parts}"),
            None => format!("{FORM}.-.{parts}"),
        })
    }
}

/// Which write of ours a row is, if it is one.
pub(super) fn own_revision(item: &Item) -> Option<String> {
    let value = item.get(OWN_REVISION)?;
    // We write a text. What somebody else put there is told apart from it all the same.
    let text = value.as_s().cloned();
    Some(text.unwrap_or_else(|_| "of another".to_owned()))
}
