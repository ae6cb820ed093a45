//! The Parameter Store, as answers that AWS gives make it.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_ssm::{
    Client,
    config::retry::{RetryConfig, RetryPartition},
    operation::put_parameter::PutParameterInput,
    types::ParameterType,
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use lunora_aws::{AwsError, KmsKey, ParameterPrefix, ssm::SsmSecretStore};
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{DestinationId, HashKey, Leg, SecretName, SecretVersion},
    port::{ErrorKind, Forget, PortError, Revealed, SecretStore, Which},
};
use lunora_testkit::{clock::ManualClock, sample};

use crate::log::log;

const PREFIX: &str = "/lunora-player/streaming";
/// The parameter of [`name`].
const PARAMETER: &str = "/lunora-player/streaming/destinations/dest-1/stream_key";
const HASH_KEY: &str = "/lunora-player/streaming/deployment/hash_key";

/// An answer that arrives as from the network: piece by piece.
fn answer(status: u16, body: &str) -> HttpResponse {
    let body = SdkBody::from_body_1_x(SdkBody::from(body));
    HttpResponse::new(status.try_into().unwrap(), body)
}

fn refusal(code: &str, message: &str) -> HttpResponse {
    let body = format!(r#"{{"__type":"com.amazonaws.ssm#{code}","message":"{message}"}}"#);
    answer(400, &body)
}

fn parameter(text: &str, version: i64) -> HttpResponse {
    let value = serde_json::to_string(text).unwrap();
    let body = format!(
        r#"{{"Parameter":{{"Name":"n","Type":"SecureString","Value":{value},"Version":{version}}}}}"#
    );
    answer(200, &body)
}

fn written(version: i64) -> HttpResponse {
    answer(
        200,
        &format!(r#"{{"Tier":"Standard","Version":{version}}}"#),
    )
}

/// Answers every read of this name.
fn get(name: &str, reply: impl Fn() -> HttpResponse + Send + Sync + 'static) -> Rule {
    let name = name.to_owned();
    mock!(Client::get_parameter)
        .match_requests(move |get| get.name() == Some(&name) && get.with_decryption() == Some(true))
        .then_http_response(reply)
}

/// Answers every write of this name.
fn put(name: &'static str, reply: impl Fn() -> HttpResponse + Send + Sync + 'static) -> Rule {
    mock!(Client::put_parameter)
        .match_requests(move |put| put.name() == Some(name))
        .then_http_response(reply)
}

/// Answers every deletion of this name.
fn delete(name: &'static str, reply: impl Fn() -> HttpResponse + Send + Sync + 'static) -> Rule {
    mock!(Client::delete_parameter)
        .match_requests(move |delete| delete.name() == Some(name))
        .then_http_response(reply)
}

/// Answers every listing.
fn describe(reply: impl Fn() -> HttpResponse + Send + Sync + 'static) -> Rule {
    mock!(Client::describe_parameters).then_http_response(reply)
}

const ATTEMPTS: usize = 3;

fn client(rules: &[&Rule]) -> Client {
    static CLIENTS: AtomicU64 = AtomicU64::new(0);
    // All clients of one partition share how much they may try again: one test
    // would take it from another.
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    let partition = RetryPartition::new(format!("client {number}"));
    let retry = RetryConfig::standard()
        .with_max_attempts(u32::try_from(ATTEMPTS).unwrap())
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(1));
    mock_client!(aws_sdk_ssm, RuleMode::MatchAny, rules, |config| {
        config
            .retry_config(retry.clone())
            .retry_partition(partition.clone())
    })
}

/// A store that these rules answer, and its clock.
fn store(rules: &[&Rule]) -> (SsmSecretStore, ManualClock) {
    let clock = ManualClock::default();
    let prefix: ParameterPrefix = PREFIX.parse().unwrap();
    let store = SsmSecretStore::new(client(rules), prefix, Arc::new(clock.clone()));
    (store, clock)
}

/// The name of [`PARAMETER`].
fn name() -> SecretName {
    SecretName::StreamKey(sample::destination_id(1), Leg::Primary)
}

const fn version(version: u64) -> Which {
    Which::Version(SecretVersion(version))
}

async fn reveal(store: &SsmSecretStore, which: Which) -> Option<(String, u64)> {
    let revealed = store.reveal(&name(), which).await.unwrap();
    revealed.map(|Revealed { text, version }| (text.expose_secret().to_owned(), version.0))
}

fn text(text: &str, version: u64) -> Option<(String, u64)> {
    Some((text.to_owned(), version))
}

fn cause(error: &PortError) -> String {
    error.source().unwrap().to_string()
}

#[tokio::test]
async fn a_text_is_written_where_the_running_system_reads_it() {
    let seen = Arc::new(Mutex::new(Vec::<PutParameterInput>::new()));
    let see = Arc::clone(&seen);
    let rule = mock!(Client::put_parameter)
        .match_requests(move |put| {
            see.lock().unwrap().push(put.clone());
            true
        })
        .then_http_response(|| written(3));
    let (store, _) = store(&[&rule]);

    let kept = store.keep(&name(), &"the key".into()).await.unwrap();
    let store = store.with_kms_key("alias/lunora".parse::<KmsKey>().unwrap());
    store.keep(&name(), &"the key".into()).await.unwrap();

    assert_eq!(kept, SecretVersion(3));
    let seen = seen.lock().unwrap();
    for put in &*seen {
        assert_eq!(put.name(), Some(PARAMETER));
        assert_eq!(put.value(), Some("the key"));
        assert_eq!(put.r#type(), Some(&ParameterType::SecureString));
        // A parameter that somebody made an advanced one stays so, and can be written.
        assert_eq!(put.tier(), None);
        assert_eq!(put.overwrite(), Some(true));
    }
    let keys: Vec<_> = seen.iter().map(PutParameterInput::key_id).collect();
    assert_eq!(keys, [None, Some("alias/lunora")]);
}

#[tokio::test]
async fn what_no_parameter_holds_is_refused_before_a_call() {
    let rule = put(PARAMETER, || written(1));
    let (store, _) = store(&[&rule]);
    let too_long = "k".repeat(4_097);

    for (text, reason) in [("", "empty"), (&too_long, "4,096 bytes")] {
        let error = store.keep(&name(), &text.into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(cause(&error).contains(reason), "{}", cause(&error));
    }
    assert_eq!(rule.num_calls(), 0);

    // Bytes count, not characters.
    let longest = SecretString::from("é".repeat(2_048));
    store.keep(&name(), &longest).await.unwrap();
    let error = store.keep(&name(), &"é".repeat(2_049).into()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn rule_19_the_longest_name_is_one_that_the_store_takes() {
    // With the ARN before it, of the longest partition and region that there are.
    let arn = "arn:aws-us-gov:ssm:ap-southeast-99:111122223333:parameter";
    let longest = Arc::new(Mutex::new(String::new()));
    let see = Arc::clone(&longest);
    let rule = mock!(Client::get_parameter)
        .match_requests(move |get| {
            *see.lock().unwrap() = get.name().unwrap().to_owned();
            true
        })
        .then_http_response(|| refusal("ParameterNotFound", ""));
    let prefix = format!("/{}", "p".repeat(511)).parse().unwrap();
    let store = SsmSecretStore::new(client(&[&rule]), prefix, Arc::new(ManualClock::default()));
    let id: DestinationId = "d".repeat(DestinationId::LEN_MAX).parse().unwrap();

    for name in SecretName::all_of(&id) {
        let last = Which::Version(SecretVersion(u64::MAX / 2));
        assert!(store.reveal(&name, last).await.unwrap().is_none());
        let length = arn.len() + longest.lock().unwrap().len();
        assert!(length <= 1_011, "{length}");
    }
}

#[tokio::test]
async fn what_nobody_read_yet_is_absent_without_a_call() {
    // A rule that is never met would panic.
    let (store, _) = store(&[]);
    for version in [SecretVersion::UNREAD.0, u64::MAX, u64::MAX / 2 + 1] {
        assert_eq!(reveal(&store, self::version(version)).await, None);
    }
}

#[tokio::test]
async fn a_version_is_read_once_in_30_seconds() {
    let one = get(&format!("{PARAMETER}:1"), || parameter("one", 1));
    let two = get(&format!("{PARAMETER}:2"), || parameter("two", 2));
    let (store, clock) = store(&[&one, &two]);

    for _ in 0..3 {
        assert_eq!(reveal(&store, version(1)).await, text("one", 1));
        assert_eq!(reveal(&store, version(2)).await, text("two", 2));
        clock.advance(Duration::from_secs(9));
    }
    assert_eq!((one.num_calls(), two.num_calls()), (1, 1));

    clock.advance(Duration::from_secs(3));
    assert_eq!(reveal(&store, version(1)).await, text("one", 1));
    assert_eq!((one.num_calls(), two.num_calls()), (2, 1));
}

#[tokio::test]
async fn the_latest_is_read_every_time_and_is_then_held_as_a_version() {
    let latest = get(PARAMETER, || parameter("two", 2));
    let (store, _) = store(&[&latest]);

    for calls in 1..=3 {
        assert_eq!(reveal(&store, Which::Latest).await, text("two", 2));
        assert_eq!(reveal(&store, version(2)).await, text("two", 2));
        assert_eq!(latest.num_calls(), calls);
    }
}

#[tokio::test]
async fn without_a_lifetime_nothing_is_held() {
    let rule = get(&format!("{PARAMETER}:1"), || parameter("one", 1));
    let (store, _) = store(&[&rule]);
    let store = store.with_cache_lifetime(Duration::ZERO);

    reveal(&store, version(1)).await;
    reveal(&store, version(1)).await;
    assert_eq!(rule.num_calls(), 2);
}

#[tokio::test]
async fn what_is_absent_is_asked_for_again() {
    for code in ["ParameterNotFound", "ParameterVersionNotFound"] {
        let rule = get(&format!("{PARAMETER}:1"), || refusal(code, "not here"));
        let (store, _) = store(&[&rule]);
        assert_eq!(reveal(&store, version(1)).await, None);
        assert_eq!(reveal(&store, version(1)).await, None);
        assert_eq!(rule.num_calls(), 2);
    }
}

#[tokio::test]
async fn what_was_kept_is_revealed_though_the_store_does_not_show_it_yet() {
    // It is eventually consistent.
    let put = put(PARAMETER, || written(1));
    let get = get(&format!("{PARAMETER}:1"), || {
        refusal("ParameterNotFound", "not yet")
    });
    let (store, _) = store(&[&put, &get]);

    let SecretVersion(kept) = store.keep(&name(), &"the key".into()).await.unwrap();
    assert_eq!(reveal(&store, version(kept)).await, text("the key", 1));
}

#[tokio::test]
async fn a_keep_ends_what_was_held_under_the_name() {
    // Also if it is not known whether it was kept.
    for outcome in [|| written(9), || answer(500, "{}")] {
        let put = put(PARAMETER, outcome);
        let one = get(&format!("{PARAMETER}:1"), || parameter("one", 1));
        let (store, _) = store(&[&put, &one]);

        reveal(&store, version(1)).await;
        let outcome = store.keep(&name(), &"nine".into()).await;
        reveal(&store, version(1)).await;
        assert_eq!(outcome.is_err(), put.num_calls() == ATTEMPTS);
        assert_eq!(one.num_calls(), 2);
    }
}

#[tokio::test]
async fn what_is_forgotten_is_not_told_from_memory() {
    // Also if it is not known whether it is forgotten.
    let outcomes = [
        || answer(200, "{}"),
        || refusal("ParameterNotFound", "not here"),
        || answer(500, "{}"),
    ];
    for outcome in outcomes {
        let delete = delete(PARAMETER, outcome);
        let put = put(PARAMETER, || written(1));
        let get = get(&format!("{PARAMETER}:1"), || {
            refusal("ParameterNotFound", "not here")
        });
        let (store, _) = store(&[&put, &delete, &get]);

        store.keep(&name(), &"one".into()).await.unwrap();
        let outcome = store.forget(&name(), Forget::All).await;
        assert_eq!(outcome.is_err(), delete.num_calls() == ATTEMPTS);
        assert_eq!(reveal(&store, version(1)).await, None);
    }
}

#[tokio::test]
async fn a_single_write_is_not_forgotten_and_nothing_is_called() {
    let (store, _) = store(&[]);
    for which in [
        Forget::Before(SecretVersion(2)),
        Forget::Only(SecretVersion(1)),
    ] {
        store.forget(&name(), which).await.unwrap();
    }
}

/// Refuses each of the four calls like this, and returns what became of each.
async fn refused(reply: fn() -> HttpResponse) -> [PortError; 4] {
    let rules = [
        put(PARAMETER, reply),
        get(PARAMETER, reply),
        delete(PARAMETER, reply),
        describe(reply),
    ];
    let (store, _) = store(&rules.each_ref());
    [
        store.keep(&name(), &"text".into()).await.unwrap_err(),
        store.reveal(&name(), Which::Latest).await.unwrap_err(),
        store.forget(&name(), Forget::All).await.unwrap_err(),
        store.versions().await.unwrap_err(),
    ]
}

/// An answer, its kind, and a part of the advice that comes with it.
type Refusal = (fn() -> HttpResponse, ErrorKind, &'static str);

#[tokio::test(start_paused = true)]
async fn each_refusal_says_what_the_caller_can_do() {
    let refusals: [Refusal; 9] = [
        (
            || refusal("ThrottlingException", "Rate exceeded"),
            ErrorKind::Unavailable,
            "fewer calls",
        ),
        (
            || refusal("InternalServerError", "oops"),
            ErrorKind::Unavailable,
            "tried again",
        ),
        (
            || answer(503, "<html>"),
            ErrorKind::Unavailable,
            "tried again",
        ),
        (
            || {
                let message = "User: kms-admin is not authorized to perform: ssm:GetParameter";
                refusal("AccessDeniedException", message)
            },
            ErrorKind::Denied,
            "its policy",
        ),
        (
            || refusal("ExpiredTokenException", "expired"),
            ErrorKind::Denied,
            "expired",
        ),
        (
            || refusal("ValidationException", "no"),
            ErrorKind::Invalid,
            "refuses",
        ),
        (|| refusal("InvalidKeyId", "no"), ErrorKind::Denied, "KMS"),
        (
            || {
                let role = "arn:aws:sts::111122223333:assumed-role/lunora/i";
                let what = "kms:Decrypt on resource: arn:aws:kms:us-east-1:111122223333:key/k";
                refusal(
                    "AccessDeniedException",
                    &format!("User: {role} is not authorized to perform: {what} (Service: Kms)"),
                )
            },
            ErrorKind::Denied,
            "KMS",
        ),
        (
            || refusal("SomethingNew", "no"),
            ErrorKind::Unexpected,
            "report",
        ),
    ];
    for (reply, kind, hint) in refusals {
        for error in refused(reply).await {
            assert_eq!(error.kind(), kind, "{error}: {}", cause(&error));
            assert!(cause(&error).contains(hint), "{error}: {}", cause(&error));
        }
    }
}

#[tokio::test]
async fn a_write_that_finds_no_room_says_so() {
    let refusals = [
        || refusal("ParameterLimitExceeded", "10000"),
        || refusal("ParameterMaxVersionLimitExceeded", "100"),
    ];
    for reply in refusals {
        let rule = put(PARAMETER, reply);
        let (store, _) = store(&[&rule]);
        let error = store.keep(&name(), &"text".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exhausted, "{}", cause(&error));
    }
}

#[tokio::test]
async fn a_write_that_met_another_one_is_tried_again() {
    let rule = mock!(Client::put_parameter)
        .sequence()
        .http_response(|| refusal("TooManyUpdates", "one at a time"))
        .http_response(|| written(4))
        .build();
    let (store, _) = store(&[&rule]);
    let kept = store.keep(&name(), &"text".into()).await.unwrap();
    assert_eq!(kept, SecretVersion(4));

    let rule = put(PARAMETER, || refusal("TooManyUpdates", "one at a time"));
    let (store, _) = self::store(&[&rule]);
    let error = store.keep(&name(), &"text".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let cause = error.source().unwrap().downcast_ref::<AwsError>().unwrap();
    assert_eq!(cause.code(), Some("TooManyUpdates"));
}

#[tokio::test]
async fn an_answer_that_is_not_one_of_aws_is_not_taken_for_one() {
    let rules = [
        put(PARAMETER, || answer(200, "{}")),
        get(PARAMETER, || answer(200, "{}")),
        get(&format!("{PARAMETER}:1"), || parameter("text", -1)),
    ];
    let (store, _) = store(&rules.each_ref());
    let errors = [
        store.keep(&name(), &"text".into()).await.unwrap_err(),
        store.reveal(&name(), Which::Latest).await.unwrap_err(),
        store.reveal(&name(), version(1)).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }
}

/// A page with these parameters, each with its version, and a token of the next.
fn page(parameters: &[(&str, i64)], next: &str) -> HttpResponse {
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(path, version)| {
            serde_json::json!({
                "Name": path, "Type": "SecureString", "Version": version,
            })
        })
        .collect();
    let mut body = serde_json::json!({ "Parameters": parameters });
    if !next.is_empty() {
        body["NextToken"] = next.into();
    }
    answer(200, &body.to_string())
}

#[tokio::test]
async fn every_page_of_versions_is_read_and_only_secrets_are_told() {
    let asked = |token: Option<&'static str>| {
        mock!(Client::describe_parameters).match_requests(move |describe| {
            let [filter] = describe.parameter_filters() else {
                return false;
            };
            assert_eq!((filter.key(), filter.option()), ("Path", Some("Recursive")));
            assert_eq!(filter.values(), [PREFIX]);
            assert_eq!(describe.max_results(), Some(50));
            describe.next_token() == token
        })
    };
    let first = asked(None).then_http_response(|| {
        let backup = "/lunora-player/streaming/destinations/dest-1/backup_stream_key";
        page(&[(PARAMETER, 3), (backup, 1), (HASH_KEY, 1)], "second")
    });
    // As AWS may do where it stopped looking for a moment.
    let second = asked(Some("second")).then_http_response(|| page(&[], "third"));
    let third = asked(Some("third")).then_http_response(|| {
        page(
            &[
                ("/lunora-player/streaming/ingest/publish_key", 12),
                // Of others: not ours to name, beside our prefix, or not even below it.
                ("/lunora-player/streaming/destinations/dest-1/note", 1),
                ("/lunora-player/streaming/destinations/a b/stream_key", 1),
                ("/lunora-player/streaming-2/ingest/publish_key", 13),
                ("/lunora-player/streaming", 14),
                ("ingest/publish_key", 15),
            ],
            "",
        )
    });
    let (store, _) = store(&[&first, &second, &third]);

    let versions = store.versions().await.unwrap();

    let backup = SecretName::StreamKey(sample::destination_id(1), Leg::Backup);
    let expected = [
        (name(), SecretVersion(3)),
        (backup, SecretVersion(1)),
        (SecretName::PublishKey, SecretVersion(12)),
    ];
    assert_eq!(versions, expected.into_iter().collect());
}

#[tokio::test(start_paused = true)]
async fn a_long_listing_goes_on_where_it_was_told_to_slow_down() {
    let first = mock!(Client::describe_parameters)
        .match_requests(|describe| describe.next_token().is_none())
        .then_http_response(|| page(&[(PARAMETER, 1)], "next"));
    let slow = ATTEMPTS * 9;
    let second = mock!(Client::describe_parameters)
        .match_requests(|describe| describe.next_token() == Some("next"))
        .sequence()
        .http_response(|| refusal("ThrottlingException", "Rate exceeded"))
        .times(slow)
        .http_response(|| page(&[], ""))
        .build();
    let (store, _) = store(&[&first, &second]);

    assert_eq!(store.versions().await.unwrap().len(), 1);
    assert_eq!((first.num_calls(), second.num_calls()), (1, slow + 1));
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_whole_or_fails() {
    // What is absent from it is taken for gone.
    let circle = describe(|| page(&[(PARAMETER, 1)], "again"));
    let (store, _) = store(&[&circle]);
    let error = store.versions().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);

    let breaking = mock!(Client::describe_parameters)
        .match_requests(|describe| describe.next_token().is_none())
        .then_http_response(|| page(&[(PARAMETER, 1)], "next"));
    let broken = describe(|| answer(500, ""));
    let (store, _) = self::store(&[&breaking, &broken]);
    let error = store.versions().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Whether it is the key of [`DIGITS`].
fn is_of_digits(key: &HashKey) -> bool {
    let half: [u8; 16] = std::array::from_fn(|at| u8::try_from(at * 0x11).unwrap());
    let expected = HashKey::new([half, half].concat().try_into().unwrap());
    key.digest([&b"text"[..]]) == expected.digest([&b"text"[..]])
}

#[tokio::test]
async fn the_hash_key_of_a_deployment_is_the_stored_one() {
    let rule = get(HASH_KEY, || parameter(DIGITS, 1));
    let (store, _) = store(&[&rule]);
    let key = store.hash_key().await.unwrap();
    assert!(is_of_digits(&key));
}

#[tokio::test]
async fn the_first_who_asks_makes_the_hash_key_and_replaces_none() {
    let made = Arc::new(Mutex::new(Vec::<PutParameterInput>::new()));
    let see = Arc::clone(&made);
    let get = get(HASH_KEY, || refusal("ParameterNotFound", "not here"));
    let put = mock!(Client::put_parameter)
        .match_requests(move |put| {
            see.lock().unwrap().push(put.clone());
            true
        })
        .then_http_response(|| written(1));
    let (store, _) = store(&[&get, &put]);

    let keys = [
        store.hash_key().await.unwrap(),
        store.hash_key().await.unwrap(),
    ];

    let made = made.lock().unwrap();
    for put in &*made {
        assert_eq!(put.name(), Some(HASH_KEY));
        assert_eq!(put.r#type(), Some(&ParameterType::SecureString));
        assert_eq!(put.overwrite(), Some(false));
        let value = put.value().unwrap();
        assert!(value.len() == 64 && value.bytes().all(|it| it.is_ascii_hexdigit()));
    }
    // Random, as the store would have refused the second one.
    assert_ne!(made[0].value(), made[1].value());
    let digests = keys.map(|key| key.digest([&b"text"[..]]));
    assert_ne!(digests[0], digests[1]);
}

#[tokio::test]
async fn of_two_who_make_the_hash_key_at_once_both_get_the_one_that_is_stored() {
    let get = mock!(Client::get_parameter)
        .sequence()
        .http_response(|| refusal("ParameterNotFound", "not here"))
        .http_response(|| parameter(DIGITS, 1))
        .build();
    let put = put(HASH_KEY, || refusal("ParameterAlreadyExists", "it does"));
    let (store, _) = store(&[&get, &put]);
    let key = store.hash_key().await.unwrap();
    assert!(is_of_digits(&key));
}

#[tokio::test]
async fn a_hash_key_that_is_there_and_not_shown_yet_is_worth_another_try() {
    let get = get(HASH_KEY, || refusal("ParameterNotFound", "not here"));
    let put = put(HASH_KEY, || refusal("ParameterAlreadyExists", "it does"));
    let (store, _) = store(&[&get, &put]);
    let error = store.hash_key().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_hash_key_that_is_none_is_neither_used_nor_replaced_nor_shown() {
    const MALFORMED: &str = "canary-of-a-malformed-hash-key";
    let rule = get(HASH_KEY, || parameter(MALFORMED, 1));
    let (store, _) = store(&[&rule]);

    let error = store.hash_key().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(HASH_KEY), "{error}");
    assert!(cause(&error).contains("64 hexadecimal digits"));
    assert!(!format!("{error:?} {error} {}", cause(&error)).contains(MALFORMED));
}

#[tokio::test]
async fn rule_21_a_secret_is_in_no_debug_and_in_no_log_at_any_level() {
    const CANARY: &str = "canary-of-a-parameter-5d1f";
    let log = log();
    let rules = [
        put(PARAMETER, || written(1)),
        get(PARAMETER, || parameter(CANARY, 1)),
        delete(PARAMETER, || answer(503, "")),
        get(HASH_KEY, || refusal("ParameterNotFound", "not here")),
        put(HASH_KEY, || refusal("TooManyUpdates", "one at a time")),
    ];
    let (store, _) = store(&rules.each_ref());

    store.keep(&name(), &CANARY.into()).await.unwrap();
    let revealed = store.reveal(&name(), Which::Latest).await.unwrap().unwrap();
    store.forget(&name(), Forget::All).await.unwrap_err();
    store.hash_key().await.unwrap_err();

    assert_eq!(revealed.text.expose_secret(), CANARY);
    let printed = format!("{store:?} {revealed:?}");
    assert!(!printed.contains(CANARY), "{printed}");
    let text = log.text();
    assert!(text.contains("transmitting request"), "it logs at TRACE");
    let told: Vec<_> = text.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[tokio::test]
async fn rule_21_a_secret_that_aws_quotes_goes_no_further_than_one_trace_of_the_sdk() {
    const CANARY: &str = "canary-that-aws-quotes-7a3e";
    let log = log();
    let quoting = || {
        let message = format!("Value '{CANARY}' at 'value' failed to satisfy a constraint");
        refusal("ValidationException", &message)
    };
    let rules = [
        put(PARAMETER, quoting),
        get(PARAMETER, quoting),
        get(&format!("{PARAMETER}:1"), || {
            answer(200, &format!(r#"{{"Parameter": {{"Value": "{CANARY}" !"#))
        }),
        delete(PARAMETER, quoting),
        describe(quoting),
        get(HASH_KEY, || refusal("ParameterNotFound", "not here")),
        put(HASH_KEY, quoting),
    ];
    let (store, _) = store(&rules.each_ref());

    let too_long = SecretString::from(CANARY.repeat(1_000));
    let errors = [
        store.keep(&name(), &CANARY.into()).await.unwrap_err(),
        store.keep(&name(), &too_long).await.unwrap_err(),
        store.reveal(&name(), Which::Latest).await.unwrap_err(),
        store.reveal(&name(), version(1)).await.unwrap_err(),
        store.forget(&name(), Forget::All).await.unwrap_err(),
        store.versions().await.unwrap_err(),
        store.hash_key().await.unwrap_err(),
    ];

    for error in &errors {
        let printed = format!("{error:?} {error} {}", cause(error));
        assert!(!printed.contains(CANARY), "{printed}");
    }
    let text = log.text();
    let told = text.lines().filter(|line| line.contains(CANARY));
    // This is the one that the documentation of the module tells of.
    let is_known = |line: &&str| {
        line.contains(" TRACE ") && line.contains("orchestrator: output_or_error=Err(")
    };
    let others: Vec<_> = told.filter(|line| !is_known(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
}
