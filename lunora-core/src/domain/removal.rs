use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DestinationId;

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
}

/// Why something is to be cleaned up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalCause {
    /// The destination was deleted: row, output and keys go.
    Deleted,
    /// A create or an edit may have stopped half way: what it kept and no row
    /// refers to goes.
    ChangeUnfinished,
}
