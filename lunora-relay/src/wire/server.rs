//! An encoder publishes to us.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use secrecy::SecretString;

use super::amf0::Value;
use super::chunk::ChunkLimits;
use super::command::{Command, fourcc_list, object};
use super::link::{Link, WINDOW};
use super::message::{Message, MessageKind};
use super::{SessionError, data_frame, flv};

/// What an encoder did.
#[derive(Clone, Debug)]
pub enum ServerEvent {
    /// It connected; the session has answered already.
    ConnectRequested {
        /// The application with its query.
        app: SecretString,
        /// The URL it says it used.
        tc_url: SecretString,
        /// What it calls itself.
        flash_ver: String,
        /// The enhanced codecs it announces, as fourCC; empty if it said nothing.
        fourcc: Vec<String>,
    },
    /// It wants to publish, which it can once; answer with [`ServerSession::accept_publish`] or
    /// [`ServerSession::reject_publish`]. Media sent meanwhile waits behind this event.
    PublishRequested {
        /// The application with its query.
        app: SecretString,
        /// The stream name with its query: the publish key.
        stream_name: SecretString,
    },
    /// Audio, video or data, `@setDataFrame` taken off.
    Media(Message),
    /// It ended the stream in good order.
    Unpublished,
}

/// How many events may wait.
const MAX_EVENTS: usize = 16 * 1024;

/// How many bytes of media may wait for a publish to be accepted.
const MAX_WAITING: usize = 4 * 1024 * 1024;

/// How long a text of the encoder may be that is shown to people.
const LONGEST_NAME: usize = 128;

/// A connection of an encoder, after the handshake, for one publish.
///
/// Until its publish is accepted, the encoder may use little memory:
/// [`ChunkLimits::CONTROL`]. After each [`handle_input`](Self::handle_input) take all output and all
/// events.
pub struct ServerSession {
    link: Link,
    /// The application, once connected.
    app: Option<SecretString>,
    last_stream: u32,
    /// Whether the encoder said `FCPublish` and so waits for `onFCPublish`.
    fc_publish: bool,
    publish: Publish,
    events: VecDeque<ServerEvent>,
    /// The bytes of media that wait for the answer to a publish.
    waiting: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publish {
    No,
    Asked {
        stream_id: u32,
    },
    Accepted {
        stream_id: u32,
    },
    /// Ended or refused. There is no second one: an answer meant for the first must not be taken
    /// for an answer to it.
    Over,
}

impl Default for ServerSession {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerSession {
    /// A session that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            link: Link::new(ChunkLimits::CONTROL),
            app: None,
            last_stream: 0,
            fc_publish: false,
            publish: Publish::No,
            events: VecDeque::new(),
            waiting: 0,
        }
    }

