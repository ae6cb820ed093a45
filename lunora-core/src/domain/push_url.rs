use std::{fmt, net::IpAddr, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Edit, MASK, StreamKey, StreamKeyError, push_link};

/// How bytes travel to a push URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// RTMP over TCP, port 1935 unless told.
    Rtmp,
    /// RTMP over TLS, port 443 unless told.
    Rtmps,
    /// SRT, and we call.
    Srt,
    /// SRT, and we are called.
    SrtListener,
    /// RIST, simple profile.
    Rist,
    /// RTP.
    Rtp,
    /// RTP with forward error correction.
    RtpFec,
    /// Zixi, pushed.
    Zixi,
}

impl Scheme {
    /// Its own word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Srt => "srt",
            Self::SrtListener => "srt-listener",
            Self::Rist => "rist",
            Self::Rtp => "rtp",
            Self::RtpFec => "rtp-fec",
            Self::Zixi => "zixi",
        }
    }

    /// The word before `://`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::SrtListener => Self::Srt.as_str(),
            other => other.as_str(),
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        const IN_URLS: [Scheme; 7] = [
            Scheme::Rtmp,
            Scheme::Rtmps,
            Scheme::Srt,
            Scheme::Rist,
            Scheme::Rtp,
            Scheme::RtpFec,
            Scheme::Zixi,
        ];
        let mut all = IN_URLS.into_iter();
        all.find(|scheme| word.eq_ignore_ascii_case(scheme.as_str()))
    }

    /// The port of a URL that names none; only RTMP has one.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Rtmp => Some(1935),
            Self::Rtmps => Some(443),
            _ => None,
        }
    }

    /// Whether nothing can be pushed without a stream key. With SRT and Zixi it is
    /// the stream id, which is optional; the others have none.
    #[must_use]
    pub const fn needs_a_key(self) -> bool {
        matches!(self, Self::Rtmp | Self::Rtmps)
    }

    /// Whether a stream key, if there is one, is said to the far end.
    #[must_use]
    pub const fn takes_a_key(self) -> bool {
        !matches!(self, Self::Rist | Self::Rtp | Self::RtpFec)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower-case ASCII.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// The part of a push URL that anybody may see: `rtmp[s]://host[:port]/application`,
/// or `srt://host:port[?parameters]` and the same with `rist`, `rtp`, `rtp-fec` or `zixi`.
///
/// A link, which is what has no application, takes these parameters: `latency` in
/// milliseconds, `streamid` (SRT and Zixi; it is the stream key), and for SRT
/// `mode=caller|listener`, `passphrase`, and where it listens `allow`, an IPv4
/// range that may call, once or more.
///
/// Of what follows the application, only the query `?backup=0` or `?backup=1`,
/// which tells YouTube's two ingests apart, is public. Everything else may hold
/// a token; it is split off as the *tail* when the URL is parsed, and the URL
/// shows `/***` in its place (rule 21).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PushUrl {
    text: String,
    scheme: Scheme,
    host: Host,
    port: u16,
    app: String,
    query: Option<String>,
}

/// What stands for a tail in a URL that is shown.
const TAIL_MASK: &str = "/***";
pub(super) const TAIL_MASK_WORD: &str = "***";

