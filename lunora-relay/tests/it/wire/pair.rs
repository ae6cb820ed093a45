//! A session and what is on the other end of it, in memory.

use bytes::{Bytes, BytesMut};
use lunora_relay::wire::amf0::{Value, decode, encode};
use lunora_relay::wire::chunk::{ChunkLimits, ChunkReader, whole};
use lunora_relay::wire::client::{ClientConfig, ClientEvent, ClientSession};
use lunora_relay::wire::message::{Message, MessageKind};
use lunora_relay::wire::server::{ServerEvent, ServerSession};

pub(crate) const KEY: &str = "k9-secret-key";

pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        app: "live?auth=app-token-1".into(),
        tc_url: "rtmp://example.invalid/live?auth=app-token-1".into(),
        stream_name: KEY.into(),
        flash_ver: "FMLE/3.0 (compatible; Lunora)".to_owned(),
        fourcc: Vec::new(),
    }
}

/// Carries bytes between the two until neither has any; gives what happened at each.
pub(crate) fn carry(
    client: &mut ClientSession,
    server: &mut ServerSession,
) -> (Vec<ClientEvent>, Vec<ServerEvent>) {
    loop {
        let to_server: Vec<_> = std::iter::from_fn(|| client.poll_output()).collect();
        let to_client: Vec<_> = std::iter::from_fn(|| server.poll_output()).collect();
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        server.handle_input(&to_server.concat()).unwrap();
        client.handle_input(&to_client.concat()).unwrap();
    }
    (client_events(client), server_events(server))
}

pub(crate) fn client_events(client: &mut ClientSession) -> Vec<ClientEvent> {
    std::iter::from_fn(|| client.poll_event()).collect()
}

pub(crate) fn server_events(server: &mut ServerSession) -> Vec<ServerEvent> {
    std::iter::from_fn(|| server.poll_event()).collect()
}

/// A client and a server that agreed on publishing.
pub(crate) fn publishing() -> (ClientSession, ServerSession) {
    let (mut client, mut server) = (ClientSession::new(config()), ServerSession::new());
    client.start();
    carry(&mut client, &mut server);
    server.accept_publish();
    carry(&mut client, &mut server);
    (client, server)
}

/// The bytes of a message as a peer at chunk size 128 sends it.
pub(crate) fn wire(kind: MessageKind, stream_id: u32, payload: &[u8]) -> Bytes {
    let payload = Bytes::copy_from_slice(payload);
    whole(
        3,
        &Message {
            kind,
            timestamp: 0,
            stream_id,
            payload,
        },
        128,
    )
}

pub(crate) fn payload(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    for value in values {
        encode(&mut out, value);
    }
    out
}

/// The bytes of a command as a peer at chunk size 128 sends it.
pub(crate) fn command(stream_id: u32, values: &[Value]) -> Bytes {
    wire(MessageKind::Command, stream_id, &payload(values))
}

pub(crate) fn object(properties: &[(&str, &str)]) -> Value {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::from(*value));
    Value::Object(properties.iter().map(own).collect())
}

/// What a session sent, read by a peer that lives as long as the connection.
pub(crate) struct Peer(ChunkReader);

impl Peer {
    pub(crate) fn new() -> Self {
        Self(ChunkReader::new(ChunkLimits::MEDIA))
    }

    pub(crate) fn read(&mut self, mut output: impl FnMut() -> Option<Bytes>) -> Vec<Message> {
        while let Some(bytes) = output() {
            self.0.feed(&bytes);
        }
        std::iter::from_fn(|| self.0.next().unwrap()).collect()
    }

    pub(crate) fn commands(&mut self, output: impl FnMut() -> Option<Bytes>) -> Vec<Vec<Value>> {
        let is_command = |message: &Message| message.kind == MessageKind::Command;
        let messages = self.read(output).into_iter().filter(is_command);
        messages
            .map(|message| decode(&message.payload).unwrap())
            .collect()
    }
}
