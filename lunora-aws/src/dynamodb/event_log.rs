//! What happened, in order.
//!
//! Events stand in the control table under the `pk` `event`; the `sk` is the
//! place, in 20 digits. An event is put under place n + 1, if nothing is there,
//! by somebody who has seen that place n is taken. So the places have no gaps,
//! and **whoever sees an event may know that all before it were acknowledged
//! before it was**. No transaction and no counter is needed, neither of which
//! would make a reader see the items of two writers in the order of their places.
//!
//! A `Query` is no snapshot: while it runs, places n and n + 1 may be taken, and
//! it may pass the first and meet the second. So a reader that meets a gap looks
//! once more, and believes the second look as far as the first one saw. What is
//! then still missing was dropped for its age.
//!
//! An event is given its `expires_at` when the next one is there; the last one
//! stays, however old, because the next place is counted from it.
//!
//! An event that this version cannot read stands in its place as
//! [`Unknown`](EventKind::Unknown), so that what comes after it is read.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::{SignedDuration, Timestamp};
use lunora_core::{
    domain::{Event, EventKind, EventSeq, NewEvent},
    port::{ErrorKind, EventLog, PortError},
};

use super::{
    attribute::{BadAttribute, Item, from_text, id_text, parsed, text, there, time},
    client::discreet,
    control_store::{EXPIRES_AT, expiry},
    error::failed,
    expression::{Expression, is_refused},
    row::{Place, item},
    table::mint,
};
use crate::TableName;

/// An [`EventLog`] in the control table.
#[derive(Clone)]
pub struct DynamoDbEventLog {
    client: Client,
    table: TableName,
    stays: SignedDuration,
}

const PK: &str = "event";
/// Tells an append from every other, also from one at the same place.
const APPEND_ID: &str = "append_id";
/// DynamoDB has nothing to wait on, so a wait asks this often.
const POLL: Duration = Duration::from_secs(1);
/// How many places an append tries before it says that it is too crowded.
const TRIES_MAX: u64 = 100;
/// After so many places that were taken, the place is counted again.
const COUNT_AGAIN: u64 = 4;
/// The most events of one request.
const PAGE_MAX: usize = 1_000;

impl DynamoDbEventLog {
    /// How long an event is kept at least, after the next one came.
    pub const STAYS: SignedDuration = SignedDuration::from_hours(30 * 24);

    /// Works on that table, with that client.
    #[must_use]
    pub fn new(client: Client, table: TableName) -> Self {
        let (client, stays) = (discreet(&client), Self::STAYS);
        Self {
            client,
            table,
            stays,
        }
    }

    /// The same, that keeps an event so long after the next one came.
    #[must_use]
    pub fn keeping_for(self, stays: SignedDuration) -> Self {
        Self { stays, ..self }
    }

