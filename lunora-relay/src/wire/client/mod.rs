//! We publish to a server.

mod event;

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::SessionError;
use super::amf0::Value;
use super::chunk::ChunkLimits;
use super::command::{Command, fourcc_list};
use super::link::{Link, number};
use super::message::{Message, MessageKind};
use super::scrub::Scrub;

pub use event::{ClientConfig, ClientEvent, Stage};

/// The transaction each command of ours is sent with. There is one of each, so they are constants.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE_STREAM: f64 = 4.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE_STREAM: f64 = 7.0;
    /// For commands that nobody answers.
    pub(super) const NONE: f64 = 0.0;
}

/// How many events may wait; a server has no reason to cause more at once.
const MAX_EVENTS: usize = 64;

/// A publishing connection, after the handshake.
///
/// The order of commands, and of the properties of `connect`, is that of OBS and librtmp: platforms
/// are tested with those. Output is whole messages: write each between two media messages, never
/// inside one. Media itself is written by the owner, on the stream id of
/// [`ClientEvent::Publishing`] and in chunks of [`CHUNK_SIZE`](super::chunk::CHUNK_SIZE).
pub struct ClientSession {
    config: ClientConfig,
    scrub: Scrub,
    link: Link,
    state: State,
    events: VecDeque<ClientEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Connecting,
    Creating,
    Asking { stream_id: u32 },
    Publishing { stream_id: u32 },
    Ended,
}

