use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DestinationId;

/// Something that has to be cleaned up under an id, retried until it is done (rule 12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose output and keys they are.
    pub destination: DestinationId,
    /// Why.
    pub cause: RemovalCause,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// Why something is to be cleaned up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalCause {
    /// The destination was deleted: row, output and keys go.
    Deleted,
    /// A create may have stopped half way: if no row came, the keys go.
    CreateUnfinished,
}