/// Why a text is not a push URL. No message repeats the text: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushUrlError {
    /// Longer than [`PushUrl::LEN_MAX`].
    #[error("a push URL has at most 2048 characters")]
    TooLong,
    /// None of the schemes.
    #[error(
        "a push URL starts with `rtmp://` or `rtmps://`, or else with `srt://`, `rist://`, `rtp://`, `rtp-fec://` or `zixi://`"
    )]
    Scheme,
    /// A user name or password before the host.
    #[error("a user name or password in the push URL is not supported; use the stream key")]
    Userinfo,
    /// No host, or one that cannot exist.
    #[error("the push URL has no valid host name or address")]
    Host,
    /// Not 1 to 65535.
    #[error("the port of a push URL is a number from 1 to 65535")]
    Port,
    /// No port where there is none by default.
    #[error("a push URL that is not RTMP names its port, as in `srt://host:port`")]
    NoPort,
    /// A path where there can be none.
    #[error("a push URL that is not RTMP has no path, only `?parameter=value`")]
    Path,
    /// A parameter that is not known, not for this scheme, or not well-formed.
    #[error(
        "the parameters of a push URL are `latency` (milliseconds), `streamid` (SRT, Zixi), `mode=caller` or `mode=listener`, `passphrase` (SRT) and `allow` (SRT that listens; a range such as 203.0.113.0/24)"
    )]
    Parameter,
    /// One in the URL and another beside it.
    #[error("the push URL has another stream id than the stream key; give it once")]
    TwoStreamIds,
    /// Nothing after the host.
    #[error("the push URL has no application, as in `rtmp://host/application`")]
    Application,
    /// Space, control, or other than ASCII.
    #[error("a push URL has printable ASCII characters only and no space")]
    Character,
    /// What follows the application would be no stream key.
    #[error("the end of the push URL: {0}")]
    Key(#[from] StreamKeyError),
    /// The stream key where the application should be.
    #[error("the push URL has the stream key in the place of its application")]
    KeyAsApplication,
    /// A masked URL where there is nothing that the mask could stand for.
    #[error("`***` stands for what is stored already; give the whole push URL")]
    Masked,
}

/// What a request says about a stream key besides the URL.
#[derive(Clone, Debug, Default)]
pub enum KeyInput {
    /// Nothing: a key at the end of the URL counts.
    #[default]
    Omitted,
    /// The [`MASK`]: the stored one stays.
    Masked,
    /// Empty or null: the stored one goes.
    Removed,
    /// This one.
    Given(StreamKey),
}

impl KeyInput {
    /// Reads the value of a `stream_key` field that is there.
    pub fn from_text(text: &str) -> Result<Self, StreamKeyError> {
        match text.trim() {
            "" => Ok(Self::Removed),
            MASK => Ok(Self::Masked),
            text => StreamKey::new(text).map(Self::Given),
        }
    }
}

/// A push URL as somebody gave it, taken apart.
#[derive(Clone, Debug)]
pub struct PushAddress {
    /// What anybody may see.
    pub url: PushUrl,
    /// What stood behind the application, without the key.
    pub tail: Edit<SecretString>,
    /// The stream key.
    pub key: Edit<StreamKey>,
}

impl PushUrl {
    /// The longest URL, in bytes.
    pub const LEN_MAX: usize = 2048;

    /// How bytes travel.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Who is called.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, explicit or the scheme's own.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The first segment of the path; empty where there is no application.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The public query, such as `backup=1`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Whether a part of it was split off, and has to be put back before it is called.
    #[must_use]
    pub fn hides_a_tail(&self) -> bool {
        if !self.scheme.needs_a_key() {
            return self.text.ends_with(TAIL_MASK_WORD);
        }
        let path = self.text.split('?').next().unwrap_or_default();
        path.ends_with(TAIL_MASK)
    }

    /// The latency of a link in milliseconds, at most 60,000.
    #[must_use]
    pub fn latency_ms(&self) -> Option<u32> {
        self.params("latency").next()?.parse().ok()
    }

    /// The ranges of addresses that may call where we listen.
    pub fn allowed_ranges(&self) -> impl Iterator<Item = &str> {
        self.params("allow")
    }

    fn params<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let pairs = self.query.iter().flat_map(|query| query.split('&'));
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        pairs.filter_map(move |(key, value)| (key == name).then_some(value))
    }

    /// `rtmp[s]://host[:port]`, with the port if it is not the scheme's own.
    #[must_use]
    pub fn origin(&self) -> String {
        if Some(self.port) == self.scheme.default_port() {
            format!("{}://{}", self.scheme.word(), self.host)
        } else {
            format!("{}://{}:{}", self.scheme.word(), self.host, self.port)
        }
    }

    /// One without an application.
    pub(super) fn link(
        text: String,
        scheme: Scheme,
        host: Host,
        port: u16,
        query: Option<String>,
    ) -> Self {
        Self {
            text,
            scheme,
            host,
            port,
            app: String::new(),
            query,
        }
    }
}