    /// Takes bytes from the encoder.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), SessionError> {
        self.link.feed(input);
        while let Some(message) = self.link.next()? {
            match message.kind {
                MessageKind::Command | MessageKind::CommandAmf3 => {
                    if let Some(command) = Command::read(&message)? {
                        self.handle_command(&command, message.stream_id);
                    }
                }
                MessageKind::Aggregate => {
                    for part in flv::disaggregate(&message) {
                        self.handle_media(part)?;
                    }
                }
                _ => self.handle_media(message)?,
            }
            if self.events.len() > MAX_EVENTS {
                return Err(SessionError::Events(MAX_EVENTS));
            }
        }
        Ok(())
    }

    /// The next bytes for the encoder.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.link.poll_output()
    }

    /// The next event. While a publish waits for its answer, media does not come out.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        let held = matches!(self.publish, Publish::Asked { .. });
        if held && matches!(self.events.front(), Some(ServerEvent::Media(_))) {
            return None;
        }
        self.events.pop_front()
    }

    /// Lets the encoder publish; does nothing if it did not ask.
    pub fn accept_publish(&mut self) {
        let Publish::Asked { stream_id } = self.publish else {
            return;
        };
        self.publish = Publish::Accepted { stream_id };
        self.waiting = 0;
        self.link.set_limits(ChunkLimits::MEDIA);
        self.link.stream_begin(stream_id);
        let start = || status("status", "NetStream.Publish.Start", "publishing");
        if self.fc_publish {
            self.link.command(
                0,
                &Command::new("onFCPublish", 0.0, vec![Value::Null, start()]),
            );
        }
        self.on_status(stream_id, start());
    }

    /// Refuses, with a code such as `NetStream.Publish.BadName`, and drops what the encoder sent
    /// meanwhile; does nothing if it did not ask.
    pub fn reject_publish(&mut self, code: &str, description: &str) {
        let Publish::Asked { stream_id } = self.publish else {
            return;
        };
        self.publish = Publish::No;
        self.drop_waiting();
        self.on_status(stream_id, status("error", code, description));
    }

    fn handle_command(&mut self, command: &Command, stream_id: u32) {
        match command.name.as_str() {
            "connect" => self.connect(command),
            _ if self.app.is_none() => {}
            "createStream" => {
                self.last_stream = self.last_stream.saturating_add(1);
                self.result(command, Value::Number(f64::from(self.last_stream)));
            }
            "FCPublish" => {
                self.fc_publish = true;
                self.result(command, Value::Undefined);
            }
            "releaseStream" | "_checkbw" => self.result(command, Value::Undefined),
            "publish" => self.publish(command, stream_id),
            "FCUnpublish" | "closeStream" => self.unpublish(None),
            "deleteStream" => self.unpublish(command.arguments.get(1).and_then(Value::as_number)),
            "play" | "play2" => {
                let failed = status(
                    "error",
                    "NetStream.Play.Failed",
                    "this server only receives",
                );
                self.on_status(stream_id, failed);
            }
            // Answering what is not understood would be guessing; encoders do without.
            _ => {}
        }
    }

    fn connect(&mut self, command: &Command) {
        if self.app.is_some() {
            return;
        }
        let wishes = command.arguments.first().unwrap_or(&Value::Null);
        let text = |name| wishes.get(name).and_then(Value::as_str).unwrap_or_default();
        // Some encoders leave a slash at the end of the application.
        let app = SecretString::from(text("app").trim_end_matches('/'));
        let fourcc = fourcc_list(wishes);
        self.events.push_back(ServerEvent::ConnectRequested {
            app: app.clone(),
            tc_url: SecretString::from(text("tcUrl")),
            flash_ver: text("flashVer").chars().take(LONGEST_NAME).collect(),
            fourcc: fourcc.clone(),
        });
        self.app = Some(app);
        let encoding = wishes
            .get("objectEncoding")
            .and_then(Value::as_number)
            .unwrap_or(0.0);
        self.welcome(command, encoding, &fourcc);
    }

    /// In the order of nginx and SRS. Commands are answered in AMF0 whatever encoding is repeated.
    fn welcome(&mut self, command: &Command, encoding: f64, fourcc: &[String]) {
        self.link.ask_acknowledgements(WINDOW);
        self.link.set_peer_bandwidth(WINDOW);
        self.link.set_chunk_size();
        let mut properties = object([
            ("fmsVer", Value::from("FMS/3,0,1,123")),
            ("capabilities", Value::Number(31.0)),
        ]);
        if let (Value::Object(properties), false) = (&mut properties, fourcc.is_empty()) {
            // Payloads are passed on unread, so whatever the encoder has is welcome.
            let list = fourcc
                .iter()
                .map(|code| Value::from(code.as_str()))
                .collect();
            properties.push(("fourCcList".to_owned(), Value::StrictArray(list)));
        }
        let mut info = status(
            "status",
            "NetConnection.Connect.Success",
            "connection succeeded",
        );
        if let Value::Object(info) = &mut info {
            info.push(("objectEncoding".to_owned(), Value::Number(encoding)));
        }
        let arguments = vec![properties, info];
        self.link
            .command(0, &Command::new("_result", command.transaction, arguments));
    }

    fn publish(&mut self, command: &Command, stream_id: u32) {
        if self.publish != Publish::No {
            let busy = "this connection publishes already";
            return self.on_status(
                stream_id,
                status("error", "NetStream.Publish.BadName", busy),
            );
        }
        let Some(app) = &self.app else { return };
        self.publish = Publish::Asked { stream_id };
        self.events.push_back(ServerEvent::PublishRequested {
            app: app.clone(),
            stream_name: SecretString::from(command.text(1)),
        });
    }

    /// Ends what `stream_id` names, or whatever there is if it names none.
    fn unpublish(&mut self, stream_id: Option<f64>) {
        let (Publish::Asked { stream_id: current } | Publish::Accepted { stream_id: current }) =
            self.publish
        else {
            return;
        };
        if stream_id.is_some_and(|id| (id - f64::from(current)).abs() >= 0.5) {
            return;
        }
        if matches!(self.publish, Publish::Asked { .. }) {
            self.drop_waiting();
        }
        self.publish = Publish::Over;
        self.events.push_back(ServerEvent::Unpublished);
    }

    fn handle_media(&mut self, message: Message) -> Result<(), SessionError> {
        let Some(message) = media(message) else {
            return Ok(());
        };
        match self.publish {
            Publish::No | Publish::Over => return Ok(()),
            Publish::Asked { .. } => {
                self.waiting += message.payload.len();
                if self.waiting > MAX_WAITING {
                    return Err(SessionError::Media(MAX_WAITING));
                }
            }
            Publish::Accepted { .. } => {}
        }
        self.events.push_back(ServerEvent::Media(message));
        if self.events.len() > MAX_EVENTS {
            return Err(SessionError::Events(MAX_EVENTS));
        }
        Ok(())
    }

    fn drop_waiting(&mut self) {
        self.waiting = 0;
        self.events
            .retain(|event| !matches!(event, ServerEvent::Media(_)));
    }

    fn result(&mut self, command: &Command, value: Value) {
        let arguments = vec![Value::Null, value];
        self.link
            .command(0, &Command::new("_result", command.transaction, arguments));
    }

    fn on_status(&mut self, stream_id: u32, status: Value) {
        self.link.command(
            stream_id,
            &Command::new("onStatus", 0.0, vec![Value::Null, status]),
        );
    }
}

impl fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSession")
            .field("connected", &self.app.is_some())
            .field("publish", &self.publish)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// A message as it is handed on: data in AMF0 and without wrapper; nothing empty, nothing else.
fn media(mut message: Message) -> Option<Message> {
    match message.kind {
        MessageKind::Audio | MessageKind::Video => {}
        MessageKind::DataAmf0 => message.payload = data_frame::unwrap(&message.payload),
        MessageKind::DataAmf3 if message.payload.first() == Some(&0) => {
            message.kind = MessageKind::DataAmf0;
            message.payload = data_frame::unwrap(&message.payload.slice(1..));
        }
        _ => return None,
    }
    (!message.payload.is_empty()).then_some(message)
}

fn status(level: &str, code: &str, description: &str) -> Value {
    object([
        ("level", Value::from(level)),
        ("code", Value::from(code)),
        ("description", Value::from(description)),
    ])
}