    /// Events after a place, in order, of which some that others append at the
    /// same time may be missing.
    async fn look(&self, after: EventSeq, limit: usize) -> Result<Vec<Event>, PortError> {
        let mut expression = Expression::default();
        let pk = expression.is(Place::PK, Some(&from_text(PK)));
        let (sk, place) = (expression.name(Place::SK), expression.value(place(after)));
        let condition = format!("{pk} AND {sk} > {place}");
        let (mut events, mut start) = (Vec::new(), None);
        while events.len() < limit {
            let page = (limit - events.len()).min(PAGE_MAX) as i32;
            let call = self.client.query().table_name(self.table.as_str());
            let call = call.consistent_read(true).limit(page);
            let call = call.key_condition_expression(condition.clone());
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            let answer = call.set_exclusive_start_key(start).send().await;
            let answer = answer.map_err(|error| failed("Query", "read", "events", &error))?;
            for found in answer.items.unwrap_or_default() {
                events.push(event(&found).map_err(|bad| self.corrupt(&found, bad))?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(events)
    }

    /// Puts the event at that place, unless another one is there.
    async fn try_at(
        &self,
        seq: EventSeq,
        event: &NewEvent,
        append_id: &str,
    ) -> Result<bool, PortError> {
        let subject = format!("event {seq}");
        let mut expression = Expression::default();
        let condition = expression.is(Place::PK, None);
        let call = self.client.put_item().table_name(self.table.as_str());
        let call = call.set_item(Some(from_event(seq, event, append_id)));
        let call = call.condition_expression(condition);
        let call = call.set_expression_attribute_names(expression.names());
        match call.send().await {
            Ok(_) => Ok(true),
            // The SDK sends again when a reply is lost, and then meets its own event.
            Err(error) if is_refused(&error) => {
                let call = self.client.get_item().table_name(self.table.as_str());
                let call = call.set_key(Some(key(seq))).consistent_read(true);
                let there = call.send().await;
                let there = there.map_err(|error| failed("GetItem", "append", &subject, &error))?;
                let there = there.item.unwrap_or_default();
                Ok(text(&there, APPEND_ID) == Some(append_id))
            }
            Err(error) => Err(failed("PutItem", "append", &subject, &error)),
        }
    }

    /// Lets the event before this one go when its time comes.
    async fn let_go(&self, seq: EventSeq, at: Timestamp) {
        let (Some(expires), Some(before)) = (expiry(at, self.stays), seq.0.checked_sub(1)) else {
            return;
        };
        let mut expression = Expression::default();
        let condition = expression.exists(Place::PK);
        let (name, value) = (expression.name(EXPIRES_AT), expression.value(expires));
        let call = self.client.update_item().table_name(self.table.as_str());
        let call = call.set_key(Some(key(EventSeq(before))));
        let call = call.update_expression(format!("SET {name} = {value}"));
        let call = call.condition_expression(condition);
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        match call.send().await {
            Ok(_) => {}
            // There was none, or it is gone.
            Err(error) if is_refused(&error) => {}
            // The event is recorded. That an old one stays for ever harms nobody.
            Err(error) => {
                let subject = format_args!("event {before}");
                let error = failed("UpdateItem", "let go", subject, &error);
                tracing::warn!(%error, "an event is kept for longer than it should be");
            }
        }
    }

    fn corrupt(&self, item: &Item, bad: BadAttribute) -> PortError {
        let id = id_text(item, Place::SK);
        let subject = format_args!("event {id} of table {}", self.table);
        PortError::new(ErrorKind::Corrupt, "read", subject).with_source(bad)
    }
}

fn place(seq: EventSeq) -> AttributeValue {
    AttributeValue::S(format!("{:020}", seq.0))
}

fn key(seq: EventSeq) -> Item {
    item([
        (Place::PK, Some(from_text(PK))),
        (Place::SK, Some(place(seq))),
    ])
}

fn from_event(seq: EventSeq, event: &NewEvent, append_id: &str) -> Item {
    let kind = serde_json::to_string(&event.kind).expect("it has texts and numbers alone");
    let mut whole = key(seq);
    whole.extend(item([
        ("at", Some(from_text(event.at))),
        ("destination", event.destination.as_ref().map(from_text)),
        ("by", event.by.as_ref().map(from_text)),
        ("event", Some(from_text(kind))),
        (APPEND_ID, Some(from_text(append_id))),
    ]));
    whole
}

fn seq(item: &Item) -> Result<EventSeq, BadAttribute> {
    let seq = text(item, Place::SK).and_then(|digits| digits.parse().ok());
    seq.map(EventSeq)
        .ok_or(BadAttribute::new(Place::SK, "the place of an event"))
}

/// An event, of which not everything may be readable; its place is.
fn event(item: &Item) -> Result<Event, BadAttribute> {
    let is_said = |name| there(item, name).is_some();
    let (destination, by) = (parsed(item, "destination"), parsed(item, "by"));
    let at = time(item, "at");
    let kind = text(item, "event").and_then(|json| serde_json::from_str(json).ok());
    let is_whole = at.is_some()
        && destination.is_some() == is_said("destination")
        && by.is_some() == is_said("by");
    let event = NewEvent {
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        destination,
        by,
        kind: kind.filter(|_| is_whole).unwrap_or(EventKind::Unknown),
    };
    Ok(Event {
        seq: seq(item)?,
        event,
    })
}

/// Whether no place is missing from the one after `after` on.
fn is_complete(events: &[Event], after: EventSeq) -> bool {
    let places = after.0.saturating_add(1)..;
    events
        .iter()
        .map(|it| it.seq.0)
        .eq(places.take(events.len()))
}

#[async_trait]
impl EventLog for DynamoDbEventLog {
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError> {
        let append_id = mint()?;
        let mut seq = EventSeq(self.last().await?.0 + 1);
        for tried in 1..=TRIES_MAX {
            if self.try_at(seq, event, &append_id).await? {
                self.let_go(seq, event.at).await;
                return Ok(seq);
            }
            // That it is taken was seen, so the next one may be tried.
            seq.0 += 1;
            if tried % COUNT_AGAIN == 0 {
                seq = seq.max(EventSeq(self.last().await?.0 + 1));
            }
        }
        Err(PortError::new(ErrorKind::Unavailable, "append", "an event"))
    }

    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError> {
        let limit = limit as usize;
        let seen = self.look(after, limit).await?;
        let Some(last) = seen.last().map(|event| event.seq) else {
            return Ok(seen);
        };
        if is_complete(&seen, after) {
            return Ok(seen);
        }
        // All up to `last` were there when the first look saw it. What came since
        // may have gaps again, and is left to the next read.
        let mut seen = self.look(after, limit).await?;
        seen.retain(|event| event.seq <= last);
        Ok(seen)
    }

    async fn last(&self) -> Result<EventSeq, PortError> {
        let mut expression = Expression::default();
        let condition = expression.is(Place::PK, Some(&from_text(PK)));
        let call = self.client.query().table_name(self.table.as_str());
        let call = call
            .consistent_read(true)
            .limit(1)
            .scan_index_forward(false);
        let call = call.key_condition_expression(condition);
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        let answer = call.send().await;
        let answer = answer.map_err(|error| failed("Query", "read", "the last event", &error))?;
        match answer.items.unwrap_or_default().first() {
            None => Ok(EventSeq(0)),
            Some(found) => seq(found).map_err(|bad| self.corrupt(found, bad)),
        }
    }

    async fn wait(&self, after: EventSeq) -> Result<(), PortError> {
        while self.last().await? <= after {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

impl fmt::Debug for DynamoDbEventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DynamoDbEventLog");
        debug.field("table", &self.table).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use lunora_testkit::sample;

    use super::*;

    fn changed(name: &str, value: Option<AttributeValue>) -> Event {
        let mut item = from_event(EventSeq(7), &sample::new_event(1), "x");
        match value {
            Some(value) => item.insert(name.to_owned(), value),
            None => item.remove(name),
        };
        let event = event(&item).unwrap();
        assert_eq!(event.seq, EventSeq(7));
        event
    }

    #[test]
    fn an_event_of_a_kind_that_is_not_known_is_in_its_place() {
        for json in [
            r#"{"type":"of_the_future","x":{"y":[1]}}"#,
            "{}",
            "null",
            "canary",
        ] {
            let event = changed("event", Some(from_text(json))).event;
            let expected = NewEvent {
                kind: EventKind::Unknown,
                ..sample::new_event(1)
            };
            assert_eq!(event, expected, "{json}");
        }
        let missing = changed("event", None);
        assert_eq!(missing.event.kind, EventKind::Unknown);
    }

    #[test]
    fn an_event_that_cannot_be_read_is_in_its_place() {
        let bad = || Some(AttributeValue::Bool(true));
        let unknown = NewEvent {
            kind: EventKind::Unknown,
            ..sample::new_event(1)
        };
        for value in [None, bad(), Some(from_text("yesterday"))] {
            let expected = NewEvent {
                at: Timestamp::UNIX_EPOCH,
                ..unknown.clone()
            };
            assert_eq!(changed("at", value).event, expected);
        }
        let expected = NewEvent {
            destination: None,
            ..unknown.clone()
        };
        assert_eq!(changed("destination", bad()).event, expected);
        assert_eq!(changed("by", bad()).event, unknown);
    }
}
