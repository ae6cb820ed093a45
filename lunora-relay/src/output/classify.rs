//! From what went wrong to a fault and a pace, as one table.

use std::io::{self, ErrorKind};
use std::time::Duration;

use lunora_core::{
    ExposeSecret,
    domain::{FaultClass, FaultCode, Host, PushTarget},
};

use super::backoff::Pace;
use crate::{
    dial::DialError,
    wire::{SessionError, client::Stage, handshake::HandshakeError},
};

/// Why a try or a publish ended.
#[derive(Debug)]
pub(crate) enum Trouble {
    Dial(DialError),
    /// No address within the time.
    Resolving,
    Tls(io::Error),
    Handshake(HandshakeError),
    Session(SessionError),
    /// The far end said no.
    Rejected {
        stage: Stage,
        code: String,
        description: String,
    },
    /// The far end complained after it had said yes.
    Complained {
        code: String,
        description: String,
    },
    /// The far end asks to come back.
    AskedBack,
    /// It did not answer within the time, and to what.
    Silent(&'static str),
    /// The connection broke.
    Broken(io::Error),
    /// The far end ended the connection, while we were doing this.
    Closed(&'static str),
    /// The far end takes nothing any more.
    Wedged,
    /// The far end takes next to nothing.
    Trickles,
    /// The far end takes less than comes. The publish goes on.
    Slow,
    /// There is no stream key to publish under.
    NoKey,
    /// The operating system has no randomness.
    Random,
    /// A bug here ended the output.
    Panicked,
}

/// A trouble as it is shown and retried.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) code: FaultCode,
    pub(crate) class: FaultClass,
    pub(crate) pace: Pace,
    pub(crate) text: String,
}

impl Verdict {
    /// Nothing came in for so long that the publish was ended.
    pub(super) fn source_lost(held: Duration) -> Self {
        let text = format!(
            "nothing came in for {} s, so the publish was ended; it goes on when media comes",
            held.as_secs()
        );
        Self::new(FaultCode::SourceLost, FaultClass::Transient, text)
    }

    fn new(code: FaultCode, class: FaultClass, text: impl Into<String>) -> Self {
        let pace = match class {
            FaultClass::Transient => Pace::Normal,
            FaultClass::Actionable => Pace::Slow,
            FaultClass::Terminal => Pace::Never,
        };
        Self {
            code,
            class,
            pace,
            text: text.into(),
        }
    }

    fn slowly(self) -> Self {
        Self {
            pace: Pace::Slow,
            ..self
        }
    }
}

impl Trouble {
    /// Judges. That we were live on this name a short while ago makes a difference: what is in use
    /// is then most likely our own last session, which the far end has not given up yet.
    pub(crate) fn judge(&self, target: &PushTarget, lately_live: bool) -> Verdict {
        use {FaultClass as Class, FaultCode as Code};
        match self {
            // A name may mean another address tomorrow; an address never will.
            Self::Dial(error @ DialError::Denied(address))
                if *target.url.host() == Host::Address(*address) =>
            {
                Verdict::new(Code::Invalid, Class::Terminal, error.to_string())
            }
            Self::Dial(error) => judge_dial(error),
            Self::Resolving => Verdict::new(
                Code::Dns,
                Class::Transient,
                "the host name was not resolved in time",
            ),
            Self::Tls(error) => judge_tls(error, target),
            Self::Handshake(error) => {
                let text = format!("not an RTMP server: {error}");
                Verdict::new(Code::Invalid, Class::Actionable, text)
            }
            Self::Session(error) => {
                let text = format!("the far end's answers make no sense: {error}");
                Verdict::new(Code::Provider, Class::Transient, text)
            }
            Self::Rejected {
                stage,
                code,
                description,
            } => judge_words(&refusal(*stage), code, description, lately_live, target),
            Self::Complained { code, description } => judge_words(
                "the far end ended the publish",
                code,
                description,
                lately_live,
                target,
            ),
            Self::AskedBack => {
                let text = "the far end asks for a new connection";
                Verdict::new(Code::RemoteClosed, Class::Transient, text)
            }
            Self::Silent(doing) => {
                let text = format!("no answer within 10 s, {doing}");
                Verdict::new(Code::Timeout, Class::Transient, text)
            }
            Self::Broken(error) => judge_broken(error, target),
            Self::Closed(doing) => {
                let text = format!("the far end closed the connection, {doing}");
                Verdict::new(Code::RemoteClosed, Class::Transient, text)
            }
            Self::Wedged => {
                let text = "the far end took no byte for 15 s";
                Verdict::new(Code::Wedged, Class::Transient, text)
            }
            Self::Trickles => {
                let text = "the far end took less than a quarter of what was sent to it in 20 s";
                Verdict::new(Code::Wedged, Class::Transient, text)
            }
            Self::Slow => {
                let text = "the far end takes less than is sent to it: frames are dropped, up to \
                            the next keyframe each time";
                Verdict::new(Code::Wedged, Class::Transient, text)
            }
            Self::NoKey => {
                let text = "it has no stream key";
                Verdict::new(Code::Invalid, Class::Actionable, text)
            }
            Self::Random => {
                let text = "the operating system gives no random bytes";
                Verdict::new(Code::Internal, Class::Transient, text)
            }
            Self::Panicked => {
                let text = "a bug in Lunora ended this push; it is begun again";
                Verdict::new(Code::Internal, Class::Transient, text)
            }
        }
    }
}

fn judge_dial(error: &DialError) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let text = error.to_string();
    match error {
        DialError::Unresolved(cause) if is_ours(cause) => {
            let text = format!("{text}: {}", words(cause));
            Verdict::new(Code::Internal, Class::Transient, text)
        }
        DialError::Unresolved(_) | DialError::NoAddress => {
            Verdict::new(Code::Dns, Class::Transient, text)
        }
        DialError::Denied(_) => Verdict::new(Code::Invalid, Class::Actionable, text),
        DialError::Silent(_) => Verdict::new(Code::Timeout, Class::Transient, text),
        DialError::Failed(_, cause) => {
            let code = match cause.kind() {
                _ if is_ours(cause) => Code::Internal,
                ErrorKind::TimedOut => Code::Timeout,
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable => Code::Refused,
                _ => Code::Unknown,
            };
            Verdict::new(code, Class::Transient, format!("{text}: {}", words(cause)))
        }
    }
}

