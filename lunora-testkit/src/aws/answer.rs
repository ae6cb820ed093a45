use std::{fmt, time::Duration};

use serde_json::json;

use super::{
    medialive::validation_errors,
    wire::{Refusal, Reply},
};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How long it takes.
    pub after: Duration,
    /// What arrives then.
    pub outcome: Outcome,
}

/// What arrives in answer to a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A response.
    Response(Response),
    /// Nothing: the connection is gone.
    Lost,
}

/// An HTTP response.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

/// Shows no body: a stream name is in it.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)
    }
}

impl Response {
    pub(super) fn new(result: &Result<Reply, Refusal>, request_id: u64) -> Self {
        let mut headers = vec![("x-amzn-requestid", format!("{request_id:032x}"))];
        let body = match result {
            Ok(reply) if reply.body.is_null() => Vec::new(),
            Ok(reply) => reply.body.to_string().into_bytes(),
            Err(refusal) => {
                headers.push(("x-amzn-errortype", refusal.code.to_owned()));
                let mut body = json!({ "message": refusal.message });
                if let Some(errors) = validation_errors(refusal) {
                    body["validationErrors"] = errors;
                }
                body.to_string().into_bytes()
            }
        };
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let status = match result {
            Ok(reply) => reply.status,
            Err(refusal) => refusal.status,
        };
        Self {
            status,
            headers,
            body,
        }
    }
}
