//! What goes over the wire, whichever transport carries it.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A request as it arrived.
#[derive(Clone)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path, percent-encoded as it was sent.
    pub path: String,
    /// What follows the question mark.
    pub query: Option<String>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

/// Shows no body: it may hold a stream key.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// AWS Elemental MediaConnect.
    MediaConnect,
    /// AWS Elemental MediaLive.
    MediaLive,
}

/// A request that AWS's service model knows.
#[derive(Clone)]
pub struct Call {
    /// Which service.
    pub service: Service,
    /// Its name in the model, such as `AddFlowOutputs`.
    pub operation: &'static str,
    /// The members of its input by their names on the wire, whether they stood
    /// in the path, the query or the body.
    pub input: Map<String, Value>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)
    }
}

/// What a service answers when all is well.
#[derive(Clone)]
pub struct Reply {
    /// The status, as the model says.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// Shows no body: a stream name is in it.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)
    }
}

/// What a service answers otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status, as the model says.
    pub status: u16,
    /// The modelled error, such as `BadRequestException`.
    pub code: &'static str,
    /// What a person reads. It never repeats a value that may be a secret.
    pub message: String,
}

/// What `EventBridge` would deliver.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `aws.mediaconnect` or `aws.medialive`.
    pub source: &'static str,
    /// Such as `MediaConnect Output Health`.
    pub detail_type: &'static str,
    /// When it happened.
    pub time: Timestamp,
    /// The ARNs of what it is about.
    pub resources: Vec<String>,
    /// The rest.
    pub detail: Value,
}