/// Host, port, and what follows the slash after them.
fn split(scheme: Scheme, rest: &str) -> Result<(Host, u16, &str), PushUrlError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let (host, port) = authority(place)?;
    let port = port.or(scheme.default_port()).ok_or(PushUrlError::NoPort)?;
    let path = path.strip_prefix('/').ok_or(PushUrlError::Application)?;
    Ok((host, port, path))
}

/// Host, and the port if there is one.
pub(super) fn authority(text: &str) -> Result<(Host, Option<u16>), PushUrlError> {
    if text.contains('@') {
        return Err(PushUrlError::Userinfo);
    }
    // The last colon outside the brackets of an IPv6 address.
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => {
            let port = &text[colon + 1..];
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.then(|| port.parse().ok()).flatten();
            let port = port.filter(|port| *port != 0).ok_or(PushUrlError::Port)?;
            (&text[..colon], Some(port))
        }
        _ => (text, None),
    };
    let host = match url::Host::parse(host).map_err(|_| PushUrlError::Host)? {
        url::Host::Domain(name) => Host::Name(name),
        url::Host::Ipv4(address) => Host::Address(address.into()),
        url::Host::Ipv6(address) => Host::Address(address.into()),
    };
    Ok((host, port))
}

fn check_text(text: &str) -> Result<(), PushUrlError> {
    if PushUrl::LEN_MAX < text.len() {
        return Err(PushUrlError::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(PushUrlError::Character);
    }
    Ok(())
}

fn is_public(query: &str) -> bool {
    query == "backup=0" || query == "backup=1"
}

impl PushAddress {
    /// Takes a URL and what was said about the key apart.
    ///
    /// Without a word about the key, the last segment behind the application is
    /// the key, with its query: `rtmp://host/application/key?query`. With one,
    /// all segments belong to the application, but a repeated key is dropped.
    pub fn parse(text: &str, key: KeyInput) -> Result<Self, PushUrlError> {
        let text = text.trim();
        check_text(text)?;
        let (word, rest) = text.split_once("://").ok_or(PushUrlError::Scheme)?;
        let scheme = Scheme::from_word(word).ok_or(PushUrlError::Scheme)?;
        if !scheme.needs_a_key() {
            return push_link::parse(scheme, rest, key);
        }
        let (host, port, path) = split(scheme, rest)?;
        let (app, rest) = path.split_at(path.find(['/', '?', '#']).unwrap_or(path.len()));
        if app.is_empty() {
            return Err(PushUrlError::Application);
        }
        if app == "***" {
            return Err(PushUrlError::Masked);
        }

        // A short word such as `live` may well be both.
        if matches!(&key, KeyInput::Given(key) if 8 <= app.len() && key.is(app)) {
            return Err(PushUrlError::KeyAsApplication);
        }

        let (tail, key) = match key {
            KeyInput::Omitted => split_key(rest)?,
            KeyInput::Masked => (rest, Edit::Keep),
            KeyInput::Removed => (rest, Edit::Clear),
            KeyInput::Given(key) => {
                let repeated = rest
                    .rsplit_once('/')
                    .filter(|(_, last)| key.is(last))
                    .map(|(tail, _)| tail);
                (repeated.unwrap_or(rest), Edit::Set(key))
            }
        };
        let (segments, query) = match tail.split_once('?') {
            Some((segments, query)) if is_public(query) => (segments, Some(query.to_owned())),
            _ => (tail, None),
        };
        let tail = match segments.trim_end_matches('/') {
            "" => Edit::Clear,
            TAIL_MASK => Edit::Keep,
            tail => Edit::Set(SecretString::from(tail)),
        };

        let mut url = PushUrl {
            text: String::new(),
            scheme,
            host,
            port,
            app: app.to_owned(),
            query,
        };
        let nothing_hidden = matches!(tail, Edit::Clear) && !matches!(key, Edit::Set(_))
            || matches!((&tail, &key), (Edit::Clear, Edit::Set(_)) if rest.trim_end_matches('/').is_empty());
        url.text = if nothing_hidden {
            // As it was given, so that a client reads back what it wrote.
            text.to_owned()
        } else {
            let mask = if matches!(tail, Edit::Clear) {
                ""
            } else {
                TAIL_MASK
            };
            let query = url.query.as_ref();
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}/{}{mask}{query}", url.origin(), url.app)
        };
        Ok(Self { url, tail, key })
    }
}

