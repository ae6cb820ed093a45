//! What MediaConnect said of outputs and sources, for every process to know.
//!
//! It stands in the control table, under the `pk` `evidence` and the ARN as `sk`,
//! and has an `expires_at` 30 days after it was so.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use jiff::{SignedDuration, Timestamp};
use lunora_core::port::PortError;

use super::{
    attribute::{BadAttribute, Item, from_text, parsed, time},
    client::discreet,
    control_store::{EXPIRES_AT, expiry},
    error::failed,
    expression::{Expression, is_refused},
    row::{Place, item},
};
use crate::{
    TableName,
    mediaconnect::{Evidence, EvidenceStore},
};

/// An [`EvidenceStore`] in the control table.
#[derive(Clone)]
pub struct DynamoDbEvidence {
    client: Client,
    table: TableName,
}

const EVIDENCE: &str = "evidence";
const SIGNAL: &str = "signal";
const AT: &str = "at";
/// The time in nanoseconds, which can be compared where it is stored.
const AT_NANOSECONDS: &str = "at_nanoseconds";
/// How long a piece of evidence is kept at least.
const STAYS: SignedDuration = SignedDuration::from_hours(30 * 24);

impl DynamoDbEvidence {
    /// Works on that table, with that client.
    #[must_use]
    pub fn new(client: Client, table: TableName) -> Self {
        let client = discreet(&client);
        Self { client, table }
    }
}

fn nanoseconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_nanosecond().to_string())
}

fn from_evidence(evidence: &Evidence) -> Item {
    item([
        (Place::PK, Some(from_text(EVIDENCE))),
        (Place::SK, Some(from_text(&evidence.subject))),
        (SIGNAL, Some(from_text(evidence.signal.as_str()))),
        (AT, Some(from_text(evidence.at))),
        (AT_NANOSECONDS, Some(nanoseconds(evidence.at))),
        (EXPIRES_AT, expiry(evidence.at, STAYS)),
    ])
}

fn evidence(item: &Item) -> Result<Evidence, BadAttribute> {
    let bad = BadAttribute::new;
    Ok(Evidence {
        subject: parsed(item, Place::SK).ok_or(bad(Place::SK, "the ARN of what was heard of"))?,
        signal: parsed(item, SIGNAL).ok_or(bad(SIGNAL, "a signal"))?,
        at: time(item, AT).ok_or(bad(AT, "a time"))?,
    })
}

#[async_trait]
impl EvidenceStore for DynamoDbEvidence {
    async fn note(&self, evidence: &Evidence) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let at = expression.name(AT_NANOSECONDS);
        let noted = expression.value(nanoseconds(evidence.at));
        let is_new = expression.is(Place::PK, None);
        let call = self.client.put_item().table_name(self.table.as_str());
        let call = call
            .set_item(Some(from_evidence(evidence)))
            .condition_expression(format!("{is_new} OR {at} <= {noted}"))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values());
        match call.send().await {
            Ok(_) => Ok(()),
            // A newer one is there.
            Err(error) if is_refused(&error) => Ok(()),
            Err(error) => {
                let subject = format_args!("what was heard of {}", evidence.subject);
                Err(failed("PutItem", "note", subject, &error))
            }
        }
    }

    async fn all(&self) -> Result<Vec<Evidence>, PortError> {
        let mut expression = Expression::default();
        let condition = expression.is(Place::PK, Some(&from_text(EVIDENCE)));
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let call = self.client.query().table_name(self.table.as_str());
            let call = call
                .consistent_read(true)
                .key_condition_expression(condition.clone())
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values());
            let answer = call.set_exclusive_start_key(start).send().await;
            let answer =
                answer.map_err(|error| failed("Query", "read", "what was heard", &error))?;
            for item in answer.items() {
                match evidence(item) {
                    Ok(evidence) => all.push(evidence),
                    // Nothing heard is safe: an output is then unconfirmed.
                    Err(bad) => tracing::warn!("evidence is left to a newer version: {bad}"),
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(all);
            }
        }
    }
}

impl fmt::Debug for DynamoDbEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DynamoDbEvidence");
        debug.field("table", &self.table).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediaconnect::Signal;

    fn heard() -> Evidence {
        let subject = "arn:aws:mediaconnect:us-west-2:111122223333:output:1-a:b";
        Evidence {
            subject: subject.parse().unwrap(),
            signal: Signal::Disconnected,
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn evidence_reads_back() {
        assert_eq!(evidence(&from_evidence(&heard())), Ok(heard()));
    }

    #[test]
    fn what_this_version_does_not_know_is_no_evidence() {
        for (name, value) in [
            (SIGNAL, "of_the_future"),
            (AT, "yesterday"),
            (Place::SK, "arn"),
        ] {
            let mut item = from_evidence(&heard());
            item.insert(name.to_owned(), from_text(value));
            assert!(evidence(&item).is_err(), "{name}");
        }
    }
}
