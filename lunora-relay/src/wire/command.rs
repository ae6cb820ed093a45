//! Commands as values.

use bytes::{Bytes, BytesMut};

use super::amf0::{self, Amf0Error, Decoder, Value};
use super::message::{Message, MessageKind};

/// A command or an answer to one. Its arguments may hold a stream key, so it is never printed.
pub(super) struct Command {
    pub(super) name: String,
    pub(super) transaction: f64,
    /// What follows the transaction; the first is the "command object", mostly null.
    pub(super) arguments: Vec<Value>,
}

impl Command {
    pub(super) fn new(name: &str, transaction: f64, arguments: Vec<Value>) -> Self {
        Self {
            name: name.to_owned(),
            transaction,
            arguments,
        }
    }

    /// The command in a message; `None` if there is none to be found.
    ///
    /// A value that cannot be read ends the arguments and not the session: peers send AMF3 objects,
    /// and cut messages, in commands nobody needs. Hostile nesting is an error.
    pub(super) fn read(message: &Message) -> Result<Option<Self>, Amf0Error> {
        let payload = match (message.kind, message.payload.split_first()) {
            // A command "in AMF3" is one in AMF0 behind a zero byte, as far as anyone sends it.
            (MessageKind::CommandAmf3, Some((0, rest))) => rest,
            _ => &message.payload,
        };
        let mut values = Vec::new();
        for value in Decoder::new(payload) {
            match value {
                Ok(value) => values.push(value),
                Err(Amf0Error::Truncated | Amf0Error::Marker(_)) => break,
                Err(hostile) => return Err(hostile),
            }
        }
        let mut values = values.into_iter();
        let Some(Value::String(name)) = values.next() else {
            return Ok(None);
        };
        let transaction = values
            .next()
            .as_ref()
            .and_then(Value::as_number)
            .unwrap_or(0.0);
        Ok(Some(Self {
            name,
            transaction,
            arguments: values.collect(),
        }))
    }

    pub(super) fn payload(&self) -> Bytes {
        let mut out = BytesMut::new();
        amf0::encode(&mut out, &Value::from(self.name.as_str()));
        amf0::encode(&mut out, &Value::Number(self.transaction));
        for argument in &self.arguments {
            amf0::encode(&mut out, argument);
        }
        out.freeze()
    }

    /// Whether this answers the command sent with `transaction`.
    pub(super) fn answers(&self, transaction: f64) -> bool {
        (self.transaction - transaction).abs() < 0.5
    }

    /// The text at `index`, empty if there is none.
    pub(super) fn text(&self, index: usize) -> &str {
        self.arguments
            .get(index)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The object that says how something went: the first argument with a `code`.
    pub(super) fn info(&self) -> Option<&Value> {
        self.arguments
            .iter()
            .find(|argument| argument.get("code").is_some())
    }
}

/// An object of texts.
pub(super) fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    Value::Object(
        properties
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    )
}

/// The fourCCs an object announces, bounded as there are only so many codecs.
pub(super) fn fourcc_list(object: &Value) -> Vec<String> {
    const MOST: usize = 32;
    let Some(Value::StrictArray(list)) = object.get("fourCcList") else {
        return Vec::new();
    };
    let codes = list
        .iter()
        .filter_map(Value::as_str)
        .filter(|code| code.len() <= 4);
    codes.take(MOST).map(str::to_owned).collect()
}
