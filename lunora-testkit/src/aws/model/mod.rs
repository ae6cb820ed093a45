//! AWS's own service model, and what is not so in a request by it.
//!
//! The model is botocore's, as data (`scripts/aws-model`). It is the one part of the
//! simulator that is not our reading of AWS.

mod check;
mod mutate;
mod route;
mod sample;
mod schema;
mod violation;

use serde_json::{Map, Value};

use self::{
    check::Check,
    schema::{Location, Structure},
    violation::Place,
};
pub use self::{mutate::mutations, sample::samples, violation::Violation};
use crate::aws::{Call, Refusal, Reply, Request, Service};

/// Reads a request: which operation it is, with the members of its input, each of
/// which is as the model says.
pub fn parse(request: &Request) -> Result<Call, Violation> {
    let check = Check::of(route::service(&request.path));
    let operation = route::operation(check, request)?;
    let mut call = Call {
        service: check.service,
        operation: &operation.name,
        input: Map::new(),
    };
    let Some(structure) = check.model.structure(operation.input.as_ref()) else {
        return Ok(call);
    };
    let parts = [
        (
            "path",
            Location::Uri,
            route::labels(check, operation, &request.path)?,
        ),
        (
            "query",
            Location::QueryString,
            route::query(check, structure, request.query.as_deref())?,
        ),
        (
            "body",
            Location::Body,
            body(check, structure, &request.body)?,
        ),
    ];
    for (root, location, members) in parts {
        check.structure(structure, location, &members, &Place::Root(root))?;
        call.input.extend(members);
    }
    Ok(call)
}

/// Checks what the simulator answers: the status, and every member. Where the model
/// has no output the body is `Value::Null`.
pub fn check_reply(call: &Call, reply: &Reply) -> Result<(), Violation> {
    let check = Check::of(call.service);
    let operation = &check.model.operations[call.operation];
    let place = Place::Root("reply");
    if reply.status != operation.http.response_code {
        let what = format!(
            "has the status {}, not {}",
            reply.status, operation.http.response_code
        );
        return Err(Violation::at(call.service, &place, what));
    }
    match &operation.output {
        Some(output) => check.value(output, &reply.body, &place),
        None if reply.body.is_null() => Ok(()),
        None => Err(Violation::at(
            call.service,
            &place,
            "has a body, where the model has none",
        )),
    }
}

/// Errors that AWS sends and its model does not have: what is not there is not found.
const NOT_MODELLED: [(&str, &str, u16); 1] = [("UpdateChannel", "NotFoundException", 404)];

/// Checks that the model has this error for this operation, with this status.
pub fn check_refusal(call: &Call, refusal: &Refusal) -> Result<(), Violation> {
    if NOT_MODELLED.contains(&(call.operation, refusal.code, refusal.status)) {
        return Ok(());
    }
    let check = Check::of(call.service);
    let errors = &check.model.operations[call.operation].errors;
    let known = errors.iter().find(|error| error.shape == refusal.code);
    let status = known
        .and_then(|error| check.model.structure(Some(error)))
        .and_then(|structure| Some(structure.error.as_ref()?.http_status_code));
    if status == Some(refusal.status) {
        return Ok(());
    }
    let what = format!(
        "{} does not fail with {} and {}",
        call.operation, refusal.code, refusal.status
    );
    Err(Violation::at(call.service, &Place::Root("reply"), what))
}

/// The request that means this: the inverse of [`parse`], for tests.
///
/// # Panics
/// If there is no such operation, or a label of its path is not in the input.
pub fn request(service: Service, operation: &str, input: &Map<String, Value>) -> Request {
    let check = Check::of(service);
    route::request(check, &check.model.operations[operation], input)
}

fn body(check: Check, structure: &Structure, body: &[u8]) -> Result<Map<String, Value>, Violation> {
    let has_body = structure
        .members()
        .any(|member| member.reference.location == Location::Body);
    if body.is_empty() {
        // An empty body has no members. Where some are required, they are missed.
        return Ok(Map::new());
    }
    let fail = |what| Violation::at(check.service, &Place::Root("body"), what);
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) if has_body || members.is_empty() => Ok(members),
        Ok(Value::Object(_)) => Err(fail("has members, where the model has none")),
        Ok(_) => Err(fail("not a structure")),
        Err(_) => Err(fail("not JSON")),
    }
}

#[cfg(test)]
mod tests;
