//! Whether the stand-in can do what the adapters stand on.

use aws_sdk_dynamodb::types::{AttributeValue, TimeToLiveStatus};
use aws_sdk_ssm::types::ParameterType;

use crate::support::{Stack, TTL_ATTRIBUTE};

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_row_comes_back() {
    let stack = Stack::set_up().await;
    let table = stack.config.tables.destinations.as_str();
    let id = AttributeValue::S("dest_1700000000000_abc123xyz".to_owned());
    let name = AttributeValue::S("a name".to_owned());

    let client = stack.dynamodb();
    client
        .put_item()
        .table_name(table)
        .item("destination_id", id.clone())
        .item("name", name.clone())
        .send()
        .await
        .unwrap();
    let read = client
        .get_item()
        .table_name(table)
        .key("destination_id", id)
        .consistent_read(true)
        .send()
        .await
        .unwrap();

    assert_eq!(read.item().unwrap()["name"], name);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn the_control_table_forgets_by_itself() {
    let stack = Stack::set_up().await;

    let ttl = stack
        .dynamodb()
        .describe_time_to_live()
        .table_name(stack.config.tables.control.as_str())
        .send()
        .await
        .unwrap();

    let ttl = ttl.time_to_live_description().unwrap();
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    assert_eq!(ttl.attribute_name(), Some(TTL_ATTRIBUTE));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_secret_comes_back_and_only_decrypted_if_asked_for() {
    let stack = Stack::set_up().await;
    let name = format!(
        "{}/destinations/dest_1/stream_key",
        stack.config.parameter_prefix
    );

    let client = stack.ssm();
    client
        .put_parameter()
        .name(&name)
        .r#type(ParameterType::SecureString)
        .value("live-key-0123")
        .send()
        .await
        .unwrap();
    let read = |decrypted| {
        client
            .get_parameter()
            .name(&name)
            .with_decryption(decrypted)
            .send()
    };
    let (plain, cipher) = (read(true).await.unwrap(), read(false).await.unwrap());

    assert_eq!(plain.parameter().unwrap().value(), Some("live-key-0123"));
    assert_ne!(cipher.parameter().unwrap().value(), Some("live-key-0123"));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn two_stacks_share_nothing() {
    let (one, other) = (Stack::set_up().await, Stack::set_up().await);
    let name = "/the/same/name";
    let put = one.ssm().put_parameter().name(name).value("one");
    put.r#type(ParameterType::String).send().await.unwrap();

    let read = other
        .ssm()
        .get_parameter()
        .name(name)
        .send()
        .await
        .unwrap_err();
    let tables = other.dynamodb().list_tables().send().await.unwrap();

    assert!(read.into_service_error().is_parameter_not_found());
    let of_one = one.config.tables.destinations.as_str();
    assert_eq!(tables.table_names().len(), 5);
    assert!(!tables.table_names().iter().any(|name| name == of_one));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_a_program_finds_by_itself_leads_there_too() {
    let stack = Stack::set_up().await;

    let found = lunora_aws::sdk_config().await;

    assert_eq!(found.endpoint_url(), stack.sdk.endpoint_url());
    let client = aws_sdk_dynamodb::Client::new(&found);
    let tables = client.list_tables().send().await.unwrap();
    let of_test = stack.config.tables.sources.as_str();
    assert!(!tables.table_names().iter().any(|name| name == of_test));
}
