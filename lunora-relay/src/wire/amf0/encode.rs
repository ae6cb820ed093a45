//! Values into bytes.

use bytes::{BufMut, BytesMut};

use super::{Value, marker};

/// Appends one value.
///
/// A name longer than 65,535 bytes is cut, which nothing that was read can be.
pub fn encode(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(truth) => {
            out.put_u8(marker::BOOLEAN);
            out.put_u8(u8::from(*truth));
        }
        Value::String(text) if u16::try_from(text.len()).is_ok() => {
            out.put_u8(marker::STRING);
            put_short(out, text);
        }
        Value::String(text) | Value::LongString(text) => {
            out.put_u8(marker::LONG_STRING);
            put_long(out, text);
        }
        Value::Object(properties) => {
            out.put_u8(marker::OBJECT);
            put_properties(out, properties);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::Reference(index) => {
            out.put_u8(marker::REFERENCE);
            out.put_u16(*index);
        }
        Value::EcmaArray(properties) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(count(properties.len()));
            put_properties(out, properties);
        }
        Value::StrictArray(elements) => {
            out.put_u8(marker::STRICT_ARRAY);
            out.put_u32(count(elements.len()));
            for element in elements {
                encode(out, element);
            }
        }
        Value::Date { millis, timezone } => {
            out.put_u8(marker::DATE);
            out.put_f64(*millis);
            out.put_i16(*timezone);
        }
        Value::Unsupported => out.put_u8(marker::UNSUPPORTED),
        Value::XmlDocument(text) => {
            out.put_u8(marker::XML_DOCUMENT);
            put_long(out, text);
        }
        Value::TypedObject { class, properties } => {
            out.put_u8(marker::TYPED_OBJECT);
            put_short(out, class);
            put_properties(out, properties);
        }
    }
}

fn put_properties(out: &mut BytesMut, properties: &[(String, Value)]) {
    for (name, value) in properties {
        put_short(out, name);
        encode(out, value);
    }
    put_short(out, "");
    out.put_u8(marker::OBJECT_END);
}

fn put_short(out: &mut BytesMut, text: &str) {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    let text = text.get(..end).unwrap_or_default();
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn put_long(out: &mut BytesMut, text: &str) {
    out.put_u32(count(text.len()));
    out.put_slice(text.as_bytes());
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
