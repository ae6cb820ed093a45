//! Events, claims and leases in the control table, beyond the contracts of their ports.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::SignedDuration;
use lunora_aws::dynamodb::{DynamoDbControlStore, DynamoDbEventLog};
use lunora_core::{
    domain::EventSeq,
    port::{
        Answer, Claim, ControlStore as _, ErrorKind, EventLog as _, Lease, PageRequest, Repo as _,
        RepoExt as _,
    },
};
use lunora_testkit::sample;

use crate::{support::Stack, wire::Wire};

type Item = std::collections::HashMap<String, AttributeValue>;

fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// The events, past the adapter.
struct Places<'a>(&'a Stack);

impl Places<'_> {
    fn key(seq: u64) -> Item {
        let (pk, sk) = (s("event"), s(format!("{seq:020}")));
        Item::from([("pk".to_owned(), pk), ("sk".to_owned(), sk)])
    }

    async fn get(&self, seq: u64) -> Option<Item> {
        let table = self.0.config.tables.control.as_str();
        let get = self.0.dynamodb().get_item().table_name(table);
        let get = get.set_key(Some(Self::key(seq))).consistent_read(true);
        get.send().await.unwrap().item
    }

    /// Takes an event away, as DynamoDB does for its age.
    async fn drop(&self, seq: u64) -> Item {
        let item = self.get(seq).await.unwrap();
        let table = self.0.config.tables.control.as_str();
        let delete = self.0.dynamodb().delete_item().table_name(table);
        let delete = delete.set_key(Some(Self::key(seq)));
        delete.send().await.unwrap();
        item
    }

    async fn put(&self, item: Item) {
        let table = self.0.config.tables.control.as_str();
        let put = self.0.dynamodb().put_item().table_name(table);
        put.set_item(Some(item)).send().await.unwrap();
    }
}

async fn append(log: &DynamoDbEventLog, count: u64) {
    for n in 1..=count {
        log.append(&sample::new_event(n)).await.unwrap();
    }
}

