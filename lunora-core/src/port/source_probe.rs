use std::fmt;

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Finding, IngestSpec};

/// Looks at a source without putting it on air.
///
/// # Contract
///
/// 1. A probe changes nothing: not what is on air, nor what is taken in.
/// 2. What is wrong with the source is in the finding; an error means that nothing was found out.
/// 3. A protocol that cannot be taken fails with [`Unsupported`](super::ErrorKind::Unsupported)
///    and a reason that names a way that works.
/// 4. The finding names each aspect at most once, and says of those that it did not look at why (rule 27).
/// 5. No secret appears in the finding or in an error.
#[async_trait]
pub trait SourceProbe: fmt::Debug + Send + Sync + 'static {
    /// Looks, for as long as it takes, 10 s at most.
    async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError>;
}
