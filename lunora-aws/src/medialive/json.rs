//! What is equal and what differs in two pieces of JSON.

use serde_json::{Map, Value};

/// The same without what says nothing: `null`, and lists without an element. An
/// object without a member says something to MediaLive, as `passThroughSettings` does.
pub(super) fn said(value: &Value) -> Value {
    match value {
        Value::Array(elements) => Value::Array(elements.iter().map(said).collect()),
        Value::Object(members) => {
            let said = members
                .iter()
                .map(|(name, value)| (name.clone(), said(value)));
            let is_something = |value: &Value| match value {
                Value::Null => false,
                Value::Array(elements) => !elements.is_empty(),
                _ => true,
            };
            Value::Object(said.filter(|(_, value)| is_something(value)).collect())
        }
        plain => plain.clone(),
    }
}

/// The same without `null`, which the model of AWS takes nowhere.
pub(super) fn without_null(value: &Value) -> Value {
    match value {
        Value::Array(elements) => Value::Array(elements.iter().map(without_null).collect()),
        Value::Object(members) => {
            let present = members.iter().filter(|(_, value)| !value.is_null());
            let same = |(name, value): (&String, &Value)| (name.clone(), without_null(value));
            Value::Object(present.map(same).collect())
        }
        plain => plain.clone(),
    }
}

/// One text for all that is equal, whatever the order of members.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(elements) => {
            text.push('[');
            for element in elements {
                write(element, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in sorted {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
                text.push(',');
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// Where two values differ, by their paths alone: a value may be a secret.
pub(super) fn differences(one: &Value, other: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare(one, other, "", &mut paths);
    paths
}

fn compare(one: &Value, other: &Value, path: &str, paths: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => compare_members(one, other, path, paths),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(one, other, &format!("{path}[{index}]"), paths);
            }
        }
        (one, other) if one == other => (),
        _ => paths.push(path.to_owned()),
    }
}

fn compare_members(
    one: &Map<String, Value>,
    other: &Map<String, Value>,
    path: &str,
    paths: &mut Vec<String>,
) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, value) in one {
        match other.get(name) {
            Some(counterpart) => compare(value, counterpart, &below(name), paths),
            None => paths.push(below(name)),
        }
    }
    let new = other.keys().filter(|name| !one.contains_key(*name));
    paths.extend(new.map(|name| below(name)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_nothing_is_left_out_and_an_empty_object_is_not() {
        let value =
            json!({"a": null, "b": [], "c": {}, "d": {"e": null}, "f": [{"g": []}], "h": 0});
        assert_eq!(said(&value), json!({"c": {}, "d": {}, "f": [{}], "h": 0}));
    }

    #[test]
    fn what_is_sent_back_is_all_but_null() {
        let value = json!({"a": null, "b": [], "c": {"d": null, "e": 0}, "f": [{"g": null}]});
        assert_eq!(
            without_null(&value),
            json!({"b": [], "c": {"e": 0}, "f": [{}]})
        );
    }

    #[test]
    fn a_difference_is_told_by_its_path_and_not_by_its_value() {
        let one = json!({"a": [{"b": "secret"}, 1], "c": 1, "d": [1]});
        let other = json!({"a": [{"b": "other"}, 1], "e": 1, "d": [1, 2]});
        assert_eq!(differences(&one, &other), ["a[0].b", "c", "d", "e"]);
        assert!(differences(&one, &one).is_empty());
    }
}
