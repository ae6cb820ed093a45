//! What the migration, which works on rows as they are stored, takes from the adapters.

use std::{collections::HashMap, fmt, str::FromStr};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lunora_core::{
    domain::{Destination, HashKey, IdError, Preset, Session, Source},
    port::{PortError, Record},
};

pub(crate) use super::expression::{Expression, is_refused};
use super::{
    attribute::{self, BadAttribute, from_text},
    destination_repo::DestinationCodec,
    error,
    row::Row,
};
use crate::migrate::TableKind;

/// A row as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Writes bytes that are equal exactly for equal values.
pub(crate) fn write_bytes(value: &AttributeValue, out: &mut Vec<u8>) {
    attribute::write_bytes(value, out);
}

/// Says that `operation` on `subject` failed in the call named `api`.
pub(crate) fn failed<E: ProvideErrorMetadata>(
    api: &'static str,
    operation: &'static str,
    subject: impl fmt::Display,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    error::failed(api, operation, subject, error)
}

/// Why a row cannot be read, if it cannot, without what it says.
pub(crate) fn problem(kind: TableKind, id: &str, item: &Item) -> Option<String> {
    let bad = match kind {
        TableKind::Destinations => {
            let codec = DestinationCodec {
                prefix: "/-".parse().expect("it begins with a slash"),
                hash_key: hash_key(),
            };
            read::<Destination>(id, item, &codec).err()
        }
        TableKind::Presets => read::<Preset>(id, item, &hash_key()).err(),
        TableKind::Sessions => read::<Session>(id, item, &hash_key()).err(),
        TableKind::Sources => read::<Source>(id, item, &hash_key()).err(),
        TableKind::Control => None,
    };
    bad.map(|bad| bad.to_string())
}

/// The preset that a row holds, if it can be read.
pub(crate) fn preset(id: &str, item: &Item) -> Option<Preset> {
    read(id, item, &hash_key()).ok()
}

/// A preset as a whole row.
pub(crate) fn preset_row(preset: &Preset) -> Item {
    let mut row = preset.born_with();
    row.extend(preset.encode(&hash_key()));
    row.insert(
        Preset::PLACE.id_attribute().to_owned(),
        from_text(&preset.id),
    );
    row
}

fn read<R: Row>(id: &str, item: &Item, codec: &R::Codec) -> Result<R, BadAttribute>
where
    <R as Record>::Id: FromStr<Err = IdError>,
{
    let not_an_id = |_| BadAttribute::new(R::PLACE.id_attribute(), "an id");
    R::decode(&id.parse().map_err(not_an_id)?, item, codec)
}

/// Any key does: nothing that is hashed under it is looked at.
const fn hash_key() -> HashKey {
    HashKey::new([0; 32])
}
