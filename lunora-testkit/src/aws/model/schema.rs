//! botocore's form of a service model, as far as ours uses it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::OnceLock,
};

use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::aws::Service;

/// A service: what it does, and the shapes of what goes in and out.
#[derive(Deserialize)]
pub(super) struct Model {
    pub(super) operations: BTreeMap<String, Operation>,
    shapes: HashMap<String, Shape>,
    /// What members are called, anywhere.
    #[serde(skip)]
    names: HashSet<String>,
}

#[derive(Deserialize)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) http: Http,
    pub(super) input: Option<Reference>,
    pub(super) output: Option<Reference>,
    #[serde(default)]
    pub(super) errors: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) request_uri: String,
    pub(super) response_code: u16,
}

/// A shape that is used, and where its value stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) shape: String,
    #[serde(default)]
    pub(super) location: Location,
    location_name: Option<String>,
}

/// Headers are not here: what we use has none, and reading the model would fail.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Location {
    Uri,
    QueryString,
    #[default]
    Body,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Shape {
    Structure(Structure),
    List { member: Reference },
    Map { value: Reference },
    String(Text),
    Integer(Bounds),
    Long(Bounds),
    Double(Bounds),
    Boolean,
    // All of ours are ISO 8601, in bodies.
    Timestamp,
}

#[derive(Deserialize)]
#[serde(from = "AsWritten")]
pub(super) struct Structure {
    /// By their names on the wire.
    members: BTreeMap<String, (Reference, Need)>,
    /// Exactly one member is there.
    pub(super) union: bool,
    /// Of errors alone.
    pub(super) error: Option<HttpError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// With the names that a program would use.
#[derive(Deserialize)]
struct AsWritten {
    members: BTreeMap<String, Reference>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    union: bool,
    error: Option<HttpError>,
}

impl From<AsWritten> for Structure {
    fn from(written: AsWritten) -> Self {
        let AsWritten {
            members,
            required,
            union,
            error,
        } = written;
        let on_the_wire = members.into_iter().map(|(name, mut reference)| {
            let need = if required.contains(&name) {
                Need::Required
            } else {
                Need::Optional
            };
            let name = reference.location_name.take().unwrap_or(name);
            (name, (reference, need))
        });
        Self {
            members: on_the_wire.collect(),
            union,
            error,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpError {
    pub(super) http_status_code: u16,
}

/// Lengths are counted in characters.
#[derive(Deserialize)]
pub(super) struct Text {
    #[serde(rename = "enum")]
    pub(super) one_of: Option<Vec<String>>,
    #[serde(default, deserialize_with = "whole")]
    pub(super) pattern: Option<Regex>,
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Bounds {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

/// A member of a structure, by its name on the wire.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) reference: &'a Reference,
    pub(super) is_required: bool,
}

impl Model {
    /// The model of a service, read once.
    pub(super) fn of(service: Service) -> &'static Self {
        static MEDIACONNECT: OnceLock<Model> = OnceLock::new();
        static MEDIALIVE: OnceLock<Model> = OnceLock::new();
        let (cell, text) = match service {
            Service::MediaConnect => (&MEDIACONNECT, include_str!("mediaconnect.json")),
            Service::MediaLive => (&MEDIALIVE, include_str!("medialive.json")),
        };
        cell.get_or_init(|| Self::read(text))
    }

    fn read(text: &str) -> Self {
        let mut model: Self =
            serde_json::from_str(text).expect("scripts/aws-model wrote what can be read");
        let structures = model.shapes.values().filter_map(|shape| match shape {
            Shape::Structure(structure) => Some(structure),
            _ => None,
        });
        model.names = structures
            .flat_map(|structure| structure.members.keys().cloned())
            .collect();
        model
    }

    pub(super) fn shape(&self, reference: &Reference) -> &Shape {
        &self.shapes[&reference.shape]
    }

    /// The shape of what goes in or out of an operation; `None` where nothing does.
    pub(super) fn structure(&self, reference: Option<&Reference>) -> Option<&Structure> {
        match self.shape(reference?) {
            Shape::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    /// Whether any member of any shape is called so. Such a name is no secret.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

impl Structure {
    pub(super) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.members.iter().map(Member::of)
    }

    pub(super) fn member(&self, name: &str) -> Option<Member<'_>> {
        self.members.get_key_value(name).map(Member::of)
    }
}

impl<'a> Member<'a> {
    fn of((name, (reference, need)): (&'a String, &'a (Reference, Need))) -> Self {
        Self {
            name,
            reference,
            is_required: *need == Need::Required,
        }
    }
}

/// The whole text has to match. Smithy would let a pattern without anchors match
/// anywhere; which one AWS does is not documented, and what passes here passes both.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Regex>, D::Error> {
    let pattern = String::deserialize(deserializer)?;
    Regex::new(&format!("^(?:{pattern})$"))
        .map(Some)
        .map_err(D::Error::custom)
}
