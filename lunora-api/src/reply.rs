use axum::{
    Json,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// The body of a call that succeeded: `status: "success"` and the fields of `T`.
pub(crate) struct Success<T>(pub(crate) T);

#[derive(Serialize)]
struct SuccessBody<T> {
    status: &'static str,
    #[serde(flatten)]
    body: T,
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        let status = "success";
        Json(SuccessBody {
            status,
            body: self.0,
        })
        .into_response()
    }
}

/// Nothing but a sentence for people.
#[derive(Serialize)]
pub(crate) struct Message {
    pub(crate) message: &'static str,
}

/// A time as JavaScript writes it: milliseconds, and `Z`.
#[derive(Clone, Copy)]
pub(crate) struct Iso(pub(crate) Timestamp);

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}
