//! A stand-in for AWS with nothing in it, one a test.

use std::{
    env,
    net::{IpAddr, SocketAddr},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::{
    config::{Credentials, SharedCredentialsProvider},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TimeToLiveSpecification,
    },
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use lunora_aws::AwsConfig;

/// The attribute by which rows of the control table end by themselves.
pub(crate) const TTL_ATTRIBUTE: &str = "expires_at";

/// Five empty tables and an empty prefix that nobody else has.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    /// Makes clients that reach it.
    pub(crate) sdk: SdkConfig,
    /// Where everything is.
    pub(crate) config: AwsConfig,
}

impl Stack {
    /// Makes one. Ministack forgets it when it ends; nothing is torn down.
    pub(crate) async fn set_up() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let endpoint = endpoint();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // To ministack an access key of 12 digits is an account, and accounts share
        // nothing. Process and number tell the tests apart that one ministack sees.
        let account = format!("{:08}{:04}", process::id() % 100_000_000, number % 10_000);
        let suffix = format!("{}-{number}", process::id());
        let stack = Self {
            sdk: sdk_config(&endpoint, &account),
            config: config(&suffix),
        };
        stack.create_tables().await;
        stack
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    pub(crate) fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.sdk)
    }

    /// The tables with the keys of the running system, and the control table.
    async fn create_tables(&self) {
        let tables = &self.config.tables;
        self.create_table(tables.destinations.as_str(), &["destination_id"])
            .await;
        self.create_table(tables.presets.as_str(), &["preset_id"])
            .await;
        self.create_table(tables.sessions.as_str(), &["session_id"])
            .await;
        self.create_table(tables.sources.as_str(), &["source_id"])
            .await;
        self.create_table(tables.control.as_str(), &["pk", "sk"])
            .await;
        let ttl = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(TTL_ATTRIBUTE)
            .build()
            .unwrap();
        self.dynamodb()
            .update_time_to_live()
            .table_name(tables.control.as_str())
            .time_to_live_specification(ttl)
            .send()
            .await
            .unwrap();
    }

    /// A table whose keys are strings: first the hash key, then perhaps the range key.
    pub(crate) async fn create_table(&self, name: &str, keys: &[&str]) {
        let client = self.dynamodb();
        let mut request = client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest);
        for (key, kind) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
            let attribute = AttributeDefinition::builder()
                .attribute_name(*key)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap();
            let part = KeySchemaElement::builder()
                .attribute_name(*key)
                .key_type(kind)
                .build()
                .unwrap();
            request = request.attribute_definitions(attribute).key_schema(part);
        }
        request.send().await.unwrap();
    }
}

/// Where ministack is. These tests create and remove things, so it has to be on this machine.
fn endpoint() -> String {
    let url = env::var("LUNORA_MINISTACK").expect(
        "LUNORA_MINISTACK is not set; run scripts/ministack run -- cargo test -p lunora-aws \
         --test ministack -- --include-ignored",
    );
    let address = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let address = address.and_then(|address| address.parse::<SocketAddr>().ok());
    let is_here = address.is_some_and(|address| match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    });
    assert!(
        is_here,
        "LUNORA_MINISTACK has to be http://127.0.0.1:PORT; these tests talk to nothing off this \
         machine"
    );
    url
}

fn sdk_config(endpoint: &str, account: &str) -> SdkConfig {
    let credentials = Credentials::new(account, "not-a-secret", None, None, "ministack");
    // Not `lunora_aws::sdk_config`, which would look for real credentials.
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(10)))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}

fn config(suffix: &str) -> AwsConfig {
    AwsConfig::from_lookup(|name| {
        let name = match name {
            "DESTINATIONS_TABLE" => "lunora-destinations",
            "PRESETS_TABLE" => "lunora-presets",
            "SESSIONS_TABLE" => "lunora-streaming-sessions",
            "SOURCES_TABLE" => "lunora-sources",
            "CONTROL_TABLE" => "lunora-control",
            "PARAMETER_STORE_PREFIX" => "/lunora-player/streaming",
            _ => return None,
        };
        Some(format!("{name}-{suffix}"))
    })
    .unwrap()
}