/// Parts what follows the application into tail and key.
fn split_key(rest: &str) -> Result<(&str, Edit<StreamKey>), PushUrlError> {
    // YouTube's backup is `live2?backup=1`, to which tools append `/key`.
    let after_query = rest
        .strip_prefix('?')
        .and_then(|query| query.split_once('/'))
        .filter(|(query, _)| is_public(query));
    let (tail, last) = if let Some((query, last)) = after_query {
        (&rest[..query.len() + 1], last)
    } else if rest.starts_with('/') {
        let path = &rest[..rest.find('?').unwrap_or(rest.len())];
        // A slash at the end of the path is decoration.
        let slash = path.trim_end_matches('/').rfind('/');
        let Some(slash) = slash else {
            return Ok((rest, Edit::Keep));
        };
        (&rest[..slash], &rest[slash + 1..])
    } else {
        return Ok((rest, Edit::Keep));
    };
    let last = last.trim_end_matches('/');
    let public = last.split_once('?').filter(|(_, query)| is_public(query));
    if public.map_or(last, |(segment, _)| segment) == "***" {
        // What we show of a URL with a tail; the mask is no key.
        return Ok((rest, Edit::Keep));
    }
    match last {
        "" => Ok((tail, Edit::Keep)),
        last => Ok((tail, Edit::Set(StreamKey::new(last)?))),
    }
}

/// Reads a URL back that [`fmt::Display`] wrote.
impl FromStr for PushUrl {
    type Err = PushUrlError;

    fn from_str(text: &str) -> Result<Self, PushUrlError> {
        let address = PushAddress::parse(text, KeyInput::Masked)?;
        Ok(address.url)
    }
}

impl TryFrom<String> for PushUrl {
    type Error = PushUrlError;

    fn try_from(text: String) -> Result<Self, PushUrlError> {
        text.parse()
    }
}

