//! Requests with one thing wrong.

use serde_json::{Map, Value, json};

use super::{
    check::Check,
    route,
    sample::{Fill, value},
    schema::{Bounds, Location, Member, Reference, Shape, Structure, Text},
};
use crate::aws::Request;

/// A member that no structure has.
const UNKNOWN: &str = "lunoraHasNoSuchMember";

/// Everything that is a little wrong with this request, each with what was done to
/// it: members left out, renamed and added, of another type, or out of bounds. Not
/// one of them is valid.
///
/// # Panics
/// If the request is not valid itself.
pub fn mutations(request: &Request) -> Vec<(String, Request)> {
    let call = super::parse(request).expect("a valid request");
    let check = Check::of(call.service);
    let operation = &check.model.operations[call.operation];
    let mut mutations = around(request);
    let Some(structure) = check.model.structure(operation.input.as_ref()) else {
        return mutations;
    };
    let with = |location: Location| -> Map<String, Value> {
        let is_there = |name: &String| {
            structure
                .member(name)
                .is_some_and(|member| member.reference.location == location)
        };
        call.input
            .iter()
            .filter(|(name, _)| is_there(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    for (what, members) in inside(check, structure, &call.input, Place::Outside) {
        mutations.push((what, route::request(check, operation, &members)));
    }
    mutations.extend(in_query(request, &with(Location::QueryString)));
    if structure
        .members()
        .any(|member| member.reference.location == Location::Body)
    {
        for (what, members) in inside(check, structure, &with(Location::Body), Place::Body) {
            let body = Value::Object(members).to_string().into_bytes();
            mutations.push((
                what,
                Request {
                    body,
                    ..request.clone()
                },
            ));
        }
    }
    mutations
}

/// What is wrong with a value, wherever it stands.
pub(super) fn variants(check: Check, reference: &Reference, whole: &Value) -> Vec<(String, Value)> {
    let shape = check.model.shape(reference);
    let mut variants = vec![(" is null".to_owned(), Value::Null)];
    let mut wrong = |what: &str, value: Value| variants.push((what.to_owned(), value));
    match (shape, whole) {
        (Shape::Structure(structure), Value::Object(members)) => {
            wrong(" is a string", "x".into());
            let inside = inside(check, structure, members, Place::Body);
            variants.extend(
                inside
                    .into_iter()
                    .map(|(what, members)| (what, Value::Object(members))),
            );
        }
        (Shape::List { member }, Value::Array(items)) => {
            wrong(" is a structure", json!({}));
            for (index, item) in items.iter().enumerate() {
                variants.extend(self::variants(check, member, item).into_iter().map(
                    |(what, item)| {
                        let mut items = items.clone();
                        items[index] = item;
                        (format!("[{index}]{what}"), Value::Array(items))
                    },
                ));
            }
        }
        (Shape::Map { value }, Value::Object(entries)) => {
            wrong(" is a list", json!([]));
            for (key, entry) in entries {
                variants.extend(self::variants(check, value, entry).into_iter().map(
                    |(what, entry)| {
                        let mut entries = entries.clone();
                        entries.insert(key.clone(), entry);
                        (format!(".*{what}"), Value::Object(entries))
                    },
                ));
            }
        }
        (Shape::String(text), _) => {
            wrong(" is a number", 7.into());
            variants.extend(of_text(text));
        }
        (Shape::Integer(bounds), _) => {
            wrong(" is a string", "7".into());
            wrong(" is a fraction", 1.5.into());
            wrong(" has more than 32 bits", (i64::from(i32::MAX) + 1).into());
            variants.extend(out_of(bounds));
        }
        (Shape::Long(bounds), _) => {
            wrong(" is a string", "7".into());
            wrong(" is a fraction", 1.5.into());
            variants.extend(out_of(bounds));
        }
        (Shape::Double(bounds), _) => {
            wrong(" is a string", "7".into());
            variants.extend(out_of(bounds));
        }
        (Shape::Boolean, _) => wrong(" is a string", "true".into()),
        (Shape::Timestamp, _) => {
            wrong(" is a number", 1_795_000_000.into());
            wrong(" is no time", "yesterday".into());
        }
        _ => {}
    }
    variants
}

/// The request itself: its method, its path, what its body is.
fn around(request: &Request) -> Vec<(String, Request)> {
    let mut around = vec![
        (
            "another method".to_owned(),
            Request {
                method: "PATCH".to_owned(),
                ..request.clone()
            },
        ),
        (
            "another path".to_owned(),
            Request {
                path: format!("{}//x", request.path),
                ..request.clone()
            },
        ),
        (
            "no path".to_owned(),
            Request {
                path: "/".to_owned(),
                ..request.clone()
            },
        ),
        (
            "a body that is no structure".to_owned(),
            Request {
                body: b"[]".to_vec(),
                ..request.clone()
            },
        ),
    ];
    if let Some((_, cut)) = request.body.split_last() {
        let cut = if cut.is_empty() {
            b"{".to_vec()
        } else {
            cut.to_vec()
        };
        around.push((
            "a body that was cut".to_owned(),
            Request {
                body: cut,
                ..request.clone()
            },
        ));
    }
    around
}

/// A query with a member that is none, and each member twice or of another type.
fn in_query(request: &Request, members: &Map<String, Value>) -> Vec<(String, Request)> {
    let sent = request.query.as_deref();
    let with = |pair: &str| {
        let query = sent.map_or_else(|| pair.to_owned(), |sent| format!("{sent}&{pair}"));
        Request {
            query: Some(query),
            ..request.clone()
        }
    };
    let mut queries = vec![(
        "an unknown member in the query".to_owned(),
        with(&format!("{UNKNOWN}=x")),
    )];
    for (name, value) in members.iter().filter(|(_, value)| !value.is_array()) {
        queries.push((format!("{name} twice"), with(&format!("{name}=1"))));
        if value.is_number() {
            let query = format!("{name}=x");
            queries.push((
                format!("{name} is a string"),
                Request {
                    query: Some(query),
                    ..request.clone()
                },
            ));
        }
    }
    queries
}

/// Where the members stand that are changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the path and the query, where everything is text.
    Outside,
    Body,
}

fn inside(
    check: Check,
    structure: &Structure,
    members: &Map<String, Value>,
    place: Place,
) -> Vec<(String, Map<String, Value>)> {
    let mut mutations = Vec::new();
    let is_here = |member: &Member<'_>| {
        (member.reference.location == Location::Body) == (place == Place::Body)
    };
    for member in structure.members().filter(is_here) {
        let name = member.name;
        let Some(value) = members.get(name) else {
            continue;
        };
        let with = |value: Value| {
            let mut members = members.clone();
            members.insert(name.to_owned(), value);
            members
        };
        if place == Place::Outside {
            let texts = outside(check, &member, value);
            mutations.extend(
                texts
                    .into_iter()
                    .map(|(what, value)| (format!(".{name}{what}"), with(value))),
            );
            continue;
        }
        let mut without = members.clone();
        without.remove(name);
        if member.is_required || structure.union {
            mutations.push((format!(".{name} is missing"), without.clone()));
        }
        without.insert(format!("{name}{UNKNOWN}"), value.clone());
        mutations.push((format!(".{name} is renamed"), without));
        let values = variants(check, member.reference, value);
        mutations.extend(
            values
                .into_iter()
                .map(|(what, value)| (format!(".{name}{what}"), with(value))),
        );
    }
    if place == Place::Body {
        let mut more = members.clone();
        more.insert(UNKNOWN.to_owned(), Value::Null);
        mutations.push((" has an unknown member".to_owned(), more));
        mutations.extend(second_of_union(check, structure, members));
    }
    mutations
}

/// What can be wrong with a label, or with a member of the query.
fn outside(check: Check, member: &Member<'_>, whole: &Value) -> Vec<(String, Value)> {
    let mut wrong = match check.model.shape(member.reference) {
        Shape::String(text) => of_text(text),
        Shape::Integer(bounds) => out_of(bounds),
        _ => Vec::new(),
    };
    // To leave out a label is to leave it empty.
    if member.reference.location == Location::Uri {
        wrong.push((" is empty".to_owned(), "".into()));
    } else if member.is_required && whole.is_array() {
        wrong.push((" is missing".to_owned(), json!([])));
    }
    wrong
}

fn second_of_union(
    check: Check,
    structure: &Structure,
    members: &Map<String, Value>,
) -> Option<(String, Map<String, Value>)> {
    let other = structure
        .members()
        .filter(|_| structure.union)
        .find(|member| !members.contains_key(member.name))?;
    let mut both = members.clone();
    both.insert(
        other.name.to_owned(),
        value(check, other.reference, Fill::Required),
    );
    Some((" is two of a union".to_owned(), both))
}

fn of_text(text: &Text) -> Vec<(String, Value)> {
    let mut wrong = Vec::new();
    if text.one_of.is_some() {
        wrong.push((" is not of the enum".to_owned(), UNKNOWN.into()));
    }
    if text.pattern.is_some() {
        wrong.push((" does not match".to_owned(), "?".into()));
    }
    if let Some(min @ 1..) = text.min {
        wrong.push((" is too short".to_owned(), "x".repeat(min - 1).into()));
    }
    if let Some(max) = text.max {
        wrong.push((" is too long".to_owned(), "x".repeat(max + 1).into()));
    }
    wrong
}

fn out_of(bounds: &Bounds) -> Vec<(String, Value)> {
    let below = bounds
        .min
        .map(|min| (" is below the minimum".to_owned(), (min - 1).into()));
    let above = bounds
        .max
        .map(|max| (" is above the maximum".to_owned(), (max + 1).into()));
    below.into_iter().chain(above).collect()
}
