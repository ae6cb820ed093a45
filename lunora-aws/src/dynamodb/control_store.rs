//! What has no place in the rows of others.
//!
//! All of it stands in the control table, by `pk` and `sk`:
//!
//! | what | `pk` | `sk` |
//! | --- | --- | --- |
//! | a removal | `removal` | `<destination>#<cause>` |
//! | the pause | `pause` | `pause` |
//! | a claim | `claim` | the idempotency key |
//! | a lease | `lease` | its name |
//!
//! A removal that this version cannot read stays as it is, for a newer one, and
//! holds nobody up.
//!
//! A claim has an `expires_at`, a day after it was made, by which DynamoDB drops
//! it sooner or later if no pass does.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::{SignedDuration, Timestamp};
use lunora_core::{
    domain::{LeaseName, Leftover, Removal},
    port::{Answer, Claim, ControlStore, ErrorKind, IdempotencyKey, Lease, Pause, PortError},
};

use super::{
    attribute::{
        BadAttribute, Item, count, from_count, from_text, id_text, parsed, text, there, time,
    },
    client::discreet,
    error::failed,
    expression::{Expression, is_refused},
    row::{Place, item},
};
use crate::TableName;

/// A [`ControlStore`] in the control table.
#[derive(Clone)]
pub struct DynamoDbControlStore {
    client: Client,
    table: TableName,
}

/// DynamoDB drops the item some time after it.
pub(super) const EXPIRES_AT: &str = "expires_at";

/// How long a claim is kept at least.
const CLAIM_STAYS: SignedDuration = SignedDuration::from_hours(24);
/// How often a write looks again because what stood in its way is gone.
const TRIES_MAX: usize = 8;

const REMOVAL: &str = "removal";
const PAUSE: &str = "pause";
const CLAIM: &str = "claim";
const LEASE: &str = "lease";

const LEFTOVERS: &str = "leftovers";
const ANSWER_STATUS: &str = "answer_status";
/// The end of a lease in nanoseconds, which can be compared where it is stored.
const UNTIL_NANOSECONDS: &str = "until_nanoseconds";

impl DynamoDbControlStore {
    /// Works on that table, with that client.
    #[must_use]
    pub fn new(client: Client, table: TableName) -> Self {
        let client = discreet(&client);
        Self { client, table }
    }

    async fn get(
        &self,
        key: (&str, &str),
        operation: &'static str,
        subject: &str,
    ) -> Result<Option<Item>, PortError> {
        let call = self.client.get_item().table_name(self.table.as_str());
        let call = call.set_key(Some(key_of(key))).consistent_read(true);
        let answer = call.send().await;
        let answer = answer.map_err(|error| failed("GetItem", operation, subject, &error))?;
        Ok(answer.item)
    }

    /// Puts the item, if the condition holds; says whether it did.
    async fn put(
        &self,
        item: Item,
        condition: Option<(String, Expression)>,
        operation: &'static str,
        subject: &str,
    ) -> Result<bool, PortError> {
        let mut call = self.client.put_item().table_name(self.table.as_str());
        if let Some((condition, expression)) = condition {
            call = call
                .condition_expression(condition)
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values());
        }
        match call.set_item(Some(item)).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(failed("PutItem", operation, subject, &error)),
        }
    }

    /// Deletes the item, if it is there and the condition holds.
    async fn delete(
        &self,
        key: (&str, &str),
        condition: Option<(String, Expression)>,
        operation: &'static str,
        subject: &str,
    ) -> Result<(), PortError> {
        let call = self.client.delete_item().table_name(self.table.as_str());
        let mut call = call.set_key(Some(key_of(key)));
        if let Some((condition, expression)) = condition {
            call = call
                .condition_expression(condition)
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values());
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_refused(&error) => Ok(()),
            Err(error) => Err(failed("DeleteItem", operation, subject, &error)),
        }
    }

    /// All items of a `pk`, as they are now.
    async fn all(
        &self,
        pk: &str,
        operation: &'static str,
        subject: &str,
    ) -> Result<Vec<Item>, PortError> {
        let mut expression = Expression::default();
        let condition = expression.is(Place::PK, Some(&from_text(pk)));
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let call = self.client.query().table_name(self.table.as_str());
            let call = call.consistent_read(true);
            let call = call.key_condition_expression(condition.clone());
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            let answer = call.set_exclusive_start_key(start).send().await;
            let answer = answer.map_err(|error| failed("Query", operation, subject, &error))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    fn corrupt(&self, what: &str, item: &Item, bad: BadAttribute) -> PortError {
        let id = id_text(item, Place::SK);
        let subject = format_args!("{what} {id} of table {}", self.table);
        PortError::new(ErrorKind::Corrupt, "read", subject).with_source(bad)
    }
}

