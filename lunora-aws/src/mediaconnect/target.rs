//! What MediaConnect can be told of a push target, and what it would refuse.

use std::fmt;

use aws_sdk_mediaconnect::types::Protocol;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Host, PushTarget, Scheme},
    port::ErrorKind,
};

use super::{
    place::Place,
    rtmp_push::{self, RtmpPush, Tls},
};

/// Why MediaConnect would not push there.
///
/// The rules are those of its user guide ("creating router I/O", 2026-09, which
/// says them of RTMP) and of its field descriptions. No message quotes the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetProblem {
    /// RTMP to a port below 1024.
    #[error(
        "MediaConnect pushes RTMP to ports from 1024 on; if the platform has an `rtmps://` URL, \
         use that"
    )]
    RtmpPort,
    /// RTMPS to a port below 1024 other than 443.
    #[error("MediaConnect pushes RTMPS to port 443 and to ports from 1024 on")]
    RtmpsPort,
    /// RTMPS to an address.
    #[error("MediaConnect pushes RTMPS to host names and not to addresses")]
    RtmpsAddress,
    /// An application that is too long.
    #[error("MediaConnect takes at most 1024 characters of an RTMP application")]
    ApplicationLength,
    /// An application with a character that is refused.
    #[error(
        "MediaConnect takes no `\"`, no `\\`, no space at either end, and printable ASCII only in \
         an RTMP application"
    )]
    ApplicationCharacter,
    /// No stream key.
    #[error("MediaConnect pushes RTMP only with a stream key")]
    NoKey,
    /// A stream key that is too long.
    #[error("MediaConnect takes at most 1024 characters of a stream key")]
    KeyLength,
    /// A stream key with a character that is refused.
    #[error(
        "MediaConnect takes no `\"`, no `\\`, no space at either end, and printable ASCII only in \
         a stream key"
    )]
    KeyCharacter,
    /// A stream id that is too long for SRT.
    #[error("an SRT stream id has at most 512 characters")]
    StreamIdLength,
    /// SRT with a passphrase.
    #[error(
        "MediaConnect takes an SRT passphrase from Secrets Manager only; push without one, or by \
         another way"
    )]
    Passphrase,
    /// SRT that listens, open to everybody.
    #[error("say who may call by `allow=`, as in `srt://:5000?mode=listener&allow=203.0.113.7/32`")]
    NobodyAllowed,
    /// A port that a flow cannot push from or to.
    #[error("MediaConnect takes ports from 1024 on for this transport")]
    Port,
    /// A scheme that it does not know.
    #[error("MediaConnect does not push by this scheme")]
    Scheme,
}

impl TargetProblem {
    /// What a port says of it.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::Passphrase | Self::Scheme => ErrorKind::Unsupported,
            _ => ErrorKind::Invalid,
        }
    }
}

/// Says whether MediaConnect could push there, as far as that can be told without
/// asking it: for a form, before anything is stored or switched on.
pub fn check_target(target: &PushTarget) -> Result<(), TargetProblem> {
    Settings::of(target).map(drop)
}

/// The longest application and stream name.
const RTMP_NAME_LEN_MAX: usize = 1024;
/// As SRT itself has it (`SRTO_STREAMID`).
const SRT_STREAM_ID_LEN_MAX: usize = 512;

/// The schemes that flows push by.
pub(super) const SCHEMES: [Scheme; 8] = [
    Scheme::Rtmp,
    Scheme::Rtmps,
    Scheme::Srt,
    Scheme::SrtListener,
    Scheme::Rist,
    Scheme::Rtp,
    Scheme::RtpFec,
    Scheme::Zixi,
];

/// All that an output is told but its name, description and status.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) place: Place,
    pub(super) rtmp: Option<RtmpPush>,
    pub(super) stream_id: Option<SecretString>,
    pub(super) min_latency_ms: Option<i32>,
    pub(super) max_latency_ms: Option<i32>,
    pub(super) cidr_allow_list: Option<Vec<String>>,
}

