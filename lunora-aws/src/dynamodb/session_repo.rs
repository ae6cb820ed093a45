//! The rows of `lunora-streaming-sessions`.
//!
//! Of the lists, members that cannot be read as what they should be stay, and so
//! does the form of those that do.

use aws_sdk_dynamodb::types::AttributeValue;
use lunora_core::domain::{DestinationId, HashKey, Session, SessionId, SessionStatus};

use super::{
    attribute::{BadAttribute, Item, from_text, text, there, time, time_in_id, words},
    row::{Edits, Part, Place, Row, Stored, item},
};

const DESTINATIONS: &str = "active_destinations";
const ERRORS: &str = "error_logs";

impl Row for Session {
    type Codec = HashKey;

    const PLACE: Place = Place::Own { key: "session_id" };

    const PARTS: &'static [Part] = &[
        Part::guarded(&["start_time"]),
        // A row without a status has that of its end.
        Part::guarded(&["end_time", "session_status"]),
        Part::guarded(&[DESTINATIONS]),
        Part::guarded(&[ERRORS]),
    ];

    fn decode(id: &SessionId, item: &Item, _: &HashKey) -> Result<Self, BadAttribute> {
        let ended_at = time(item, "end_time");
        let destinations = members(item, DESTINATIONS);
        let destinations = destinations.iter().filter_map(destination).collect();
        Ok(Self {
            id: id.clone(),
            started_at: time(item, "start_time").unwrap_or_else(|| time_in_id(id.as_str())),
            ended_at,
            status: match words(item, "session_status") {
                Some(word) => word
                    .parse()
                    .map_err(|_| BadAttribute::new("session_status", "active, stopped or error"))?,
                None if ended_at.is_some() => SessionStatus::Stopped,
                None => SessionStatus::Active,
            },
            destinations,
            errors: members(item, ERRORS).iter().filter_map(error).collect(),
        })
    }

    fn encode(&self, _: &HashKey) -> Item {
        let destinations = self.destinations.iter().map(from_text).collect();
        let errors = self.errors.iter().map(from_text).collect();
        item([
            ("start_time", Some(from_text(self.started_at))),
            ("end_time", self.ended_at.map(from_text)),
            ("session_status", Some(from_text(self.status))),
            (DESTINATIONS, Some(AttributeValue::L(destinations))),
            (ERRORS, Some(AttributeValue::L(errors))),
        ])
    }

    fn edits(&self, part: &Part, stored: &Stored<'_>, _: &HashKey) -> Edits {
        let raw = |name| members(stored.raw, name);
        let list = match part.name() {
            DESTINATIONS => merged(&self.destinations, raw(DESTINATIONS), destination),
            ERRORS => merged(&self.errors, raw(ERRORS), error),
            "end_time" => return part.whole(stored),
            _ => return part.differences(stored),
        };
        Edits::from([(part.name(), Some(AttributeValue::L(list)))])
    }
}

/// The members of a list or a set.
fn members(item: &Item, name: &str) -> Vec<AttributeValue> {
    match there(item, name) {
        Some(AttributeValue::L(list)) => list.clone(),
        Some(AttributeValue::Ss(set)) => {
            let mut members: Vec<&String> = set.iter().collect();
            // A set has no order, and a value is equal to itself.
            members.sort();
            members.into_iter().map(from_text).collect()
        }
        _ => Vec::new(),
    }
}

/// An id, or what has one.
fn destination(member: &AttributeValue) -> Option<DestinationId> {
    let id = match member {
        AttributeValue::S(id) => id.as_str(),
        AttributeValue::M(map) => words(map, "destination_id").or_else(|| words(map, "id"))?,
        _ => return None,
    };
    id.trim().parse().ok()
}

/// A text, or what has one.
fn error(member: &AttributeValue) -> Option<String> {
    match member {
        AttributeValue::S(text) => Some(text.clone()),
        AttributeValue::M(map) => {
            let text = text(map, "message").or_else(|| text(map, "error"));
            text.map(str::to_owned)
        }
        _ => None,
    }
}

/// The list that is wanted, of the members that are there where they are the
/// same, and with those that nobody here can read at its end.
fn merged<T: PartialEq + ToString>(
    wanted: &[T],
    mut raw: Vec<AttributeValue>,
    read: impl Fn(&AttributeValue) -> Option<T>,
) -> Vec<AttributeValue> {
    let mut list = Vec::new();
    for value in wanted {
        let same = raw.iter().position(|it| read(it).as_ref() == Some(value));
        list.push(match same {
            Some(at) => raw.remove(at),
            None => from_text(value.to_string()),
        });
    }
    list.extend(raw.into_iter().filter(|member| read(member).is_none()));
    list
}