fn key_of((pk, sk): (&str, &str)) -> Item {
    item([
        (Place::PK, Some(from_text(pk))),
        (Place::SK, Some(from_text(sk))),
    ])
}

/// An item under its key.
fn keyed<const N: usize>(
    key: (&str, &str),
    attributes: [(&'static str, Option<AttributeValue>); N],
) -> Item {
    let mut whole = item(attributes);
    whole.extend(key_of(key));
    whole
}

/// That these attributes are exactly as they are in the item.
fn as_in(item: &Item, names: &[&str]) -> (String, Expression) {
    let mut expression = Expression::default();
    let all = names.iter();
    let all: Vec<String> = all
        .map(|name| expression.is(name, item.get(*name)))
        .collect();
    (all.join(" AND "), expression)
}

/// Seconds since 1970, as DynamoDB wants them.
pub(super) fn epoch_seconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_second().to_string())
}

fn removal_key(removal: &Removal) -> String {
    format!("{}#{}", removal.destination, removal.cause)
}

fn from_removal(removal: &Removal) -> Item {
    keyed(
        (REMOVAL, &removal_key(removal)),
        [
            ("destination", Some(from_text(&removal.destination))),
            ("cause", Some(from_text(removal.cause))),
            ("generation", Some(from_count(removal.generation))),
            ("recorded_at", Some(from_text(removal.recorded_at))),
            (LEFTOVERS, from_leftovers(&removal.leftovers)),
        ],
    )
}

fn from_leftovers(leftovers: &[Leftover]) -> Option<AttributeValue> {
    let json = || serde_json::to_string(leftovers).expect("it has texts alone");
    (!leftovers.is_empty()).then(|| from_text(json()))
}

fn leftovers(item: &Item) -> Option<Vec<Leftover>> {
    match there(item, LEFTOVERS) {
        None => Some(Vec::new()),
        Some(_) => serde_json::from_str(text(item, LEFTOVERS)?).ok(),
    }
}

fn removal(item: &Item) -> Result<Removal, BadAttribute> {
    let bad = BadAttribute::new;
    Ok(Removal {
        destination: parsed(item, "destination").ok_or(bad("destination", "an id"))?,
        cause: parsed(item, "cause").ok_or(bad("cause", "the cause of a removal"))?,
        generation: count(item, "generation").ok_or(bad("generation", "a number from 0 on"))?,
        recorded_at: time(item, "recorded_at").ok_or(bad("recorded_at", "a time"))?,
        leftovers: leftovers(item).ok_or(bad(LEFTOVERS, "the JSON of what a change leaves"))?,
    })
}

fn from_claim(key: &IdempotencyKey, claim: &Claim) -> Item {
    let answer = claim.answer.as_ref();
    keyed(
        (CLAIM, key.as_str()),
        [
            ("request", Some(from_text(claim.request))),
            ("destination", Some(from_text(&claim.destination))),
            ("at", Some(from_text(claim.at))),
            (ANSWER_STATUS, answer.map(|it| from_count(it.status.into()))),
            ("answer_body", answer.map(|it| from_text(&it.body))),
            (EXPIRES_AT, expiry(claim.at, CLAIM_STAYS)),
        ],
    )
}

/// A while after that time, unless that is beyond all times.
pub(super) fn expiry(at: Timestamp, stays: SignedDuration) -> Option<AttributeValue> {
    at.checked_add(stays).ok().map(epoch_seconds)
}

fn claim(item: &Item) -> Result<Claim, BadAttribute> {
    let bad = BadAttribute::new;
    let answer = match item.get(ANSWER_STATUS) {
        None => None,
        Some(_) => Some(Answer {
            status: count(item, ANSWER_STATUS)
                .and_then(|status| status.try_into().ok())
                .ok_or(bad(ANSWER_STATUS, "the status of an answer"))?,
            body: text(item, "answer_body")
                .ok_or(bad("answer_body", "a text"))?
                .to_owned(),
        }),
    };
    Ok(Claim {
        request: parsed(item, "request").ok_or(bad("request", "a digest"))?,
        destination: parsed(item, "destination").ok_or(bad("destination", "an id"))?,
        at: time(item, "at").ok_or(bad("at", "a time"))?,
        answer,
    })
}

