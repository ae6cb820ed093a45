//! What an unfriendly server says.

use bytes::{Bytes, BytesMut};

use crate::wire::{
    amf0::{self, Value},
    chunk::{CHUNK_SIZE, CSID_COMMAND, CSID_CONTROL, INITIAL_CHUNK_SIZE, whole},
    message::{Message, MessageKind},
};

/// No RTMP, wherever it stands.
pub(super) const GARBAGE: &[u8] = &[b'?'; 4096];

/// No to an application, before anything else was said.
pub(super) fn refusal(code: &str, description: &str) -> Bytes {
    let connect = 1.0;
    let arguments = [Value::Null, status("error", code, description, None)];
    command("_error", connect, &arguments, INITIAL_CHUNK_SIZE)
}

/// That something is wrong with a publish.
pub(super) fn complaint(code: &str, description: &str) -> Bytes {
    let arguments = [Value::Null, status("error", code, description, None)];
    command("onStatus", 0.0, &arguments, CHUNK_SIZE)
}

/// A request to connect again, by enhanced RTMP.
pub(super) fn elsewhere(url: &str) -> Bytes {
    let code = "NetConnection.Connect.ReconnectRequest";
    let info = status("status", code, "please connect again", Some(url));
    command("onStatus", 0.0, &[Value::Null, info], CHUNK_SIZE)
}

/// Chunk sizes from the smallest to a large one, with a ping in chunks of each.
pub(super) fn chunk_sizes() -> Bytes {
    let mut said = BytesMut::new();
    let mut now = CHUNK_SIZE;
    for next in [1, 128, 65_536, 3, CHUNK_SIZE] {
        said.extend_from_slice(&control(
            MessageKind::SetChunkSize,
            &next.to_be_bytes(),
            now,
        ));
        now = next;
        let ping = [0, 6, 0, 0, 0, 1];
        said.extend_from_slice(&control(MessageKind::UserControl, &ping, now));
    }
    said.freeze()
}

fn status(level: &str, code: &str, description: &str, url: Option<&str>) -> Value {
    let url = url.map(|url| ("tcUrl", url));
    let texts = [
        ("level", level),
        ("code", code),
        ("description", description),
    ];
    let texts = texts.into_iter().chain(url);
    Value::Object(
        texts
            .map(|(name, text)| (name.to_owned(), Value::from(text)))
            .collect(),
    )
}

fn command(name: &str, transaction: f64, arguments: &[Value], chunk_size: u32) -> Bytes {
    let mut payload = BytesMut::new();
    amf0::encode(&mut payload, &Value::from(name));
    amf0::encode(&mut payload, &Value::Number(transaction));
    arguments
        .iter()
        .for_each(|it| amf0::encode(&mut payload, it));
    let message = Message {
        kind: MessageKind::Command,
        timestamp: 0,
        stream_id: 0,
        payload: payload.freeze(),
    };
    whole(CSID_COMMAND, &message, chunk_size)
}

fn control(kind: MessageKind, payload: &[u8], chunk_size: u32) -> Bytes {
    let message = Message {
        kind,
        timestamp: 0,
        stream_id: 0,
        payload: Bytes::copy_from_slice(payload),
    };
    whole(CSID_CONTROL, &message, chunk_size)
}