impl Settings {
    pub(super) fn of(target: &PushTarget) -> Result<Self, TargetProblem> {
        let url = &target.url;
        let scheme = url.scheme();
        let port = Some(i32::from(url.port()));
        let host = match url.host() {
            Host::Name(name) => name.clone(),
            // Without the brackets that it has in a URL.
            Host::Address(address) => address.to_string(),
        };
        let plain = |protocol| Self {
            place: Place::new(protocol, Some(host.clone()), port),
            rtmp: None,
            stream_id: None,
            min_latency_ms: None,
            max_latency_ms: None,
            cidr_allow_list: None,
        };
        if !matches!(scheme, Scheme::Rtmp | Scheme::Rtmps) && url.port() < 1024 {
            return Err(TargetProblem::Port);
        }
        // At most 60,000, by its type.
        let latency_ms = url.latency_ms().and_then(|it| i32::try_from(it).ok());
        let stream_id = target.stream_name().cloned();
        match scheme {
            Scheme::Rtmp | Scheme::Rtmps => Ok(Self {
                rtmp: Some(rtmp(target)?),
                ..plain(Protocol::from(rtmp_push::PROTOCOL))
            }),
            Scheme::Srt | Scheme::SrtListener if target.passphrase().is_some() => {
                Err(TargetProblem::Passphrase)
            }
            Scheme::Srt => {
                let length = stream_id.as_ref().map(|id| id.expose_secret().len());
                if length.is_some_and(|length| SRT_STREAM_ID_LEN_MAX < length) {
                    return Err(TargetProblem::StreamIdLength);
                }
                Ok(Self {
                    stream_id,
                    min_latency_ms: latency_ms,
                    ..plain(Protocol::SrtCaller)
                })
            }
            Scheme::SrtListener => {
                let allowed: Vec<String> = url.allowed_ranges().map(str::to_owned).collect();
                if allowed.is_empty() {
                    return Err(TargetProblem::NobodyAllowed);
                }
                Ok(Self {
                    min_latency_ms: latency_ms,
                    cidr_allow_list: Some(allowed),
                    ..plain(Protocol::SrtListener)
                })
            }
            Scheme::Rist => Ok(Self {
                max_latency_ms: latency_ms,
                ..plain(Protocol::Rist)
            }),
            Scheme::Rtp => Ok(plain(Protocol::Rtp)),
            Scheme::RtpFec => Ok(plain(Protocol::RtpFec)),
            Scheme::Zixi => Ok(Self {
                stream_id,
                max_latency_ms: latency_ms,
                ..plain(Protocol::ZixiPush)
            }),
            _ => Err(TargetProblem::Scheme),
        }
    }

    /// What goes into the request by hand.
    pub(super) fn untyped_at(&self, at: &str) -> Option<(String, RtmpPush)> {
        Some((at.to_owned(), self.rtmp.clone()?))
    }

    pub(super) fn stream_id_text(&self) -> Option<String> {
        let id = self.stream_id.as_ref()?;
        Some(id.expose_secret().to_owned())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Settings");
        debug.field("place", &self.place).finish_non_exhaustive()
    }
}

fn rtmp(target: &PushTarget) -> Result<RtmpPush, TargetProblem> {
    use TargetProblem as P;

    let url = &target.url;
    let tls = match (url.scheme(), url.port(), url.host()) {
        (Scheme::Rtmps, _, Host::Address(_)) => return Err(P::RtmpsAddress),
        (Scheme::Rtmps, 443 | 1024.., _) => Tls::With,
        (Scheme::Rtmps, ..) => return Err(P::RtmpsPort),
        (_, 1024.., _) => Tls::Without,
        _ => return Err(P::RtmpPort),
    };
    // Whole, as in `live2?backup=1` or `a/b`: MediaConnect has no field for a query.
    let application = target.app();
    check_name(&application, P::ApplicationLength, P::ApplicationCharacter)?;
    let stream = target.stream_name().ok_or(P::NoKey)?.clone();
    check_name(&stream, P::KeyLength, P::KeyCharacter)?;
    Ok(RtmpPush {
        application,
        stream,
        tls,
    })
}

