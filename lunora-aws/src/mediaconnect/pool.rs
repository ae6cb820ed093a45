//! Over which flows outputs are spread.

use crate::FlowArn;

/// The flows of a deployment: the head, which has the source, and children that
/// are fed by it when one flow has too little room.
///
/// A child is drained before it is taken out of the pool: its destinations are stopped
/// and detached, or they go on there and begin on another flow, too. A child that
/// MediaConnect does not know makes every look fail until it is taken out: what it
/// does not show may well be there and push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowPool {
    head: FlowArn,
    children: Vec<FlowArn>,
    outputs_per_flow: usize,
}

/// Flows that are no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// More than MediaConnect allows (quotas: 50 a flow, not adjustable), or none.
    #[error("a flow has 1 to 50 outputs")]
    Outputs,
    /// One flow in two places.
    #[error("a flow is in the pool twice")]
    Twice,
}

impl FlowPool {
    /// The most outputs that MediaConnect allows on a flow.
    pub const OUTPUTS_PER_FLOW_MAX: usize = 50;

    /// Takes the flows in the order in which they are filled. `outputs_per_flow`
    /// counts all outputs, those of others, too. MediaConnect recommends at most
    /// 400 Mb/s a flow, which is 40 outputs of 10 Mb/s.
    pub fn new(
        head: FlowArn,
        children: Vec<FlowArn>,
        outputs_per_flow: usize,
    ) -> Result<Self, PoolError> {
        if !(1..=Self::OUTPUTS_PER_FLOW_MAX).contains(&outputs_per_flow) {
            return Err(PoolError::Outputs);
        }
        let is_twice = |at: usize, flow: &FlowArn| *flow == head || children[..at].contains(flow);
        if children.iter().enumerate().any(|(at, it)| is_twice(at, it)) {
            return Err(PoolError::Twice);
        }
        Ok(Self {
            head,
            children,
            outputs_per_flow,
        })
    }

    /// The flow that has the source.
    #[must_use]
    pub const fn head(&self) -> &FlowArn {
        &self.head
    }

    /// All flows, the head first.
    pub fn flows(&self) -> impl Iterator<Item = &FlowArn> {
        std::iter::once(&self.head).chain(&self.children)
    }

    /// The most outputs on one flow, those of others included.
    #[must_use]
    pub const fn outputs_per_flow(&self) -> usize {
        self.outputs_per_flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(n: u8) -> FlowArn {
        let text = format!("arn:aws:mediaconnect:us-west-2:111122223333:flow:1-{n}:live");
        text.parse().unwrap()
    }

    #[test]
    fn a_pool_has_each_flow_once_and_no_more_outputs_than_mediaconnect_allows() {
        let pool = FlowPool::new(flow(1), vec![flow(2), flow(3)], 50).unwrap();
        let flows: Vec<_> = pool.flows().cloned().collect();
        assert_eq!(flows, [flow(1), flow(2), flow(3)]);

        for outputs in [0, 51] {
            let refused = FlowPool::new(flow(1), vec![], outputs);
            assert_eq!(refused, Err(PoolError::Outputs));
        }
        for children in [vec![flow(1)], vec![flow(2), flow(2)]] {
            let refused = FlowPool::new(flow(1), children, 50);
            assert_eq!(refused, Err(PoolError::Twice));
        }
    }
}
