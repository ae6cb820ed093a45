use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Digest, Label, TokenId, word::closed_word};

closed_word! {
    /// What somebody may do; each may do what the one before may.
    Role, "viewer, producer and admin" {
        /// Look.
        Viewer = "viewer",
        /// Start, stop and edit destinations.
        Producer = "producer",
        /// Everything.
        Admin = "admin",
    }
}

/// The right to call the API, without the secret that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name in lists and in the audit.
    pub id: TokenId,
    /// Whose it is, for people.
    pub label: Label,
    /// What its holder may do.
    pub role: Role,
    /// The keyed hash of the secret.
    pub digest: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}
