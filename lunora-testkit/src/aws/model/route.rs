//! Which operation a request is, and what stands in its path and query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{
    check::Check,
    schema::{Location, Operation, Shape, Structure},
    violation::{Place, Violation},
};
use crate::aws::{Request, Service};

/// What stays as it is in a path or a query: what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One part of a path: `flows` or `{FlowArn}`.
enum Part<'a> {
    Literal(&'a str),
    Label(&'a str),
}

impl Operation {
    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.http.request_uri.split('/').map(|part| {
            match part
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'))
            {
                Some(label) => Part::Label(label),
                None => Part::Literal(part),
            }
        })
    }

    /// How many parts are the template's own words; `None` if the path is another one.
    fn literals(&self, path: &str) -> Option<usize> {
        let sent: Vec<_> = path.split('/').collect();
        let parts: Vec<_> = self.parts().collect();
        let matches = sent.len() == parts.len()
            && sent.iter().zip(&parts).all(|(sent, part)| match part {
                Part::Literal(literal) => sent == literal,
                // AWS has no empty label: it would be another path.
                Part::Label(_) => !sent.is_empty(),
            });
        matches.then(|| {
            parts
                .iter()
                .filter(|part| matches!(part, Part::Literal(_)))
                .count()
        })
    }
}

/// The service by what all of its paths begin with.
pub(super) fn service(path: &str) -> Service {
    if path.starts_with("/prod/") {
        Service::MediaLive
    } else {
        Service::MediaConnect
    }
}

pub(super) fn operation(check: Check, request: &Request) -> Result<&'static Operation, Violation> {
    let same_method = check
        .model
        .operations
        .values()
        .filter(|operation| operation.http.method == request.method);
    same_method
        .filter_map(|operation| Some((operation.literals(&request.path)?, operation)))
        .max_by_key(|(literals, _)| *literals)
        .map(|(_, operation)| operation)
        .ok_or_else(|| Violation::route(check.service))
}

pub(super) fn labels(
    check: Check,
    operation: &Operation,
    path: &str,
) -> Result<Map<String, Value>, Violation> {
    let mut labels = Map::new();
    for (part, sent) in operation.parts().zip(path.split('/')) {
        if let Part::Label(name) = part {
            let place = Place::Root("path");
            labels.insert(
                name.to_owned(),
                decoded(check, sent, &Place::Member(&place, name))?.into(),
            );
        }
    }
    Ok(labels)
}

pub(super) fn query(
    check: Check,
    input: &Structure,
    query: Option<&str>,
) -> Result<Map<String, Value>, Violation> {
    let place = Place::Root("query");
    let mut members = Map::new();
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (
            decoded(check, name, &place)?,
            decoded(check, value, &place)?,
        );
        let known = input
            .member(&name)
            .filter(|member| member.reference.location == Location::QueryString);
        let shape = known.map(|member| check.model.shape(member.reference));
        match shape {
            Some(Shape::List { .. }) => {
                let items = members
                    .entry(name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                items.as_array_mut().expect("just made").push(value.into());
            }
            _ if members.contains_key(&name) => {
                return Err(Violation::at(
                    check.service,
                    &place,
                    "a member is there twice",
                ));
            }
            // What is no number stays text, and is refused for it.
            Some(Shape::Integer(_)) => {
                members.insert(
                    name,
                    value
                        .parse::<i64>()
                        .map_or(Value::String(value), Value::from),
                );
            }
            _ => {
                members.insert(name, value.into());
            }
        }
    }
    Ok(members)
}

fn decoded(check: Check, text: &str, place: &Place<'_>) -> Result<String, Violation> {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(Violation::at(check.service, place, "not UTF-8")),
    }
}

/// The request with this input: the inverse of reading one.
pub(super) fn request(check: Check, operation: &Operation, input: &Map<String, Value>) -> Request {
    let structure = check
        .model
        .structure(operation.input.as_ref())
        .expect("each of our operations has an input");
    let at = |name: &str| {
        structure
            .member(name)
            .map_or(Location::Body, |member| member.reference.location)
    };
    let path: Vec<_> = operation
        .parts()
        .map(|part| match part {
            Part::Literal(literal) => literal.to_owned(),
            Part::Label(name) => encoded(&input[name]),
        })
        .collect();
    let mut query = Vec::new();
    let mut body = Map::new();
    for (name, value) in input {
        match (at(name), value) {
            (Location::Uri, _) => {}
            (Location::QueryString, Value::Array(items)) => {
                query.extend(items.iter().map(|item| format!("{name}={}", encoded(item))));
            }
            (Location::QueryString, value) => query.push(format!("{name}={}", encoded(value))),
            (Location::Body, value) => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
    let has_body = structure
        .members()
        .any(|member| member.reference.location == Location::Body);
    Request {
        method: operation.http.method.clone(),
        path: path.join("/"),
        query: (!query.is_empty()).then(|| query.join("&")),
        body: if has_body {
            Value::Object(body).to_string().into_bytes()
        } else {
            Vec::new()
        },
    }
}

fn encoded(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    utf8_percent_encode(&text, ENCODED).to_string()
}
