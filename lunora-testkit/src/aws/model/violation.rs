use std::fmt;

use crate::aws::{Refusal, Service};

/// What is not so in a request or a reply by AWS's service model. It says where and
/// what, and never a value: that could be a stream key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    service: Service,
    kind: Kind,
    place: String,
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Route,
    Content,
}

impl Violation {
    pub(super) fn route(service: Service) -> Self {
        let what = "no operation has this method and path".to_owned();
        Self {
            service,
            kind: Kind::Route,
            place: "request".to_owned(),
            what,
        }
    }

    pub(super) fn at(service: Service, place: &Place<'_>, what: impl Into<String>) -> Self {
        Self {
            service,
            kind: Kind::Content,
            place: place.to_string(),
            what: what.into(),
        }
    }

    /// How the service refuses such a request.
    pub fn refusal(&self) -> Refusal {
        let (status, code) = match self.kind {
            Kind::Route => (404, "NotFoundException"),
            // UnprocessableEntity is for what is well formed and makes no sense.
            Kind::Content => (400, "BadRequestException"),
        };
        Refusal {
            status,
            code,
            message: self.to_string(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for Violation {}

/// A place in a request or a reply, such as `body.outputs[0].port`.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// `path`, `query`, `body` or `reply`.
    Root(&'static str),
    /// A member that the model knows.
    Member(&'a Self, &'a str),
    Item(&'a Self, usize),
    /// Its key is not shown: it comes from outside.
    Entry(&'a Self),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Entry(parent) => write!(f, "{parent}.*"),
        }
    }
}