impl From<PushUrl> for String {
    fn from(url: PushUrl) -> Self {
        url.text
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Puts the application back together: path, tail and public query.
pub(super) fn whole_app(url: &PushUrl, tail: Option<&SecretString>) -> String {
    let tail = tail.map_or("", |tail| tail.expose_secret());
    match &url.query {
        None => format!("{}{tail}", url.app),
        Some(query) => format!("{}{tail}?{query}", url.app),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> KeyInput {
        KeyInput::from_text(text).unwrap()
    }

    /// URL, tail and key, as `-` (keep), `x` (clear) or the text.
    fn parts(text: &str, key: KeyInput) -> (String, String, String) {
        let it = PushAddress::parse(text, key).unwrap();
        let show = |edit: Edit<String>| match edit {
            Edit::Keep => "-".to_owned(),
            Edit::Clear => "x".to_owned(),
            Edit::Set(text) => text,
        };
        let tail = it.tail.map(|tail| tail.expose_secret().to_owned());
        let key = it.key.map(|key| key.as_secret().expose_secret().to_owned());
        (it.url.to_string(), show(tail), show(key))
    }

    #[test]
    fn rule_21_every_secret_in_a_url_is_split_off() {
        #[rustfmt::skip]
        let cases = [
            ("rtmp://a.example/live2", KeyInput::Omitted, "rtmp://a.example/live2", "x", "-"),
            ("rtmp://a.example/live2", key("k"), "rtmp://a.example/live2", "x", "k"),
            ("rtmp://a.example/live2/k", KeyInput::Omitted, "rtmp://a.example/live2", "x", "k"),
            ("rtmp://a.example/live2/k", key("k"), "rtmp://a.example/live2", "x", "k"),
            ("rtmp://a.example/live2/old", key("k"), "rtmp://a.example/live2/***", "/old", "k"),
            ("rtmp://a.example/app/k?auth=1", KeyInput::Omitted, "rtmp://a.example/app", "x", "k?auth=1"),
            ("rtmp://a.example/app/i/k/", KeyInput::Omitted, "rtmp://a.example/app/***", "/i", "k"),
            ("rtmp://a.example/app/k?auth=a/b", KeyInput::Omitted, "rtmp://a.example/app", "x", "k?auth=a/b"),
            ("rtmp://a.example/app?token=t", key("k"), "rtmp://a.example/app/***", "?token=t", "k"),
            ("rtmp://a.example/app#frag", key("k"), "rtmp://a.example/app/***", "#frag", "k"),
            ("rtmp://b.example/live2?backup=1", key("k"), "rtmp://b.example/live2?backup=1", "x", "k"),
            ("rtmp://b.example/live2?backup=1/k", KeyInput::Omitted, "rtmp://b.example/live2?backup=1", "x", "k"),
            ("rtmps://f.example:443/rtmp/", key("k"), "rtmps://f.example:443/rtmp/", "x", "k"),
            ("RTMPS://F.example:444/rtmp/k", KeyInput::Omitted, "rtmps://f.example:444/rtmp", "x", "k"),
            ("rtmp://[::1]:1940/live/k", KeyInput::Omitted, "rtmp://[::1]:1940/live", "x", "k"),
        ];
        for (text, input, url, tail, key) in cases {
            let expected = (url.to_owned(), tail.to_owned(), key.to_owned());
            assert_eq!(parts(text, input), expected, "{text}");
        }
    }

    #[test]
    fn rule_22_a_mask_in_a_url_means_unchanged() {
        let expected = ("rtmp://a.example/app/***".into(), "-".into(), "-".into());
        assert_eq!(
            parts("rtmp://a.example/app/***", KeyInput::Omitted),
            expected
        );
        assert_eq!(
            parts("rtmp://a.example/app/***", KeyInput::Masked),
            expected
        );
    }

    #[test]
    fn a_shown_url_reads_back_as_itself() {
        for text in [
            "rtmp://a.example/app/***",
            "rtmp://a.example/app/***?backup=1",
            "rtmps://a.example:8443/app",
            "rtmp://10.0.0.1/app/",
        ] {
            let url: PushUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn what_is_no_push_url_is_refused_without_an_echo() {
        use PushUrlError as E;
        for (text, error) in [
            ("http://h/app/canary", E::Scheme),
            ("rtmp://canary:pw@h/app", E::Userinfo),
            ("rtmp:///canary", E::Host),
            ("rtmp://h:0/canary", E::Port),
            ("rtmp://h:99999/canary", E::Port),
            ("rtmp://h:+1/canary", E::Port),
            ("rtmp://h", E::Application),
            ("rtmp://h/", E::Application),
            ("rtmp://h?canary", E::Application),
            ("rtmp://h/a b", E::Character),
            ("rtmp://h/***", E::Masked),
        ] {
            let refused = PushAddress::parse(text, KeyInput::Omitted).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("canary"));
        }
        let key = KeyInput::Given(StreamKey::new("canary-key").unwrap());
        let refused = PushAddress::parse("rtmp://h/canary-key", key).unwrap_err();
        assert_eq!(refused, E::KeyAsApplication);
        let long = format!("rtmp://h/{}", "x".repeat(2048));
        let refused = PushAddress::parse(&long, KeyInput::Omitted);
        assert_eq!(refused.unwrap_err(), E::TooLong);
    }

    #[test]
    fn rule_21_a_mask_before_a_public_query_is_no_stream_key() {
        for text in ["rtmp://h/app/***", "rtmp://h/app/***?backup=1"] {
            let address = PushAddress::parse(text, KeyInput::Omitted).unwrap();
            assert!(matches!(address.key, Edit::Keep), "{text}");
            assert!(matches!(address.tail, Edit::Keep), "{text}");
        }
    }
}
