use std::{error::Error, fmt, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use lunora_core::{
    domain::{DestinationId, DestinationName, SourceId, SourceName},
    port::{ErrorKind, PortError},
    service::{DestinationError, DestinationTestError, SourceError},
};
use serde::Serialize;

/// Why a call did not succeed, as its client reads it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    /// For people: what to do.
    message: String,
    /// The detail, if it tells more than the message.
    error: Option<String>,
    // Boxed, as `Result`s stay small that way.
    facts: Option<Box<Facts>>,
    retry_after: Option<Duration>,
    /// For the log alone.
    cause: Option<Box<PortError>>,
}

/// What a program may want to know about a problem.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Facts {
    Endpoint { path: String, method: String },
    Duplicate { duplicate_of: Named },
    SourceDuplicate { duplicate_of: NamedSource },
    Stale { generation: u64 },
}

#[derive(Debug, Serialize)]
pub(crate) struct Named {
    destination_id: DestinationId,
    name: DestinationName,
}

#[derive(Debug, Serialize)]
pub(crate) struct NamedSource {
    source_id: SourceId,
    name: SourceName,
}

#[derive(Serialize)]
struct ProblemBody {
    status: &'static str,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    facts: Option<Box<Facts>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            error: None,
            facts: None,
            retry_after: None,
            cause: None,
        }
    }

    /// The client has to say something else.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(crate) fn destination_not_found() -> Self {
        let message = "Destination not found; GET /api/destinations lists those that there are";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn source_not_found() -> Self {
        let message = "Source not found; GET /api/sources lists those that there are";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// This deployment does not do that at all.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "unsupported", message)
    }

    /// It cannot be done with this one; the message says what works.
    fn unsupported(reason: &str) -> Self {
        let message = format!("This is not supported: {reason}");
        Self::new(StatusCode::BAD_REQUEST, "unsupported", message)
    }

    pub(crate) fn internal() -> Self {
        let message = "Something failed inside the server; its log tells more under the id that \
                       the X-Request-Id header of this reply names";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Try again, after that long.
    pub(crate) fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .with_retry_after(retry_after)
    }

    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub(crate) fn with_error(mut self, error: impl fmt::Display) -> Self {
        self.error = Some(error.to_string());
        self
    }

    pub(crate) fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = Some(Box::new(facts));
        self
    }

    /// Tells the operator what the client is not told. The span of the request
    /// tells its id.
    pub(crate) fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(error = %Chain(cause.as_ref()), "a request failed");
        }
    }
}

/// The wait of a client that was not told another.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(2);

/// The one table from what a port says to what a client reads.
impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let mut problem = match error.kind() {
            ErrorKind::Conflict => {
                let message = "It was changed by somebody else at the same time; read it again \
                               and try again";
                return Self::new(StatusCode::CONFLICT, "conflict", message);
            }
            ErrorKind::Unavailable => {
                let message = "A part of the server does not answer at the moment; try again. \
                               The call may have taken effect, and may be repeated";
                let wait = error.retry_after().unwrap_or(RETRY_AFTER_DEFAULT);
                Self::unavailable(message, wait)
            }
            ErrorKind::Denied => {
                let message = "The server may not use a part of itself, such as its keys, until \
                               an operator acts; its log says what to do";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "denied", message)
            }
            _ => Self::internal(),
        };
        problem.cause = Some(Box::new(error));
        problem
    }
}

/// The one table from what the service says to what a client reads.
impl From<DestinationError> for Problem {
    fn from(error: DestinationError) -> Self {
        let detail = error.to_string();
        let bad = StatusCode::BAD_REQUEST;
        let problem = match error {
            DestinationError::NotFound { .. } => Self::destination_not_found(),
            DestinationError::Disabled { .. } => {
                let message = "The destination is disabled; enable it first";
                Self::new(bad, "disabled", message)
            }
            DestinationError::Invalid { reason } => {
                return Self::invalid(format!("This is not possible: {reason}"));
            }
            DestinationError::Duplicate { of, name } => {
                let message = format!(
                    "“{name}” is running to the same place with the same stream key; stop it \
                     first, or use another stream key"
                );
                let duplicate_of = Named {
                    destination_id: of,
                    name,
                };
                Self::new(StatusCode::CONFLICT, "duplicate", message)
                    .with_facts(Facts::Duplicate { duplicate_of })
            }
            DestinationError::Stale { found, .. } => {
                let message = "The destination was changed since you read it; read it again and \
                               decide again";
                Self::new(StatusCode::PRECONDITION_FAILED, "stale", message)
                    .with_facts(Facts::Stale { generation: found })
            }
            DestinationError::Foreign { way, .. } => {
                let message = format!(
                    "The destination is delivered by {way}, which is not changed from here; an \
                     admin can move it first"
                );
                Self::new(bad, "foreign", message)
            }
            DestinationError::Port(error) => return error.into(),
            _ => return Self::internal(),
        };
        problem.with_error(detail)
    }
}

impl From<DestinationTestError> for Problem {
    fn from(error: DestinationTestError) -> Self {
        match error {
            DestinationTestError::Unsupported { reason } => Self::unsupported(&reason),
            DestinationTestError::Destination(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

/// The same for sources.
impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        let detail = error.to_string();
        let problem = match error {
            SourceError::NotFound { .. } => Self::source_not_found(),
            SourceError::Disabled { .. } => {
                let message = "The source is disabled; enable it first";
                Self::new(StatusCode::BAD_REQUEST, "disabled", message)
            }
            SourceError::Invalid { reason } => {
                return Self::invalid(format!("This is not possible: {reason}"));
            }
            SourceError::Unsupported { reason } => return Self::unsupported(&reason),
            SourceError::Duplicate { of, name } => {
                let message = format!(
                    "“{name}” is told from others by the same `stream_id`; give this one another"
                );
                let duplicate_of = NamedSource {
                    source_id: of,
                    name,
                };
                Self::new(StatusCode::CONFLICT, "duplicate", message)
                    .with_facts(Facts::SourceDuplicate { duplicate_of })
            }
            SourceError::Stale { found, .. } => {
                let message = "The source was changed since you read it; read it again and \
                               decide again";
                Self::new(StatusCode::PRECONDITION_FAILED, "stale", message)
                    .with_facts(Facts::Stale { generation: found })
            }
            SourceError::Port(error) => return error.into(),
            _ => return Self::internal(),
        };
        problem.with_error(detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let body = ProblemBody {
            status: "error",
            code: self.code,
            message: self.message,
            error: self.error,
            facts: self.facts,
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs().max(1);
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error and what caused it, on one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn what_an_operator_has_to_mend_is_said_so_and_the_log_tells_why() {
        let lost = PortError::new(ErrorKind::Denied, "read", "studio.key").with_source("gone");
        let error = PortError::new(ErrorKind::Denied, "keep", "a secret").with_source(lost);

        let problem = Problem::from(DestinationError::Port(error));
        let cause = problem.cause.as_deref().unwrap();
        let logged = Chain(cause).to_string();
        let response = problem.into_response();

        let expected = "failed to keep a secret: not permitted: \
                        failed to read studio.key: not permitted: gone";
        assert_eq!(logged, expected);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "denied");
        assert_eq!(body["error"], json!(null));
        let message = body["message"].as_str().unwrap();
        assert!(message.contains("an operator") && message.contains("its log"));
        assert!(!message.contains("studio.key"), "{message}");
    }
}
