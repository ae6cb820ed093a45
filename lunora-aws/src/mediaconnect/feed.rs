//! Whether a flow is fed.

use async_trait::async_trait;
use lunora_core::port::{PortError, Receives};

use super::flow_control::FlowControl;
use crate::FlowArn;

/// Whether media comes into a flow, as far as MediaConnect can read what it is.
#[derive(Clone, Debug)]
pub struct FlowFeed {
    /// What asks.
    pub control: FlowControl,
    /// About which flow.
    pub flow: FlowArn,
}

#[async_trait]
impl Receives for FlowFeed {
    async fn receives(&self) -> Result<bool, PortError> {
        // What it may tell of one that does not run is of an earlier run.
        let state = self.control.describe(&self.flow).await?;
        if !state.status.carries() {
            return Ok(false);
        }
        let format = self.control.source_format(&self.flow).await?;
        Ok(!format.streams.is_empty())
    }
}
