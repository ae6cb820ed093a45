//! The evidence that is kept in a process.

use lunora_aws::mediaconnect::MemoryEvidence;

use crate::evidence_contract::keeps_its_contract;

#[tokio::test]
async fn memory_keeps_the_contract() {
    keeps_its_contract(&MemoryEvidence::default()).await;
}
