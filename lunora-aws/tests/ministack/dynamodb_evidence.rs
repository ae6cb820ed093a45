//! Evidence in the control table.

use lunora_aws::dynamodb::DynamoDbEvidence;

use crate::{evidence_contract::keeps_its_contract, support::Stack};

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn the_control_table_keeps_the_contract_of_evidence() {
    let stack = Stack::set_up().await;
    let table = stack.config.tables.control.clone();
    keeps_its_contract(&DynamoDbEvidence::new(stack.dynamodb(), table)).await;
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn evidence_says_when_it_may_be_forgotten() {
    use lunora_aws::mediaconnect::{Evidence, EvidenceStore as _, Signal};

    let stack = Stack::set_up().await;
    let table = stack.config.tables.control.clone();
    let arn = "arn:aws:mediaconnect:us-west-2:111122223333:flow:1-a:b";
    let evidence = Evidence {
        subject: arn.parse().unwrap(),
        signal: Signal::SourceLost,
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
    };
    let store = DynamoDbEvidence::new(stack.dynamodb(), table.clone());
    store.note(&evidence).await.unwrap();

    let scan = stack.dynamodb().scan().table_name(table.as_str());
    let found = scan.send().await.unwrap();
    // 30 days later, in seconds, as DynamoDB wants it.
    let expires = found.items()[0]["expires_at"].as_n().unwrap();
    assert_eq!(
        expires,
        &(evidence.at.as_second() + 30 * 86_400).to_string()
    );
}
