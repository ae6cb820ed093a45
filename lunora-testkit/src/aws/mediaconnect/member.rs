use serde_json::{Map, Value};

use super::super::wire::Refusal;

/// Reads the members of an input, whose types the model has checked.
pub(super) trait Members {
    fn text(&self, name: &str) -> Option<&str>;
    fn number(&self, name: &str) -> Option<i64>;
    fn object(&self, name: &str) -> Option<&Map<String, Value>>;
    fn list(&self, name: &str) -> &[Value];
    /// Those of these names that are there.
    fn only(&self, names: &[&str]) -> Map<String, Value>;
}

impl Members for Map<String, Value> {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.get(name)?.as_object()
    }

    fn list(&self, name: &str) -> &[Value] {
        let list = self.get(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    fn only(&self, names: &[&str]) -> Map<String, Value> {
        let there = |name: &&str| Some(((*name).to_owned(), self.get(*name)?.clone()));
        names.iter().filter_map(there).collect()
    }
}

pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal {
        status: 400,
        code: "BadRequestException",
        message: message.into(),
    }
}

pub(super) fn not_found(message: impl Into<String>) -> Refusal {
    Refusal {
        status: 404,
        code: "NotFoundException",
        message: message.into(),
    }
}

/// What the quotas of MediaConnect stop has an error of its own in each operation.
pub(super) fn over_quota(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        status: 420,
        code,
        message: message.into(),
    }
}

/// What MediaConnect can do and this cannot.
pub(super) fn not_simulated(what: &str) -> Refusal {
    bad_request(format!("the simulator does not know {what}"))
}
