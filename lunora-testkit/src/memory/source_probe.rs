use async_trait::async_trait;
use lunora_core::{
    domain::{Finding, IngestSpec, IngestState},
    port::{ErrorKind, PortError, SourceProbe},
};

use super::{MemoryIngestController, ingest_controller::why_not};
use crate::sample;

/// A [`SourceProbe`] in memory: it tells what comes in from a source that a
/// [`MemoryIngestController`] takes in, and finds nothing of any other.
#[derive(Clone, Debug, Default)]
pub struct MemorySourceProbe(MemoryIngestController);

impl MemorySourceProbe {
    /// Looks at what this one takes in.
    #[must_use]
    pub const fn over(ingests: MemoryIngestController) -> Self {
        Self(ingests)
    }
}

#[async_trait]
impl SourceProbe for MemorySourceProbe {
    async fn probe(&self, source: &IngestSpec) -> Result<Finding, PortError> {
        if let Some(reason) = why_not(source) {
            let error = PortError::new(ErrorKind::Unsupported, "test source", &source.id);
            return Err(error.with_reason(reason));
        }
        let seen = self.0.seen(&source.id);
        let comes_in = |state| matches!(state, IngestState::Standby | IngestState::OnAir);
        let seen = seen.filter(|it| comes_in(it.state));
        Ok(sample::finding_of_media(seen.map(|it| it.media)))
    }
}