fn nanoseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_nanosecond().to_string())
}

fn lease(item: &Item) -> Result<Lease, BadAttribute> {
    let bad = BadAttribute::new;
    Ok(Lease {
        holder: parsed(item, "holder").ok_or(bad("holder", "the name of a worker"))?,
        at: time(item, "at").ok_or(bad("at", "a time"))?,
        until: time(item, "until").ok_or(bad("until", "a time"))?,
    })
}

#[async_trait]
impl ControlStore for DynamoDbControlStore {
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let subject = format!("removal of {}", removal.destination);
        let put = self.put(from_removal(removal), None, "record", &subject);
        put.await.map(drop)
    }

    async fn removals(&self) -> Result<Vec<Removal>, PortError> {
        let items = self.all(REMOVAL, "list", "removals").await?;
        let read = |item: &Item| match removal(item) {
            Ok(removal) => Some(removal),
            Err(bad) => {
                tracing::warn!("a removal is left to a version that can read it: {bad}");
                None
            }
        };
        Ok(items.iter().filter_map(read).collect())
    }

    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let subject = format!("removal of {}", removal.destination);
        let condition = as_in(
            &from_removal(removal),
            &["generation", "recorded_at", LEFTOVERS],
        );
        let sk = removal_key(removal);
        self.delete((REMOVAL, &sk), Some(condition), "clear", &subject)
            .await
    }

    async fn pause(&self) -> Result<Option<Pause>, PortError> {
        let key = (PAUSE, PAUSE);
        let Some(found) = self.get(key, "read", "the pause").await? else {
            return Ok(None);
        };
        let bad = || self.corrupt(PAUSE, &found, BadAttribute::new("until", "a time"));
        let until = time(&found, "until").ok_or_else(bad)?;
        Ok(Some(Pause { until }))
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError> {
        let (key, subject) = ((PAUSE, PAUSE), "the pause");
        match pause {
            None => self.delete(key, None, "end", subject).await,
            Some(pause) => {
                let found = keyed(key, [("until", Some(from_text(pause.until)))]);
                self.put(found, None, "set", subject).await.map(drop)
            }
        }
    }

    async fn claim(&self, key: &IdempotencyKey, asked: &Claim) -> Result<Claim, PortError> {
        // The key is a client's, and not repeated in a message.
        let subject = format!("idempotency key of destination {}", asked.destination);
        for _ in 0..TRIES_MAX {
            let mut expression = Expression::default();
            let condition = (expression.is(Place::PK, None), expression);
            let put = self.put(from_claim(key, asked), Some(condition), "claim", &subject);
            if put.await? {
                return Ok(asked.clone());
            }
            // It may be forgotten before it is read.
            if let Some(found) = self.get((CLAIM, key.as_str()), "claim", &subject).await? {
                return claim(&found).map_err(|bad| {
                    let subject = format_args!("a claim of table {}", self.table);
                    PortError::new(ErrorKind::Corrupt, "read", subject).with_source(bad)
                });
            }
        }
        Err(PortError::new(ErrorKind::Unavailable, "claim", subject))
    }

    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let condition = [
            expression.exists(Place::PK),
            expression.is(ANSWER_STATUS, None),
        ];
        let status = (
            expression.name(ANSWER_STATUS),
            expression.value(from_count(answer.status.into())),
        );
        let body = (
            expression.name("answer_body"),
            expression.value(from_text(&answer.body)),
        );
        let update = format!("SET {} = {}, {} = {}", status.0, status.1, body.0, body.1);
        let call = self.client.update_item().table_name(self.table.as_str());
        let call = call.set_key(Some(key_of((CLAIM, key.as_str()))));
        let call = call.update_expression(update);
        let call = call.condition_expression(condition.join(" AND "));
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_refused(&error) => Ok(()),
            Err(error) => {
                let subject = "the answer to a claim";
                Err(failed("UpdateItem", "store", subject, &error))
            }
        }
    }

    async fn forget_claims_before(&self, limit: Timestamp) -> Result<(), PortError> {
        let subject = format!("claims before {limit}");
        for found in self.all(CLAIM, "forget", &subject).await? {
            // One that cannot be read is not known to be old; it goes when it expires.
            if time(&found, "at").is_none_or(|at| limit <= at) {
                continue;
            }
            let sk = id_text(&found, Place::SK);
            // Another one may stand under the same key by now.
            let condition = as_in(&found, &["at"]);
            self.delete((CLAIM, &sk), Some(condition), "forget", &subject)
                .await?;
        }
        Ok(())
    }

    async fn acquire(&self, name: &LeaseName, asked: &Lease) -> Result<Lease, PortError> {
        let subject = format!("lease {name}");
        for _ in 0..TRIES_MAX {
            let found = keyed(
                (LEASE, name.as_str()),
                [
                    ("holder", Some(from_text(&asked.holder))),
                    ("at", Some(from_text(asked.at))),
                    ("until", Some(from_text(asked.until))),
                    (UNTIL_NANOSECONDS, Some(nanoseconds(asked.until))),
                ],
            );
            let mut expression = Expression::default();
            let until = expression.name(UNTIL_NANOSECONDS);
            let at = expression.value(nanoseconds(asked.at));
            let asked_until = expression.value(nanoseconds(asked.until));
            let is_holder = expression.is("holder", found.get("holder"));
            let condition = [
                expression.is(Place::PK, None),
                format!("({is_holder} AND {until} <= {asked_until})"),
                format!("{until} <= {at}"),
            ];
            let condition = (condition.join(" OR "), expression);
            if self
                .put(found, Some(condition), "acquire", &subject)
                .await?
            {
                return Ok(asked.clone());
            }
            // It may be released before it is read.
            let stands = self
                .get((LEASE, name.as_str()), "acquire", &subject)
                .await?;
            if let Some(stands) = stands {
                let stands = lease(&stands).map_err(|bad| self.corrupt(LEASE, &stands, bad))?;
                return Ok(stands);
            }
        }
        Err(PortError::new(ErrorKind::Unavailable, "acquire", subject))
    }

    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError> {
        let of_lease = item([
            ("holder", Some(from_text(&lease.holder))),
            (UNTIL_NANOSECONDS, Some(nanoseconds(lease.until))),
        ]);
        let condition = as_in(&of_lease, &["holder", UNTIL_NANOSECONDS]);
        let subject = format!("lease {name}");
        self.delete((LEASE, name.as_str()), Some(condition), "release", &subject)
            .await
    }
}

