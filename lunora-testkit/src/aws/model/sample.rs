//! Requests made from the model, for tests of what reads them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    check::Check,
    route,
    schema::{Bounds, Location, Operation, Reference, Shape, Structure, Text},
};
use crate::aws::{Request, Service};

/// Valid requests of every operation that the model has, each with its name: the
/// smallest and one with all members. And for each structure that goes in, in one of
/// the operations, one that has all members of it and otherwise only what it must.
pub fn samples() -> Vec<(&'static str, Request)> {
    let mut samples = Vec::new();
    for service in [Service::MediaConnect, Service::MediaLive] {
        let check = Check::of(service);
        let mut seen = BTreeSet::new();
        for operation in check.model.operations.values() {
            let inputs = inputs(check, operation, &mut seen);
            let requests = inputs
                .iter()
                .map(|input| route::request(check, operation, input));
            samples.extend(requests.map(|request| (operation.name.as_str(), request)));
        }
    }
    samples
}

fn inputs(
    check: Check,
    operation: &Operation,
    seen: &mut BTreeSet<String>,
) -> Vec<Map<String, Value>> {
    let Some(input) = &operation.input else {
        return vec![Map::new()];
    };
    let mut values = vec![
        value(check, input, Fill::Required),
        value(check, input, Fill::All),
    ];
    values.extend(covering(check, input, seen));
    values
        .into_iter()
        .map(|value| value.as_object().expect("an input is a structure").clone())
        .collect()
}

/// How much of a structure is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Required,
    All,
}

/// A valid value of a shape.
pub(super) fn value(check: Check, reference: &Reference, fill: Fill) -> Value {
    match check.model.shape(reference) {
        Shape::Structure(structure) => Value::Object(members(check, structure, fill, fill)),
        Shape::List { member } => json!([value(check, member, fill)]),
        Shape::Map { value: entry } => json!({ "a": value(check, entry, fill) }),
        Shape::String(text) => string(text).into(),
        Shape::Integer(bounds) | Shape::Long(bounds) | Shape::Double(bounds) => {
            number(bounds).into()
        }
        Shape::Boolean => true.into(),
        Shape::Timestamp => "2026-11-22T10:00:00Z".into(),
    }
}

/// `here` says which members, `inside` which of theirs.
fn members(check: Check, structure: &Structure, here: Fill, inside: Fill) -> Map<String, Value> {
    let wanted = structure.members().filter(|member| {
        here == Fill::All
            || member.is_required
            || structure.union
            || member.reference.location == Location::Uri
    });
    let limit = if structure.union { 1 } else { usize::MAX };
    wanted
        .take(limit)
        .map(|member| {
            (
                member.name.to_owned(),
                value(check, member.reference, inside),
            )
        })
        .collect()
}

/// Values that together have every member of every structure within, each small.
fn covering(check: Check, reference: &Reference, seen: &mut BTreeSet<String>) -> Vec<Value> {
    match check.model.shape(reference) {
        Shape::Structure(structure) => {
            if !seen.insert(reference.shape.clone()) {
                return Vec::new();
            }
            let mut values = vec![Value::Object(members(
                check,
                structure,
                Fill::All,
                Fill::Required,
            ))];
            for member in structure.members() {
                let base = if structure.union {
                    Map::new()
                } else {
                    members(check, structure, Fill::Required, Fill::Required)
                };
                values.extend(
                    covering(check, member.reference, seen)
                        .into_iter()
                        .map(|value| {
                            let mut members = base.clone();
                            members.insert(member.name.to_owned(), value);
                            Value::Object(members)
                        }),
                );
            }
            values
        }
        Shape::List { member } => wrapped(covering(check, member, seen), |value| json!([value])),
        Shape::Map { value } => {
            wrapped(covering(check, value, seen), |value| json!({ "a": value }))
        }
        _ => Vec::new(),
    }
}

fn wrapped(values: Vec<Value>, wrap: impl Fn(Value) -> Value) -> Vec<Value> {
    values.into_iter().map(wrap).collect()
}

fn string(text: &Text) -> String {
    if let Some(name) = text.one_of.as_ref().and_then(|names| names.first()) {
        return name.clone();
    }
    let Some(pattern) = &text.pattern else {
        return "x".repeat(text.min.unwrap_or(1).max(1));
    };
    let known = [
        "arn:aws:mediaconnect:us-east-1:111122223333:flow:1-aaaa:a",
        "arn:aws:mediaconnect:us-east-1:111122223333:output:1-aaaa:a",
        "arn:aws:mediaconnect:us-east-1:111122223333:source:1-aaaa:a",
        "arn:aws:mediaconnect:us-east-1:111122223333:entitlement:1-aaaa:a",
        "arn:aws:mediaconnect:us-east-1:111122223333:bridge:1-aaaa:a",
        "arn:aws:iam::111122223333:role/a",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:a",
    ];
    let matching = known.into_iter().find(|known| pattern.is_match(known));
    matching
        .expect("a sample is known for each pattern of the model")
        .to_owned()
}

fn number(bounds: &Bounds) -> i64 {
    bounds.min.or(bounds.max).unwrap_or(7)
}
