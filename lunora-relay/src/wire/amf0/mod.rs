//! The values RTMP commands are made of.

use bytes::BytesMut;

/// One AMF0 value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A text; written as a long string when it is longer than 65,535 bytes.
    String(String),
    /// Properties, in their order.
    Object(Vec<(String, Self)>),
    /// Null.
    Null,
    /// Undefined.
    Undefined,
    /// A reference to an earlier object.
    Reference(u16),
    /// Properties, in their order, as an associative array.
    EcmaArray(Vec<(String, Self)>),
    /// Values without names.
    StrictArray(Vec<Self>),
    /// A moment.
    Date {
        /// Milliseconds since 1970.
        millis: f64,
        /// Reserved; usually 0.
        timezone: i16,
    },
    /// A text with a four-byte length.
    LongString(String),
    /// A value the sender could not express.
    Unsupported,
    /// XML as text.
    XmlDocument(String),
    /// An object with the name of its class.
    TypedObject {
        /// The class.
        class: String,
        /// Its properties, in their order.
        properties: Vec<(String, Self)>,
    },
}

/// Why bytes are no AMF0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Amf0Error {
    /// The bytes end within a value.
    #[error("amf0 value ends early")]
    Truncated,
    /// A type nobody here understands.
    #[error("amf0 type {0:#04x} is not supported")]
    Marker(u8),
    /// Objects in objects in objects.
    #[error("amf0 values nest deeper than {0}")]
    TooDeep(usize),
    /// More values than a message may hold.
    #[error("amf0 message holds more than {0} values")]
    TooMany(usize),
}

/// All values of a message.
pub fn decode(bytes: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    let _ = bytes;
    todo!()
}

/// Appends one value.
pub fn encode(out: &mut BytesMut, value: &Value) {
    let _ = (out, value);
    todo!()
}
