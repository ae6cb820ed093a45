use std::{fmt, str::FromStr, time::Duration};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use lunora_core::domain::{Edit, KeyInput};
use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::problem::Problem;

/// The longest body, in bytes.
pub(crate) const LEN_MAX: usize = 64 * 1024;

/// How long a body may take to come in: none holds a connection for ever.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Reads the whole body.
pub(crate) async fn read(request: Request) -> Result<Bytes, Problem> {
    let refuse = |rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("The body is too large; the most is {LEN_MAX} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        }
        _ => Problem::invalid("The body did not come in whole; send it again"),
    };
    let read = tokio::time::timeout(READ_WITHIN, Bytes::from_request(request, &())).await;
    let late = |_| {
        let message = "The body did not come in within 10 seconds; send it again";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    };
    read.map_err(late)?.map_err(refuse)
}

/// A body that is a JSON object.
pub(crate) struct JsonObject<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let message = "The body has to be a JSON object, such as {\"name\": \"…\"}";
        return Err(Problem::invalid(message));
    }
    // The parser's own message can repeat what stands there, which may be a key.
    let refuse = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        Problem::invalid(format!(
            "The body is no valid JSON object: look at line {line}, column {column}"
        ))
    };
    serde_json::from_slice(bytes).map_err(refuse)
}

/// A body that is a JSON object, or nothing.
pub(crate) struct MaybeJsonObject<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for MaybeJsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(&bytes).map(Self)
    }
}

/// What a body says about one field.
///
/// It takes every value, so that the parser has no reason to complain and repeat
/// one; and every text is held as a secret, because a key can be pasted anywhere.
#[derive(Debug, Default)]
pub(crate) enum Field {
    #[default]
    Omitted,
    Null,
    Text(SecretString),
    Flag(bool),
    Number(u64),
    Other,
}

impl Field {
    /// A text; null and blank remove what there is.
    pub(crate) fn text(&self, name: &str) -> Result<Edit<&str>, Problem> {
        match self {
            Self::Omitted => Ok(Edit::Keep),
            Self::Null => Ok(Edit::Clear),
            Self::Text(text) => Ok(match text.expose_secret().trim() {
                "" => Edit::Clear,
                text => Edit::Set(text),
            }),
            _ => Err(Problem::invalid(format!("`{name}` has to be a string"))),
        }
    }

    /// A value that is written as a text. Its error must not repeat the text.
    pub(crate) fn value<T>(&self, name: &str) -> Result<Edit<T>, Problem>
    where
        T: FromStr<Err: fmt::Display>,
    {
        match self.text(name)? {
            Edit::Keep => Ok(Edit::Keep),
            Edit::Clear => Ok(Edit::Clear),
            Edit::Set(text) => text.parse().map(Edit::Set).map_err(|it| refused(name, it)),
        }
    }

    /// A value that there always is.
    pub(crate) fn required<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: fmt::Display>,
    {
        match self.value(name)? {
            Edit::Keep => Ok(None),
            Edit::Clear => Err(Problem::invalid(format!("`{name}` cannot be empty"))),
            Edit::Set(value) => Ok(Some(value)),
        }
    }

    /// A stream key, as rule 22 reads it.
    pub(crate) fn key(&self, name: &str) -> Result<KeyInput, Problem> {
        match self.text(name)? {
            Edit::Keep => Ok(KeyInput::Omitted),
            Edit::Clear => Ok(KeyInput::Removed),
            Edit::Set(text) => KeyInput::from_text(text).map_err(|it| refused(name, it)),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self {
            Self::Omitted => Ok(None),
            Self::Flag(flag) => Ok(Some(*flag)),
            _ => Err(Problem::invalid(format!(
                "`{name}` has to be true or false"
            ))),
        }
    }

    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

pub(crate) fn refused(name: &str, reason: impl fmt::Display) -> Problem {
    Problem::invalid(format!("`{name}`: {reason}"))
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Field, E> {
        Ok(Field::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(SecretString::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Field, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{
        body::Body,
        http::{Method, Request, header::CONTENT_TYPE},
    };
    use lunora_testkit::sample::CANARY;
    use serde_json::json;

    use crate::world::{World, custom, request};

    fn said(body: impl Into<Body>) -> Request<Body> {
        let mut request = request(Method::POST, "/api/destinations", body.into());
        let kind = "application/json".parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, kind);
        request
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_object_is_refused_without_an_echo() {
        let world = World::new();
        for body in [
            String::new(),
            CANARY.to_owned(),
            format!("\"{CANARY}\""),
            format!("[\"one\", \"custom\", \"{CANARY}\"]"),
            format!("{{\"stream_key\": \"{CANARY}\""),
            format!("{{\"stream_key\": \"{CANARY}\", \"stream_key\": \"{CANARY}\"}}"),
            format!("{{\"stream_key\": \"{CANARY}\\"),
            format!("{{\"{CANARY}\": {}", "[".repeat(300)),
        ] {
            let reply = world.reply(said(body.clone())).await;
            assert_eq!(reply.refusal(), (400, "invalid"), "{body}");
            assert!(!reply.text.contains(CANARY), "{}", reply.text);
        }
        let not_text = world.reply(said(vec![b'{', 0xff, b'}'])).await;
        assert_eq!(not_text.refusal(), (400, "invalid"));
    }

    #[tokio::test]
    async fn a_field_of_another_type_is_named_and_not_repeated() {
        let world = World::new();
        for (field, value) in [
            ("name", json!(12)),
            ("name", json!(null)),
            ("name", json!("  ")),
            ("platform", json!([CANARY])),
            ("platform", json!(format!("!{CANARY}"))),
            ("stream_key", json!({ "key": CANARY })),
            ("stream_key", json!(format!("{CANARY} {CANARY}"))),
            (
                "rtmp_url",
                json!(format!("rtmp://user:{CANARY}@127.0.0.1/a")),
            ),
            ("rtmp_url", json!(format!("http://127.0.0.1/{CANARY}"))),
            ("preset_id", json!(format!("/{CANARY}"))),
            ("enabled", json!(CANARY)),
            ("start", json!(1)),
            ("failover_enabled", json!(null)),
            ("backup_mode", json!(CANARY)),
        ] {
            let mut body = custom("one");
            body[field] = value;
            let reply = world.post("/api/destinations", body).await;
            assert_eq!(reply.refusal(), (400, "invalid"), "{field}");
            let message = reply.json["message"].as_str().unwrap();
            assert!(message.contains(&format!("`{field}`")), "{message}");
            assert!(!reply.text.contains(CANARY), "{}", reply.text);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let world = World::new();
        let body =
            Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, Infallible>>());

        let reply = world.reply(said(body)).await;

        assert_eq!(reply.refusal(), (408, "timeout"));
    }

    #[tokio::test]
    async fn a_body_over_64_kib_is_refused() {
        let world = World::new();
        let body = |len: usize| {
            let mut body = custom("one");
            body["comment"] = json!("x".repeat(len));
            body
        };

        let large = world.post("/api/destinations", body(super::LEN_MAX)).await;
        let small = world.post("/api/destinations", body(60_000)).await;

        assert_eq!(large.refusal(), (413, "too_large"));
        assert_eq!(small.status, 200);
    }
}