async fn places(log: &DynamoDbEventLog, after: u64, limit: u32) -> Vec<u64> {
    let events = log.read(EventSeq(after), limit).await.unwrap();
    events.iter().map(|event| event.seq.0).collect()
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_reader_that_goes_by_places_misses_no_event() {
    const WRITERS: u64 = 6;
    const EACH: u64 = 12;
    let stack = Stack::set_up().await;
    let writers = (0..WRITERS).map(|writer| {
        let log = stack.events();
        tokio::spawn(async move {
            let mut places = Vec::new();
            for n in 0..EACH {
                let event = sample::new_event(writer * EACH + n);
                places.push((log.append(&event).await.unwrap(), event));
            }
            places
        })
    });
    let writers: Vec<_> = writers.collect();

    let (log, mut seen) = (stack.events(), Vec::new());
    while seen.len() < (WRITERS * EACH) as usize {
        let last = seen.last().map_or(EventSeq(0), |(seq, _)| *seq);
        let more = log.read(last, 7).await.unwrap();
        seen.extend(more.into_iter().map(|it| (it.seq, it.event)));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let mut appended = Vec::new();
    for writer in writers {
        appended.extend(writer.await.unwrap());
    }
    appended.sort_by_key(|(seq, _)| *seq);
    assert_eq!(seen, appended);
    let places: Vec<u64> = seen.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(places, (1..=WRITERS * EACH).collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_place_that_a_query_passed_before_it_was_taken_is_not_missed() {
    let stack = Stack::set_up().await;
    append(&stack.events(), 3).await;
    let (second, fourth) = (Places(&stack).drop(2).await, 4);
    let (wire, sdk) = Wire::on(&stack.sdk);
    let log = DynamoDbEventLog::new(Client::new(&sdk), stack.config.tables.control.clone());
    let others = stack.clone();
    wire.before(move |number, _| {
        let (others, second) = (others.clone(), second.clone());
        async move {
            // The first look saw 1 and 3; meanwhile more came.
            if number == 1 {
                Places(&others).put(second).await;
                append(&others.events(), 1).await;
            }
        }
    });

    let read = log.read(EventSeq(0), 100).await.unwrap();

    let read: Vec<u64> = read.iter().map(|event| event.seq.0).collect();
    assert_eq!(read, [1, 2, 3]);
    assert_eq!(wire.calls(), ["Query", "Query"]);
    assert_eq!(places(&log, 3, 100).await, [fourth]);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn events_that_were_dropped_for_their_age_hold_nobody_up() {
    let (stack, log) = {
        let stack = Stack::set_up().await;
        let log = stack.events();
        (stack, log)
    };
    append(&log, 6).await;
    // DynamoDB drops in any order.
    for seq in [1, 2, 4] {
        Places(&stack).drop(seq).await;
    }

    assert_eq!(places(&log, 0, 100).await, [3, 5, 6]);
    assert_eq!(places(&log, 0, 1).await, [3]);
    assert_eq!(places(&log, 3, 1).await, [5]);
    assert_eq!(log.last().await.unwrap(), EventSeq(6));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn the_last_event_stays_so_that_places_count_on() {
    let stack = Stack::set_up().await;
    let log = stack.events().keeping_for(SignedDuration::from_hours(1));
    append(&log, 3).await;

    let expires = async |seq| {
        let item = Places(&stack).get(seq).await.unwrap();
        item.get("expires_at").cloned()
    };
    let seconds = sample::time().as_second() + 3600;
    let expected = Some(AttributeValue::N(seconds.to_string()));
    assert_eq!(expires(1).await, expected);
    assert_eq!(expires(2).await, expected);
    assert_eq!(expires(3).await, None);

    // All that may go is gone.
    Places(&stack).drop(1).await;
    Places(&stack).drop(2).await;
    let seq = log.append(&sample::new_event(4)).await.unwrap();
    assert_eq!(seq, EventSeq(4));
    assert_eq!(expires(3).await, expected);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn an_event_whose_reply_is_lost_is_recorded_once() {
    let stack = Stack::set_up().await;
    append(&stack.events(), 1).await;
    for lost in 0..4 {
        let (wire, sdk) = Wire::on(&stack.sdk);
        let log = DynamoDbEventLog::new(Client::new(&sdk), stack.config.tables.control.clone());
        wire.lose_reply(lost);

        let seq = log.append(&sample::new_event(lost as u64)).await.unwrap();

        assert_eq!(seq, EventSeq(2 + lost as u64));
        assert_eq!(log.last().await.unwrap(), seq);
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn what_is_told_does_not_depend_on_a_reply_that_is_lost() {
    let stack = Stack::set_up().await;
    let (wire, sdk) = Wire::on(&stack.sdk);
    let store = DynamoDbControlStore::new(Client::new(&sdk), stack.config.tables.control.clone());
    let lose_next = || wire.lose_reply(wire.calls().len());
    let (key, claim) = (sample::idempotency_key(1), sample::claim(1));

    lose_next();
    assert_eq!(store.claim(&key, &claim).await.unwrap(), claim);
    lose_next();
    store.settle(&key, &sample::answer(1)).await.unwrap();
    let answer = Some(sample::answer(1));
    let settled = Claim { answer, ..claim };
    assert_eq!(store.claim(&key, &sample::claim(2)).await.unwrap(), settled);

    let removal = sample::removal(1);
    lose_next();
    store.record_removal(&removal).await.unwrap();
    assert_eq!(
        store.removals().await.unwrap(),
        std::slice::from_ref(&removal)
    );
    lose_next();
    store.clear_removal(&removal).await.unwrap();
    assert_eq!(store.removals().await.unwrap(), []);

    let lease = Lease {
        holder: "worker-1".parse().unwrap(),
        at: sample::time(),
        until: sample::time() + Duration::from_secs(60),
    };
    let (name, other) = ("passes".parse().unwrap(), "worker-2".parse().unwrap());
    let others = Lease {
        holder: other,
        ..lease.clone()
    };
    lose_next();
    assert_eq!(store.acquire(&name, &lease).await.unwrap(), lease);
    assert_eq!(store.acquire(&name, &others).await.unwrap(), lease);
    lose_next();
    store.release(&name, &lease).await.unwrap();
    assert_eq!(store.acquire(&name, &others).await.unwrap(), others);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_claim_ends_by_itself_after_a_day() {
    let stack = Stack::set_up().await;
    let store = DynamoDbControlStore::new(stack.dynamodb(), stack.config.tables.control.clone());
    let (key, claim) = (sample::idempotency_key(1), sample::claim(1));
    store.claim(&key, &claim).await.unwrap();

    let table = stack.config.tables.control.as_str();
    let get = stack.dynamodb().get_item().table_name(table);
    let get = get.key("pk", s("claim")).key("sk", s(key.as_str()));
    let item = get.send().await.unwrap().item.unwrap();

    let day = 24 * 60 * 60;
    let expected = (claim.at.as_second() + day).to_string();
    assert_eq!(item["expires_at"], AttributeValue::N(expected));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn every_page_is_read() {
    let stack = Stack::set_up().await;
    let (wire, sdk) = Wire::on(&stack.sdk);
    let store = DynamoDbControlStore::new(Client::new(&sdk), stack.config.tables.control.clone());
    // A page ends at 1 MB: these are three.
    for n in 0..8 {
        let key = sample::idempotency_key(n);
        store.claim(&key, &sample::claim(n)).await.unwrap();
        let body = "x".repeat(300_000);
        store
            .settle(&key, &Answer { status: 200, body })
            .await
            .unwrap();
    }
    let before = wire.calls().len();
    let later = sample::time() + Duration::from_secs(1);
    store.forget_claims_before(later).await.unwrap();
    let calls = wire.calls().split_off(before);
    let queries = calls.iter().filter(|call| *call == "Query").count();
    assert!(2 < queries, "{calls:?}");
    for n in 0..8 {
        let fresh = sample::claim(100 + n);
        let told = store
            .claim(&sample::idempotency_key(n), &fresh)
            .await
            .unwrap();
        assert_eq!(told, fresh);
    }

    // The same of rows, with what nobody knows in them.
    let table = stack.config.tables.sources.as_str();
    for n in 0..8 {
        let blob = s("x".repeat(300_000));
        let put = stack.dynamodb().put_item().table_name(table);
        let put = put
            .item("source_id", s(sample::source_id(n)))
            .item("blob", blob);
        put.send().await.unwrap();
    }
    let mut pages = 0;
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 100, after };
        let page = stack.sources().list(page).await.unwrap();
        pages += 1;
        listed.extend(page.items.into_iter().map(|it| it.value.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    listed.sort();
    assert_eq!(listed, [0, 1, 2, 3, 4, 5, 6, 7].map(sample::source_id));
    assert!(2 < pages, "{pages} pages");
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_listing_does_not_go_on_from_a_token_of_another_one() {
    let stack = Stack::set_up().await;
    let (tokens, failovers) = (stack.tokens(), stack.failovers());
    for n in 0..3 {
        tokens.create(&sample::token(n)).await.unwrap();
        failovers
            .create(&sample::failover_history(n))
            .await
            .unwrap();
        stack.sources().create(&sample::source(n)).await.unwrap();
    }
    append(&stack.events(), 3).await;
    // They share a table, and nothing else.
    assert_eq!(tokens.list_all().await.unwrap().len(), 3);
    assert_eq!(failovers.list_all().await.unwrap().len(), 3);

    let first = PageRequest {
        limit: 1,
        after: None,
    };
    let page = tokens.list(first.clone()).await.unwrap();
    let other = PageRequest {
        limit: 1,
        after: page.next,
    };
    let refused = failovers.list(other.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let refused = stack.sources().list(other).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}
