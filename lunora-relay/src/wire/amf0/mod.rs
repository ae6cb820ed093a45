//! The values RTMP commands are made of.
//!
//! Only commands are read into values. `onMetaData` passes through as the bytes it came in, so
//! nothing an encoder says about itself is lost on the way.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::encode;

/// How deep values may nest.
pub const MAX_DEPTH: usize = 16;

/// How many values, nested ones included, one message may hold.
pub const MAX_VALUES: usize = 4096;

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
    Decoder::new(bytes).collect()
}

impl Value {
    /// The text of a string, short or long.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::LongString(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a number.
    #[must_use]
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A property of an object or an associative array, the first of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(properties)
            | Self::EcmaArray(properties)
            | Self::TypedObject { properties, .. } => properties
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// The byte before each value.
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0A;
    pub(super) const DATE: u8 = 0x0B;
    pub(super) const LONG_STRING: u8 = 0x0C;
    pub(super) const UNSUPPORTED: u8 = 0x0D;
    pub(super) const XML_DOCUMENT: u8 = 0x0F;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}
