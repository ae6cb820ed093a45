//! Push URLs of transports that carry MPEG-TS: SRT, RIST, RTP, Zixi. What RTMP
//! says by application and stream name, these say by parameters, if at all.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{
    Edit, Host, KeyInput, PushAddress, PushUrl, PushUrlError, Scheme, StreamKey,
    push_url::{TAIL_MASK_WORD, authority},
};

/// What a URL of a link says in its query. It holds secrets, so it is never shown.
#[derive(Default)]
struct Params<'a> {
    mode: Option<&'a str>,
    latency_ms: Option<u32>,
    allow: Vec<&'a str>,
    stream_id: Option<Cow<'a, str>>,
    passphrase: Option<Cow<'a, str>>,
    masked: bool,
}

impl<'a> Params<'a> {
    fn read(query: &'a str) -> Result<Self, PushUrlError> {
        let mut params = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if pair == TAIL_MASK_WORD {
                params.masked = true;
                continue;
            }
            match pair.split_once('=').ok_or(PushUrlError::Parameter)? {
                (_, "") => return Err(PushUrlError::Parameter),
                // Of two, nobody knows which one is meant.
                ("mode", _) if params.mode.is_some() => return Err(PushUrlError::Parameter),
                ("latency", _) if params.latency_ms.is_some() => {
                    return Err(PushUrlError::Parameter);
                }
                ("streamid", _) if params.stream_id.is_some() => {
                    return Err(PushUrlError::Parameter);
                }
                ("passphrase", _) if params.passphrase.is_some() => {
                    return Err(PushUrlError::Parameter);
                }
                ("mode", value) => params.mode = Some(value),
                ("latency", value) => {
                    let latency = value.parse().ok().filter(|it| *it <= 60_000);
                    params.latency_ms = Some(latency.ok_or(PushUrlError::Parameter)?);
                }
                ("allow", value) if is_range(value) => params.allow.push(value),
                ("streamid", value) => params.stream_id = Some(decoded(value)?),
                ("passphrase", value) => params.passphrase = Some(decoded(value)?),
                _ => return Err(PushUrlError::Parameter),
            }
        }
        Ok(params)
    }

    /// Which of the two ends of SRT we are; the others have one.
    fn scheme(&self, scheme: Scheme) -> Result<Scheme, PushUrlError> {
        match (scheme, self.mode) {
            (scheme, None) => Ok(scheme),
            (Scheme::Srt, Some("caller")) => Ok(Scheme::Srt),
            (Scheme::Srt, Some("listener")) => Ok(Scheme::SrtListener),
            _ => Err(PushUrlError::Parameter),
        }
    }

    /// What of it anybody may see, always in the same order.
    fn public(&self, scheme: Scheme) -> Option<String> {
        let mut shown = Vec::new();
        if scheme == Scheme::SrtListener {
            shown.push("mode=listener".to_owned());
        }
        if let Some(latency) = self.latency_ms {
            shown.push(format!("latency={latency}"));
        }
        shown.extend(self.allow.iter().map(|range| format!("allow={range}")));
        (!shown.is_empty()).then(|| shown.join("&"))
    }
}

/// As SRT is told it: `%23` is `#`.
fn decoded(value: &str) -> Result<Cow<'_, str>, PushUrlError> {
    let decoded = percent_decode_str(value).decode_utf8();
    let decoded = decoded.map_err(|_| PushUrlError::Parameter)?;
    let is_plain = decoded.bytes().all(|byte| byte.is_ascii_graphic());
    Some(decoded)
        .filter(|_| is_plain)
        .ok_or(PushUrlError::Parameter)
}

/// An IPv4 range, as `203.0.113.0/24`.
fn is_range(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        address.parse::<Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
    })
}

