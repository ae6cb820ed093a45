//! From what went wrong to a fault and a pace, as one table.

use std::io::{self, ErrorKind};

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
    /// The operating system has no randomness.
    Random,
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
        let verdict = match self {
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
            Self::Tls(error) => judge_tls(error),
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
            } => judge_words(&refusal(*stage), code, description, lately_live),
            Self::Complained { code, description } => judge_words(
                "the far end ended the publish",
                code,
                description,
                lately_live,
            ),
            Self::AskedBack => {
                let text = "the far end asks for a new connection";
                Verdict::new(Code::RemoteClosed, Class::Transient, text)
            }
            Self::Silent(doing) => {
                let text = format!("no answer within 10 s, {doing}");
                Verdict::new(Code::Timeout, Class::Transient, text)
            }
            Self::Broken(error) => judge_broken(error),
            Self::Closed(doing) => {
                let text = format!("the far end closed the connection, {doing}");
                Verdict::new(Code::RemoteClosed, Class::Transient, text)
            }
            Self::Wedged => {
                let text = "the far end took no byte for 15 s";
                Verdict::new(Code::Wedged, Class::Transient, text)
            }
            Self::Random => {
                let text = "the operating system gives no random bytes";
                Verdict::new(Code::Internal, Class::Transient, text)
            }
        };
        Verdict {
            text: scrub(verdict.text, target),
            ..verdict
        }
    }
}

fn judge_dial(error: &DialError) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let text = error.to_string();
    match error {
        DialError::Unresolved(_) | DialError::NoAddress => {
            Verdict::new(Code::Dns, Class::Transient, text)
        }
        DialError::Denied(_) => Verdict::new(Code::Invalid, Class::Actionable, text),
        DialError::Silent(_) => Verdict::new(Code::Timeout, Class::Transient, text),
        DialError::Failed(_, cause) => {
            let code = match cause.kind() {
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

fn judge_tls(error: &io::Error) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(cause) => {
            let text = format!("no TLS with the far end: {cause}");
            Verdict::new(Code::Tls, Class::Actionable, text)
        }
        None => {
            let text = format!(
                "the connection broke while agreeing on TLS: {}",
                words(error)
            );
            Verdict::new(Code::Tls, Class::Transient, text)
        }
    }
}

fn judge_broken(error: &io::Error) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let code = match error.kind() {
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
        format!("the connection broke: {}", words(error)),
    )
}

/// Judges by the far end's own words, where they are known; nothing is guessed (rule 3).
fn judge_words(what: &str, code: &str, description: &str, lately_live: bool) -> Verdict {
    use {FaultClass as Class, FaultCode as Code};
    let text = match (code, description) {
        ("", "") => format!("{what} and does not say why"),
        (code, "") => format!("{what}: {code}"),
        ("", description) => format!("{what}: {description}"),
        (code, description) => format!("{what}: {code}, {description}"),
    };
    let said = format!("{code} {description}").to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let bad_name = says(&["badname"]);

    if says(&["already", "in use", "busy", "duplicate"]) || (bad_name && lately_live) {
        Verdict::new(Code::NameInUse, Class::Transient, text).slowly()
    } else if says(&["unsupported", "codec", "format"]) {
        Verdict::new(Code::FormatRejected, Class::Actionable, text)
    } else if says(&[
        "quota",
        "too many",
        "toomany",
        "limit exceeded",
        "bandwidth",
    ]) {
        Verdict::new(Code::Quota, Class::Actionable, text)
    } else if says(&["throttl", "rate limit", "slow down"]) {
        Verdict::new(Code::Throttled, Class::Transient, text).slowly()
    } else if says(&["invalidapp"]) {
        Verdict::new(Code::Invalid, Class::Actionable, text)
    } else if says(&[
        "appshutdown",
        "idle",
        "connect.closed",
        "unpublish",
        "shutdown",
    ]) {
        Verdict::new(Code::RemoteClosed, Class::Transient, text)
    } else if bad_name
        || says(&[
            "auth",
            "denied",
            "rejected",
            "forbidden",
            "invalid key",
            "stream key",
        ])
    {
        Verdict::new(Code::AuthRejected, Class::Actionable, text)
    } else if says(&["internal", "server error"]) {
        Verdict::new(Code::Provider, Class::Transient, text).slowly()
    } else {
        Verdict::new(Code::Unknown, Class::Actionable, text)
    }
}

fn refusal(stage: Stage) -> String {
    let what = match stage {
        Stage::Connect => "the application",
        Stage::CreateStream => "a stream",
        Stage::Publish => "the stream key",
    };
    format!("the far end refuses {what}")
}

/// The kind alone: the system's own text names numbers that differ from machine to machine.
fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::Other | ErrorKind::InvalidData => error.to_string(),
        kind => kind.to_string(),
    }
}

/// Takes every secret of the target out of a text (rule 21).
fn scrub(text: String, target: &PushTarget) -> String {
    let key = target.stream_name().expose_secret();
    let tail = target.tail.as_ref().map_or("", |tail| tail.expose_secret());
    let parts = tail
        .split(['/', '?', '&', '='])
        .chain(key.split(['?', '&', '=']));
    let secrets = [key, tail]
        .into_iter()
        .chain(parts.filter(|part| 4 <= part.len()));
    secrets
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| text.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::StreamKey;

    use super::*;

    fn target(url: &str) -> PushTarget {
        let key = StreamKey::new("key-canary?token=tok-canary").unwrap();
        let tail = Some("/tail-canary".to_owned().into());
        PushTarget {
            url: url.parse().unwrap(),
            tail,
            key,
        }
    }

    fn rejected(code: &str, description: &str) -> Trouble {
        let (code, description) = (code.to_owned(), description.to_owned());
        Trouble::Rejected {
            stage: Stage::Publish,
            code,
            description,
        }
    }

    #[test]
    fn a_name_that_we_held_a_moment_ago_is_waited_out() {
        let (bad_name, target) = (
            rejected("NetStream.Publish.BadName", ""),
            target("rtmp://a.test/app"),
        );
        assert_eq!(bad_name.judge(&target, false).code, FaultCode::AuthRejected);

        let verdict = bad_name.judge(&target, true);

        assert_eq!(
            (verdict.code, verdict.class),
            (FaultCode::NameInUse, FaultClass::Transient)
        );
        assert_eq!(verdict.pace, Pace::Slow);
    }

    #[test]
    fn rule_3_words_that_are_not_known_are_not_guessed_at() {
        let target = target("rtmp://a.test/app");
        for (code, description) in [("", ""), ("NetStream.Odd", "computer says no")] {
            let verdict = rejected(code, description).judge(&target, false);
            assert_eq!(
                (verdict.code, verdict.pace),
                (FaultCode::Unknown, Pace::Slow)
            );
        }
    }

    #[test]
    fn rule_21_a_far_end_that_repeats_our_secrets_is_not_repeated() {
        let words =
            "no key-canary?token=tok-canary, no tok-canary, not at /tail-canary nor tail-canary";
        let text = rejected("NetStream.Publish.Denied", words)
            .judge(&target("rtmp://a.test/app"), false)
            .text;
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn only_what_can_never_work_is_terminal() {
        let denied = Trouble::Dial(DialError::Denied("169.254.1.1".parse().unwrap()));
        let by_address = denied.judge(&target("rtmp://169.254.1.1/app"), false);
        assert_eq!(
            (by_address.class, by_address.pace),
            (FaultClass::Terminal, Pace::Never)
        );
        let by_name = denied.judge(&target("rtmp://a.test/app"), false);
        assert_eq!(by_name.class, FaultClass::Actionable);
    }
}
