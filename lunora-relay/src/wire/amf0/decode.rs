//! Bytes into values.

use super::{Amf0Error, MAX_DEPTH, MAX_VALUES, Value, marker};

/// Takes one value after another from the front of a message.
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    values_left: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of a message.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            values_left: MAX_VALUES,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        // Depth is counted, not left to the stack: a stack overflow would end the whole process.
        if depth > MAX_DEPTH {
            return Err(Amf0Error::TooDeep(MAX_DEPTH));
        }
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(Amf0Error::TooMany(MAX_VALUES))?;
        let [kind] = self.take()?;
        Ok(match kind {
            marker::NUMBER => Value::Number(self.number()?),
            marker::BOOLEAN => {
                let [truth] = self.take()?;
                Value::Boolean(truth != 0)
            }
            marker::STRING => Value::String(self.short_text()?),
            marker::OBJECT => Value::Object(self.properties(depth)?),
            marker::NULL => Value::Null,
            marker::UNDEFINED => Value::Undefined,
            marker::REFERENCE => Value::Reference(u16::from_be_bytes(self.take()?)),
            marker::ECMA_ARRAY => {
                // The count is a hint; the end marker decides.
                let [_, _, _, _] = self.take()?;
                Value::EcmaArray(self.properties(depth)?)
            }
            marker::STRICT_ARRAY => Value::StrictArray(self.elements(depth)?),
            marker::DATE => {
                let millis = self.number()?;
                Value::Date {
                    millis,
                    timezone: i16::from_be_bytes(self.take()?),
                }
            }
            marker::LONG_STRING => Value::LongString(self.long_text()?),
            marker::UNSUPPORTED => Value::Unsupported,
            marker::XML_DOCUMENT => Value::XmlDocument(self.long_text()?),
            marker::TYPED_OBJECT => {
                let class = self.short_text()?;
                Value::TypedObject {
                    class,
                    properties: self.properties(depth)?,
                }
            }
            other => return Err(Amf0Error::Marker(other)),
        })
    }

    /// Names and values up to the end marker, which is an empty name and a 9.
    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Amf0Error> {
        let mut properties = Vec::new();
        loop {
            let name = self.short_text()?;
            if name.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                let [_] = self.take()?;
                return Ok(properties);
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    /// As many values as announced. Space is made for those that come, not for those announced.
    fn elements(&mut self, depth: usize) -> Result<Vec<Value>, Amf0Error> {
        let count = u32::from_be_bytes(self.take()?);
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.value(depth + 1)?);
        }
        Ok(elements)
    }

    fn number(&mut self) -> Result<f64, Amf0Error> {
        self.take().map(f64::from_be_bytes)
    }

    fn short_text(&mut self) -> Result<String, Amf0Error> {
        let len = u16::from_be_bytes(self.take()?);
        self.text(usize::from(len))
    }

    fn long_text(&mut self) -> Result<String, Amf0Error> {
        let len = u32::from_be_bytes(self.take()?);
        self.text(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A text of that many bytes; what is not UTF-8 in it is replaced.
    fn text(&mut self, len: usize) -> Result<String, Amf0Error> {
        let (text, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Amf0Error::Truncated)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Amf0Error::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// Ends after the last value, or after the first error.
impl Iterator for Decoder<'_> {
    type Item = Result<Value, Amf0Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let value = self.value(1);
        if value.is_err() {
            self.rest = &[];
        }
        Some(value)
    }
}
