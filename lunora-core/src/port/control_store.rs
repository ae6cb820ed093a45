use std::{fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::domain::{DestinationId, Digest, LeaseName, Removal, WorkerId};

/// Keeps what has no place in a destination's row (rule 18).
///
/// # Contract
///
/// 1. A removal is listed from its recording to its clearing; recording another of
///    the same destination and cause replaces it, one of another cause stands
///    beside it, and clearing one that is not recorded, or was replaced, succeeds
///    and changes nothing.
/// 2. The pause is the one that was set last.
/// 3. Of all claims on a key, the first one stands, and all are told that one.
/// 4. The answer is the one that was given to settle the claim first; settling
///    what is not claimed succeeds and changes nothing.
/// 5. A claim from before the time of `forget_claims_before` is gone after it,
///    and every other one stays.
/// 6. A lease is given to who asks for it if nobody holds it, if its time is over
///    at the time of asking, or if its holder asks again; of all that ask at once,
///    at most one gets it. All are told the lease that stands then. If its holder
///    asks for less time than it has, the lease stays as it is. It is over when it
///    is released; a release of one that is not the one that stands, be it
///    another's or an earlier one of its holder, succeeds and changes nothing.
#[async_trait]
pub trait ControlStore: fmt::Debug + Send + Sync + 'static {
    /// Records that something has to be cleaned up.
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError>;

    /// Returns all removals that are recorded.
    async fn removals(&self) -> Result<Vec<Removal>, PortError>;

    /// Forgets a removal that is done, if it is still the one that is recorded.
    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError>;

    /// Returns the pause that was set last, even if it is over.
    async fn pause(&self) -> Result<Option<Pause>, PortError>;

    /// Sets the pause, or ends it.
    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError>;

    /// Claims an idempotency key for a request, and returns the claim that stands.
    async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError>;

    /// Adds the answer to the claim on a key, if there is none yet.
    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError>;

    /// Drops the claims that were made before that time.
    async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError>;

    /// Asks for a lease, or for more time on it, and returns the one that stands.
    async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError>;

    /// Gives a lease back before its time is over.
    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError>;
}

/// The right of one worker at a time to do something (rule 10).
///
/// It is timed by the clocks of the workers, so they may differ by no more than
/// what a holder leaves unused at the end of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who has it.
    pub holder: WorkerId,
    /// When it was asked for.
    pub at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// A time for which no pass changes an output (rule 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// It ends then by itself.
    pub until: Timestamp,
}

/// What a client calls one request, so that it can be repeated: 1 to 128
/// printable ASCII characters without space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// The text cannot be an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 128 printable ASCII characters and no space")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || 128 < text.len() || !plain {
            return Err(IdempotencyKeyError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// What an idempotency key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The keyed hash of the request: another request under the same key is an error.
    pub request: Digest,
    /// The id that the request's new thing gets, so that a repetition makes no second one.
    pub destination: DestinationId,
    /// When the key was claimed.
    pub at: Timestamp,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
}

/// An HTTP answer, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its body, as JSON text.
    pub body: String,
}