impl fmt::Debug for DynamoDbControlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DynamoDbControlStore");
        debug.field("table", &self.table).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use lunora_core::domain::{RemovalCause, SecretName};
    use lunora_testkit::sample;

    use super::*;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn leaving() -> Removal {
        let leftover = |name, n: u8| Leftover {
            name,
            digests: vec![sample::hash_key().digest([&[n][..]]); n.into()],
        };
        let id = sample::destination_id(1);
        let [first, second, ..] = SecretName::all_of(&id);
        Removal {
            cause: RemovalCause::Absent,
            leftovers: vec![leftover(first, 2), leftover(second, 0)],
            ..sample::removal(1)
        }
    }

    #[test]
    fn a_removal_reads_back_with_what_it_may_leave() {
        for expected in [sample::removal(1), sample::unfinished(1, 9), leaving()] {
            let item = from_removal(&expected);
            let is_empty = expected.leftovers.is_empty();
            assert_eq!(item.contains_key(LEFTOVERS), !is_empty);
            assert_eq!(removal(&item), Ok(expected));
        }
    }

    #[tokio::test]
    async fn a_removal_that_this_version_cannot_read_holds_no_other_one_up() {
        let change = |name: &str, value: &str| {
            let mut item = from_removal(&leaving());
            item.insert(name.to_owned(), s(value));
            item
        };
        let items = vec![
            change("cause", "of_the_future"),
            change(LEFTOVERS, "canary"),
            from_removal(&leaving()),
            Item::new(),
        ];
        let rule = mock!(Client::query).then_output(move || {
            let output = aws_sdk_dynamodb::operation::query::QueryOutput::builder();
            output.set_items(Some(items.clone())).build()
        });
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule]);
        let store = DynamoDbControlStore::new(client, "control".parse().unwrap());

        assert_eq!(store.removals().await.unwrap(), [leaving()]);
    }
}