fn judge_tls(error: &io::Error, target: &PushTarget) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(cause) => {
            let cause = scrub(&cause.to_string(), target);
            let text = format!("no TLS with the far end: {cause}");
            Verdict::new(Code::Tls, Class::Actionable, text)
        }
        None => {
            let text = format!(
                "the connection broke while agreeing on TLS: {}",
                scrub(&words(error), target)
            );
            Verdict::new(Code::Tls, Class::Transient, text)
        }
    }
}

fn judge_broken(error: &io::Error, target: &PushTarget) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let code = match error.kind() {
        _ if is_ours(error) => Code::Internal,
        // The kernel gives up for us when nothing is confirmed any more.
        ErrorKind::TimedOut => Code::Wedged,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Code::RemoteClosed,
        ErrorKind::InvalidData => Code::Tls,
        _ => Code::Unknown,
    };
    Verdict::new(
        code,
        Class::Transient,
        format!("the connection broke: {}", scrub(&words(error), target)),
    )
}

/// Judges by the far end's code, and where that leaves it open by its words; nothing is guessed
/// (rule 3).
fn judge_words(
    what: &str,
    code: &str,
    description: &str,
    lately_live: bool,
    target: &PushTarget,
) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let heard = (scrub(code, target), scrub(description, target));
    let text = match (heard.0.as_str(), heard.1.as_str()) {
        ("", "") => format!("{what} and does not say why"),
        (code, "") => format!("{what}: {code}"),
        ("", description) => format!("{what}: {description}"),
        (code, description) => format!("{what}: {code}, {description}"),
    };
    let meant = meant_by_code(code).or_else(|| meant_by_words(description));
    match meant {
        Some(Meaning::BadName) if lately_live || says(description, IN_USE) => {
            Verdict::new(Code::NameInUse, Class::Transient, text).slowly()
        }
        Some(Meaning::BadName) => match meant_by_words(description) {
            Some(Meaning::Fault(code, class)) => Verdict::new(code, class, text),
            // It refuses the name, which is the key.
            Some(Meaning::BadName) | None => {
                Verdict::new(Code::AuthRejected, Class::Actionable, text)
            }
        },
        Some(Meaning::Fault(code, class)) => {
            let verdict = Verdict::new(code, class, text);
            match code {
                Code::NameInUse | Code::Throttled | Code::Provider => verdict.slowly(),
                _ => verdict,
            }
        }
        None => Verdict::new(Code::Unknown, Class::Actionable, text),
    }
}

/// What a far end means.
#[derive(Clone, Copy)]
enum Meaning {
    Fault(FaultCode, FaultClass),
    /// That the name is in use, or that it is none: its words may tell, or what we did before.
    BadName,
}

/// By a part of the code, such as `Denied` in `NetStream.Publish.Denied`.
fn meant_by_code(code: &str) -> Option<Meaning> {
    use {FaultClass as Class, FaultCode as Code, Meaning::Fault};
    let code = code.to_ascii_lowercase();
    code.rsplit('.').find_map(|part| match part {
        "badname" => Some(Meaning::BadName),
        "denied" | "unauthorized" | "forbidden" | "auth" | "authfailed" | "authrequired" => {
            Some(Fault(Code::AuthRejected, Class::Actionable))
        }
        part if part.starts_with("authenticat") || part.starts_with("authoriz") => {
            Some(Fault(Code::AuthRejected, Class::Actionable))
        }
        "invalidapp" => Some(Fault(Code::Invalid, Class::Actionable)),
        "appshutdown" | "idle" | "idletimeout" | "closed" | "unpublish" => {
            Some(Fault(Code::RemoteClosed, Class::Transient))
        }
        _ => None,
    })
}

