use serde_json::{Value, json};

use crate::aws::wire::Refusal;

pub(super) fn bad_request(message: &str) -> Refusal {
    Refusal {
        status: 400,
        code: "BadRequestException",
        message: message.to_owned(),
    }
}

pub(super) fn not_found(what: &str) -> Refusal {
    Refusal {
        status: 404,
        code: "NotFoundException",
        message: format!("there is no such {what}"),
    }
}

pub(super) fn conflict(message: impl Into<String>) -> Refusal {
    Refusal {
        status: 409,
        code: "ConflictException",
        message: message.into(),
    }
}

/// What makes no sense in a channel or a schedule, and where. It holds no values: a
/// stream key may be one.
#[derive(Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    pub(super) fn add(&mut self, path: impl std::fmt::Display, what: &str) {
        self.0.push(format!("{path}: {what}"));
    }

    pub(super) fn into_result(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Refusal {
            status: 422,
            code: "UnprocessableEntityException",
            message: self.0.join("; "),
        })
    }
}

/// The `validationErrors` of what MediaLive cannot process.
pub(in crate::aws) fn validation_errors(refusal: &Refusal) -> Option<Value> {
    let each = refusal.message.split("; ").map(|fault| {
        let (path, what) = fault.split_once(": ").unwrap_or(("", fault));
        json!({ "elementPath": path, "errorMessage": what })
    });
    (refusal.code == "UnprocessableEntityException").then(|| each.collect())
}
