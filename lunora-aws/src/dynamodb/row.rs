//! How a value stands in a table.

use std::{collections::BTreeMap, fmt, str::FromStr};

use aws_sdk_dynamodb::types::AttributeValue;
use lunora_core::{domain::IdError, port::Record};

use super::attribute::{BadAttribute, Item};

/// What becomes of single attributes: a new value, or none.
pub(super) type Edits = BTreeMap<&'static str, Option<AttributeValue>>;

/// A value that a table keeps: one codec for each kind.
///
/// [`encode`](Self::encode) and [`decode`](Self::decode) are each other's
/// inverse. A row that others wrote is decoded as well, and what it decodes to
/// is encoded differently, as it may have other forms and lack what we add. So a
/// part that nobody changed is never written.
pub(super) trait Row: Record<Id: FromStr<Err = IdError>> {
    /// What it takes to read and write it.
    type Codec: Clone + fmt::Debug + Send + Sync + 'static;

    /// Where the rows are.
    const PLACE: Place;

    /// What can change, each part by itself. No part depends on another one's
    /// attributes, neither when it is read nor when it is written; but by what one
    /// says, a row may be refused for what another one lacks.
    const PARTS: &'static [Part];

    /// Reads a row of others or ours.
    fn decode(id: &Self::Id, item: &Item, codec: &Self::Codec) -> Result<Self, BadAttribute>;

    /// Writes the attributes of all parts, as they stand in a row of ours.
    fn encode(&self, codec: &Self::Codec) -> Item;

    /// What a new row has besides, for other clients; never read, never changed.
    fn born_with(&self) -> Item {
        Item::new()
    }

    /// What has to be written so that a part of a stored row is as in this value.
    fn edits(&self, part: &Part, stored: &Stored<'_>, codec: &Self::Codec) -> Edits {
        let _ = codec;
        part.differences(stored)
    }

    /// What it will be, written over that row, if the row has something that
    /// nobody could read in it, and that is to stay.
    fn over(&self, raw: &Item, codec: &Self::Codec) -> Option<Self> {
        let _ = (raw, codec);
        None
    }
}

/// A row that is to change.
pub(super) struct Stored<'a> {
    /// As it is stored.
    pub(super) raw: &'a Item,
    /// What was read, as we would write it.
    pub(super) canonical: &'a Item,
    /// What it is to become, as we would write it.
    pub(super) wanted: &'a Item,
}

/// Where the rows of a kind are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In a table of their own, under this attribute.
    Own { key: &'static str },
    /// In the control table, under this `pk`; their ids are the `sk`.
    Control { pk: &'static str },
}

impl Place {
    pub(super) const PK: &'static str = "pk";
    pub(super) const SK: &'static str = "sk";

    /// The attribute that holds the id.
    pub(super) const fn id_attribute(self) -> &'static str {
        match self {
            Self::Own { key } => key,
            Self::Control { .. } => Self::SK,
        }
    }

    /// The whole key of a row.
    pub(super) fn key(self, id: &str) -> Item {
        let id = (self.id_attribute().to_owned(), AttributeValue::S(id.into()));
        match self {
            Self::Own { .. } => Item::from([id]),
            Self::Control { pk } => {
                let pk = (Self::PK.to_owned(), AttributeValue::S(pk.into()));
                Item::from([pk, id])
            }
        }
    }
}

/// Attributes that change together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) attributes: &'static [&'static str],
    pub(super) guard: Guard,
}

/// What happens when two change a part at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// The second one has to look again (rule 16).
    Guarded,
    /// The last one wins, as it does for the time of the last change.
    Stamp,
}

impl Part {
    pub(super) const fn guarded(attributes: &'static [&'static str]) -> Self {
        let guard = Guard::Guarded;
        Self { attributes, guard }
    }

    pub(super) const fn stamp(attributes: &'static [&'static str]) -> Self {
        let guard = Guard::Stamp;
        Self { attributes, guard }
    }

    /// What it is called in messages: its first attribute.
    pub(super) const fn name(&self) -> &'static str {
        self.attributes[0]
    }

    /// Writes those attributes that are to be different; the others keep their form.
    pub(super) fn differences(&self, stored: &Stored<'_>) -> Edits {
        let differ = |name: &&&str| stored.canonical.get(**name) != stored.wanted.get(**name);
        let attributes = self.attributes.iter().filter(differ);
        attributes
            .map(|name| (*name, stored.wanted.get(*name).cloned()))
            .collect()
    }

    /// Writes all of it: none of its attributes means anything without the others.
    pub(super) fn whole(&self, stored: &Stored<'_>) -> Edits {
        let attributes = self.attributes.iter();
        attributes
            .map(|name| (*name, stored.wanted.get(*name).cloned()))
            .collect()
    }
}

/// Makes the attributes of a row from those that are there.
pub(super) fn item<const N: usize>(
    attributes: [(&'static str, Option<AttributeValue>); N],
) -> Item {
    let there = |(name, value): (&str, Option<AttributeValue>)| Some((name.to_owned(), value?));
    attributes.into_iter().filter_map(there).collect()
}