/// The name is in use, in the words of servers.
const IN_USE: &[&str] = &[
    "already publishing",
    "already published",
    "already being published",
    "already streaming",
    "already live",
    "already in use",
    "is in use",
    "stream busy",
    "stream is busy",
    "duplicate stream",
];

/// By phrases that leave no doubt. The first that is said counts: "rate limit exceeded" is no quota.
fn meant_by_words(description: &str) -> Option<Meaning> {
    use {FaultClass as Class, FaultCode as Code};
    let table: &[(Code, Class, &[&str])] = &[
        (Code::NameInUse, Class::Transient, IN_USE),
        (
            Code::FormatRejected,
            Class::Actionable,
            &[
                "unsupported codec",
                "unsupported video codec",
                "unsupported audio codec",
                "unsupported format",
                "codec not supported",
                "codec is not supported",
                "format not supported",
                "format is not supported",
            ],
        ),
        (
            Code::Throttled,
            Class::Transient,
            &[
                "rate limit",
                "rate limited",
                "throttled",
                "too many requests",
                "slow down",
            ],
        ),
        (
            Code::Quota,
            Class::Actionable,
            &[
                "quota exceeded",
                "limit exceeded",
                "limit reached",
                "too many streams",
                "too many connections",
                "too many publishers",
            ],
        ),
        (
            Code::AuthRejected,
            Class::Actionable,
            &[
                "not authorized",
                "unauthorized",
                "need auth",
                "authmod",
                "auth failed",
                "authentication failed",
                "authentication required",
                "authorization failed",
                "access denied",
                "permission denied",
                "forbidden",
                "invalid key",
                "invalid stream key",
                "wrong stream key",
                "stream key is invalid",
                "stream key expired",
                "stream key already expired",
                "invalid credentials",
                "invalid token",
                "token expired",
            ],
        ),
        (
            Code::RemoteClosed,
            Class::Transient,
            &["idle timeout", "shutting down"],
        ),
        (
            Code::Provider,
            Class::Transient,
            &["internal error", "internal server error", "server error"],
        ),
    ];
    let meant = table
        .iter()
        .find(|(_, _, phrases)| says(description, phrases));
    meant.map(|(code, class, _)| Meaning::Fault(*code, *class))
}

/// Whether one of the phrases is in a text, as words of their own.
fn says(text: &str, phrases: &[&str]) -> bool {
    let words = |text: &str| {
        let text = text.to_ascii_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        format!(" {} ", words.join(" "))
    };
    let text = words(text);
    phrases.iter().any(|phrase| text.contains(&words(phrase)))
}

fn refusal(stage: Stage) -> String {
    let what = match stage {
        Stage::Connect => "the application",
        Stage::CreateStream => "a stream",
        Stage::Publish => "the stream key",
    };
    format!("the far end refuses {what}")
}

/// Whether this machine has run out of something: the far end has no part in that.
fn is_ours(error: &io::Error) -> bool {
    out_of(error).is_some()
}

/// What this machine has run out of.
fn out_of(error: &io::Error) -> Option<&'static str> {
    // The standard library names no kind for these: ENFILE, EMFILE, and ENOBUFS of Linux and macOS.
    match (error.raw_os_error(), error.kind()) {
        (Some(23 | 24), _) => Some("this machine has no file descriptor left"),
        (Some(55 | 105), _) | (_, ErrorKind::OutOfMemory) => {
            Some("this machine has no memory left for connections")
        }
        (_, ErrorKind::AddrNotAvailable) => {
            Some("this machine has no address or port left to call from")
        }
        _ => None,
    }
}

/// The kind alone: the system's own text names numbers that differ from machine to machine.
fn words(error: &io::Error) -> String {
    if let Some(what) = out_of(error) {
        return what.to_owned();
    }
    match error.kind() {
        ErrorKind::Other | ErrorKind::InvalidData => error.to_string(),
        kind => kind.to_string(),
    }
}

/// Takes every secret of the target out of what the far end says (rule 21). Our own words hold
/// none, and a short key may be one of them.
fn scrub(text: &str, target: &PushTarget) -> String {
    let key = target.stream_name().map_or("", |key| key.expose_secret());
    let tail = target.tail.as_ref().map_or("", |tail| tail.expose_secret());
    let parts = tail
        .split(['/', '?', '&', '='])
        .chain(key.split(['?', '&', '=']));
    let secrets = [key, tail]
        .into_iter()
        .chain(parts.filter(|part| 4 <= part.len()));
    secrets
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}
