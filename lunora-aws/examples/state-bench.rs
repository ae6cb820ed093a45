//! What a listing and a poll of many destinations cost, over the stand-in for AWS.
//!
//! `scripts/bench-state` runs it: once to fill a table, once to measure, so that
//! what filling takes is not in the memory that is measured.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that fails is no measurement"
)]

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Credentials, Intercept, RuntimeComponents, SharedCredentialsProvider,
        interceptors::{
            AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
        },
    },
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, PutRequest,
        ScalarAttributeType, WriteRequest,
    },
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::box_error::BoxError;
use lunora_aws::{
    AwsConfig,
    dynamodb::{DynamoDbControlStore, DynamoDbDestinationRepo, DynamoDbEventLog},
};
use lunora_core::{
    domain::{DestinationId, OutputType},
    port::{Repo as _, RepoExt as _},
    service::{Ports, Reconciler},
};
use lunora_testkit::{
    clock::ManualClock,
    memory::{MemoryFailoverRepo, MemoryOutputRouter, MemorySecretStore},
    sample,
};
use tokio::time::Instant;

type Item = HashMap<String, AttributeValue>;

/// How often a listing is made; the median is told.
const ROUNDS: usize = 5;
/// How often a page asks within the 5 s of one snapshot, say.
const POLLS: usize = 100;
/// The size that rows are filled up to, in bytes.
const ROW_SIZE: usize = 1_024;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, what, rows] = &arguments[..] else {
        panic!("scripts/bench-state runs this, as `state-bench fill|measure ROWS`");
    };
    let rows: u64 = rows.parse().unwrap();
    let bench = Bench::new();
    match what.as_str() {
        "fill" => bench.fill(rows).await,
        "measure" => bench.measure(rows).await,
        _ => panic!("there is no `{what}`"),
    }
}

/// The calls that were made, by name, and the bytes of their answers.
#[derive(Clone, Debug, Default)]
struct Counter(Arc<Mutex<Counted>>);

#[derive(Clone, Debug, Default)]
struct Counted {
    calls: BTreeMap<String, u64>,
    bytes: u64,
}

impl Counted {
    fn all(&self) -> u64 {
        self.calls.values().sum()
    }

    fn names(&self) -> String {
        let each = self
            .calls
            .iter()
            .map(|(name, calls)| format!("{calls} {name}"));
        let each: Vec<_> = each.collect();
        if each.is_empty() {
            "none".to_owned()
        } else {
            each.join(", ")
        }
    }
}

impl Counter {
    fn take(&self) -> Counted {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "Counter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target");
        let name = target.unwrap_or_default().rsplit('.').next();
        let mut counted = self.0.lock().unwrap();
        *counted
            .calls
            .entry(name.unwrap_or_default().to_owned())
            .or_default() += 1;
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes();
        self.0.lock().unwrap().bytes += body.map_or(0, |body| body.len() as u64);
        Ok(())
    }
}

struct Bench {
    client: Client,
    counter: Counter,
    config: AwsConfig,
}

impl Bench {
    fn new() -> Self {
        let endpoint = env::var("LUNORA_MINISTACK").expect("scripts/bench-state sets it");
        // It fills tables, so it has to be on this machine.
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
        let credentials = Credentials::new("123456789012", "not-a-secret", None, None, "bench");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        let counter = Counter::default();
        let config = aws_sdk_dynamodb::config::Builder::from(&sdk).interceptor(counter.clone());
        let names = |name: &str| {
            Some(match name {
                "PARAMETER_STORE_PREFIX" => "/lunora-player/streaming".to_owned(),
                _ if name.ends_with("_TABLE") => name.to_lowercase(),
                _ => return None,
            })
        };
        Self {
            client: Client::from_conf(config.build()),
            counter,
            config: AwsConfig::from_lookup(names).unwrap(),
        }
    }

    fn destinations(&self) -> DynamoDbDestinationRepo {
        DynamoDbDestinationRepo::new(
            self.client.clone(),
            self.config.tables.destinations.clone(),
            self.config.parameter_prefix.clone(),
            sample::hash_key(),
        )
    }

