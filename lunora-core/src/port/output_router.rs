use std::fmt;

use async_trait::async_trait;

use super::PortError;
use crate::domain::{ObservedOutput, OutputId, OutputSpec, Scheme};

/// Pushes what comes in to outputs, each by itself.
///
/// # Contract
///
/// 1. Applying what is there as given, and detaching what is not there, succeed
///    and change nothing; so either can be repeated after a lost reply.
/// 2. After an apply, the output is observed with the fingerprint and the switch
///    that it was given, whether it was there before or not.
/// 3. After a detach, the output is not observed.
/// 4. A call on one output leaves every other as it is.
/// 5. Each result stands at the place of its output in the call, and a failing
///    one stops none of the others.
/// 6. More outputs than [`capabilities`](Self::capabilities) allows fail with
///    [`Exhausted`](super::ErrorKind::Exhausted); a scheme that it does not name,
///    and an output that is off where it keeps none, with
///    [`Unsupported`](super::ErrorKind::Unsupported); none changes anything.
/// 7. A retry of what is not there, or is switched off, succeeds and changes nothing.
/// 8. No secret appears in what the adapter or its errors print, or is observed.
#[async_trait]
pub trait OutputRouter: fmt::Debug + Send + Sync + 'static {
    /// What this adapter can do.
    fn capabilities(&self) -> RouterCapabilities;

    /// Returns every output of ours, in no order. What others made is left out.
    async fn observe(&self) -> Result<Vec<ObservedOutput>, PortError>;

    /// Makes each output be as it is given: new, changed in place, on or off.
    ///
    /// Returns once the wish is accepted; the health of an output tells when it
    /// took effect.
    async fn apply(&self, specs: &[OutputSpec]) -> Vec<Result<(), PortError>>;

    /// Ends and removes each output.
    async fn detach(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>>;

    /// Makes each output that waits or gave up try again at once; one that is
    /// live, or on its way, goes on undisturbed.
    async fn retry(&self, ids: &[OutputId]) -> Vec<Result<(), PortError>>;
}

/// Whether a router can keep an output that does not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parking {
    /// An output that is off stays, and takes up room.
    Keeps,
    /// An output that is to be off has to be detached.
    Detaches,
}

/// What an [`OutputRouter`] can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterCapabilities {
    /// The most outputs, on or off.
    pub outputs_max: usize,
    /// The schemes of push URLs that it takes.
    pub schemes: Vec<Scheme>,
    /// What becomes of an output that is switched off.
    pub parking: Parking,
}

impl RouterCapabilities {
    /// So many outputs by RTMP and RTMPS, kept when off.
    #[must_use]
    pub fn rtmp(outputs_max: usize) -> Self {
        Self {
            outputs_max,
            schemes: vec![Scheme::Rtmp, Scheme::Rtmps],
            parking: Parking::Keeps,
        }
    }
}
