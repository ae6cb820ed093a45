use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DestinationId, Digest, SecretName};

/// Something that may have to be cleaned up under an id, retried until it is done (rule 12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose output and keys they are.
    pub destination: DestinationId,
    /// Why.
    pub cause: RemovalCause,
    /// The generation that the row had. One that was to be deleted and is at
    /// another by now was changed meanwhile, and stays.
    pub generation: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What a change of secrets may leave behind; empty for every other cause.
    pub leftovers: Vec<Leftover>,
}

/// The texts of one secret that a change may leave behind: the new one, if it is
/// refused, and the old one, if it is not. Any other was kept by somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Of which secret.
    pub name: SecretName,
    /// The keyed hashes of the texts.
    pub digests: Vec<Digest>,
}

/// Why something is to be cleaned up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemovalCause {
    /// Somebody deleted the destination here: row, output and keys go.
    Deleted,
    /// Its output was found without a row (rule 9): output and keys go, unless
    /// there is a row again, which is never touched.
    Absent,
    /// A create or an edit may have stopped half way: what it kept and no row
    /// refers to goes. Each change has a record of its own.
    ChangeUnfinished(ChangeId),
}

/// Tells one change of a destination's secrets from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(pub u128);

/// The text is not the cause of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `deleted`, `absent` or `change_unfinished`")]
pub struct RemovalCauseError;

/// `deleted`, `absent`, `change_unfinished`, or `change_unfinished:<32 hexadecimal digits>`.
impl fmt::Display for RemovalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("deleted"),
            Self::Absent => f.write_str("absent"),
            Self::ChangeUnfinished(ChangeId(0)) => f.write_str("change_unfinished"),
            Self::ChangeUnfinished(ChangeId(id)) => write!(f, "change_unfinished:{id:032x}"),
        }
    }
}

impl FromStr for RemovalCause {
    type Err = RemovalCauseError;

    fn from_str(text: &str) -> Result<Self, RemovalCauseError> {
        let change = |id| Self::ChangeUnfinished(ChangeId(id));
        match text.split_once(':') {
            None if text == "deleted" => Ok(Self::Deleted),
            None if text == "absent" => Ok(Self::Absent),
            None if text == "change_unfinished" => Ok(change(0)),
            Some(("change_unfinished", id)) => u128::from_str_radix(id, 16)
                .map(change)
                .map_err(|_| RemovalCauseError),
            _ => Err(RemovalCauseError),
        }
    }
}
