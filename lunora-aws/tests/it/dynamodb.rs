use aws_sdk_dynamodb::{Client, config::http::HttpResponse};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_runtime_api::http::StatusCode;
use lunora_aws::dynamodb::DynamoDbDestinationRepo;
use lunora_core::{
    domain::SecretVersion,
    port::{Expect, PageRequest, Repo as _},
};
use lunora_testkit::sample;

use crate::log::log;

fn answer(body: String) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(200).unwrap(), body.into())
}

#[tokio::test]
async fn rule_21_a_row_is_in_no_log_at_any_level() {
    const CANARY: &str = "canary-of-a-row-91c4";
    const ROW: &str = r#"{"destination_id": {"S": "dest-1"},
        "rtmp_url": {"S": "rtmp://a.example/app/canary-of-a-row-91c4"}}"#;
    let log = log();
    let get =
        mock!(Client::get_item).then_http_response(|| answer(format!(r#"{{"Item": {ROW}}}"#)));
    let scan = mock!(Client::scan)
        .then_http_response(|| answer(format!(r#"{{"Items": [{ROW}], "Count": 1}}"#)));
    // The write is conditioned on the old URL.
    let update = mock!(Client::update_item)
        .match_requests(|request| format!("{request:?}").contains(CANARY))
        .then_http_response(|| answer("{}".to_owned()));
    let rules = [&get, &scan, &update];
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules);
    let repo = DynamoDbDestinationRepo::new(
        client,
        "destinations".parse().unwrap(),
        "/lunora".parse().unwrap(),
        sample::hash_key(),
    );

    let page = PageRequest {
        limit: 10,
        after: None,
    };
    let listed = repo.list(page).await.unwrap();
    let read = repo.get(&sample::destination_id(1)).await.unwrap().unwrap();
    let mut value = read.value.clone();
    let key = value.primary.as_mut().unwrap().key.as_mut().unwrap();
    assert!(key.is_unread());
    key.version = SecretVersion(1);
    let expect = Expect::Revision(read.revision.clone());
    repo.put(&value, expect).await.unwrap();

    let printed = format!("{repo:?} {listed:?} {read:?}");
    assert!(!printed.contains(CANARY), "{printed}");
    let text = log.text();
    assert!(text.contains("transmitting request"), "it logs at TRACE");
    let told: Vec<_> = text.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
