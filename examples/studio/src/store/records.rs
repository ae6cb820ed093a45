use std::collections::BTreeMap;

use lunora_core::{
    domain::{FailoverHistory, Preset, Session, Source, Token},
    port::Record,
};
use rusqlite::types::Value;
use serde_json::value::RawValue;

use super::{
    repo::Layout,
    row::{Fields, Unreadable, json},
};

// One row of the table `record` each, with the value as JSON.
macro_rules! as_json {
    ($record:ty, $kind:literal, $plural:literal) => {
        impl Layout for $record {
            const PLURAL: &'static str = $plural;
            const TABLE: &'static str = "record";
            const ROWS: &'static str = concat!("kind = '", $kind, "'");

            fn to_row(
                &self,
                before: Option<&Fields<'_>>,
            ) -> rusqlite::Result<Vec<(&'static str, Value)>> {
                let mut value = json(self)?;
                if let Some(before) = before.and_then(|row| row.get("value").ok()) {
                    value = with_others(before, value);
                }
                Ok(vec![
                    ("kind", $kind.to_owned().into()),
                    ("value", value.into()),
                ])
            }

            fn from_row(fields: &Fields<'_>) -> Result<Self, Unreadable> {
                let value: Self = fields.json("value")?;
                if value.id().to_string() != fields.get::<String>("id")? {
                    return Err(fields.unreadable("value", "it is of another id"));
                }
                Ok(value)
            }
        }
    };
}

as_json!(Source, "source", "sources");
as_json!(Preset, "preset", "presets");
as_json!(Session, "session", "sessions");
as_json!(Token, "token", "tokens");
as_json!(FailoverHistory, "failover_history", "histories of failover");

/// The fields of a JSON object, each as it was written.
type Object = BTreeMap<String, Box<RawValue>>;

/// Adds the fields of the text before that the new one does not have: a newer
/// program, or a person, put them there. One that this program knows is always
/// in its text, if only as `null`.
fn with_others(before: String, now: String) -> String {
    // What is no object has none.
    let object = |text: &str| serde_json::from_str::<Object>(text).ok();
    let merged = object(&before).zip(object(&now)).map(|(mut all, new)| {
        all.extend(new);
        serde_json::to_string(&all)
    });
    match merged {
        Some(Ok(merged)) => merged,
        _ => now,
    }
}