fn check_name(
    name: &SecretString,
    too_long: TargetProblem,
    bad_character: TargetProblem,
) -> Result<(), TargetProblem> {
    let name = name.expose_secret().as_bytes();
    if RTMP_NAME_LEN_MAX < name.len() {
        return Err(too_long);
    }
    let taken = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let space_at_end = name.first() == Some(&b' ') || name.last() == Some(&b' ');
    if space_at_end || !name.iter().all(taken) {
        return Err(bad_character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use TargetProblem as P;
    use lunora_core::domain::StreamKey;
    use lunora_testkit::sample;

    use super::*;

    fn target(url: &str) -> PushTarget {
        PushTarget {
            url: url.parse().unwrap(),
            ..sample::target(1)
        }
    }

    fn settings(url: &str) -> Settings {
        Settings::of(&target(url)).unwrap()
    }

    fn problem(target: &PushTarget) -> Option<TargetProblem> {
        check_target(target).err()
    }

    #[test]
    fn ports_and_hosts_that_mediaconnect_refuses_are_told_before_any_call() {
        for (url, expected) in [
            ("rtmp://a.example/app", None),
            ("rtmp://a.example:1024/app", None),
            ("rtmp://203.0.113.7:1935/app", None),
            ("rtmp://a.example:443/app", Some(P::RtmpPort)),
            // X's only plain address.
            ("rtmp://va.pscp.tv:80/x", Some(P::RtmpPort)),
            ("rtmps://a.example/app", None),
            ("rtmps://a.example:1935/app", None),
            ("rtmps://a.example:442/app", Some(P::RtmpsPort)),
            ("rtmps://203.0.113.7/app", Some(P::RtmpsAddress)),
            ("rtmps://[2001:db8::1]/app", Some(P::RtmpsAddress)),
            ("srt://a.example:1023", Some(P::Port)),
            ("srt://:5000?mode=listener", Some(P::NobodyAllowed)),
        ] {
            assert_eq!(problem(&target(url)), expected, "{url}");
        }
    }

    #[test]
    fn names_that_mediaconnect_refuses_are_told_before_any_call() {
        let with_tail = |tail: &str| PushTarget {
            tail: Some(tail.into()),
            ..sample::target(1)
        };
        let with_key = |key: &str| PushTarget {
            key: StreamKey::new(key).ok(),
            ..sample::target(1)
        };
        let app = sample::target(1).app().expose_secret().len();
        let cases = [
            (with_tail(&"x".repeat(1024 - app)), None),
            (
                with_tail(&"x".repeat(1025 - app)),
                Some(P::ApplicationLength),
            ),
            (with_tail("/a\"b"), Some(P::ApplicationCharacter)),
            (with_tail("/a\\b"), Some(P::ApplicationCharacter)),
            (with_tail("/b "), Some(P::ApplicationCharacter)),
            (with_tail("/ä"), Some(P::ApplicationCharacter)),
            (with_key("canary\"key"), Some(P::KeyCharacter)),
            (with_key("canary\\key"), Some(P::KeyCharacter)),
            (
                PushTarget {
                    key: None,
                    ..sample::target(1)
                },
                Some(P::NoKey),
            ),
        ];
        for (target, expected) in cases {
            assert_eq!(problem(&target), expected);
        }
    }

    #[test]
    fn no_problem_quotes_a_target() {
        let target = PushTarget {
            key: StreamKey::new("canary\"key").ok(),
            tail: Some("/canary".into()),
            ..sample::target(1)
        };
        let problem = problem(&target).unwrap();
        assert!(!format!("{problem} {problem:?}").contains("canary"));
    }

    #[test]
    fn an_application_is_kept_whole() {
        let target = PushTarget {
            tail: Some("/b?token=t".into()),
            ..target("rtmps://b.example/a")
        };
        let rtmp = Settings::of(&target).unwrap().rtmp.unwrap();
        assert_eq!(rtmp.application.expose_secret(), "a/b?token=t");
        assert_eq!(rtmp.tls, Tls::With);

        let rtmp = settings("rtmp://b.example/live2?backup=1").rtmp.unwrap();
        assert_eq!(rtmp.application.expose_secret(), "live2?backup=1");
        assert_eq!(rtmp.stream.expose_secret(), "key-1");
        assert_eq!(rtmp.tls, Tls::Without);
    }

    #[test]
    fn each_transport_has_its_own_members() {
        let srt = settings("srt://a.example:5000?latency=200");
        assert_eq!(srt.place.protocol, Protocol::SrtCaller);
        assert_eq!(srt.stream_id_text().as_deref(), Some("key-1"));
        assert_eq!(srt.min_latency_ms, Some(200));

        let listener = settings("srt://:5000?mode=listener&allow=203.0.113.0/24");
        assert_eq!(listener.place.host, None);
        assert_eq!(listener.place.port, Some(5000));
        let allowed = vec!["203.0.113.0/24".to_owned()];
        assert_eq!(listener.cidr_allow_list, Some(allowed));
        assert_eq!(listener.stream_id_text(), None);

        let rist = settings("rist://203.0.113.7:5000?latency=300");
        assert_eq!(rist.max_latency_ms, Some(300));
        let zixi = settings("zixi://a.example:2088?latency=400");
        assert_eq!(
            (zixi.max_latency_ms, zixi.min_latency_ms),
            (Some(400), None)
        );
        assert_eq!(zixi.stream_id_text().as_deref(), Some("key-1"));
        let rtp = settings("rtp://203.0.113.7:5000");
        assert_eq!(rtp.place.protocol, Protocol::Rtp);
        let fec = settings("rtp-fec://203.0.113.7:5000");
        assert_eq!(fec.place.protocol, Protocol::RtpFec);
    }

    #[test]
    fn a_passphrase_is_unsupported() {
        let target = PushTarget {
            tail: Some("canary-passphrase".into()),
            ..target("srt://a.example:5000")
        };
        let problem = problem(&target).unwrap();
        assert_eq!(problem, P::Passphrase);
        assert_eq!(problem.kind(), ErrorKind::Unsupported);
    }
}