    /// Makes the tables, and rows of which every other one is as the old system wrote it.
    async fn fill(&self, rows: u64) {
        let tables = &self.config.tables;
        self.create(tables.destinations.as_str(), &["destination_id"])
            .await;
        self.create(tables.control.as_str(), &["pk", "sk"]).await;
        let ours = self.one_of_ours().await;
        let table = tables.destinations.as_str();
        for first in (0..rows).step_by(25) {
            let row = |n: u64| {
                let row = if n.is_multiple_of(2) {
                    old_row()
                } else {
                    ours.clone()
                };
                let put = PutRequest::builder().set_item(Some(numbered(row, n)));
                WriteRequest::builder()
                    .put_request(put.build().unwrap())
                    .build()
            };
            let batch = (first..rows.min(first + 25)).map(row).collect();
            let call = self.client.batch_write_item().request_items(table, batch);
            let answer = call.send().await.unwrap();
            let left = answer.unprocessed_items.unwrap_or_default();
            assert!(left.is_empty(), "the stand-in does not throttle");
        }
    }

    async fn create(&self, table: &str, keys: &[&str]) {
        let mut call = self.client.create_table().table_name(table);
        call = call.billing_mode(BillingMode::PayPerRequest);
        for (key, kind) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
            let attribute = AttributeDefinition::builder().attribute_name(*key);
            let attribute = attribute.attribute_type(ScalarAttributeType::S);
            let part = KeySchemaElement::builder()
                .attribute_name(*key)
                .key_type(kind);
            call = call.attribute_definitions(attribute.build().unwrap());
            call = call.key_schema(part.build().unwrap());
        }
        call.send().await.unwrap();
    }

    /// A row exactly as our repository writes one.
    async fn one_of_ours(&self) -> Item {
        let mut value = sample::destination(1);
        value.wanted = lunora_core::domain::Wanted::Stopped;
        let repo = self.destinations();
        let revision = repo.create(&value).await.unwrap();
        let call = self.client.get_item();
        let call = call.table_name(self.config.tables.destinations.as_str());
        let call = call.key("destination_id", s(value.id.as_str()));
        let item = call
            .consistent_read(true)
            .send()
            .await
            .unwrap()
            .item
            .unwrap();
        repo.remove(&value.id, &revision).await.unwrap();
        item
    }

    async fn measure(&self, rows: u64) {
        let repo = self.destinations();
        self.client.list_tables().send().await.unwrap();
        forget_memory();
        let rest = peak_kib();
        // Once without a clock, for connections and caches.
        let warm = repo.survey().await.unwrap();
        assert_eq!((warm.items.len() as u64, warm.unreadable.len()), (rows, 0));
        drop(warm);
        let (mut times, mut listed) = (Vec::new(), Counted::default());
        let cpu = cpu_time();
        for _ in 0..ROUNDS {
            self.counter.take();
            let begun = Instant::now();
            let all = repo.survey().await.unwrap();
            times.push(begun.elapsed());
            assert_eq!(all.items.len() as u64, rows);
            listed = self.counter.take();
        }
        let cpu = (cpu_time() - cpu) / ROUNDS as u32;
        times.sort();
        let listing_kib = peak_kib();

        let clock = ManualClock::default();
        let control = &self.config.tables.control;
        let ports = Ports {
            destinations: Arc::new(repo),
            secrets: Arc::new(MemorySecretStore::default()),
            router: Arc::new(MemoryOutputRouter::default()),
            events: Arc::new(DynamoDbEventLog::new(self.client.clone(), control.clone())),
            control: Arc::new(DynamoDbControlStore::new(
                self.client.clone(),
                control.clone(),
            )),
            failovers: Arc::new(MemoryFailoverRepo::default()),
            clock: Arc::new(clock.clone()),
        };
        let reconciler = Reconciler::new(ports, OutputType::MediaConnect, sample::hash_key());
        reconciler.snapshot().await.unwrap();
        self.counter.take();
        let begun = Instant::now();
        for _ in 0..POLLS {
            reconciler.snapshot().await.unwrap();
        }
        let polls = begun.elapsed();
        let polled = self.counter.take();
        clock.advance(Duration::from_secs(6));
        let begun = Instant::now();
        let shown = reconciler.snapshot().await.unwrap();
        let look = begun.elapsed();
        let looked = self.counter.take();
        assert_eq!(shown.entries.len() as u64, rows);
        let look_kib = peak_kib();

        let sizes = self.sizes().await;
        let bytes: usize = sizes.iter().sum();
        let pages = listed.calls.get("Scan").copied().unwrap_or_default();
        let of_page = sizes.len().div_ceil(pages.max(1) as usize);
        let units: usize = sizes
            .chunks(of_page)
            .map(|page| page.iter().sum::<usize>().div_ceil(4_096))
            .sum();
        let (least, most) = (times[0], times[times.len() - 1]);
        let mut out = io::stdout().lock();
        let mut line = |what: &str, value: String| writeln!(out, "| {what} | {value} |").unwrap();
        line(
            "rows, half of them as the old system writes them",
            rows.to_string(),
        );
        line(
            "size of a row as DynamoDB counts it, mean",
            format!("{} bytes", bytes / sizes.len().max(1)),
        );
        line("full listing: calls", listed.names());
        line("full listing: pages", pages.to_string());
        line(
            "full listing: bytes of the answers",
            listed.bytes.to_string(),
        );
        line(
            "full listing: time, median of 5 (least to most)",
            format!(
                "{} ({} to {})",
                ms(times[times.len() / 2]),
                ms(least),
                ms(most)
            ),
        );
        line(
            "full listing: processor time of the process that lists, mean",
            ms(cpu),
        );
        line(
            "full listing: read units, computed (1 for each 4 KB of a page, read strongly)",
            units.to_string(),
        );
        line(
            "poll, answered from a snapshot: calls",
            format!("{} in {POLLS} polls", polled.all()),
        );
        line(
            "poll, answered from a snapshot: time",
            format!("{:.1} µs", polls.as_secs_f64() * 1e6 / POLLS as f64),
        );
        line(
            "poll, the snapshot being over 5 s old: calls",
            looked.names(),
        );
        line("poll, the snapshot being over 5 s old: time", ms(look));
        line(
            "peak memory (VmHWM): before, listing, with two snapshots",
            format!("{}, {}, {}", mib(rest), mib(listing_kib), mib(look_kib)),
        );
    }

    /// The size of every row, as DynamoDB counts it.
    async fn sizes(&self) -> Vec<usize> {
        let table = self.config.tables.destinations.as_str();
        let mut pages = self
            .client
            .scan()
            .table_name(table)
            .into_paginator()
            .items()
            .send();
        let mut sizes = Vec::new();
        while let Some(item) = pages.next().await {
            sizes.push(size_of_item(&item.unwrap()));
        }
        sizes
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// What the old system wrote, in its fullest form.
fn old_row() -> Item {
    let pairs = [
        ("name", s("Main channel of the house")),
        ("platform", s("youtube")),
        ("rtmp_url", s("rtmp://a.rtmp.example.com/live2")),
        ("preset_id", s("preset_youtube_1080p")),
        ("enabled", AttributeValue::Bool(true)),
        ("streaming_status", s("ready")),
        ("streaming_started_at", AttributeValue::Null(true)),
        (
            "medialive_action_name",
            s("start-dest_1700000000000_a1b2c3d4e"),
        ),
        ("channel_status", s("IDLE")),
        ("last_channel_sync", s("2024-03-01T10:00:00.000Z")),
        ("created_at", s("2024-02-01T10:00:00.000Z")),
        ("updated_at", s("2024-03-01T10:00:00.000Z")),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A row with an id of its own, and an attribute that nobody knows to make it long enough.
fn numbered(mut row: Item, n: u64) -> Item {
    let id: DestinationId = format!("dest_{}_{n:09}", 1_700_000_000_000 + n)
        .parse()
        .unwrap();
    let parameter = format!("/lunora-player/streaming/destinations/{id}/stream_key");
    row.insert("stream_key_param".to_owned(), s(&parameter));
    row.insert("destination_id".to_owned(), s(id.as_str()));
    let missing = ROW_SIZE.saturating_sub(size_of_item(&row) + "operator_notes".len());
    row.insert("operator_notes".to_owned(), s(&"x".repeat(missing)));
    row
}

/// Names and values, as DynamoDB counts them; numbers are a little less there.
fn size_of_item(item: &Item) -> usize {
    fn of_value(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
            AttributeValue::M(map) => 3 + size_of_item(map),
            AttributeValue::L(list) => 3 + list.iter().map(|it| 1 + of_value(it)).sum::<usize>(),
            _ => 1,
        }
    }
    item.iter()
        .map(|(name, value)| name.len() + of_value(value))
        .sum()
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

/// The most memory that this process had since it was forgotten.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The processor time that this process, which has one thread, had so far.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn forget_memory() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}