impl ClientSession {
    /// A session that has said nothing yet.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            scrub: Scrub::new(&config.app, &config.tc_url, &config.stream_name),
            config,
            link: Link::new(ChunkLimits::CONTROL),
            state: State::New,
            events: VecDeque::new(),
        }
    }

    /// Queues `connect`; everything up to `publish` follows from the server's answers.
    pub fn start(&mut self) {
        if self.state == State::New {
            self.state = State::Connecting;
            let connect = connect(&self.config);
            self.link.command(0, &connect);
        }
    }

    /// Takes bytes from the server.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), SessionError> {
        self.link.feed(input);
        while let Some(message) = self.link.next()? {
            match message.kind {
                MessageKind::Command | MessageKind::CommandAmf3 => {
                    if let Some(command) = Command::read(&message)? {
                        self.handle_command(&command);
                    }
                }
                MessageKind::Ack => self.acknowledged(&message),
                _ => {}
            }
            if self.events.len() > MAX_EVENTS {
                return Err(SessionError::Events(MAX_EVENTS));
            }
        }
        Ok(())
    }

    /// The next bytes for the server.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.link.poll_output()
    }

    /// All that there is for the server, in one.
    pub fn take_output(&mut self) -> Option<Bytes> {
        self.link.take_output()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Queues what ends the stream in good order.
    pub fn close(&mut self) {
        if let State::Asking { stream_id } | State::Publishing { stream_id } = self.state {
            let name = || Value::from(self.config.stream_name.expose_secret());
            let id = Value::Number(f64::from(stream_id));
            let goodbyes = [
                (
                    0,
                    "FCUnpublish",
                    transaction::FC_UNPUBLISH,
                    vec![Value::Null, name()],
                ),
                (
                    stream_id,
                    "closeStream",
                    transaction::NONE,
                    vec![Value::Null],
                ),
                (
                    0,
                    "deleteStream",
                    transaction::DELETE_STREAM,
                    vec![Value::Null, id],
                ),
            ];
            for (on, command, transaction, arguments) in goodbyes {
                self.link
                    .command(on, &Command::new(command, transaction, arguments));
            }
        }
        self.state = State::Ended;
    }

    fn handle_command(&mut self, command: &Command) {
        match command.name.as_str() {
            "_result" => self.handle_result(command),
            "_error" => self.handle_error(command),
            "onStatus" => self.handle_status(command),
            "close" => {
                self.state = State::Ended;
                self.events.push_back(ClientEvent::Closed);
            }
            // onBWDone, onFCPublish and whatever else a server likes to say.
            _ => {}
        }
    }

    fn handle_result(&mut self, command: &Command) {
        match self.state {
            State::Connecting if command.answers(transaction::CONNECT) => {
                let lists = command.arguments.iter().map(fourcc_list);
                let fourcc = lists
                    .into_iter()
                    .find(|list| !list.is_empty())
                    .unwrap_or_default();
                self.events.push_back(ClientEvent::Connected { fourcc });
                self.create_stream();
            }
            State::Creating if command.answers(transaction::CREATE_STREAM) => {
                let id = command.arguments.get(1).and_then(Value::as_number);
                match id.and_then(stream_id) {
                    Some(stream_id) => self.publish(stream_id),
                    None => self.rejected("", "the result of createStream holds no stream id"),
                }
            }
            // Of releaseStream and FCPublish; or of nothing we asked.
            _ => {}
        }
    }

    /// Servers that do not know `releaseStream` or `FCPublish` say so, and it does not matter.
    fn handle_error(&mut self, command: &Command) {
        let about = match self.state {
            State::Connecting => transaction::CONNECT,
            State::Creating => transaction::CREATE_STREAM,
            State::Asking { .. } => transaction::PUBLISH,
            State::New | State::Publishing { .. } | State::Ended => return,
        };
        if command.answers(about) {
            let status = Status::of(command);
            self.rejected(status.code, status.description);
        }
    }

    fn handle_status(&mut self, command: &Command) {
        let status = Status::of(command);
        // A search through the words: only for those that are passed on.
        let description = || self.scrub.description(status.description);
        match (status.code, self.state) {
            (_, State::New | State::Ended) => {}
            ("NetStream.Publish.Start", State::Asking { stream_id }) => {
                self.state = State::Publishing { stream_id };
                self.events.push_back(ClientEvent::Publishing { stream_id });
            }
            ("NetConnection.Connect.ReconnectRequest", _) => {
                let tc_url = status.tc_url.map(SecretString::from);
                let description = description();
                self.events.push_back(ClientEvent::ReconnectRequested {
                    tc_url,
                    description,
                });
            }
            ("NetConnection.Connect.Closed", State::Publishing { .. }) => {
                self.state = State::Ended;
                self.events.push_back(ClientEvent::Closed);
            }
            (code, State::Publishing { .. }) if status.is_error => {
                let (code, description) = (self.scrub.code(code), description());
                self.events
                    .push_back(ClientEvent::StatusError { code, description });
            }
            (code, _) if status.is_error => self.rejected(code, status.description),
            _ => {}
        }
    }

    /// Announces the chunk size of everything that follows, and asks for a stream.
    fn create_stream(&mut self) {
        let name = || Value::from(self.config.stream_name.expose_secret());
        let questions = [
            (
                "releaseStream",
                transaction::RELEASE_STREAM,
                vec![Value::Null, name()],
            ),
            (
                "FCPublish",
                transaction::FC_PUBLISH,
                vec![Value::Null, name()],
            ),
            (
                "createStream",
                transaction::CREATE_STREAM,
                vec![Value::Null],
            ),
        ];
        self.link.set_chunk_size();
        for (command, transaction, arguments) in questions {
            self.link
                .command(0, &Command::new(command, transaction, arguments));
        }
        self.state = State::Creating;
    }

    fn publish(&mut self, stream_id: u32) {
        let name = Value::from(self.config.stream_name.expose_secret());
        let arguments = vec![Value::Null, name, Value::from("live")];
        self.link.command(
            stream_id,
            &Command::new("publish", transaction::PUBLISH, arguments),
        );
        self.state = State::Asking { stream_id };
    }

    fn rejected(&mut self, code: &str, description: &str) {
        let stage = match self.state {
            State::New | State::Connecting => Stage::Connect,
            State::Creating => Stage::CreateStream,
            State::Asking { .. } | State::Publishing { .. } | State::Ended => Stage::Publish,
        };
        self.state = State::Ended;
        self.events.push_back(ClientEvent::Rejected {
            stage,
            code: self.scrub.code(code),
            description: self.scrub.description(description),
        });
    }

    /// Only the latest total says anything, so an earlier one that still waits is replaced.
    fn acknowledged(&mut self, message: &Message) {
        let Some(total) = number(&message.payload) else {
            return;
        };
        match self.events.back_mut() {
            Some(ClientEvent::Acknowledged { bytes }) => *bytes = total,
            _ => self
                .events
                .push_back(ClientEvent::Acknowledged { bytes: total }),
        }
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("config", &self.config)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn connect(config: &ClientConfig) -> Command {
    let tc_url = || Value::from(config.tc_url.expose_secret());
    let mut properties = vec![
        ("app".to_owned(), Value::from(config.app.expose_secret())),
        ("type".to_owned(), Value::from("nonprivate")),
        (
            "flashVer".to_owned(),
            Value::from(config.flash_ver.as_str()),
        ),
        ("swfUrl".to_owned(), tc_url()),
        ("tcUrl".to_owned(), tc_url()),
    ];
    if !config.fourcc.is_empty() {
        const RECONNECT: f64 = 1.0;
        let list = config
            .fourcc
            .iter()
            .map(|code| Value::from(code.as_str()))
            .collect();
        properties.push(("fourCcList".to_owned(), Value::StrictArray(list)));
        properties.push(("capsEx".to_owned(), Value::Number(RECONNECT)));
    }
    Command::new(
        "connect",
        transaction::CONNECT,
        vec![Value::Object(properties)],
    )
}

/// A stream id from the only number type there is.
fn stream_id(number: f64) -> Option<u32> {
    let in_range = (0.0..=f64::from(u32::MAX)).contains(&number);
    // In range and without a fraction, so nothing is lost.
    (in_range && number.fract() == 0.0).then_some(number as u32)
}

/// What a server says about how something went.
struct Status<'a> {
    is_error: bool,
    code: &'a str,
    description: &'a str,
    tc_url: Option<&'a str>,
}

impl<'a> Status<'a> {
    fn of(command: &'a Command) -> Self {
        let info = command.info();
        let text = |name| info.and_then(|info| info.get(name)).and_then(Value::as_str);
        let code = text("code").unwrap_or_default();
        // Some servers forget the level, some say "status" with a code that is none.
        let failed = [
            ".BadName",
            ".Denied",
            ".Failed",
            ".Rejected",
            ".InvalidApp",
            ".AppShutdown",
        ];
        Self {
            is_error: text("level") == Some("error")
                || failed.iter().any(|end| code.ends_with(end)),
            code,
            // Without an object, a server may have put its words next to the transaction.
            description: text("description").unwrap_or_else(|| command.text(1)),
            tc_url: text("tcUrl"),
        }
    }
}