/// Takes a URL apart that has no application: `scheme://host:port[?parameters]`.
///
/// The stream id is the stream key; a passphrase is the tail (rule 21).
pub(super) fn parse(
    scheme: Scheme,
    rest: &str,
    key: KeyInput,
) -> Result<PushAddress, PushUrlError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, rest) = rest.split_at(end);
    let query = match rest.strip_prefix('/').unwrap_or(rest) {
        "" => "",
        rest => rest.strip_prefix('?').ok_or(PushUrlError::Path)?,
    };
    let params = Params::read(query)?;
    let scheme = params.scheme(scheme)?;
    let (host, port) = match place.strip_prefix(':') {
        // As ffmpeg writes that it listens.
        Some(_) if scheme == Scheme::SrtListener => {
            let (_, port) = authority(&format!("0.0.0.0{place}"))?;
            (Host::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port)
        }
        _ => authority(place)?,
    };
    let port = port.ok_or(PushUrlError::NoPort)?;
    if !params.allow.is_empty() && scheme != Scheme::SrtListener {
        return Err(PushUrlError::Parameter);
    }
    let has_secrets = matches!(scheme, Scheme::Srt | Scheme::SrtListener | Scheme::Zixi);
    if !has_secrets && (params.stream_id.is_some() || params.passphrase.is_some()) {
        return Err(PushUrlError::Parameter);
    }

    let key = match (key, params.stream_id.as_deref()) {
        (KeyInput::Omitted | KeyInput::Masked, None) => Edit::Keep,
        // We never show one in a URL, so this one is new, whatever the mask says.
        (KeyInput::Omitted | KeyInput::Masked, Some(id)) => Edit::Set(StreamKey::new(id)?),
        (KeyInput::Removed, None) => Edit::Clear,
        (KeyInput::Given(key), None) => Edit::Set(key),
        (KeyInput::Given(key), Some(id)) if key.is(id) => Edit::Set(key),
        (KeyInput::Removed | KeyInput::Given(_), Some(_)) => {
            return Err(PushUrlError::TwoStreamIds);
        }
    };
    let tail = match params.passphrase.as_deref() {
        Some(passphrase) => Edit::Set(SecretString::from(passphrase)),
        None if params.masked => Edit::Keep,
        None => Edit::Clear,
    };

    let query = params.public(scheme);
    let mask = (!matches!(tail, Edit::Clear)).then(|| TAIL_MASK_WORD.to_owned());
    let shown: Vec<String> = query.iter().cloned().chain(mask).collect();
    let word = scheme.word();
    let mut text = format!("{word}://{host}:{port}");
    if !shown.is_empty() {
        text = format!("{text}?{}", shown.join("&"));
    }
    let url = PushUrl::link(text, scheme, host, port, query);
    Ok(PushAddress { url, tail, key })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn show<T>(edit: Edit<T>, text: impl Fn(T) -> String) -> String {
        match edit {
            Edit::Keep => "-".to_owned(),
            Edit::Clear => "x".to_owned(),
            Edit::Set(value) => text(value),
        }
    }

    #[test]
    fn rule_21_the_stream_id_and_the_passphrase_of_a_link_are_split_off() {
        #[rustfmt::skip]
        let cases = [
            ("srt://a.example:5000", "srt", "srt://a.example:5000", "x", "-"),
            ("SRT://A.example:5000/?mode=caller&latency=200", "srt", "srt://a.example:5000?latency=200", "x", "-"),
            ("srt://a.example:5000?streamid=s&passphrase=p&latency=9", "srt", "srt://a.example:5000?latency=9&***", "p", "s"),
            ("srt://a.example:5000?***", "srt", "srt://a.example:5000?***", "-", "-"),
            ("srt://:5000?mode=listener&allow=203.0.113.0/24", "srt-listener", "srt://0.0.0.0:5000?mode=listener&allow=203.0.113.0/24", "x", "-"),
            ("srt://a.example:5000?streamid=%23!::r=live&passphrase=a%26b", "srt", "srt://a.example:5000?***", "a&b", "#!::r=live"),
            ("rist://10.0.0.1:5000", "rist", "rist://10.0.0.1:5000", "x", "-"),
            ("rtp://10.0.0.1:5000", "rtp", "rtp://10.0.0.1:5000", "x", "-"),
            ("rtp-fec://10.0.0.1:5000", "rtp-fec", "rtp-fec://10.0.0.1:5000", "x", "-"),
            ("zixi://z.example:2088?streamid=z", "zixi", "zixi://z.example:2088", "x", "z"),
        ];
        for (text, scheme, url, tail, key) in cases {
            let it = PushAddress::parse(text, KeyInput::Omitted).unwrap();
            assert_eq!(it.url.scheme().as_str(), scheme, "{text}");
            assert_eq!(it.url.to_string(), url, "{text}");
            assert_eq!(it.url.hides_a_tail(), url.ends_with("***"), "{text}");
            let shown = show(it.tail, |tail| tail.expose_secret().to_owned());
            assert_eq!(shown, tail, "{text}");
            let shown = show(it.key, |key| key.as_secret().expose_secret().to_owned());
            assert_eq!(shown, key, "{text}");
            let again: PushUrl = url.parse().unwrap();
            assert_eq!(again, it.url, "what is shown reads back as itself");
        }
    }

    #[test]
    fn what_is_no_link_is_refused_without_an_echo() {
        use PushUrlError as E;
        for (text, error) in [
            ("srt://h?streamid=canary", E::NoPort),
            ("srt://h:0", E::Port),
            ("srt://:5000", E::Host),
            ("srt://canary@h:1", E::Userinfo),
            ("srt://h:1/canary", E::Path),
            ("srt://h:1?canary", E::Parameter),
            ("srt://h:1?key=canary", E::Parameter),
            ("srt://h:1?latency=canary", E::Parameter),
            ("srt://h:1?latency=60001", E::Parameter),
            ("srt://h:1?mode=canary", E::Parameter),
            ("srt://h:1?allow=10.0.0.0/8", E::Parameter),
            ("srt://h:1?mode=listener&allow=canary", E::Parameter),
            ("srt://h:1?streamid=a&streamid=canary", E::Parameter),
            ("srt://h:1?streamid=canary%20x", E::Parameter),
            ("srt://h:1?streamid=canary%ff", E::Parameter),
            ("rist://h:1?streamid=canary", E::Parameter),
            ("rtp://h:1?mode=listener", E::Parameter),
            ("udp://h:1", E::Scheme),
        ] {
            let refused = PushAddress::parse(text, KeyInput::Omitted).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("canary"));
        }
        let address = PushAddress::parse("srt://h:1?streamid=new", KeyInput::Masked).unwrap();
        assert!(matches!(address.key, Edit::Set(key) if key.is("new")));
        let key = KeyInput::Given(StreamKey::new("one").unwrap());
        let refused = PushAddress::parse("srt://h:1?streamid=other", key).unwrap_err();
        assert_eq!(refused, E::TwoStreamIds);
    }
}
