//! Tokens and histories of failover: rows of the control table that are ours alone.
//!
//! A value is one JSON text, because nobody else reads it or changes a part of it.

use lunora_core::{
    domain::{DestinationId, FailoverHistory, HashKey, Token, TokenId},
    port::Record,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    attribute::{BadAttribute, Item, from_text, text},
    row::{Part, Place, Row, item},
};

const VALUE: &str = "value";

fn decode<R: Record + DeserializeOwned>(
    id: &R::Id,
    item: &Item,
    expected: &'static str,
) -> Result<R, BadAttribute> {
    let value: Option<R> = text(item, VALUE).and_then(|json| serde_json::from_str(json).ok());
    value
        .filter(|value| value.id() == id)
        .ok_or(BadAttribute::new(VALUE, expected))
}

fn encode<R: Record + Serialize>(value: &R) -> Item {
    let json = serde_json::to_string(value).expect("it has no map with other keys than texts");
    item([(VALUE, Some(from_text(json)))])
}

impl Row for Token {
    type Codec = HashKey;

    const PLACE: Place = Place::Control { pk: "token" };
    const PARTS: &'static [Part] = &[Part::guarded(&[VALUE])];

    fn decode(id: &TokenId, item: &Item, _: &HashKey) -> Result<Self, BadAttribute> {
        decode(id, item, "the JSON of this token")
    }

    fn encode(&self, _: &HashKey) -> Item {
        encode(self)
    }
}

impl Row for FailoverHistory {
    type Codec = HashKey;

    const PLACE: Place = Place::Control { pk: "failover" };
    const PARTS: &'static [Part] = &[Part::guarded(&[VALUE])];

    fn decode(id: &DestinationId, item: &Item, _: &HashKey) -> Result<Self, BadAttribute> {
        decode(id, item, "the JSON of this destination's history")
    }

    fn encode(&self, _: &HashKey) -> Item {
        encode(self)
    }
}
